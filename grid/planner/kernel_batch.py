"""Cars of a batch one after the other, compiled: prices per stored kWh, the programme, the plan's power and cost."""

import numpy as np

from grid.planner.compiled import compiled, summing
from grid.planner.kernel import backward, copy_into, forward, soften
from grid.planner.kernel_one_way import one_way, try_choice, weigh
from grid.planner.kernel_reserve import climb, keeps_reserve

TINY_KWH = 1e-12  # a step this small is rounding, not a plan


@compiled
def soften_range(start, top, up, down, plugged, need, trip, lower, upper, drive, is_cut):
    """Soften the bounds of each car of a batch: `soften` row by row."""
    for i in range(start.shape[0]):
        is_cut[i] = soften(start[i], top[i], up[i], down[i], plugged[i], need[i], trip[i], lower[i], upper[i], drive[i])


@compiled
def add_prices(buy, sell, adder, buy_now, sell_now):
    """Write the prices of one car under a shared adder."""
    for t in range(buy.shape[0]):
        buy_now[t] = buy[t] + adder[t]
        sell_now[t] = sell[t] + adder[t]


@compiled
def stored_prices(buy, sell, charge_efficiency, discharge_efficiency, wear, rank, plugged, buy_stored, sell_stored):
    """Turn prices per AC kWh into prices per stored kWh; returns whether a plugged slot sells for more than it buys.

    They are nudged by steps the size of rounding, so that ties fall as wanted: a discharge must bring more than it
    costs, and of equal prices those of lower rank charge first. One nudge is 2^-46 of the highest price: far below a
    billionth of any cost, yet above the rounding of equal prices.
    """
    highest = 0.0
    per_drawn = 1.0 / charge_efficiency
    for t in range(buy.shape[0]):
        buy_stored[t] = buy[t] * per_drawn
        sell_stored[t] = (sell[t] - wear) * discharge_efficiency
        highest = max(highest, abs(buy_stored[t]), abs(sell_stored[t]))
    nudge = highest * 2.0**-46
    last = 0.0
    for t in range(rank.shape[0]):
        buy_stored[t] += rank[t] * nudge
        last = max(last, rank[t])
    is_shared = False
    for t in range(buy.shape[0]):
        sell_stored[t] -= (last + 1.0) * nudge
        is_shared |= (sell_stored[t] > buy_stored[t]) & (plugged[t] != 0)
    return is_shared


@summing
def account(hours, charge_efficiency, discharge_efficiency, wear, buy, sell, drive, soc, power):
    """Write net AC power [T] of the trajectory `soc`; returns what running it costs, without terminal value."""
    cost = 0.0
    per_stored = 1.0 / (charge_efficiency * hours)
    per_taken = discharge_efficiency / hours
    for t in range(drive.shape[0]):
        moved = soc[t + 1] - soc[t] + drive[t]
        moved = moved if abs(moved) > TINY_KWH else 0.0
        charge = max(moved, 0.0) * per_stored
        discharge = max(-moved, 0.0) * per_taken
        power[t] = charge - discharge
        cost += buy[t] * charge - (sell[t] - wear) * discharge
    return cost * hours


@compiled
def workspace(slots):
    """Return scratch for one car after the other: (slope, length, charge_to, discharge_to, shared)."""
    return np.empty(4 * slots + 8), np.empty(4 * slots + 8), np.empty(slots), np.empty(slots), np.zeros(slots, np.uint8)


@compiled
def plan_generally(car, is_shared, climber, scratch, level):
    """Plan a car that needs more than the plain programme; returns how far its cost may be above the least, at most.

    `climber` is what `kernel_reserve.climb` takes to keep a reserve above the minimum, and how fine to search.
    """
    none = np.zeros(car[6].shape[0], np.uint8)
    proved = one_way(car, none, scratch, level) if is_shared else try_choice(car, scratch, none, level)[1]
    limits, stride = climber
    if limits[2] > limits[1] and not keeps_reserve(limits[2], car[5], level):
        climb(car, limits, scratch, stride, level)
    return max(weigh(car, none, level)[0] - proved, 0.0)


@compiled
def plan_range(begin, stop, which, cars, prices, climbers, hedges, out):
    """Plan the cars which[begin:stop] of a batch; car which[j] writes row j of `out`.

    `cars` are the arrays of `batch.Batch`; `prices` (row of each car, buy [G, T], sell [G, T], rank [N or 0, T], class
    of each car, adder [C, T]); `climbers` those of `batch.Climbers` and how fine to search; `hedges` (penalty
    [N or 0, T+1], level [N or 0]); `out` (cost, bound, power, soc, slots of which the power is wanted or none for all).
    """
    hours, start, charge_kw, discharge_kw, charge_eff, discharge_eff, wear, end_value, plugged, lower, upper, drive = (
        cars
    )
    row, buy, sell, rank, kind, adder = prices
    place, top, minimum, reserve, targets, trip, stride = climbers
    penalty, hedge_to = hedges
    cost, bound, power, soc, watch = out
    slots = plugged.shape[1]
    scratch = workspace(slots)
    slope, length, charge_to, discharge_to, _shared = scratch
    buy_now, sell_now, buy_stored, sell_stored = np.empty(slots), np.empty(slots), np.empty(slots), np.empty(slots)
    net, level, nothing = np.empty(slots), np.empty(slots + 1), np.empty(0)
    for j in range(begin, stop):
        i = which[j]
        up = charge_eff[i] * charge_kw[i] * hours[i]
        down = discharge_kw[i] * hours[i] / discharge_eff[i]
        add_prices(buy[row[i]], sell[row[i]], adder[kind[i]], buy_now, sell_now)
        is_shared = stored_prices(
            buy_now, sell_now, charge_eff[i], discharge_eff[i], wear[i],
            rank[i] if rank.shape[0] > 0 else nothing, plugged[i], buy_stored, sell_stored,
        )  # fmt: skip
        if up == 0.0:  # what charging would cost is of no account, but `backward` needs it no lower than what is earned
            for t in range(slots):
                buy_stored[t] = max(buy_stored[t], sell_stored[t])
        is_shared &= up > 0.0 and down > 0.0
        slack = 0.0
        k = place[i] if place.shape[0] > 0 else -1
        if is_shared or k >= 0 or penalty.shape[0] > 0:
            car = (
                start[i], up, down, buy_stored, sell_stored, plugged[i], drive[i].copy(), lower[i].copy(),
                upper[i].copy(), end_value[i], penalty[i] if penalty.shape[0] > 0 else nothing,
                hedge_to[i] if penalty.shape[0] > 0 else 0.0,
            )  # fmt: skip
            limits = (0.0, 0.0, 0.0, level, level)
            if k >= 0:
                limits = (top[k], minimum[k], reserve[k], targets[k], trip[k])
            slack = plan_generally(car, is_shared, (limits, stride), scratch, level)
        else:
            backward(
                up, down, buy_stored, sell_stored, plugged[i], drive[i], lower[i], upper[i], end_value[i],
                slope, length, charge_to, discharge_to,
            )  # fmt: skip
            forward(start[i], up, down, drive[i], charge_to, discharge_to, level)
        cost[j] = account(hours[i], charge_eff[i], discharge_eff[i], wear[i], buy_now, sell_now, drive[i], level, net)
        cost[j] -= end_value[i] * level[slots]
        bound[j] = cost[j] - slack
        if watch.shape[0] > 0:
            for e in range(watch.shape[0]):
                power[j, e] = net[watch[e]]
        else:
            copy_into(power[j], net)
        if soc.shape[0] > 0:
            copy_into(soc[j], level)
