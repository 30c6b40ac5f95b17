"""Series of many plans packed at once: `packing.pack_series` row by row, compiled."""

from typing import Any

import numpy as np

from grid.packing import FLOATS, LARGEST, MILLION, MILLIONTHS, RUNS
from grid.planner.compiled import compiled
from grid.planner.problem import Floats

HEAD = 3  # bytes: kind and number of values or runs


def pack_rows(values: Floats) -> list[bytes]:
    """Return each row of [N, T] values as `pack_series` would."""
    values = np.ascontiguousarray(values, dtype=np.float64)
    count, length = values.shape
    out, sizes = np.empty((count, HEAD + 8 * length), np.uint8), np.empty(count, np.int64)
    write_rows(values, out, sizes)
    raw, width = out.tobytes(), HEAD + 8 * length
    return [raw[at : at + size] for at, size in zip(range(0, count * width, width), sizes.tolist(), strict=True)]


@compiled
def write_rows(values: Floats, out: Any, sizes: Any) -> None:
    """Write each row's bytes and how many they are."""
    length = values.shape[1]
    whole, starts = np.empty(length, np.int64), np.empty(length + 1, np.int64)
    for i in range(values.shape[0]):
        fits = True
        for t in range(length):
            rounded = np.rint(values[i, t] * MILLION)
            if not (abs(rounded) <= LARGEST and rounded / MILLION == values[i, t]):
                fits = False
                break
            whole[t] = np.int64(rounded)
        runs = 0
        for t in range(length):
            if fits and (t == 0 or whole[t] != whole[t - 1]):
                starts[runs] = t
                runs += 1
        at = HEAD
        if not fits:
            out[i, 0], size = FLOATS, length
            bits = values[i].view(np.int64)
            for t in range(length):
                at = write_number(out[i], at, bits[t], 8)
        elif 6 * runs < 4 * length:
            out[i, 0], size = RUNS, runs
            starts[runs] = length
            for run in range(runs):
                at = write_number(out[i], at, starts[run + 1] - starts[run], 2)
            for run in range(runs):
                at = write_number(out[i], at, whole[starts[run]], 4)
        else:
            out[i, 0], size = MILLIONTHS, length
            for t in range(length):
                at = write_number(out[i], at, whole[t], 4)
        write_number(out[i], 1, size, 2)
        sizes[i] = at


@compiled
def write_number(out: Any, at: int, number: int, width: int) -> int:
    """Write a whole number, lowest byte first; returns where the next one goes."""
    for place in range(width):
        out[at + place] = (number >> (8 * place)) & 0xFF
    return at + width
