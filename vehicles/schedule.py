"""When the car leaves, and until when it may be held. Pure: no Django, no clock."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

SAFETY_MARGIN = timedelta(minutes=30)
MOST_DAYS_AHEAD = 400  # beyond what any dated wish may reach


@dataclass(frozen=True, slots=True, order=True)
class Dated:
    """What holds from `first_date` to `last_date`, both included, in place of the week.

    The car leaves at `leaves_at_local` on each of the days (None = not at all). One that is away leaves on the first
    day alone, and is back once the last day is over.
    """

    first_date: date
    last_date: date
    leaves_at_local: time | None = None
    is_away: bool = False


def leaves_on(day: date, departures: Mapping[int, time], dated: Sequence[Dated] = ()) -> time | None:
    """Return the local time at which the car leaves on `day`: what is said of that date, else of its weekday."""
    for one in dated:
        if one.first_date <= day <= one.last_date:
            return None if one.is_away and day > one.first_date else one.leaves_at_local
    return departures.get(day.weekday())


def next_departure_at(
    departures: Mapping[int, time], zone: ZoneInfo, now: datetime, dated: Sequence[Dated] = ()
) -> datetime | None:
    """Return the next departure after `now` in UTC, or None for a car that never leaves by schedule.

    `departures` maps weekdays (0 = Monday) to local times; `dated` stands before them. As in RFC 5545, a local time
    that a spring night skips is read with the offset before the gap (02:30 becomes 03:30), one that an autumn night
    repeats means its first pass.
    """
    today = now.astimezone(zone).date()
    reach = max(((one.last_date - today).days for one in dated), default=0)
    # A day back: a skipped 23:30 falls on the next date. A week past the last dated day: then the weekdays repeat.
    for days_ahead in range(-1, min(max(reach, 0), MOST_DAYS_AHEAD) + 9):
        day = today + timedelta(days=days_ahead)
        leaves_at_local = leaves_on(day, departures, dated)
        if leaves_at_local is None:
            continue
        departure_at = resolve_local(day, leaves_at_local, zone)
        if departure_at > now:
            return departure_at
    return None


def away_until(dated: Sequence[Dated], zone: ZoneInfo, now: datetime) -> datetime | None:
    """Return when a car that is away now is back at the latest, in UTC: the end of its last day; None = not away."""
    today = now.astimezone(zone).date()
    for one in dated:
        if not one.is_away or not one.first_date <= today <= one.last_date:
            continue
        leaves_at = None if one.leaves_at_local is None else resolve_local(one.first_date, one.leaves_at_local, zone)
        if leaves_at is None or leaves_at <= now:
            return resolve_local(one.last_date + timedelta(days=1), time(0), zone)
    return None


def resolve_local(day: date, local: time, zone: ZoneInfo) -> datetime:
    """Return the UTC instant of a local date and time (RFC 5545 section 3.3.5 for skipped and repeated times)."""
    return datetime.combine(day, local.replace(fold=0, tzinfo=None), tzinfo=zone).astimezone(UTC)


def charging_seconds(
    *, soc_percent: float, target_soc_percent: float, capacity_wh: int, charge_w: int, charge_efficiency: float
) -> int:
    """Return how long charging at full power takes from one SoC to the target, rounded up; 0 where it is reached.

    seconds = (target - soc) / 100 * capacity_wh / charge_efficiency / charge_w * 3600. Raises ValueError for a car
    that cannot charge.
    """
    if charge_w <= 0 or capacity_wh <= 0 or not 0 < charge_efficiency <= 1:
        raise ValueError("a car needs a battery, power and an efficiency")
    missing_wh = max(0.0, target_soc_percent - soc_percent) / 100 * capacity_wh
    return math.ceil(missing_wh / charge_efficiency / charge_w * 3600)


def soc_after(
    *, soc_percent: float, power_w: int, seconds: float, capacity_wh: int, discharge_efficiency: float
) -> float:
    """Return the SoC after discharging at `power_w` (< 0, AC side) for `seconds`; never below 0, never above the start.

    A hold (`power_w` = 0) changes nothing.
    """
    taken_wh = max(0, -power_w) * max(0.0, seconds) / 3600 / discharge_efficiency
    return max(0.0, soc_percent - taken_wh / capacity_wh * 100)


def latest_safe_release_at(
    *,
    departure_at: datetime,
    soc_percent: float,
    target_soc_percent: float,
    capacity_wh: int,
    charge_w: int,
    charge_efficiency: float,
    worst_latency_seconds: int,
) -> datetime:
    """Return the last instant at which a hold may end so that the car still leaves full enough, even if late released.

    release = departure - time from `soc_percent` to the target at `charge_w` - the maker's worst latency - 30 min.
    `charge_w` is what car and charger together can do; a time in the past means that the car may not be held.
    """
    needed = charging_seconds(
        soc_percent=soc_percent,
        target_soc_percent=target_soc_percent,
        capacity_wh=capacity_wh,
        charge_w=charge_w,
        charge_efficiency=charge_efficiency,
    )
    return departure_at - timedelta(seconds=needed + worst_latency_seconds) - SAFETY_MARGIN
