"""A randomised control group: cars that an event leaves alone, drawn by a logged seed before notice is given.

Nobody can choose it and anybody can draw it again: cars are ordered by a hash of seed and car, so the draw depends on
nothing but what is written down. Being left out is shared: no owner is drawn for more than one event in ten.
"""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from math import ceil, sqrt

METHOD, VERSION = "randomised-control-group", 1
EVENTS_BETWEEN = 10  # an owner drawn for one event is left out of the draw for the nine after it
FEWEST = 2  # below that nothing can be said of the group's spread


@dataclass(frozen=True)
class Candidate:
    """One car that would take part. `events_since` counts its owner's events since last drawn; None = never drawn.

    An event counts as one the owner took part in or was drawn for; right after a draw the count is 0.
    """

    car: str
    owner: str
    events_since: int | None


@dataclass(frozen=True)
class Draw:
    """Who was drawn, from how many, by which seed. Written down before notice; never changed afterwards."""

    seed: str
    share: Fraction
    candidates: int
    eligible: int
    cars: tuple[str, ...]
    method: str = METHOD
    version: int = VERSION


def draw_control_group(*, candidates: Sequence[Candidate], share: Fraction, seed: str) -> Draw:
    """Return the control group: `share` of the candidates, rounded up, as far as the one-in-ten rule allows.

    At most one car an owner is drawn, and never so many that nobody is left to take part. Raises ValueError for a
    share outside 0 to 1/2 or an empty seed.
    """
    if not 0 <= share <= Fraction(1, 2):
        raise ValueError("A control group is at most half of the cars.")
    if not seed:
        raise ValueError("A draw needs a seed that is written down.")
    eligible = [car for car in candidates if car.events_since is None or car.events_since >= EVENTS_BETWEEN - 1]
    wanted = min(ceil(share * len(candidates)), len(candidates) // 2)
    drawn: list[str] = []
    owners: set[str] = set()
    for candidate in sorted(eligible, key=lambda car: (_lot(seed, car.car), car.car)):
        if len(drawn) == wanted:
            break
        if candidate.owner not in owners:
            owners.add(candidate.owner)
            drawn.append(candidate.car)
    return Draw(seed, share, len(candidates), len(eligible), tuple(sorted(drawn)))


def _lot(seed: str, car: str) -> bytes:
    return hashlib.sha256(f"{seed}\n{car}".encode()).digest()


@dataclass(frozen=True)
class GroupDifference:
    """What the treated cars delivered against their control group, Wh, and its standard error."""

    delivered_wh: Fraction
    per_car_wh: Fraction
    error_wh: float
    treated: int
    control: int


def difference_of_means(
    *, kind: str, treated_wh: Sequence[Fraction], control_wh: Sequence[Fraction]
) -> GroupDifference:
    """Return the delivery of the treated cars: their number times the difference of the two groups' mean net energy.

    Energies are each car's net AC energy in the event (exports negative). Holding and discharging deliver what the
    control group took more; absorbing what it took less. Raises ValueError for groups of fewer than two cars.
    """
    if min(len(treated_wh), len(control_wh)) < FEWEST:
        raise ValueError("Each group needs two cars whose energy is known.")
    sign = -1 if kind == "absorb" else 1
    per_car = sign * (_mean(control_wh) - _mean(treated_wh))
    spread = _variance(control_wh) / len(control_wh) + _variance(treated_wh) / len(treated_wh)
    return GroupDifference(
        delivered_wh=per_car * len(treated_wh),
        per_car_wh=per_car,
        error_wh=len(treated_wh) * sqrt(spread),
        treated=len(treated_wh),
        control=len(control_wh),
    )


def _mean(values: Sequence[Fraction]) -> Fraction:
    return sum(values, Fraction(0)) / len(values)


def _variance(values: Sequence[Fraction]) -> Fraction:
    mean = _mean(values)
    return sum(((value - mean) ** 2 for value in values), Fraction(0)) / (len(values) - 1)
