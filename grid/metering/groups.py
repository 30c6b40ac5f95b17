"""What the utility owes for an event, computed once on the whole group, and how its owners share it.

A single car's delivery is mostly chance. Clipping each car at zero and adding up would pay that chance: with as many
cars above as below their baseline, half of the noise would be invoiced. So the signed deliveries are added first, the
group's sum is priced once, and the owners' credits divide exactly that sum by weights that were known beforehand.

A member has a number and nothing else: no car, no owner. All sums are of whole numbers, so that the order of members
changes nothing and anybody arrives at the same cent.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from foundation.money import reward_minor

TREATED, CONTROL = "t", "c"  # took part; left alone to measure by
ABSENT, EXCLUDED = "a", "x"  # known to have been nowhere at its plug; left out of the result by a decided objection
Wh = int | None  # None = not known, which is never zero


class ShareRule(StrEnum):
    """How a program divides a group's earnings; written in its terms."""

    EQUAL = "equal"  # each car that took part the same
    BY_COMMITMENT = "by_commitment"  # in proportion to the energy each car could shift, frozen before notice


@dataclass(frozen=True)
class Members:
    """The cars of an event in columns, by member number. Energies are each car's own, Wh, AC side, over the event.

    `weights_wh` is what the car could shift as frozen before notice. Cars whose owner opted out are no members.
    """

    roles: str
    weights_wh: Sequence[int]
    baseline_wh: Sequence[int]
    net_wh: Sequence[Wh]
    metered_wh: Sequence[Wh] = ()

    def __post_init__(self) -> None:
        columns = [self.weights_wh, self.baseline_wh, self.net_wh]
        is_even = all(len(column) == len(self.roles) for column in columns)
        if not is_even or set(self.roles) - {TREATED, CONTROL, ABSENT, EXCLUDED}:
            raise ValueError("Every member has a role, a weight, a baseline and a net energy.")

    def places(self, role: str) -> list[int]:
        """Return the numbers of the members in a role."""
        return [number for number, one in enumerate(self.roles) if one == role]


@dataclass(frozen=True)
class GroupCase:
    """Everything a group's settlement depends on. `inputs` is what the method needs besides the members."""

    kind: str
    members: Members
    method: str
    method_version: int
    rule: ShareRule
    rate_micros_per_kwh: int
    currency: str
    has_penalty: bool = False
    fallback: tuple[str, int] | None = None
    inputs: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Measured:
    """What a method says of the group. Energies are Wh, signed; `error_wh` is the standard error, None = not known."""

    baseline_wh: int
    net_wh: int
    delivered_wh: int
    error_wh: float | None
    measured: int
    estimated: int  # cars whose energy is not known: the mean of the others stands in for them
    workings: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class GroupResult:
    """The group's settlement. `measured` None = not known, for the `reason`; nothing is owed then."""

    measured: Measured | None
    method: str
    method_version: int
    reason: str
    credited_wh: int
    amount_minor: int
    measured_cars: int
    estimated_cars: int
    control_cars: int


def price(case: GroupCase, measured: Measured | None, *, method: tuple[str, int], reason: str = "") -> GroupResult:
    """Return what the group earned by what was measured.

    A group that delivered less than nothing owes nothing unless the program's terms know a penalty, and even then no
    owner's credit falls below zero: a penalty is the platform's.
    """
    owed = 0
    if measured is not None:
        owed = reward_minor(
            energy_wh=measured.delivered_wh, rate_micros_per_kwh=case.rate_micros_per_kwh, currency=case.currency
        )
    treated = case.members.roles.count(TREATED)
    return GroupResult(
        measured=measured,
        method=method[0],
        method_version=method[1],
        reason=reason,
        credited_wh=max(0, measured.delivered_wh) if measured is not None else 0,
        amount_minor=owed if case.has_penalty else max(0, owed),
        measured_cars=measured.measured if measured is not None else 0,
        estimated_cars=measured.estimated if measured is not None else treated,
        control_cars=case.members.roles.count(CONTROL),
    )


def weights(members: Members, rule: ShareRule) -> list[int]:
    """Return each member's weight as a whole number. A control car weighs as much as the mean of those that took part.

    By commitment, where nobody had committed anything, all weigh alike. Who was nowhere at the plug weighs nothing.
    """
    treated = members.places(TREATED)
    own = [0] * len(members.roles)
    for number in treated:
        own[number] = 1 if rule == ShareRule.EQUAL else max(0, members.weights_wh[number])
    if not any(own):
        for number in treated:
            own[number] = 1
    controls = members.places(CONTROL)
    if not controls:
        return own
    whole = sum(own)
    own = [weight * len(treated) for weight in own]  # so that the mean is a whole number
    for number in controls:
        own[number] = whole
    return own
