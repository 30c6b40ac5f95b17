"""Pages that belong to no single room: landing, welcome, tonight, health."""

from django.core.cache import cache
from django.db import connection
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import redirect, render
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe

from accounts.models import User
from chargescape.welcome import checklist_of
from foundation.pages import owner_read, signed_in


@require_safe
def home_page(request: HttpRequest) -> HttpResponse:
    """Say what ChargeScape is; owners who are signed in go on to tonight."""
    if request.user.is_authenticated:
        return redirect("dashboard")
    return render(request, "chargescape/home_page.html")


@owner_read
def onboarding(request: HttpRequest) -> HttpResponse:
    """Show the five steps and the next one."""
    return render(request, "chargescape/onboarding.html", {"checklist": checklist_of(signed_in(request, User))})


@never_cache
@require_safe
def healthz(request: HttpRequest) -> HttpResponse:
    """Say that the process answers; asks nothing of anybody else."""
    del request
    return JsonResponse({"status": "ok"})


@never_cache
@require_safe
def readyz(request: HttpRequest) -> HttpResponse:
    """Say whether pages can be served: database and cache answer. The broker may be away: work waits in rows."""
    del request
    checks = {"database": _database_answers(), "cache": _cache_answers()}
    is_ready = all(checks.values())
    return JsonResponse({"status": "ok" if is_ready else "not ready", **checks}, status=200 if is_ready else 503)


def _database_answers() -> bool:
    try:
        with connection.cursor() as cursor:
            cursor.execute("SELECT 1")
    except Exception:  # noqa: BLE001 - whatever it is, the answer is "not ready"
        return False
    return True


def _cache_answers() -> bool:
    try:
        cache.set("readyz", 1, timeout=5)
    except Exception:  # noqa: BLE001 - as above
        return False
    return True
