"""When a car leaves next, by its home's clock."""

from datetime import datetime, time
from functools import lru_cache
from zoneinfo import ZoneInfo

from grid.flows.plans.cars import CarNow
from vehicles.schedule import Dated, next_departure_at

MOST_DEPARTURES = 4


def departures_ahead(car: CarNow, *, now: datetime) -> list[datetime]:
    """Return the car's next departures in order of time, by its home's clock; empty where the owner named none."""
    return list(known_departures(car, now=now))


def known_departures(car: CarNow, *, now: datetime) -> tuple[datetime, ...]:
    """Return what `departures_ahead` does, one tuple for all cars that leave alike."""
    return _departures_ahead(tuple(sorted(car.departures.items())), car.dated, car.zone, now)


@lru_cache(maxsize=4096)
def _departures_ahead(
    weekly: tuple[tuple[int, time], ...], dated: tuple[Dated, ...], zone: ZoneInfo, now: datetime
) -> tuple[datetime, ...]:
    # Most owners leave at one of a few quarter hours: in a sweep over many cars each is worked out once.
    found: list[datetime] = []
    at = now
    while len(found) < MOST_DEPARTURES:
        leaves_at = next_departure_at(dict(weekly), zone, at, dated)
        if leaves_at is None:
            break
        found.append(leaves_at)
        at = leaves_at
    return tuple(found)


def next_departure(car: CarNow, *, now: datetime) -> datetime | None:
    """Return the car's next departure after `now`, or None for a car without one."""
    return next(iter(departures_ahead(car, now=now)), None)
