"""The exact dynamic programme, compiled: a convex piecewise-linear cost-to-go kept as sorted (slope, length) pieces.

`README.md` beside this file derives it. One pass backward over the slots keeps V, the cheapest cost from a slot's start
to the end as a function of SoC, on the interval of SoC from which all bounds can be kept. A plugged slot inserts two
pieces into the run sorted by slope: charging lengthens the interval to the left by what a slot can charge, at the slope
-buy/efficiency; discharging lengthens it to the right, at the slope -(sell - wear)*efficiency. Where they go in says
all there is to know about the slot: the SoC to charge up to and the SoC to discharge down to. Clipping to the bounds
drops pieces at the ends. One pass forward follows the two levels.

All functions are serial and release the GIL; `batch.py` runs chunks of cars in threads. Never parallel=True: its
thread pool does not survive the fork of a worker process.
"""

import numpy as np

from grid.planner.compiled import compiled

# What a slot may do; BOTH is resolved to HULL where charging and discharging at once would pay.
FREE, CHARGE_ONLY, DISCHARGE_ONLY = 0, 1, 2

TINY_KWH = 1e-12  # a step this small is rounding, not a plan


@compiled
def soften(start, top, step, plugged, need, trip, lower, upper, drive):
    """Cut one car's bounds to what it can reach; returns 1 if any was cut.

    `need`, `lower`, `upper` are SoC (kWh) at slot boundaries 0..T, `trip` and `drive` energy per slot as asked and as
    the battery can give it; `step` is the most a slot can add, `top` the most charging may reach. M is the SoC of a car
    that charges flat out from now, I that of one that never charges: see docs/planner-format.md.
    """
    slots = plugged.shape[0]
    flat_out = start
    idle = start
    cut = 0
    lower[0] = min(need[0], start)
    upper[0] = max(top, start)
    for t in range(slots):
        used = min(trip[t], flat_out)
        if plugged[t] != 0 and flat_out < top:
            flat_out = min(flat_out + step, top)
        drive[t] = used
        flat_out -= used
        idle = max(idle - used, 0.0)
        wanted = need[t + 1]
        if wanted > flat_out + 1e-9:
            cut = 1
        lower[t + 1] = min(wanted, flat_out)
        upper[t + 1] = max(top, idle)
    return cut


@compiled
def insert_charge(slope, length, first, end, left, price, add):
    """Insert a piece of `add` kWh at slope -price from the left; returns (first piece, SoC to charge up to).

    Pieces worth at least as much move one place out, so that of equally good slots the earlier one charges.
    """
    one = np.uint64(1)
    at = first
    level = left
    while at < end and slope[at] <= -price:
        level += length[at]
        slope[at - one] = slope[at]
        length[at - one] = length[at]
        at += one
    slope[at - one] = -price
    length[at - one] = add
    return first - one, level


@compiled
def insert_discharge(slope, length, first, end, right, price, take):
    """Insert a piece of `take` kWh at slope -price from the right; returns (end of pieces, SoC to discharge down to).

    Only pieces worth less move out: where it brings nothing, the car does not discharge.
    """
    one = np.uint64(1)
    at = end
    level = right
    while at > first and slope[at - one] > -price:
        at -= one
        level -= length[at]
        slope[at + one] = slope[at]
        length[at + one] = length[at]
    slope[at] = -price
    length[at] = take
    return end + one, level


@compiled
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
def backward(
    up, down, buy, sell, plugged, drive, lower, upper, end_value, choice, slope, length, charge_to, discharge_to, hull
):
    """Write each slot's two levels; returns (first piece, end of pieces, left end) of V at the start of slot 0.

    `up` and `down` are the kWh one slot can add and take, `buy` and `sell` the price of a stored kWh bought or sold.
    `slope` and `length` are scratch, 4T + 8 long. `charge_to` is -inf and `discharge_to` +inf where the slot does not
    do it. `hull` marks slots whose two ways are shared in time: both levels are then the one the slot steers to.
    """
    slots = plugged.shape[0]
    first = np.uint64(2 * slots + 4)
    end = first
    left = lower[slots]
    right = max(upper[slots], left)
    if right > left:
        slope[end] = -end_value
        length[end] = right - left
        end += np.uint64(1)
    for t in range(slots - 1, -1, -1):
        charge_to[t] = -np.inf
        discharge_to[t] = np.inf
        hull[t] = 0
        if plugged[t] == 0:
            left += drive[t]
            right += drive[t]
        else:
            add = up if choice[t] != DISCHARGE_ONLY else 0.0
            take = down if choice[t] != CHARGE_ONLY else 0.0
            if add > 0.0 and take > 0.0 and sell[t] > buy[t]:
                # Both ways at once would pay: one piece over the whole range is the convex hull of the two.
                shared = (buy[t] * add + sell[t] * take) / (add + take)
                first, charge_to[t] = insert_charge(slope, length, first, end, left, shared, add + take)
                discharge_to[t] = charge_to[t]
                hull[t] = 1
            else:
                if add > 0.0:
                    first, charge_to[t] = insert_charge(slope, length, first, end, left, buy[t], add)
                if take > 0.0:
                    end, discharge_to[t] = insert_discharge(slope, length, first, end, right, sell[t], take)
            left -= add
            right += take
        first, end, left, right = clip(length, first, end, left, right, lower[t], upper[t])
    return first, end, left


@compiled
def forward(start, up, down, plugged, drive, charge_to, discharge_to, step, soc):
    """Follow the levels from `start`: `step` gets the kWh each slot stores (+) or takes (-), `soc` the boundaries."""
    now = start
    soc[0] = now
    for t in range(plugged.shape[0]):
        then = now
        if now < charge_to[t]:
            then = min(now + up, charge_to[t])
        elif now > discharge_to[t]:
            then = max(now - down, discharge_to[t])
        moved = then - now
        if -TINY_KWH < moved < TINY_KWH:
            moved = 0.0
            then = now
        step[t] = moved
        now = then - drive[t]
        soc[t + 1] = now


@compiled
def soften_range(start, top, step, plugged, need, trip, lower, upper, drive, is_cut):
    """Soften the bounds of each car of a batch: `soften` row by row."""
    for i in range(start.shape[0]):
        is_cut[i] = soften(start[i], top[i], step[i], plugged[i], need[i], trip[i], lower[i], upper[i], drive[i])


@compiled
def stored_prices(buy, sell, charge_efficiency, discharge_efficiency, wear, rank, buy_stored, sell_stored):
    """Turn prices per AC kWh into prices per stored kWh, nudged by rounding-size steps so that ties fall as wanted.

    A discharge must bring more than it costs, and of equal prices those of lower rank charge first. One nudge is 2^-46
    of the highest price: far below a billionth of any cost, yet above the rounding of equal prices.
    """
    highest = 0.0
    last = 0.0
    for t in range(buy.shape[0]):
        buy_stored[t] = buy[t] / charge_efficiency
        sell_stored[t] = (sell[t] - wear) * discharge_efficiency
        highest = max(highest, abs(buy_stored[t]), abs(sell_stored[t]))
    nudge = highest * 2.0**-46
    for t in range(rank.shape[0]):
        buy_stored[t] += rank[t] * nudge
        last = max(last, rank[t])
    for t in range(buy.shape[0]):
        sell_stored[t] -= (last + 1.0) * nudge


@compiled
def account(
    hours, charge_efficiency, discharge_efficiency, wear, end_value, up, down, buy, sell, step, soc, hull, power
):
    """Write net AC power from battery steps; returns (cost, cost if hull slots could share both ways in time)."""
    cost = 0.0
    gain = 0.0
    for t in range(step.shape[0]):
        moved = step[t]
        bill = 0.0
        if moved > 0.0:
            drawn = moved / charge_efficiency
            bill = buy[t] * drawn
            power[t] = drawn / hours
        elif moved < 0.0:
            delivered = -moved * discharge_efficiency
            bill = -(sell[t] - wear) * delivered
            power[t] = -delivered / hours
        else:
            power[t] = 0.0
        cost += bill
        if hull[t] != 0:
            share = (moved + down) / (up + down)
            full = buy[t] * up / charge_efficiency * share
            empty = -(sell[t] - wear) * down * discharge_efficiency * (1.0 - share)
            gain += max(bill - full - empty, 0.0)
    cost -= end_value * soc[step.shape[0]]
    return cost, cost - gain


@compiled
def plan_range(
    begin,
    stop,
    hours,
    start,
    charge_kw,
    discharge_kw,
    charge_efficiency,
    discharge_efficiency,
    wear,
    end_value,
    plugged,
    lower,
    upper,
    drive,
    row,
    buy,
    sell,
    rank,
    cost,
    bound,
    power,
    soc,
):
    """Plan cars begin..stop-1 of a batch, one after the other."""
    slots = plugged.shape[1]
    slope, length = np.empty(4 * slots + 8), np.empty(4 * slots + 8)
    charge_to, discharge_to = np.empty(slots), np.empty(slots)
    buy_stored, sell_stored = np.empty(slots), np.empty(slots)
    step, level = np.empty(slots), np.empty(slots + 1)
    choice, hull = np.zeros(slots, np.uint8), np.zeros(slots, np.uint8)
    no_rank = np.empty(0)
    for i in range(begin, stop):
        up = charge_efficiency[i] * charge_kw[i] * hours[i]
        down = discharge_kw[i] * hours[i] / discharge_efficiency[i]
        g = row[i]
        order = rank[i] if rank.shape[0] > 0 else no_rank
        stored_prices(
            buy[g], sell[g], charge_efficiency[i], discharge_efficiency[i], wear[i], order, buy_stored, sell_stored
        )
        backward(
            up,
            down,
            buy_stored,
            sell_stored,
            plugged[i],
            drive[i],
            lower[i],
            upper[i],
            end_value[i],
            choice,
            slope,
            length,
            charge_to,
            discharge_to,
            hull,
        )
        forward(start[i], up, down, plugged[i], drive[i], charge_to, discharge_to, step, level)
        cost[i], bound[i] = account(
            hours[i],
            charge_efficiency[i],
            discharge_efficiency[i],
            wear[i],
            end_value[i],
            up,
            down,
            buy[g],
            sell[g],
            step,
            level,
            hull,
            power[i],
        )
        if soc.shape[0] > 0:
            soc[i, :] = level
