"""Quarter hours of UTC and when a car is at its plug in them; no Django, no compiler.

Local clocks matter only before (departures, tariffs), so a night with 23 or 25 hours simply has 92 or 100 slots.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import lru_cache

import numpy as np

from grid.planner.problem import Floats

SLOT_MINUTES = 15
SLOT = timedelta(minutes=SLOT_MINUTES)
SLOTS_A_DAY = 96
MIN_HORIZON = timedelta(hours=36)
MAX_HORIZON = timedelta(hours=72)
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True)
class Slots:
    """`count` slots of 15 minutes from `starts_at`, aware UTC."""

    starts_at: datetime
    count: int

    @property
    def ends_at(self) -> datetime:
        """The end of the last slot."""
        return self.starts_at + SLOT * self.count

    @property
    def number(self) -> int:
        """How many slots lie between 1970 and the first one."""
        return (self.starts_at - EPOCH) // SLOT

    def start_of(self, index: int) -> datetime:
        """Return the start of slot `index`."""
        return self.starts_at + SLOT * index

    def whole_within(self, starts_at: datetime, ends_at: datetime) -> range:
        """Return the slots that lie wholly inside `[starts_at, ends_at)`."""
        first = -((self.starts_at - starts_at) // SLOT)  # rounded up
        last = (ends_at - self.starts_at) // SLOT
        return range(max(0, first), max(0, first, min(self.count, last)))

    def shares_within(self, starts_at: datetime, ends_at: datetime) -> Floats:
        """Return which share of each slot lies inside `[starts_at, ends_at)`, 0 to 1."""
        begin, end = (starts_at - self.starts_at) / SLOT, (ends_at - self.starts_at) / SLOT
        edges = _counted(self.count + 1)
        shares = np.minimum(edges[1:], end) - np.maximum(edges[:-1], begin)
        return np.asarray(np.maximum(shares, 0.0))


@lru_cache(maxsize=512)
def _counted(count: int) -> Floats:
    edges = np.arange(count, dtype=np.float64)
    edges.setflags(write=False)
    return edges


def slots_from(*, now: datetime, departures: Sequence[datetime]) -> Slots:
    """Return the slots to plan: from the current one for 36 h, or to the second departure ahead, at most 72 h.

    `departures` are the departures ahead in order of time.
    """
    starts_at = EPOCH + ((now - EPOCH) // SLOT) * SLOT
    ends_at = starts_at + MIN_HORIZON
    if departures:
        ends_at = max(ends_at, departures[min(1, len(departures) - 1)])
    ends_at = min(ends_at, starts_at + MAX_HORIZON)
    return Slots(starts_at, -((starts_at - ends_at) // SLOT))
