"""Money as integers in minor units; pure, no Django. Rates are micro-units of currency per kWh (1 $ = 1,000,000)."""

from collections.abc import Sequence
from dataclasses import dataclass
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


@dataclass(frozen=True)
class Division:
    """A whole number divided by weights. Of what rounding down left, one each goes to the first `left` places."""

    whole: int
    shares: Sequence[int]
    places: Sequence[int]
    left: int


def divide(whole: int, by: Sequence[int]) -> Division:
    """Return `whole` (>= 0) divided by weight, in whole numbers that add up to it exactly.

    Largest remainder first; of equal ones the lower number, so that the division is one and the same for ever. No
    share is further than one from its exact value. Raises ValueError for an amount that no weight can take.
    """
    total = sum(by)
    if whole < 0 or any(weight < 0 for weight in by) or (whole and not total):
        raise ValueError("An amount of at least zero is divided by weights of at least zero, not all of them zero.")
    if not total:
        return Division(whole, [0] * len(by), range(len(by)), 0)
    parts = [divmod(whole * weight, total) for weight in by]
    shares = [share for share, _rest in parts]
    left = whole - sum(shares)
    ranked = sorted(range(len(by)), key=lambda number: (-parts[number][1], number))
    places = [0] * len(by)
    for place, number in enumerate(ranked):
        places[number] = place
    for number in ranked[:left]:
        shares[number] += 1
    return Division(whole, shares, places, left)
