"""Many plans packed at once: what `packing.assemble` and `packing.pack_series` write, compiled."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from grid.arrays.packing import FLOATS, IN_TIME, LARGEST, MILLION, MILLIONTHS, RUNS, VERSION
from grid.planner.compiled import compiled
from grid.planner.problem import Floats

Ints = NDArray[np.int64]
Octets = NDArray[np.uint8]

SERIES_HEAD = 3  # bytes: kind and number of values or runs
PLAN_HEAD, CARE = 7, 43
OTHERS = 2


@compiled
def write_number(out: Octets, at: int, number: int, width: int) -> int:
    """Write a whole number, lowest byte first; returns where the next one goes."""
    for place in range(width):
        out[at + place] = (number >> (8 * place)) & 0xFF
    return at + width


@compiled
def write_octets(out: Octets, at: int, octets: Octets) -> int:
    """Copy bytes; returns where the next ones go."""
    for place in range(octets.shape[0]):
        out[at + place] = octets[place]
    return at + int(octets.shape[0])


@compiled
def write_doubles(out: Octets, at: int, values: Floats) -> int:
    """Write 64-bit floats; returns where the next bytes go."""
    bits = values.view(np.int64)
    for t in range(values.shape[0]):
        at = write_number(out, at, bits[t], 8)
    return at


@compiled
def write_series(values: Floats, whole: Ints, starts: Ints, out: Octets, at: int) -> int:
    """Write a series as `packing.pack_series` does; returns where the next bytes go.

    `whole` and `starts` are scratch of as many values, and one more.
    """
    length = values.shape[0]
    fits, runs = True, 0
    for t in range(length):
        rounded = np.rint(values[t] * MILLION)
        if not (abs(rounded) <= LARGEST and rounded / MILLION == values[t]):
            fits = False
            break
        whole[t] = np.int64(rounded)
        if t == 0 or whole[t] != whole[t - 1]:
            starts[runs] = t
            runs += 1
    kind, size = MILLIONTHS, length
    if not fits:
        kind = FLOATS
    elif 6 * runs < 4 * length:
        kind, size = RUNS, runs
    out[at] = kind
    at = write_number(out, at + 1, size, 2)
    if kind == FLOATS:
        return int(write_doubles(out, at, values))
    if kind == MILLIONTHS:
        for t in range(length):
            at = write_number(out, at, whole[t], 4)
        return at
    starts[runs] = length
    for run in range(runs):
        at = write_number(out, at, starts[run + 1] - starts[run], 2)
    for run in range(runs):
        at = write_number(out, at, whole[starts[run]], 4)
    return at


@compiled
def write_care(
    told: Floats,
    departure: int,
    phase: int,
    first: int,
    came_to: Floats,
    seen: tuple[Floats, Octets],
    out: Octets,
    at: int,
) -> int:
    """Write what `packing.pack_care` does of a night that asks for care; `told` and `came_to` as `write_plans` says."""
    price, switches, least, is_spread = told
    out[at] = 1
    at = write_doubles(out, at + 1, np.array([price]))
    at = write_number(out, at, departure, 2)
    at = write_number(out, at, int(switches), 2)
    at = write_doubles(out, at, np.array([least]))
    out[at], out[at + 1] = (phase, first) if is_spread != 0.0 else (IN_TIME, 0)
    early, usual = seen
    at = write_number(out, at + 2, early.shape[0], 2)
    at = write_doubles(out, at, came_to[:2])
    at = write_number(out, at, int(came_to[2]), 2)
    for minutes in early:
        at = write_number(out, at, int(minutes), 2)
    return int(write_octets(out, at, usual))


@compiled
def write_plans(
    names: tuple[Octets, Ints],
    status: Octets,
    numbers: Floats,
    targets: tuple[Ints, Floats, Ints],
    care: tuple[Any, Floats, Ints, Ints, Ints, Floats, Floats, Ints, tuple[Ints, Octets, Ints]],
    shared: tuple[Ints, Octets, Ints, Octets, Ints],
    series: tuple[Floats, Floats, Floats, Floats, Floats, Floats],
    keys: tuple[Octets, Octets],
    out: Octets,
    ends: Ints,
) -> int:
    """Write N plans one after the other; `ends` [N] says where each is over. Returns where the last one is.

    `names` are bytes and where each name begins, `numbers` [N, 19] SCALARS and OUTCOMES, `targets` those of
    `targeting.Wanted`; `care` (is asked, [N, 4] price, switches, least power and whether spread, departure, phase,
    place of the first slot, [N, 3] added by hedge and shape and switches left, minutes early of all, where each night's
    begin, which packed prior of how many each has); `shared` which of the shared bytes each plan has, those before its
    own series and where they begin, those told beside and where they begin; `series` are plugged, trip, power, SoC,
    reasons and baseline.
    """
    asked, told, departure, phase, first, came_to, early, edges, priors = care
    which, before, before_edges, beside, beside_edges = shared
    plugged, trip, power, soc, reasons, baseline = series
    slots = power.shape[1]
    whole, starts = np.empty(slots + 1, np.int64), np.empty(slots + 2, np.int64)
    at = 0
    for i in range(status.shape[0]):
        name = names[0][names[1][i] : names[1][i + 1]]
        out[at] = VERSION
        at = write_number(out, at + 1, slots, 2)
        out[at], out[at + 1], out[at + 2], out[at + 3] = status[i], targets[2][i], OTHERS, name.shape[0]
        at = write_octets(out, at + 4, name)
        at = write_doubles(out, at, numbers[i])
        for k in range(targets[2][i]):
            at = write_number(out, at, targets[0][i, k], 2)
            at = write_doubles(out, at, targets[1][i, k : k + 1])
        if asked[i]:
            p = priors[0][i]
            seen = (early[edges[i] : edges[i + 1]], priors[1][priors[2][p] : priors[2][p + 1]])
            at = write_care(told[i], departure[i], phase[i], first[i], came_to[i], seen, out, at)
        else:
            out[at : at + CARE] = 0
            at += CARE
        row = which[i]
        at = write_octets(out, at, before[before_edges[row] : before_edges[row + 1]])
        at = write_series(plugged[i], whole, starts, out, at)
        at = write_series(trip[i], whole, starts, out, at)
        at = write_series(power[i], whole, starts, out, at)
        at = write_series(soc[i], whole, starts, out, at)
        at = write_series(reasons[i], whole, starts, out, at)
        at = write_octets(out, at, keys[0])
        at = write_octets(out, at, beside[beside_edges[row] : beside_edges[row + 1]])
        at = write_octets(out, at, keys[1])
        at = write_series(baseline[i], whole, starts, out, at)
        ends[i] = at
    return at
