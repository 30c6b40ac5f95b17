"""What many cars shall have when: `problems.targets_of`, compiled; no Django."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from grid.arrays.problems import NEAR, TAPER_FROM_PERCENT, Night, targets_of
from grid.arrays.slots import SLOT, SLOT_MINUTES
from grid.planner.compiled import compiled
from grid.planner.problem import Floats

Ints = NDArray[np.int64]


@dataclass(slots=True)
class Wanted:
    """Targets of N cars: of `slot` and `percent` [N, M] the first `count` [N]; `departure` [N] is the first, 0 = none.

    A departure counts where the car is at the plug until then.
    """

    slot: Ints
    percent: Floats
    count: Ints
    departure: Ints

    def of(self, i: int) -> list[tuple[int, float]]:
        """Return the targets of one car."""
        count = self.count[i]
        return list(zip(self.slot[i, :count].tolist(), self.percent[i, :count].tolist(), strict=True))


def want(nights: Sequence[Night], numbers: Floats, plugged: Floats, stays: tuple[Floats, Any]) -> Wanted:
    """Return the targets of nights of equal T; `numbers` [N, 5] are capacity in Wh, SoC, W, efficiency and target."""
    leaving, used = padded([_leaving(night.departures, night.slots.starts_at) for night in nights])
    margin = np.array([-(-night.margin // SLOT) for night in nights], dtype=np.int64)
    count, most = len(nights), 2 * leaving.shape[1]
    tapered = {
        i: targets_of(nights[i]) for i in np.flatnonzero(numbers[:, 4] > TAPER_FROM_PERCENT).tolist()
    }  # fmt: skip
    most = max([most, *map(len, tapered.values())]) + max(len(night.at_least) for night in nights)
    wanted = Wanted(
        np.zeros((count, most), np.int64), np.zeros((count, most)), np.zeros(count, np.int64), np.zeros(count, np.int64)
    )
    write_targets(
        numbers, (leaving, used, margin), plugged, stays, (wanted.slot, wanted.percent, wanted.count, wanted.departure)
    )
    for i, several in tapered.items():
        wanted.count[i] = len(several)
        for place, (slot, percent) in enumerate(several):
            wanted.slot[i, place], wanted.percent[i, place] = slot, percent
    for i, night in enumerate(nights):
        if night.at_least:
            slots, percents = zip(*night.at_least, strict=True)
            begin, wanted.count[i] = wanted.count[i], wanted.count[i] + len(slots)
            wanted.slot[i, begin : wanted.count[i]], wanted.percent[i, begin : wanted.count[i]] = slots, percents
    return wanted


@lru_cache(maxsize=4096)
def _leaving(departures: tuple[datetime, ...], begins_at: datetime) -> tuple[int, ...]:
    return tuple((leaves_at - begins_at) // SLOT for leaves_at in departures)


def padded(rows: Sequence[tuple[float, ...]]) -> tuple[Floats, Ints]:
    """Return rows of unequal length as one array, filled up with zeros, and how long each is."""
    used = np.array([len(row) for row in rows], dtype=np.int64)
    longest = int(used.max(initial=0))
    filling = (0.0,) * longest
    filled = [row + filling[len(row) :] for row in rows]
    return np.array(filled, dtype=np.float64).reshape(len(rows), longest), used


@compiled
def write_targets(
    numbers: Floats,
    leaving: tuple[Floats, Ints, Ints],
    plugged: Floats,
    stays: tuple[Floats, Ints],
    out: tuple[Ints, Floats, Ints, Ints],
) -> None:
    """Write what `targets_of` returns for cars that do not slow down on the way, and each one's first departure.

    `leaving` are the slots of the departures named [N, D], how many there are, and the margin in slots; `stays` as
    `presence.lay_out_all` writes them.
    """
    departures, named, margin = leaving
    begins_and_ends, used = stays
    slot, percent, count, first = out
    slots = plugged.shape[1]
    for i in range(numbers.shape[0]):
        capacity, soc, power, efficiency, target = numbers[i]
        kwh_a_slot = power / 1000 * efficiency * SLOT_MINUTES / 60
        most = -(-(target / 100 * capacity / 1000) // kwh_a_slot)
        missing = -(-(max(0.0, target - soc) / 100 * capacity / 1000) // kwh_a_slot)
        is_first = True
        for k in range(named[i]):
            at = int(departures[i, k])
            if at < 1 or at > slots or plugged[i, at - 1] == 0.0:
                continue
            needed = missing if is_first and plugged[i, 0] != 0.0 else most
            begins = 0
            for stay in range(used[i]):
                begin = int(np.ceil(begins_and_ends[i, stay, 0] - NEAR))
                if begin < at:
                    begins = max(begins, begin)
            early = at - margin[i]
            if early - begins >= needed and 1 <= early < at:
                slot[i, count[i]], percent[i, count[i]] = early, target
                count[i] += 1
            slot[i, count[i]], percent[i, count[i]] = at, target
            count[i] += 1
            if is_first:
                first[i] = at
            is_first = False
