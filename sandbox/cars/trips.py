"""When a car is away: a daily pattern that follows from the car's seed alone, the same on every run."""

from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from functools import lru_cache
from random import Random
from zoneinfo import ZoneInfo

DRIVE_KM_PER_HOUR = 45.0
WEEKEND_OUTING_CHANCE = 0.4


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


@lru_cache(maxsize=4096)
def trip_on(local_date: date, *, seed: str, time_zone: str) -> Trip | None:
    """Return the trip that starts on `local_date`: work on weekdays, an outing on some weekend days.

    Weekdays leave 07:30-08:10 and are home 16:50-17:40, local time.
    """
    # Reproducible by intent: the pattern is the car's, not a secret.
    dice = Random(f"{seed} {local_date.isoformat()}")  # noqa: S311
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


def next_trip(after: datetime, *, seed: str, time_zone: str) -> Trip:
    """Return the first scheduled trip that leaves later than `after`."""
    local_date = after.astimezone(ZoneInfo(time_zone)).date()
    for days in range(8):
        trip = trip_on(local_date + timedelta(days=days), seed=seed, time_zone=time_zone)
        if trip is not None and trip.leaves_at > after:
            return trip
    raise AssertionError("every week has weekdays")


def _utc(local_date: date, local_time: time, time_zone: str) -> datetime:
    return datetime.combine(local_date, local_time, ZoneInfo(time_zone)).astimezone(UTC)
