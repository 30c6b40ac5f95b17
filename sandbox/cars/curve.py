"""How fast a battery fills and empties: full power to a knee, then a taper, each with a closed form."""

from math import exp, log

KNEE_PERCENT = 80.0  # above it the charging power tapers linearly ...
TAPER = 0.5  # ... to half of full power at 100 %


def power_share(energy_wh: float, *, battery_wh: float) -> float:
    """Return the share of full power at which a battery charges, 0.5..1."""
    above_wh = max(0.0, energy_wh - KNEE_PERCENT / 100 * battery_wh)
    return 1 - TAPER * above_wh / _taper_span_wh(battery_wh)


def charge(
    energy_wh: float, *, limit_wh: float, battery_wh: float, full_w: float, seconds: float
) -> tuple[float, float]:
    """Return the battery energy after at most `seconds`, ending exactly at `limit_wh`, and for how long it flowed.

    `full_w` is what reaches the battery below the knee.
    """
    knee_wh = KNEE_PERCENT / 100 * battery_wh
    linear_seconds = max(0.0, (min(knee_wh, limit_wh) - energy_wh) / full_w * 3600)
    if seconds < linear_seconds:
        return energy_wh + full_w * seconds / 3600, seconds
    if limit_wh <= knee_wh:
        return limit_wh, linear_seconds
    # Above the knee dx/dt = full_w (1 - TAPER x / span), x counted from the knee: an exponential approach.
    span_wh = _taper_span_wh(battery_wh)
    rate = full_w * TAPER / span_wh / 3600
    start = 1 - TAPER * max(0.0, energy_wh - knee_wh) / span_wh
    taper_seconds = log(start / (1 - TAPER * (limit_wh - knee_wh) / span_wh)) / rate
    if seconds - linear_seconds >= taper_seconds:
        return limit_wh, linear_seconds + taper_seconds
    end_wh = knee_wh + span_wh / TAPER * (1 - start * exp(-rate * (seconds - linear_seconds)))
    return max(energy_wh, min(end_wh, limit_wh)), seconds


def drain(energy_wh: float, *, floor_wh: float, rate_w: float, seconds: float) -> tuple[float, float]:
    """Return the battery energy after at most `seconds` at `rate_w`, ending exactly at `floor_wh`, and for how long."""
    wanted_wh = rate_w * seconds / 3600
    if wanted_wh < energy_wh - floor_wh:
        return energy_wh - wanted_wh, seconds
    return floor_wh, (energy_wh - floor_wh) / rate_w * 3600


def _taper_span_wh(battery_wh: float) -> float:
    return (100 - KNEE_PERCENT) / 100 * battery_wh
