"""When a car will be at its plug, laid out over the slots of a plan; no Django."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cached_property
from typing import Any

import numpy as np

from grid.arrays.slots import SLOT, Slots
from grid.planner.compiled import compiled
from grid.planner.problem import Floats

MILLION = 1_000_000
NEAR = 1e-9  # a millionth of a second: what dividing by the length of a slot may lose


@dataclass(frozen=True)
class Presence:
    """When a car is at the plug over `count` slots; times are in slots from the first slot's start.

    `returns` is NaN where it is plugged in now; from each of `leaves` it is `away` slots long on a trip that takes
    `trip_total_kwh`. What that means slot by slot is laid out when asked for; for many cars, `lay_out_all` does so.
    """

    count: int
    returns: float
    leaves: tuple[float, ...]
    away: float
    trip_total_kwh: float

    @cached_property
    def _laid_out(self) -> tuple[Floats, Floats, Floats]:
        plugged, trips = np.zeros(self.count), np.zeros(self.count)
        stays = np.empty((len(self.leaves) + 1, 2))
        leaves = np.array(self.leaves, dtype=np.float64)
        used = lay_out(self.returns, leaves, self.away, self.trip_total_kwh / self.away, plugged, trips, stays)
        return plugged, trips, stays[:used]

    @property
    def plugged(self) -> Floats:
        """Whether the car is at the plug, 0 or 1 a slot [T]."""
        return self._laid_out[0]

    @property
    def trip_kwh(self) -> Floats:
        """What the car drives slot by slot [T]."""
        return self._laid_out[1]

    @property
    def stays(self) -> Floats:
        """Begins and ends of the stays [K, 2], not rounded."""
        return self._laid_out[2]


def presence(
    *,
    slots: Slots,
    returns_at: datetime | None,
    departures: Sequence[datetime],
    away: timedelta,
    trip_kwh: float,
) -> Presence:
    """Return when the car will be plugged in: until each departure, then away for as long as it usually is.

    `returns_at` None means that the car is plugged in now. A departure while the car is away counts for nothing. The
    energy of a trip is spread evenly over the slots of its absence; a trip under way has used its part already.
    """
    begins_at = slots.starts_at
    return Presence(
        count=slots.count,
        returns=np.nan if returns_at is None else (returns_at - begins_at) / SLOT,
        leaves=tuple([(leaves_at - begins_at) / SLOT for leaves_at in departures]),
        away=away / SLOT,
        trip_total_kwh=trip_kwh,
    )


@compiled
def lay_out(  # noqa: PLR0917 - compiled code takes its arrays by position
    returns: float, leaves: Floats, away: float, per_slot: float, plugged: Floats, trips: Floats, stays: Floats
) -> int:
    """Write plugged and trips [T] and the stays; times are in slots from slot 0. Returns how many stays there are."""
    slots = plugged.shape[0]
    used = 0
    begins = 0.0
    if not np.isnan(returns):
        add_absence(returns - away, returns, per_slot, trips)
        begins = returns
    for leaves_at in leaves:
        if leaves_at <= begins:
            continue
        stays[used, 0], stays[used, 1] = begins, leaves_at
        used += 1
        add_absence(leaves_at, leaves_at + away, per_slot, trips)
        begins = leaves_at + away
    stays[used, 0], stays[used, 1] = begins, max(begins, float(slots))
    used += 1
    for stay in range(used):
        for t in range(max(0, int(np.ceil(stays[stay, 0] - NEAR))), min(slots, int(np.floor(stays[stay, 1] + NEAR)))):
            plugged[t] = 1.0
    for t in range(slots):
        trips[t] = 0.0 if plugged[t] else np.rint(trips[t] * MILLION) / MILLION
    return used


@compiled
def lay_out_all(times: Floats, leaves: Floats, counts: Any, out: tuple[Floats, Floats, Floats]) -> None:
    """Lay out N cars: `times` [N, 3] are returns, away and a trip's energy; of `leaves` [N, D] `counts[:, 0]` are used.

    `out` gets plugged and trips [N, T] and stays [N, D + 1, 2]; `counts[:, 1]` how many stays there are.
    """
    plugged, trips, stays = out
    for i in range(times.shape[0]):
        counts[i, 1] = lay_out(
            times[i, 0], leaves[i, : counts[i, 0]], times[i, 1], times[i, 2] / times[i, 1], plugged[i], trips[i],
            stays[i],
        )  # fmt: skip


@compiled
def add_absence(begins: float, ends: float, per_slot: float, trips: Floats) -> None:
    """Add what an absence uses to the slots it covers, each by its share."""
    for t in range(max(0, int(begins)), min(trips.shape[0], int(np.ceil(ends)))):
        trips[t] += max(0.0, min(t + 1.0, ends) - max(float(t), begins)) * per_slot
