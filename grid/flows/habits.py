"""What a car usually does between two stays at home: how long it is away and what it uses."""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from itertools import pairwise
from statistics import median

from django.db.models import OuterRef, Subquery

from vehicles.models import ChargeReading, PlugSession

LOOK_BACK = timedelta(days=14)
# Shorter absences are errands, longer ones travels: neither says when the car comes home from a day's use.
SHORTEST_AWAY, LONGEST_AWAY = timedelta(hours=2), timedelta(hours=20)
USUAL_AWAY = timedelta(hours=10)
USUAL_TRIP_SHARE = 0.15


@dataclass(frozen=True)
class Habit:
    """How long the car is away, what it uses of its capacity meanwhile (0..1), and when it was last unplugged."""

    away: timedelta = USUAL_AWAY
    trip_share: float = USUAL_TRIP_SHARE
    unplugged_at: datetime | None = None


@dataclass(frozen=True)
class _Stay:
    plugged_in_at: datetime
    unplugged_at: datetime | None
    soc_percent: Decimal
    left_with: Decimal | None


def learn_habits(vehicle_ids: Collection[int], *, now: datetime) -> dict[int, Habit]:
    """Return each car's habit as its stays at home of the last two weeks show it; cars without history get defaults."""
    last_soc = ChargeReading.objects.filter(
        vehicle=OuterRef("vehicle"), soc_percent__isnull=False, observed_at__lt=OuterRef("unplugged_at")
    ).order_by("-observed_at")
    stays = PlugSession.objects.filter(
        vehicle__in=vehicle_ids, is_at_home=True, plugged_in_at__gte=now - LOOK_BACK, plugged_in_at__lte=now
    )
    by_vehicle: dict[int, list[_Stay]] = {}
    told = stays.annotate(left_with=Subquery(last_soc.values("soc_percent")[:1])).order_by("plugged_in_at")
    for vehicle_id, *facts in told.values_list("vehicle", "plugged_in_at", "unplugged_at", "soc_percent", "left_with"):
        by_vehicle.setdefault(vehicle_id, []).append(_Stay(*facts))
    return {vehicle_id: _habit(by_vehicle.get(vehicle_id, [])) for vehicle_id in vehicle_ids}


def _habit(stays: list[_Stay]) -> Habit:
    absences, shares = [], []
    for before, after in pairwise(stays):
        if before.unplugged_at is None:
            continue
        away = after.plugged_in_at - before.unplugged_at
        if SHORTEST_AWAY <= away <= LONGEST_AWAY:
            absences.append(away)
            if before.left_with is not None:
                shares.append(max(0.0, float(before.left_with - after.soc_percent) / 100))
    return Habit(
        away=timedelta(seconds=median(away.total_seconds() for away in absences)) if absences else USUAL_AWAY,
        trip_share=median(shares) if shares else USUAL_TRIP_SHARE,
        unplugged_at=stays[-1].unplugged_at if stays else None,
    )
