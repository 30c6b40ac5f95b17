"""Money as integers in minor units; pure, no Django. Rates are micro-units of currency per kWh (1 $ = 1,000,000)."""

from decimal import ROUND_HALF_EVEN, Decimal

MINOR_PER_MAJOR = {"USD": 100, "CAD": 100}


def reward_minor(*, energy_wh: int, rate_micros_per_kwh: int, currency: str) -> int:
    """Return what `energy_wh` earns at `rate_micros_per_kwh`, in minor units, rounded once, half to even.

    Negative energy earns a negative amount. Raises KeyError for a currency that the platform does not pay in.
    """
    major = Decimal(energy_wh) * Decimal(rate_micros_per_kwh) / Decimal(1000 * 1_000_000)
    return int((major * MINOR_PER_MAJOR[currency]).to_integral_value(rounding=ROUND_HALF_EVEN))


def major_units(*, amount_minor: int, currency: str) -> Decimal:
    """Return an amount in major units, exact: 1234 USD minor units are Decimal('12.34')."""
    return Decimal(amount_minor) / MINOR_PER_MAJOR[currency]
