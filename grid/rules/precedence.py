"""Which of several events one car serves where they overlap in time; pure, the same whoever asks and in what order.

Events are looked at by rank, the first in rank first, and the car serves each that overlaps none it serves already. So
an event that lost to another takes no time from a third.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime

LAST = 2**62
# By which two events differ first, in the order in which it is looked at; the codes are kept with the part that lost.
BEGUN, DRAWN, PRIORITY, EMERGENCY, TWO_PEOPLE, EARLIER, ORDER = (
    "begun", "drawn", "priority", "emergency", "two_people", "earlier", "order",
)  # fmt: skip
RULES = (BEGUN, DRAWN, PRIORITY, EMERGENCY, TWO_PEOPLE, EARLIER, ORDER)


@dataclass(frozen=True)
class Claim:
    """One event's claim on one car over `[starts_at, ends_at)`; `event` is its number.

    `has_begun`: the car serves it already, so that its hours cannot be given back; `is_drawn`: the car was drawn to be
    left alone in it. `priority` as its utility gives it, the lowest first, None = none. `announce_at` is when its
    owners hear of it.
    """

    event: int
    starts_at: datetime
    ends_at: datetime
    announce_at: datetime
    has_begun: bool = False
    is_drawn: bool = False
    priority: int | None = None
    is_emergency: bool = False
    has_two_people: bool = False

    @property
    def rank(self) -> tuple[object, ...]:
        """What it is sorted by, in the order of `RULES`; the lowest comes first."""
        return (
            not self.has_begun,
            not self.is_drawn,
            LAST if self.priority is None else self.priority,
            not self.is_emergency,
            not self.has_two_people,
            self.announce_at,
            self.event,
        )

    def overlaps(self, other: "Claim") -> bool:
        """Say whether both ask for some of the same time."""
        return self.starts_at < other.ends_at and other.starts_at < self.ends_at


@dataclass(frozen=True)
class Loss:
    """Why a car does not serve an event: to which it gives way, and by which of `RULES`."""

    to: int
    rule: str


def losses(claims: Iterable[Claim]) -> Mapping[int, Loss]:
    """Return the events that the car does not serve, each with the event that has its time and the rule by which."""
    served: list[Claim] = []
    lost: dict[int, Loss] = {}
    for claim in sorted(claims, key=lambda one: one.rank):
        winner = next((one for one in served if one.overlaps(claim)), None)
        if winner is None:
            served.append(claim)
        else:
            lost[claim.event] = Loss(winner.event, _rule(winner, claim))
    return lost


def _rule(winner: Claim, loser: Claim) -> str:
    pairs = zip(RULES, winner.rank, loser.rank, strict=True)
    return next(rule for rule, first, second in pairs if first != second)
