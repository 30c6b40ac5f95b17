"""Cars of a batch one after the other, compiled: prices per stored kWh, the programme, the plan's power and cost."""

import numpy as np

from grid.planner.compiled import compiled, summing
from grid.planner.kernel import backward, forward, soften
from grid.planner.kernel_one_way import one_way, weigh

TINY_KWH = 1e-12  # a step this small is rounding, not a plan


@compiled
def soften_range(start, top, up, down, plugged, need, trip, lower, upper, drive, is_cut):
    """Soften the bounds of each car of a batch: `soften` row by row."""
    for i in range(start.shape[0]):
        is_cut[i] = soften(start[i], top[i], up[i], down[i], plugged[i], need[i], trip[i], lower[i], upper[i], drive[i])


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
def plan_range(
    begin, stop, hours, start, charge_kw, discharge_kw, charge_efficiency, discharge_efficiency, wear, end_value,
    plugged, lower, upper, drive, row, buy, sell, rank, cost, bound, power, soc,
):  # fmt: skip
    """Plan cars begin..stop-1 of a batch: net AC power, cost and its proved lower bound, SoC where there is room."""
    slots = plugged.shape[1]
    slope, length = np.empty(4 * slots + 8), np.empty(4 * slots + 8)
    charge_to, discharge_to = np.empty(slots), np.empty(slots)
    buy_stored, sell_stored = np.empty(slots), np.empty(slots)
    level, shared = np.empty(slots + 1), np.zeros(slots, np.uint8)
    no_rank = np.empty(0)
    for i in range(begin, stop):
        up = charge_efficiency[i] * charge_kw[i] * hours[i]
        down = discharge_kw[i] * hours[i] / discharge_efficiency[i]
        g = row[i]
        is_shared = stored_prices(
            buy[g], sell[g], charge_efficiency[i], discharge_efficiency[i], wear[i],
            rank[i] if rank.shape[0] > 0 else no_rank, plugged[i], buy_stored, sell_stored,
        )  # fmt: skip
        proved = np.inf
        if is_shared and up > 0.0 and down > 0.0:
            car = (
                start[i], up, down, buy_stored, sell_stored, plugged[i], drive[i], lower[i], upper[i], end_value[i],
            )  # fmt: skip
            proved = one_way(car, (slope, length, charge_to, discharge_to, shared), level)
            # The bound is in nudged prices; what the plan itself costs in them tells how far it is from it.
            shared[:] = 0
            proved -= weigh(up, down, buy_stored, sell_stored, drive[i], end_value[i], shared, level)[0]
        else:
            backward(
                up, down, buy_stored, sell_stored, plugged[i], drive[i], lower[i], upper[i], end_value[i],
                slope, length, charge_to, discharge_to,
            )  # fmt: skip
            forward(start[i], up, down, drive[i], charge_to, discharge_to, level)
        cost[i] = account(
            hours[i], charge_efficiency[i], discharge_efficiency[i], wear[i], buy[g], sell[g], drive[i], level, power[i]
        )
        cost[i] -= end_value[i] * level[slots]
        bound[i] = cost[i] + min(proved, 0.0)
        if soc.shape[0] > 0:
            soc[i, :] = level
