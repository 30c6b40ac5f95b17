"""What the utility owes for an event, computed once on the whole group, and how its owners share it.

A single car's delivery is mostly chance. Clipping each car at zero and adding up would pay that chance: with as many
cars above as below their baseline, half of the noise would be invoiced. So the signed deliveries are added first, the
group's sum is priced once, and the owners' credits divide exactly that sum by weights that were known beforehand.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from fractions import Fraction
from math import sqrt

from foundation.money import reward_minor


class ShareRule(StrEnum):
    """How a program divides a group's earnings; written in its terms."""

    EQUAL = "equal"  # each car that took part the same
    BY_COMMITMENT = "by_commitment"  # in proportion to the energy each car could shift, frozen before notice


@dataclass(frozen=True)
class Member:
    """One car's part in an event. `delivered_wh` None = not known (which is not zero).

    `committed_wh` is what the car could shift as frozen before notice. A car that opted out has `took_part` False
    and earns nothing. A control car is left alone for the sake of measuring and is paid the group's mean.
    """

    car: str
    committed_wh: int
    delivered_wh: Fraction | None
    took_part: bool = True
    is_control: bool = False


@dataclass(frozen=True)
class GroupResult:
    """The group's settlement. Energies are Wh, AC side, signed; `error_wh` is the standard error of the sum."""

    delivered_wh: int
    error_wh: float
    measured: int
    estimated: int  # cars whose delivery is not known: the group's mean stands in for them
    amount_minor: int
    credits_minor: Mapping[str, int]


def settle_group(
    *,
    members: Sequence[Member],
    rule: ShareRule,
    rate_micros_per_kwh: int,
    currency: str,
    has_penalty: bool = False,
) -> GroupResult:
    """Return what the group earned and each car's credit; the credits add up to the amount to the cent.

    Delivery of cars without readings is the mean of the measured ones, and stated as estimated. A group that
    delivered less than nothing owes nothing unless the program's terms know a penalty, and even then no owner's
    credit falls below zero: a penalty is the platform's. Raises ValueError for two members of one car.
    """
    if len({member.car for member in members}) != len(members):
        raise ValueError("A car is a member once.")
    treated = [member for member in members if member.took_part and not member.is_control]
    known = [member.delivered_wh for member in treated if member.delivered_wh is not None]
    if not known:
        return GroupResult(0, float("inf") if treated else 0.0, 0, len(treated), 0, dict.fromkeys(_cars(members), 0))
    mean = sum(known, Fraction(0)) / len(known)
    total_wh = round(mean * len(treated))
    owed = reward_minor(energy_wh=total_wh, rate_micros_per_kwh=rate_micros_per_kwh, currency=currency)
    amount = owed if has_penalty else max(0, owed)
    return GroupResult(
        delivered_wh=total_wh,
        error_wh=_error(known, len(treated)),
        measured=len(known),
        estimated=len(treated) - len(known),
        amount_minor=amount,
        credits_minor=dict.fromkeys(_cars(members), 0) | split(max(0, amount), _weights(members, treated, rule)),
    )


def _cars(members: Sequence[Member]) -> list[str]:
    return [member.car for member in members]


def _weights(members: Sequence[Member], treated: Sequence[Member], rule: ShareRule) -> dict[str, Fraction]:
    """Return each paid car's weight. A control car weighs as much as the mean of those that took part."""
    weights = {
        member.car: Fraction(1 if rule == ShareRule.EQUAL else max(0, member.committed_wh)) for member in treated
    }
    if not any(weights.values()):
        weights = dict.fromkeys(weights, Fraction(1))  # nobody had committed anything: then all alike
    mean = sum(weights.values(), Fraction(0)) / len(weights)
    return weights | {member.car: mean for member in members if member.is_control and member.took_part}


def split(amount_minor: int, weights: Mapping[str, Fraction]) -> dict[str, int]:
    """Return `amount_minor` (>= 0) divided by weight, in whole minor units that add up to it exactly.

    Largest remainder first; of equal ones the name that sorts first, so that the division is one and the same for
    ever. No share is further than one unit from its exact value. Raises ValueError for weights without a sum.
    """
    whole = sum(weights.values(), Fraction(0))
    if amount_minor < 0 or whole <= 0 or any(weight < 0 for weight in weights.values()):
        raise ValueError("An amount of at least zero is divided by weights of at least zero, not all of them zero.")
    exact = {name: amount_minor * weight / whole for name, weight in weights.items()}
    shares = {name: int(share) for name, share in exact.items()}
    left = amount_minor - sum(shares.values())
    for name in sorted(exact, key=lambda name: (shares[name] - exact[name], name))[:left]:
        shares[name] += 1
    return shares


def _error(known: Sequence[Fraction], cars: int) -> float:
    """Return the standard error of the sum over `cars`, of which `known` are measured."""
    count = len(known)
    if count < 2:
        return float("inf")
    mean = sum(known, Fraction(0)) / count
    variance = sum(((value - mean) ** 2 for value in known), Fraction(0)) / (count - 1)
    return cars * sqrt(variance / count)
