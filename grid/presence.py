"""When a car will be at its plug, laid out over the slots of a plan; no Django."""

from collections.abc import Sequence
from datetime import datetime, timedelta

import numpy as np

from grid.planner.compiled import compiled
from grid.planner.problem import Floats
from grid.slots import SLOT, Presence, Slots

MILLION = 1_000_000
NEAR = 1e-9  # a millionth of a second: what dividing by the length of a slot may lose


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
    begins_at, length = slots.starts_at, away / SLOT
    returns = np.nan if returns_at is None else (returns_at - begins_at) / SLOT
    leaves = np.array([(leaves_at - begins_at) / SLOT for leaves_at in departures])
    plugged, trips, stays = np.zeros(slots.count), np.zeros(slots.count), np.empty((len(leaves) + 1, 2))
    used = lay_out(returns, leaves, length, trip_kwh / length, plugged, trips, stays)
    return Presence(plugged, trips, stays[:used])


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
def add_absence(begins: float, ends: float, per_slot: float, trips: Floats) -> None:
    """Add what an absence uses to the slots it covers, each by its share."""
    for t in range(max(0, int(begins)), min(trips.shape[0], int(np.ceil(ends)))):
        trips[t] += max(0.0, min(t + 1.0, ends) - max(float(t), begins)) * per_slot
