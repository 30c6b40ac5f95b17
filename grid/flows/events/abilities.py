"""Whether a car can help in an event, and what its owner reads where it cannot."""

from datetime import datetime
from zoneinfo import ZoneInfo

from django.utils.translation import gettext_lazy as _

from foundation.words import Words
from grid.flows.plans.cars import CarNow
from grid.models import Enrollment, EventParticipation, GridEvent, Site
from vehicles.flows import chargers
from vehicles.models import ChargeOverride, Vehicle, VehicleLink

# Keys are stored with the participation, texts are shown; a car's own obstacles are those of CarNow.
REASONS: dict[str, Words] = {
    "not_active": _("The car is not linked at present."),
    "needs_relink": _("The link to the car is broken. Link your account again."),
    "no_consent": _("You have not agreed that the grid may steer the car."),
    "no_preference": _("We do not know when the car leaves."),
    "paused": _("Managed charging is paused for this car."),
    "no_home": _("We do not know the car's home."),
    "cannot_hold": _("The car's maker does not let us pause its charging."),
    "no_v2g_car": _("The car cannot give energy back."),
    "no_v2g_preference": _("You have not switched on giving energy back for this car."),
    "no_v2g_charger": _("Your charger cannot give energy back."),
    "no_v2g_export_permission": _("Your home has no agreement to give energy back at that time."),
    "skipped": _("You asked to leave the car alone."),
    "withdrawn": _("The car has left the program."),
    "owner": _("You left this event out."),
    # By the rules of `grid.rules.precedence`.
    "yields_begun": _("Another event has precedence: your car served it already when this one was asked."),
    "yields_drawn": _("Another event has precedence: your car was drawn by lot to be left alone in it."),
    "yields_priority": _("Another event has precedence: its utility gives it a higher priority."),
    "yields_emergency": _("Another event has precedence: it is an emergency."),
    "yields_two_people": _("Another event has precedence: two people have agreed to it."),
    "yields_earlier": _("Another event has precedence: it was announced first."),
    "yields_order": _("Another event has precedence: it was asked for first."),
}


def decide(event: GridEvent, enrollment: Enrollment, car: CarNow) -> tuple[str, str]:
    """Return the state of the car's part in the event, and the reason's key where it does less than it is asked.

    A car that cannot discharge takes part in a discharge event by holding back.
    """
    is_linked = enrollment.vehicle.link.state == VehicleLink.State.ACTIVE
    reason = why_unable(car, event=event) if is_linked else "needs_relink"
    if reason:
        return EventParticipation.State.UNABLE, reason
    if is_skipping(car, at=event.starts_at):
        return EventParticipation.State.OPTED_OUT, "skipped"
    return EventParticipation.State.IN, why_holding_only(car, event=event)


def why_unable(car: CarNow, *, event: GridEvent) -> str:
    """Return why the car cannot do what the event asks, as a key of `REASONS`; "" where it can.

    A missing reading is no reason: the car may well come home in time.
    """
    obstacle = car.obstacle
    if obstacle and obstacle != "no_reading":
        return obstacle
    if event.kind == GridEvent.Kind.ABSORB:
        return ""
    return "" if car.can.can_hold else "cannot_hold"


def why_holding_only(car: CarNow, *, event: GridEvent) -> str:
    """Return why a car in a discharge event helps by holding back alone, as a key of `REASONS`; "" where it gives."""
    if event.kind != GridEvent.Kind.DISCHARGE:
        return ""
    lacking = car.discharge_obstacle(event.starts_at)
    # An override in force now may be over by then, and the dispatcher heeds it anyhow.
    return f"no_v2g_{lacking}" if lacking not in {"", "override"} else ""


def missing_for_discharge(vehicle: Vehicle, *, site: Site | None, now: datetime) -> list[str]:
    """Return everything that keeps the car from giving energy back, as keys of `vehicles.wording.MESSAGES`.

    Car, wall box, car maker and the agreement of the home `site` with its utility; one that is missing hides no other.
    """
    missing = chargers.obstacles_to_discharge(vehicle)
    last_day = site.export_permission_ends_on_date if site else None
    is_over = site is not None and last_day is not None and now.astimezone(ZoneInfo(site.time_zone)).date() > last_day
    if site is None or not site.has_export_permission or site.export_limit_w <= 0 or is_over:
        missing.append("v2g_permission")
    return missing


def is_skipping(car: CarNow, *, at: datetime) -> bool:
    """Say whether the owner has asked to leave the car alone beyond `at`."""
    return any(override.kind == ChargeOverride.Kind.SKIP and override.ends_at > at for override in car.overrides)
