"""Whether cars that helped were ready when their owners left: the promise under which owners take part."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import NamedTuple

from django.db.models import Exists, OuterRef, Subquery

from grid.models import EventParticipation, Plan, Utility
from vehicles.models import ChargeReading, PlugSession

LOOK_BACK = timedelta(days=30)
MOST_PARTS = 400
NEAR_PERCENT = 1  # what a gauge may be off


@dataclass(frozen=True)
class Kept:
    """Of `told` stays that took part in an event and lasted until a planned departure, `kept` were ready."""

    kept: int
    told: int

    @property
    def percent(self) -> float | None:
        """The share; None where nothing can be said."""
        return 100 * self.kept / self.told if self.told else None


def departures_kept(utility: Utility, *, now: datetime) -> Kept:
    """Return how many departures after events of the last thirty days were kept, looking at the newest MOST_PARTS.

    Ready is who had the charge asked for, or all that the car's own limit allows. Cars that left before their planned
    departure are not counted: nothing had been promised for then.
    """
    parts = EventParticipation.objects.filter(
        event__terms__program__utility=utility,
        event__ends_at__gt=now - LOOK_BACK,
        event__ends_at__lte=now,
        state=EventParticipation.State.IN,
    ).order_by("-event__ends_at", "-pk")
    asked = list(parts.values_list("enrollment__vehicle", "event__starts_at", "event__ends_at")[:MOST_PARTS])
    told = [stay for stay in _stays({vehicle for vehicle, _, _ in asked}, now) if stay.helped_in(asked)]
    return Kept(sum(stay.is_kept for stay in told), len(told))


class _Stay(NamedTuple):
    """A finished stay that lasted until a planned departure."""

    vehicle: int
    came_at: datetime
    left_at: datetime
    limit_percent: float
    left_with: float
    target: int

    @property
    def is_kept(self) -> bool:
        return self.left_with >= min(self.target, self.limit_percent) - NEAR_PERCENT

    def helped_in(self, asked: Sequence[tuple[int, datetime, datetime]]) -> bool:
        return any(
            vehicle == self.vehicle and self.came_at < ends_at and self.left_at > starts_at
            for vehicle, starts_at, ends_at in asked
        )


def _stays(vehicle_ids: set[int], now: datetime) -> list[_Stay]:
    """Return finished stays with the charge the car left with, where a planned departure lies in them."""
    plans = Plan.objects.filter(
        vehicle=OuterRef("vehicle"),
        made_at__gte=OuterRef("plugged_in_at"),
        made_at__lte=OuterRef("unplugged_at"),
        departure_at__lte=OuterRef("unplugged_at"),
    )
    readings = ChargeReading.objects.filter(
        vehicle=OuterRef("vehicle"), observed_at__lte=OuterRef("unplugged_at"), soc_percent__isnull=False
    ).order_by("-observed_at")
    rows = PlugSession.objects.filter(
        Exists(plans), unplugged_at__gt=now - LOOK_BACK, unplugged_at__lte=now, vehicle__in=vehicle_ids, is_at_home=True
    ).annotate(left_with=Subquery(readings.values("soc_percent")[:1]))
    names = ("vehicle", "plugged_in_at", "unplugged_at", "limit_percent", "left_with")
    told = rows.filter(left_with__isnull=False, vehicle__preference__isnull=False)
    return [
        _Stay(*row) for row in told.values_list(*names, "vehicle__preference__target_soc_percent")[: 10 * MOST_PARTS]
    ]
