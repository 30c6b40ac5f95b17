"""Ties spread over cars, so that thousands of them do not start in the same cheapest minute."""

import hashlib
import zlib

import numpy as np

from grid.planner.compiled import compiled
from grid.planner.problem import Floats


def spread_rank(name: str, slots: int) -> Floats:
    """Order the slots for one car: in time, but from a place in the horizon drawn from its name.

    Among slots of one price each car then starts elsewhere and still charges in one stretch.
    """
    begin = int.from_bytes(hashlib.blake2b(name.encode("utf-8", "surrogatepass"), digest_size=8).digest()) % slots
    return np.roll(np.arange(slots, dtype=np.float64), begin)


BLOCK = 24  # slots: six hours of quarters, the length of many a cheap night


def spread_phase(name: str) -> int:
    """Return where in each block of slots the car begins, drawn from its name."""
    return zlib.crc32(name.encode("utf-8", "surrogatepass")) % BLOCK


@compiled
def rank_in_blocks(phase: int, first: int, out: Floats) -> None:
    """Order the slots by blocks of six hours, and within each from the car's own phase on; equal prices go by rank.

    Blocks are counted by the clock (`first` is the number of slot 0 since some midnight), so a car planned anew an hour
    later keeps its place, and where the price falls at midnight the cars of a fleet begin all over the next six hours.
    """
    slots = out.shape[0]
    rank = 0.0
    begin = -(first % BLOCK)
    while begin < slots:
        for step in range(BLOCK):
            slot = begin + (phase + step) % BLOCK
            if 0 <= slot < slots:
                out[slot] = rank
                rank += 1.0
        begin += BLOCK
