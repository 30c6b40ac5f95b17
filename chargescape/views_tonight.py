"""Tonight: what the owner's cars do until they leave, and the owner's word over it. Parts are fetched alone."""

from typing import Any

from django.core.cache import cache
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render

from accounts.models import User
from chargescape.welcome import checklist_of
from foundation import clock
from foundation.keeping import kept_page, unkept
from foundation.pages import owner_read, signed_in
from foundation.templatetags.show import locale_for
from grid.charts import plan_chart
from grid.flows.events.allowance import allowance_of
from grid.flows.owners.charging_now import charge_now_cost
from grid.flows.owners.tonight import Tonight, tonights
from grid.stamps import TONIGHT
from rewards.flows.statements import owner_totals
from vehicles.models import VehicleLink
from vehicles.views import maker_name
from vehicles.wording import relink_reason

UNREADY = frozenset({"no_consent", "no_home", "no_preference"})
SET_UP_SECONDS = 3600  # who has done every step is asked again after an hour


@owner_read
@kept_page(TONIGHT)
def dashboard(request: HttpRequest) -> HttpResponse:
    """Show tonight: each car with the age of what is known, one car's plan, the next event, and the owner's word."""
    owner, now = signed_in(request, User), clock.now()
    part = request.GET.get("part", "") if request.headers.get("HX-Request") else ""
    if part == "earned":
        earned = {"totals": owner_totals(owner, owner.currency), "next_step": _next_step(owner)}
        return unkept(render(request, "chargescape/_earned.html", earned))
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
    # Who lacks what a plan needs is told the step; what may wait is told beside the money, once the page stands.
    context["next_step"] = _next_step(owner) if any(one.obstacle in UNREADY for one in nights) else None
    context["broken_accounts"] = _broken(nights)
    answer = render(request, "chargescape/dashboard.html", context)
    return unkept(answer) if context["next_step"] else answer


def _broken(nights: list[Tonight]) -> list[dict[str, Any]]:
    """Return the makers that no longer let us in, as `vehicles/_relink.html` shows them; asks the database nothing."""
    cars = [one.vehicle for one in nights if getattr(one.vehicle, "link_state", "") == VehicleLink.State.NEEDS_RELINK]
    reasons = {getattr(car, "link_maker", ""): getattr(car, "link_reason", "") for car in cars}
    return [
        {"maker": maker, "maker_name": maker_name(maker), "health": {"reason": relink_reason(reason)}}
        for maker, reason in reasons.items()
    ]


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
