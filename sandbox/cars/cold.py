"""What the cold does to charging: a factor by place and season, one number a local month, so that physics stays closed.

The place's monthly mean is a cosine with its coldest month in January; a battery at 10 °C or more takes full power,
at -20 °C or less half of it, linearly in between. Real cars differ widely; this is the order of magnitude of lithium
plating limits on a car that stands outside, unheated.
"""

from datetime import UTC, date, datetime, time
from math import cos, pi
from zoneinfo import ZoneInfo

FULL_FROM_C = 10.0
LEAST_FACTOR = 0.5
LEAST_AT_C = -20.0


def month_mean_c(month: int, *, yearly_mean_c: float, yearly_swing_c: float) -> float:
    """Return the mean temperature of a month; `yearly_swing_c` is how far January lies below the yearly mean."""
    return yearly_mean_c - yearly_swing_c * cos(2 * pi * (month - 1) / 12)


def charge_factor(temperature_c: float) -> float:
    """Return the share of full charging power, LEAST_FACTOR..1."""
    warmth = (temperature_c - LEAST_AT_C) / (FULL_FROM_C - LEAST_AT_C)
    return min(1.0, max(LEAST_FACTOR, LEAST_FACTOR + (1 - LEAST_FACTOR) * warmth))


def next_month(after: datetime, *, time_zone: str) -> datetime:
    """Return the first instant later than `after` at which a local month begins."""
    zone = ZoneInfo(time_zone)
    local = after.astimezone(zone).date()
    years, month = divmod(local.month, 12)
    return datetime.combine(date(local.year + years, month + 1, 1), time(), zone).astimezone(UTC)
