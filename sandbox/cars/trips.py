"""When a car is away: days that follow from the car's seed alone, the same on every run.

Two sources: "pattern" is a made-up commuter; "sessions" takes its hours from real stays at a workplace charger
(`data/ATTRIBUTION.md`), so that arrivals and departures scatter as people's do.
"""

import csv
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from functools import cache, lru_cache
from pathlib import Path
from random import Random
from zoneinfo import ZoneInfo

DRIVE_KM_PER_HOUR = 45.0
WEEKEND_OUTING_CHANCE = 0.4
WEEKDAY_STAY_CHANCE = 0.9  # of a day at work, for cars with real hours; the others never miss one
STAYS = Path(__file__).with_name("data") / "workplace_stays.csv"
MOST_DAYS_AT_HOME = 60  # the chance of as many in a row is nil; the loop must end all the same


@dataclass(frozen=True)
class Trip:
    """One absence: a drive out from `leaves_at` to `out_until`, a drive back from `back_from` to `home_at`."""

    leaves_at: datetime
    out_until: datetime
    back_from: datetime
    home_at: datetime

    def is_driving(self, instant: datetime) -> bool:
        """Return whether the car rolls at `instant`; else it stands at the other end, unplugged."""
        return instant < self.out_until or instant >= self.back_from


def make_trip(leaves_at: datetime, home_at: datetime, *, one_way_km: float) -> Trip:
    """Return the absence between two instants; a drive takes at most half of it."""
    drive = timedelta(seconds=round(one_way_km / DRIVE_KM_PER_HOUR * 3600))
    drive = min(drive, (home_at - leaves_at) / 2)
    return Trip(leaves_at, leaves_at + drive, home_at - drive, home_at)


@lru_cache(maxsize=65_536)
def trip_on(local_date: date, *, seed: str, time_zone: str, source: str = "pattern") -> Trip | None:
    """Return the trip that starts on `local_date`: work on weekdays, an outing on some weekend days."""
    # Reproducible by intent: the days are the car's, not a secret.
    dice = Random(f"{seed} {local_date.isoformat()}")  # noqa: S311
    return TRIPS[source](local_date, dice, time_zone)


def _made_up(local_date: date, dice: Random, time_zone: str) -> Trip | None:
    """Weekdays leave 07:30-08:10 and are home 16:50-17:40, local time."""
    if local_date.weekday() < 5:
        leaves, home = time(7, 30), time(16, 50)
        leaves_late, home_late, one_way_km = dice.randint(0, 40), dice.randint(0, 50), dice.uniform(14, 38)
    elif dice.random() < WEEKEND_OUTING_CHANCE:
        leaves, home = time(10, 0), time(14, 0)
        leaves_late, home_late, one_way_km = dice.randint(0, 120), dice.randint(0, 180), dice.uniform(8, 55)
    else:
        return None
    return make_trip(
        _utc(local_date, leaves, time_zone) + timedelta(minutes=leaves_late),
        _utc(local_date, home, time_zone) + timedelta(minutes=home_late),
        one_way_km=one_way_km,
    )


def _as_somebody_did(local_date: date, dice: Random, time_zone: str) -> Trip | None:
    """The stay of a real car on that weekday, with a drive of the car's own length before and after it."""
    chance = WEEKDAY_STAY_CHANCE if local_date.weekday() < 5 else WEEKEND_OUTING_CHANCE
    arrives, leaves = dice.choice(_stays()[local_date.weekday()])
    one_way_km, is_away = dice.uniform(8, 38), dice.random() < chance
    if not is_away:
        return None
    drive = timedelta(seconds=round(one_way_km / DRIVE_KM_PER_HOUR * 3600))
    return make_trip(
        _utc(local_date, time(arrives // 60, arrives % 60), time_zone) - drive,
        _utc(local_date, time(leaves // 60, leaves % 60), time_zone) + drive,
        one_way_km=one_way_km,
    )


@cache
def _stays() -> dict[int, list[tuple[int, int]]]:
    """Return the real stays by weekday, as minutes of the local day."""
    stays: dict[int, list[tuple[int, int]]] = {}
    with STAYS.open(encoding="utf-8", newline="") as file:
        for row in csv.DictReader(file):
            stay = (int(row["arrives_minute"]), int(row["leaves_minute"]))
            stays.setdefault(int(row["weekday"]), []).append(stay)
    return stays


TRIPS: dict[str, Callable[[date, Random, str], Trip | None]] = {"pattern": _made_up, "sessions": _as_somebody_did}


def next_trip(after: datetime, *, seed: str, time_zone: str, source: str = "pattern") -> Trip:
    """Return the first scheduled trip that leaves later than `after`."""
    local_date = after.astimezone(ZoneInfo(time_zone)).date()
    for days in range(MOST_DAYS_AT_HOME):
        trip = trip_on(local_date + timedelta(days=days), seed=seed, time_zone=time_zone, source=source)
        if trip is not None and trip.leaves_at > after:
            return trip
    raise AssertionError("nobody stays at home for so long")


def _utc(local_date: date, local_time: time, time_zone: str) -> datetime:
    return datetime.combine(local_date, local_time, ZoneInfo(time_zone)).astimezone(UTC)
