"""How a linked account fares, in words for its owner: since when, how old its values are, what to do next."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from django.db.models import OuterRef, Subquery
from django.utils.translation import gettext

from vehicles import wording
from vehicles.models import ChargeReading, HomeCharger, Vehicle, VehicleLink


@dataclass(frozen=True)
class LinkHealth:
    """`next_step` is none, relink, choose or wait; `reason` is empty where the link works."""

    state: str
    since_at: datetime | None
    reason: str
    next_step: str
    last_reading_at: datetime | None


def link_health(link: VehicleLink, *, boxes: Sequence[HomeCharger] | None = None) -> LinkHealth:
    """Return how the link fares, from its own row, its cars' last values and its `boxes`, which are read if not given.

    Boxes of other links say nothing here.
    """
    return healths([link], boxes=boxes)[link.pk]


def healths(links: Sequence[VehicleLink], *, boxes: Sequence[HomeCharger] | None = None) -> dict[int, LinkHealth]:
    """Return the same of several links, by key; their cars and boxes are read together."""
    if boxes is None:
        boxes = list(HomeCharger.objects.filter(link__in=links).exclude(state=HomeCharger.State.UNLINKED))
    # One look into the index a car, whatever the length of its history.
    readings = ChargeReading.objects.filter(vehicle=OuterRef("pk")).order_by("-observed_at")
    rows = Vehicle.objects.filter(link__in=links).exclude(state=Vehicle.State.UNLINKED)
    found = list(rows.annotate(seen_at=Subquery(readings.values("observed_at")[:1])))
    return {
        link.pk: _health(
            link, [car for car in found if car.link_id == link.pk], [box for box in boxes if box.link_id == link.pk]
        )
        for link in links
    }


def _health(link: VehicleLink, cars: Sequence[Vehicle], boxes: Sequence[HomeCharger]) -> LinkHealth:
    active = [car for car in cars if car.state == Vehicle.State.ACTIVE]
    newest = max((car.seen_at for car in active if car.seen_at), default=None)  # type: ignore[attr-defined]
    reason, next_step = _reason(link, active, boxes, offered=len(cars) > len(active))
    return LinkHealth(link.state, link.state_since_at or link.linked_at, reason, next_step, newest)


def _reason(
    link: VehicleLink, active: Sequence[Vehicle], boxes: Sequence[HomeCharger], *, offered: bool
) -> tuple[str, str]:
    if link.state == VehicleLink.State.NEEDS_RELINK:
        return wording.relink_reason(link.state_reason), "relink"
    if link.state == VehicleLink.State.LEAVING:
        return gettext("It is being unlinked: held cars are freed first."), "wait"
    if link.state == VehicleLink.State.REVOKED:
        return gettext("It was unlinked."), "none"
    if any(key in wording.RELINK_REFUSALS for car in active for key in car.can.refusals):
        return gettext("You did not allow everything that your car needs to take part."), "relink"
    failing = [car.read_failure for car in active if car.read_failure]
    if failing:
        return wording.message(failing[0]), "relink" if failing[0] in wording.RELINK_FAILURES else "wait"
    if offered and not active:
        return gettext("No car is chosen yet."), "choose"
    if failures := [box.failure for box in boxes if box.failure]:
        return wording.message(failures[0]), "wait"
    if not active and not boxes:
        return gettext("The maker has listed no electric car yet. We look again every day."), "wait"
    return "", "none"
