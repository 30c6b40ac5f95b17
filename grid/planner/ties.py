"""Ties spread over cars, so that thousands of them do not start in the same cheapest minute."""

import hashlib

import numpy as np

from grid.planner.problem import Floats


def spread_rank(name: str, slots: int) -> Floats:
    """Order the slots for one car: in time, but from a place in the horizon drawn from its name.

    Among slots of one price each car then starts elsewhere and still charges in one stretch.
    """
    begin = int.from_bytes(hashlib.blake2b(name.encode("utf-8", "surrogatepass"), digest_size=8).digest()) % slots
    return np.roll(np.arange(slots, dtype=np.float64), begin)
