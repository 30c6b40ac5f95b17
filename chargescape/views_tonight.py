"""Tonight: what the owner's cars do until they leave, and the owner's word over it. Parts are fetched alone."""

from typing import Any

from django.core.cache import cache
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render

from accounts.models import User
from chargescape.welcome import checklist_of
from foundation import clock
from foundation.pages import owner_read, signed_in
from foundation.templatetags.show import locale_for
from grid.charts import plan_chart
from grid.flows.allowance import allowance_of
from grid.flows.charging_now import charge_now_cost
from grid.flows.tonight import Tonight, tonights
from rewards.flows.statements import owner_totals
from vehicles.models import VehicleLink
from vehicles.views import broken_accounts

SET_UP_SECONDS = 3600  # who has done every step is asked again after an hour


@owner_read
def dashboard(request: HttpRequest) -> HttpResponse:
    """Show tonight: each car with the age of what is known, one car's plan, the next event, and the owner's word."""
    owner, now = signed_in(request, User), clock.now()
    part = request.GET.get("part", "") if request.headers.get("HX-Request") else ""
    if part == "earned":
        return render(request, "chargescape/_earned.html", {"totals": owner_totals(owner, owner.currency)})
    nights = tonights(owner=owner, now=now)
    if not nights:
        return redirect("onboarding")
    night = _chosen(nights, request.GET.get("car", ""))
    context: dict[str, Any] = {
        "nights": nights,
        "night": night,
        "vehicle": night.vehicle,
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
    context["cost"] = charge_now_cost(night)
    context["allowance"] = allowance_of(vehicle_id=night.vehicle.pk, at=now)
    context["next_step"] = _next_step(owner)
    # The page's own load says which links are broken; only then are the accounts read.
    is_broken = any(getattr(one.vehicle, "link_state", "") == VehicleLink.State.NEEDS_RELINK for one in nights)
    context["broken_accounts"] = broken_accounts(owner) if is_broken else []
    return render(request, "chargescape/dashboard.html", context)


def _chosen(nights: list[Tonight], wanted: str) -> Tonight:
    return next((one for one in nights if str(one.vehicle.public_id) == wanted), nights[0])


def _next_step(owner: User) -> dict[str, Any] | None:
    """Return the step of the welcome that is still to do, with how many are done; None once all are."""
    key = f"set-up:{owner.pk}"
    if cache.get(key):
        return None
    checklist = checklist_of(owner)
    if checklist.next_step is None:
        cache.set(key, 1, timeout=SET_UP_SECONDS)
        return None
    return {"step": checklist.next_step, "done_count": checklist.done_count, "count": len(checklist.steps)}
