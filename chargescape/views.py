"""Pages that belong to no single room: landing, proof, health."""

import re

from django.core.cache import cache
from django.db import connection
from django.http import FileResponse, Http404, HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import redirect, render
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe

from accounts.models import User
from chargescape.landing import AUSTIN_PRICE, CALIFORNIA_CARBON, record_bars
from chargescape.proof import proof_archive
from foundation import clock
from foundation.pages import owner_read, signed_in

YEAR = re.compile("20[0-9]{2}")


@require_safe
def home_page(request: HttpRequest) -> HttpResponse:
    """Say what ChargeScape is; owners who are signed in go on to tonight."""
    if request.user.is_authenticated:
        return redirect("dashboard")
    context = {
        "price": AUSTIN_PRICE,
        "price_bars": record_bars(AUSTIN_PRICE),
        "carbon": CALIFORNIA_CARBON,
        "carbon_bars": record_bars(CALIFORNIA_CARBON),
        "carbon_now_g": CALIFORNIA_CARBON.at_once / 1000,
        "carbon_best_g": CALIFORNIA_CARBON.at_best / 1000,
    }
    return render(request, "chargescape/home_page.html", context)


@owner_read
def proof(request: HttpRequest) -> FileResponse:
    """Hand the owner what proves their earnings, of one year or of all time, for checking it without us."""
    owner, now, year = signed_in(request, User), clock.now(), request.GET.get("year", "")
    if year and not YEAR.fullmatch(year):
        raise Http404("no such year")
    archive = proof_archive(owner=owner, now=now, year=int(year) if year else None)
    name = f"chargescape-proof-{year or f'{now:%Y-%m-%d}'}.zip"
    return FileResponse(archive, as_attachment=True, filename=name, content_type="application/zip")


def no_phones(request: HttpRequest, client: str) -> HttpResponse:
    """Stand before allauth's call for phone numbers: nobody signs in by phone here, and it breaks for strangers."""
    del request, client
    raise Http404


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
