"""What a car usually does, learnt from its stays at home: how long it is away, what it uses, how early it leaves."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, time, timedelta
from functools import lru_cache
from typing import Any
from zoneinfo import ZoneInfo

import numpy as np
from django.db.models import FloatField, Max, OuterRef, Subquery
from django.db.models.functions import Cast
from numpy.typing import NDArray

from grid.flows.plans.cars import CarNow
from grid.models import PlanningState
from grid.planner.compiled import compiled
from grid.rows.columns import MISSING, REAL, TIME, WHOLE, at_micros, micros_of, read_columns
from vehicles.models import ChargeReading, PlugSession
from vehicles.schedule import Dated, leaves_on, resolve_local

Ints = NDArray[np.int64]

LOOK_BACK = timedelta(days=14)
POWER_LOOK_BACK = timedelta(days=2)
BELOW_TAPER_PERCENT = 85  # above it the battery, not the plug, says how fast it charges
PLAUSIBLE_SHARE = 0.2  # of what car and charger should do: less is a meter's mistake, not a slow plug
# Shorter absences are errands, longer ones travels: neither says when the car comes home from a day's use.
SHORTEST_AWAY, LONGEST_AWAY = timedelta(hours=2), timedelta(hours=20)
USUAL_AWAY = timedelta(hours=10)
USUAL_TRIP_SHARE = 0.15
MOST_EARLY = 48 * 60  # minutes
MOST_STAYS = 60  # a car moved more often than that in two weeks is judged by the newest
# The prior of owners of whom little is known.
USUAL_KEPT_FOR = 6 * 3600 * 1_000_000  # microseconds
USUAL_KEPT, FEWEST_OWNERS, MOST_OWNERS = 16, 30, 1000
EARLY_PLACE = 3  # where `Habit.as_text` has the departures
SECOND = 1_000_000
SHORTEST_SECONDS, LONGEST_SECONDS = SHORTEST_AWAY.total_seconds(), LONGEST_AWAY.total_seconds()
AWAY, SHARE, LEFT = range(3)


@dataclass(frozen=True, slots=True)
class Habit:
    """How long the car is away, what it uses of its capacity meanwhile (0..1), and when it was last unplugged.

    `minutes_early`: of each departure seen, how long before the announced time it was. `charge_w`: the most that the
    car was seen to draw lately, 0 = not known.
    """

    away: timedelta = USUAL_AWAY
    trip_share: float = USUAL_TRIP_SHARE
    unplugged_at: datetime | None = None
    minutes_early: tuple[int, ...] = ()
    charge_w: int = 0

    def as_text(self) -> str:
        """Return the habit as the JSON text that `read_habit` reads."""
        left = "null" if self.unplugged_at is None else micros_of(self.unplugged_at)
        seconds, early = round(self.away.total_seconds()), ",".join(map(str, self.minutes_early))
        return f"[{seconds},{self.trip_share},{left},[{early}],{self.charge_w}]"


def read_habit(text: str) -> Habit:
    """Return the habit kept as JSON."""
    seconds, share, left, early, charge_w = json.loads(text)
    left_at = None if left is None else at_micros(left)
    return Habit(timedelta(seconds=seconds), share, left_at, tuple(early), charge_w)


def learn_habits(cars: Sequence[CarNow], *, now: datetime) -> dict[int, Habit]:
    """Return each car's habit as its stays at home of the last two weeks show it, by vehicle key.

    Cars without history get defaults. A departure counts as announced for the first time of the present wishes after
    the car was plugged in.
    """
    if not cars:
        return {}
    ids = sorted(car.vehicle.pk for car in cars)
    keys = np.array(ids, dtype=np.int64)
    vehicle, came, left, arrived_with, left_with = _stays(ids, now)
    starts, ends = np.searchsorted(vehicle, keys, "left"), np.searchsorted(vehicle, keys, "right")
    starts = np.maximum(starts, ends - MOST_STAYS)
    announced, where = _announced({car.vehicle.pk: car for car in cars}, ids, now)
    found = np.empty((len(ids), 3))
    early = np.empty(len(vehicle), dtype=np.int64)
    for i, (begin, end) in enumerate(zip(starts.tolist(), ends.tolist(), strict=True)):
        summarise_stays(came[begin:end], left[begin:end], arrived_with[begin:end], left_with[begin:end], found[i])
        find_early(came[begin:end], left[begin:end], announced[where[i]], early[begin:end])
    powers = _powers(ids, now)
    habits = {}
    for i, key in enumerate(ids):
        away, share, unplugged_at = found[i].tolist()
        seen = early[starts[i] : ends[i]]
        habits[key] = Habit(
            away=timedelta(seconds=round(away)) if away >= 0 else USUAL_AWAY,
            trip_share=round(share, 4) if share >= 0 else USUAL_TRIP_SHARE,
            unplugged_at=at_micros(int(unplugged_at)) if unplugged_at >= 0 else None,
            minutes_early=tuple(seen[seen >= 0].tolist()),
            charge_w=powers.get(key, 0),
        )
    return habits


def real_charge_w(car: CarNow, habit: Habit) -> int:
    """Return what the car draws in truth, AC side: what was seen, where car and charger should do more."""
    most = car.charge_w
    return habit.charge_w if PLAUSIBLE_SHARE * most <= habit.charge_w < most else most


def usual_early(*, now: datetime) -> tuple[int, ...]:
    """Return how many minutes before the announced time owners leave, the prior of one of whom little is known.

    USUAL_KEPT departures stand for all: those in the middle of as many equal parts of many owners' departures, in order
    of how early they were. Looked up once in six hours; empty below FEWEST_OWNERS, who would show through.
    """
    return usual_in(micros_of(now) // USUAL_KEPT_FOR)


@lru_cache(maxsize=1)
def usual_in(_period: int) -> tuple[int, ...]:
    """Return what `usual_early` tells in one of its periods."""
    known = PlanningState.objects.filter(habit__isnull=False).order_by("due_at").values_list("habit", flat=True)
    return sum_up([habit[EARLY_PLACE] for habit in known[:MOST_OWNERS] if habit])


def sum_up(of_owners: Sequence[Sequence[int]]) -> tuple[int, ...]:
    """Return the few departures that stand for those of many owners, as `usual_early` tells."""
    several = [minutes for minutes in of_owners if minutes]
    pooled = sorted(early for minutes in several for early in minutes)
    if len(several) < FEWEST_OWNERS:
        return ()
    return tuple(pooled[(2 * part + 1) * len(pooled) // (2 * USUAL_KEPT)] for part in range(USUAL_KEPT))


def _stays(vehicle_ids: Sequence[int], now: datetime) -> list[Any]:
    last_soc = ChargeReading.objects.filter(
        vehicle=OuterRef("vehicle"), soc_percent__isnull=False, observed_at__lt=OuterRef("unplugged_at")
    ).order_by("-observed_at")
    stays = PlugSession.objects.filter(
        vehicle__any_of=vehicle_ids, is_at_home=True, plugged_in_at__gte=now - LOOK_BACK, plugged_in_at__lte=now
    )
    real = FloatField()
    told = stays.annotate(
        arrived_with=Cast("soc_percent", real), left_with=Cast(Subquery(last_soc.values("soc_percent")[:1]), real)
    ).order_by("vehicle", "plugged_in_at")
    rows = told.values_list("vehicle", "plugged_in_at", "unplugged_at", "arrived_with", "left_with")
    return read_columns(rows, [WHOLE, TIME, TIME, REAL, REAL])


def _powers(vehicle_ids: Sequence[int], now: datetime) -> dict[int, int]:
    """Return the most each car drew in the last days while its battery was far from full."""
    rows = ChargeReading.objects.filter(
        vehicle__any_of=vehicle_ids,
        observed_at__gte=now - POWER_LOOK_BACK,
        observed_at__lte=now,
        power_w__gt=0,
        soc_percent__lt=BELOW_TAPER_PERCENT,
    ).order_by()
    columns = read_columns(
        rows.values("vehicle").annotate(most=Max("power_w")).values_list("vehicle", "most"), [WHOLE, WHOLE]
    )
    return dict(zip(columns[0].tolist(), columns[1].tolist(), strict=True))


def _announced(cars: dict[int, CarNow], ids: Sequence[int], now: datetime) -> tuple[list[Ints], list[int]]:
    """Return the departures announced in the time looked back on, once for all cars that share them, and whose."""
    places: dict[tuple[Any, ...], int] = {}
    announced: list[Ints] = []
    where = []
    day = now.date().toordinal()
    for key in ids:
        car = cars[key]
        shared = (tuple(sorted(car.departures.items())), car.dated, car.site.time_zone if car.site else "UTC")
        if shared not in places:
            places[shared] = len(announced)
            announced.append(_departures_around(*shared, day))
        where.append(places[shared])
    return announced, where


@lru_cache(maxsize=2048)
def _departures_around(weekly: tuple[tuple[int, time], ...], dated: tuple[Dated, ...], zone: str, day: int) -> Ints:
    by_weekday, clock = dict(weekly), ZoneInfo(zone)
    days = (datetime.fromordinal(number).date() for number in range(day - LOOK_BACK.days - 1, day + 9))
    on_days = ((date, leaves_on(date, by_weekday, dated)) for date in days)
    found = [micros_of(resolve_local(date, leaves_at, clock)) for date, leaves_at in on_days if leaves_at is not None]
    return np.array(sorted(found), dtype=np.int64)


@compiled
def summarise_stays(came: Ints, left: Ints, arrived_with: Any, left_with: Any, out: Any) -> None:
    """Write median seconds away and share used, -1 where unknown, and the last unplugging, of one car's stays."""
    away, share = np.empty(came.shape[0]), np.empty(came.shape[0])
    aways, shares = 0, 0
    for i in range(came.shape[0] - 1):
        if left[i] == MISSING:
            continue
        seconds = (came[i + 1] - left[i]) / SECOND
        if SHORTEST_SECONDS <= seconds <= LONGEST_SECONDS:
            away[aways] = seconds
            aways += 1
            used = left_with[i] - arrived_with[i + 1]
            if used == used:  # noqa: PLR0124 - not NaN
                share[shares] = max(0.0, used / 100.0)
                shares += 1
    out[AWAY] = np.median(away[:aways]) if aways else -1.0
    out[SHARE] = np.median(share[:shares]) if shares else -1.0
    out[LEFT] = left[-1] if came.shape[0] and left[-1] != MISSING else -1.0


@compiled
def find_early(came: Ints, left: Ints, announced: Ints, out: Ints) -> None:
    """Write how many minutes before the announced departure each stay ended, 0 for late, -1 for none or none yet."""
    for i in range(came.shape[0]):
        out[i] = -1
        at = np.searchsorted(announced, came[i], side="right")
        if left[i] != MISSING and at < announced.shape[0]:
            out[i] = min(max(0, announced[at] - left[i]) // (60 * SECOND), MOST_EARLY)
