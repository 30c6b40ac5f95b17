"""Pages that belong to no single room: landing, welcome, tonight, health."""

from typing import Any

from django.core.cache import cache
from django.db import connection
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import redirect, render
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe

from accounts.forms import ProfileForm
from accounts.models import Consent, User
from chargescape.landing import AUSTIN_PRICE, CALIFORNIA_CARBON, record_bars
from chargescape.proof import proof_archive
from chargescape.welcome import checklist_of
from foundation import clock
from foundation.pages import owner_read, signed_in
from foundation.templatetags.show import locale_for
from grid.charts import plan_chart
from grid.flows.tonight import tonight
from rewards.flows.statements import owner_totals
from vehicles.models import Vehicle
from vehicles.views import broken_accounts


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
def onboarding(request: HttpRequest) -> HttpResponse:
    """Show the five steps and the next one; who has no name yet is asked for name and country first."""
    user = signed_in(request, User)
    is_fixed = Consent.objects.filter(user=user).exists()
    form = None if user.name or is_fixed else ProfileForm(user=user, is_country_fixed=False)
    return render(request, "chargescape/onboarding.html", {"checklist": checklist_of(user), "form": form})


@owner_read
def dashboard(request: HttpRequest) -> HttpResponse:
    """Show tonight: the car now, its plan, what the grid wants next, what was earned. Parts are fetched alone."""
    owner, now = signed_in(request, User), clock.now()
    cars = list(Vehicle.objects.filter(owner=owner, state=Vehicle.State.ACTIVE))
    if not cars:
        return redirect("onboarding")
    vehicle = next((car for car in cars if str(car.public_id) == request.GET.get("car")), cars[0])
    night = tonight(vehicle=vehicle, now=now)
    part = request.GET.get("part", "") if request.headers.get("HX-Request") else ""
    context: dict[str, Any] = {
        "cars": cars,
        "night": night,
        "vehicle": vehicle,
        "preference": getattr(night.vehicle, "preference", None),
        "override": night.override,
        "now": now,
        # Where simulated time runs or jumps ahead, the page looks as often as the platform itself.
        "live_seconds": 60 if clock.rate() == 1 else 5,
    }
    if part == "now":
        return render(request, "chargescape/_now.html", context)
    context["chart"] = plan_chart(night, locale=locale_for(owner.country))
    if part == "plan":
        return render(request, "chargescape/_plan.html", context)
    context["checklist"] = checklist_of(owner)
    context["broken_accounts"] = broken_accounts(owner)
    context["totals"] = owner_totals(owner, owner.currency)
    return render(request, "chargescape/dashboard.html", context)


@owner_read
def proof(request: HttpRequest) -> HttpResponse:
    """Hand the owner everything that proves their earnings, for checking it without us."""
    owner, now = signed_in(request, User), clock.now()
    answer = HttpResponse(proof_archive(owner=owner, now=now), content_type="application/zip")
    answer["Content-Disposition"] = f'attachment; filename="chargescape-proof-{now:%Y-%m-%d}.zip"'
    return answer


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
