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


BLOCK = 48  # slots: twelve hours of quarters, longer than most cheap nights


def spread_phase(name: str) -> int:
    """Return the hour of its own that a car has in each half day, in slots, drawn from its name."""
    return zlib.crc32(name.encode("utf-8", "surrogatepass")) % BLOCK


@compiled
def rank_in_blocks(phase: int, first: int, out: Floats) -> None:
    """Order the slots by how near they are to the car's own hour in each half day; equal prices go by rank.

    Half days are counted by the clock (`first` is the number of slot 0 since some midnight), so a car planned anew an
    hour later keeps its hour. It charges in one stretch around it, and where the price falls at midnight the cars of a
    fleet begin all over the cheap hours.
    """
    slots = out.shape[0]
    rank = 0.0
    for step in range(BLOCK):
        away = (step + 1) // 2 if step % 2 else -(step // 2)
        slot = (phase + away - first) % BLOCK
        while slot < slots:
            out[slot] = rank
            rank += 1.0
            slot += BLOCK
