"""The exact dynamic programme, compiled: a convex piecewise-linear cost-to-go kept as sorted (slope, length) pieces.

`README.md` beside this file derives it. One pass backward over the slots keeps V, the cheapest cost from a slot's start
to the end as a function of SoC, on the interval of SoC from which all bounds can be kept. A plugged slot inserts two
pieces into the run sorted by slope: charging lengthens the interval to the left by what a slot can charge, at the slope
-buy/efficiency; discharging lengthens it to the right, at the slope -(sell - wear)*efficiency. Where they go in says
all there is to know about the slot: the SoC to charge up to and the SoC to discharge down to. Clipping to the bounds
drops pieces at the ends. One pass forward follows the two levels.

Pieces lie in `slope` and `length` at [first, end), with room on both sides. Indices are unsigned so that numba tests no
sign at every access. All functions are serial and release the GIL; `batch.py` runs chunks of cars in threads. Never
parallel=True: its thread pool does not survive the fork of a worker process.
"""

import numpy as np

from grid.planner.compiled import compiled, inlined


@compiled
def soften(start, top, up, down, plugged, need, trip, lower, upper, drive):
    """Cut one car's bounds to what it can reach; returns 1 if any need was cut.

    `need`, `lower`, `upper` are SoC (kWh) at slot boundaries 0..T, `trip` and `drive` energy per slot as asked and as
    the battery can give it; `up` and `down` are the most a slot can add and take, `top` the most charging may reach.
    M (here `flat_out`) is the SoC of a car that charges flat out from now, I (`idle`) that of one that never charges:
    see docs/planner-format.md. Beyond the format the bounds are drawn in to what can be reached from `start` at all,
    which changes no plan and leaves the programme fewer pieces to carry.
    """
    slots = plugged.shape[0]
    flat_out = start
    idle = start
    lowest = start
    cut = 0
    lower[0] = start
    upper[0] = start
    for t in range(slots):
        used = min(trip[t], flat_out)
        if plugged[t] != 0:
            if flat_out < top:
                flat_out = min(flat_out + up, top)
            lowest -= down
        drive[t] = used
        flat_out -= used
        lowest -= used
        idle = max(idle - used, 0.0)
        wanted = need[t + 1]
        if wanted > flat_out + 1e-9:
            cut = 1
        lowest = max(lowest, min(wanted, flat_out))
        lower[t + 1] = lowest
        upper[t + 1] = min(max(top, idle), flat_out)
    return cut


@inlined
def insert_left(slope, length, first, end, left, at_slope, size):
    """Insert a piece from the left; returns the SoC at its left end, the level to charge up to. `first` falls by one.

    Pieces of equal slope move out, so that of equally good slots the earlier one charges.
    """
    one = np.uint64(1)
    at = first
    level = left
    while at < end and slope[at] <= at_slope:
        level += length[at]
        slope[at - one] = slope[at]
        length[at - one] = length[at]
        at += one
    slope[at - one] = at_slope
    length[at - one] = size
    return level


@inlined
def insert_right(slope, length, end, right, at_slope, size):
    """Insert a piece from the right; returns the SoC at its right end, the level to discharge to. `end` rises by one.

    Only pieces of a higher slope move out: where it brings nothing, the car does not discharge. A piece or a mark of no
    higher slope must lie on the left: the slot's own charging, which costs at least what discharging brings.
    """
    one = np.uint64(1)
    at = end
    level = right
    while slope[at - one] > at_slope:
        at -= one
        level -= length[at]
        slope[at + one] = slope[at]
        length[at + one] = length[at]
    slope[at] = at_slope
    length[at] = size
    return level


@inlined
def grow_left(slope, length, first, end, left, at_slope, size):
    """Lengthen the piece of this slope; returns (level as `insert_left` does, whether there was such a piece)."""
    at = first
    level = left
    while at < end and slope[at] <= at_slope:
        level += length[at]
        at += np.uint64(1)
    is_there = at > first and slope[at - np.uint64(1)] == at_slope
    if is_there:
        length[at - np.uint64(1)] += size
    return level, is_there


@inlined
def grow_right(slope, length, first, end, right, at_slope, size):
    """Lengthen the piece of this slope; returns (level as `insert_right` does, whether there was such a piece)."""
    at = end
    level = right
    while at > first and slope[at - np.uint64(1)] > at_slope:
        at -= np.uint64(1)
        level -= length[at]
    is_there = at > first and slope[at - np.uint64(1)] == at_slope
    if is_there:
        length[at - np.uint64(1)] += size
    return level, is_there


@inlined
def clip(length, first, end, left, right, low, high):
    """Cut the interval [left, right] to [low, high]; returns (first piece, end of pieces, left, right)."""
    one = np.uint64(1)
    cut = low - left
    if cut > 0.0:
        while first < end and length[first] <= cut:
            cut -= length[first]
            first += one
        if first < end:
            length[first] -= cut
        left = min(low, right)
    cut = right - high
    if cut > 0.0:
        while first < end and length[end - one] <= cut:
            end -= one
            cut -= length[end]
        if first < end:
            length[end - one] -= cut
        right = max(high, left)
    if first == end:
        right = left
    return first, end, left, right


@compiled
def backward(up, down, buy, sell, plugged, drive, lower, upper, end_value, slope, length, charge_to, discharge_to):
    """Write each slot's two levels; returns (first piece, end of pieces) of V at the start of slot 0.

    `up` and `down` are the kWh one slot can add and take, `buy` and `sell` the price of a stored kWh bought or sold;
    no slot may sell for more than it buys (`kernel_one_way.py` plans those). `slope` and `length` are scratch, 4T + 8
    long. `charge_to` is -inf and `discharge_to` +inf where the slot does not do it.
    """
    slots = plugged.shape[0]
    one = np.uint64(1)
    first = np.uint64(2 * slots + 4)
    end = first
    left = lower[slots]
    right = max(upper[slots], left)
    if right > left:
        slope[end] = -end_value
        length[end] = right - left
        end += one
    for t in range(slots - 1, -1, -1):
        to_charge = -np.inf
        to_discharge = np.inf
        if plugged[t] == 0:
            left += drive[t]
            right += drive[t]
        else:
            # Slots of one hour share its price: lengthen the piece the last one made, if it is still there.
            is_merged = False
            if t < slots - 1 and buy[t] == buy[t + 1]:
                to_charge, is_merged = grow_left(slope, length, first, end, left, -buy[t], up)
            if not is_merged:
                to_charge = insert_left(slope, length, first, end, left, -buy[t], up)
                first -= one
            left -= up
            if down > 0.0:
                is_merged = False
                if t < slots - 1 and sell[t] == sell[t + 1]:
                    to_discharge, is_merged = grow_right(slope, length, first, end, right, -sell[t], down)
                if not is_merged:
                    to_discharge = insert_right(slope, length, end, right, -sell[t], down)
                    end += one
                right += down
        charge_to[t] = to_charge
        discharge_to[t] = to_discharge
        # `clip`, written out: called as a function it would cost a third more time.
        cut = lower[t] - left
        if cut > 0.0:
            while first < end and length[first] <= cut:
                cut -= length[first]
                first += one
            if first < end:
                length[first] -= cut
            left = min(lower[t], right)
        cut = right - upper[t]
        if cut > 0.0:
            while first < end and length[end - one] <= cut:
                end -= one
                cut -= length[end]
            if first < end:
                length[end - one] -= cut
            right = max(upper[t], left)
        if first == end:
            right = left
    return first, end


@compiled
def forward(start, up, down, drive, charge_to, discharge_to, soc):
    """Follow the levels from `start`; `soc` gets the SoC at the slot boundaries."""
    now = start
    soc[0] = now
    for t in range(drive.shape[0]):
        # Without branches: which way a slot goes is as good as random, and a mispredicted jump costs a slot's work.
        now = max(now, min(now + up, charge_to[t]))
        now = min(now, max(now - down, discharge_to[t]))
        now -= drive[t]
        soc[t + 1] = now


@compiled
def copy_into(target, source):
    """Copy an array; a slice assignment would do the same and take seconds to compile."""
    for t in range(target.shape[0]):
        target[t] = source[t]
