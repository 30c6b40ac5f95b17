"""Plans a car can follow, compiled, for many cars: few switches and no current below what the plug allows.

`few_switches` plans the car anew under prices that tempt it to switch less: flat within blocks of slots, and with a
spread that must be earned before power is given back. What comes out is weighed by the true prices. Each trial is one
pass of the programme, so a hundred times quicker than removing switches one by one (`kernel_switch.py`), which remains
for the cars where no such plan is found.
"""

import numpy as np

from grid.planner.compiled import compiled
from grid.planner.kernel import copy_into
from grid.planner.kernel_batch import account, stored_prices, workspace
from grid.planner.kernel_one_way import CHARGE_ONLY, FREE, weigh
from grid.planner.kernel_switch import few_changes, find_ways, try_ways

NEAR_KWH = 1e-9
NEAR_KW = 1e-9
NEARLY = 6  # switches above the limit from which a car of many is thinned out one by one
BLOCKS = (1, 2, 3, 4, 6, 8, 12, 16, 24, 48)
SPREADS = (0.0, 0.05, 0.1, 0.2, 0.4, 0.8)  # of the span of prices


@compiled
def blocked_prices(prices, plugged, block, extra, out):
    """Write prices that are the mean of each block of slots, plus `extra`; blocks are counted from each stay's end."""
    slots = prices.shape[0]
    t = slots
    while t > 0:
        begin = t - 1
        while begin > 0 and t - begin < block and plugged[begin - 1] == plugged[t - 1]:
            begin -= 1
        mean = 0.0
        for k in range(begin, t):
            mean += prices[k]
        mean = mean / (t - begin) + extra
        for k in range(begin, t):
            out[k] = mean
        t = begin


@compiled
def price_span(buy, sell, plugged):
    """Return how far the prices of the plugged slots lie apart."""
    low, high = np.inf, -np.inf
    for t in range(buy.shape[0]):
        if plugged[t] != 0:
            low = min(low, buy[t], sell[t])
            high = max(high, buy[t], sell[t])
    return max(high - low, 0.0)


@compiled
def tempt(car, scratch, limit, soc, best_soc):
    """Write to `best_soc` the cheapest plan of at most `limit` switches that some blocks and spread tempt the car to.

    Returns (its cost by the true prices, its switches), an infinite cost where there is none.
    """
    plugged, drive = car[5], car[6]
    slots = plugged.shape[0]
    way, ways, none = np.zeros(slots, np.uint8), np.zeros(slots, np.uint8), np.zeros(slots, np.uint8)
    buy, sell, found = np.empty(slots), np.empty(slots), soc.copy()
    best, left = np.inf, limit + 1
    span = price_span(car[3], car[4], plugged)
    for block in BLOCKS:
        for k in range(len(SPREADS) + 1 if car[2] > 0.0 else 1):
            ways[:] = CHARGE_ONLY if k == len(SPREADS) else FREE
            extra = span * SPREADS[k] if k < len(SPREADS) else 0.0
            blocked_prices(car[3], plugged, block, 0.0, buy)
            blocked_prices(car[4], plugged, block, -extra, sell)
            trial = (
                car[0], car[1], car[2], buy, sell, plugged, drive, car[7], car[8], car[9], car[10], car[11],
            )  # fmt: skip
            tempted, changes = try_ways(trial, scratch, ways, limit + 1, found, way)
            if tempted == np.inf:
                continue
            cost = weigh(car, none, found)[0]
            if cost < best:
                best, left = cost, changes
                copy_into(best_soc, found)
            if k < len(SPREADS):
                break  # a wider spread gives up more
    return best, left


@compiled
def few_switches(car, scratch, limit, nearly, soc):
    """Replace the trajectory `soc` by a cheap one of at most `limit` switches, or of as few as the bounds allow.

    `car` and `scratch` are as `kernel_one_way.one_way` takes them. A plan of more than `nearly` switches above the
    limit is first tempted to so many, then thinned out one by one: what that gives up is small, what it saves is not.
    Returns the switches left.
    """
    none = np.zeros(car[5].shape[0], np.uint8)
    before = find_ways(car[5], car[6], soc, none.copy())
    if before <= limit:
        return before
    tempted, thinned = soc.copy(), soc.copy()
    cost, left = tempt(car, scratch, limit, soc, tempted)
    if before > limit + nearly:
        tempt(car, scratch, limit + nearly, soc, thinned)
    few = few_changes(car, scratch, limit, thinned)
    if few > limit and cost == np.inf:
        copy_into(thinned, soc)
        few = few_changes(car, scratch, limit, thinned)
    if cost == np.inf or (few <= limit and weigh(car, none, thinned)[0] < cost):
        copy_into(soc, thinned)
        return few
    copy_into(soc, tempted)
    return left


@compiled
def follow(real_car, power, real, soc):
    """Write what the car really draws when asked for `power` [T], and the SoC [T+1] kWh that gives."""
    start, hours, charge_eff, discharge_eff, _charge_kw, top, _plugged, trip, _buy = real_car
    copy_into(real, power)
    soc[0] = start
    for t in range(power.shape[0]):
        if power[t] > 0.0:
            stored = min(power[t] * charge_eff * hours, max(0.0, top[t + 1] - soc[t]))
            real[t] = stored / charge_eff / hours
            soc[t + 1] = soc[t] + stored
        else:
            soc[t + 1] = soc[t] + power[t] * hours / discharge_eff
        soc[t + 1] -= min(trip[t], soc[t + 1])


@compiled
def make_up(real_car, power, lower, least, barred, real, soc):
    """Charge more, in the cheapest slots that help, until the bounds are kept or nothing helps; changes `power`."""
    _start, hours, charge_eff, _discharge_eff, charge_kw, _top, plugged, _trip, buy = real_car
    slots = power.shape[0]
    is_spent = np.zeros(slots, np.uint8)  # where the battery has no room for more
    for _ in range(4 * slots):
        follow(real_car, power, real, soc)
        deadline = -1
        for t in range(slots + 1):
            if soc[t] < lower[t] - NEAR_KWH:
                deadline = t
                break
        if deadline < 0:
            return True
        missing = (lower[deadline] - soc[deadline]) / (charge_eff * hours)
        slot = -1
        for t in range(deadline):
            is_free = plugged[t] != 0 and t != barred and power[t] >= 0.0 and is_spent[t] == 0
            if not is_free or charge_kw - real[t] <= NEAR_KW or power[t] >= charge_kw - NEAR_KW:
                continue
            if slot < 0 or buy[t] < buy[slot] or (buy[t] == buy[slot] and power[slot] == 0.0 and power[t] > 0.0):
                slot = t
        if slot < 0:
            return False
        more = min(charge_kw, max(least, real[slot] + missing))
        if more <= power[slot] + NEAR_KW:
            is_spent[slot] = 1
        power[slot] = max(power[slot], more)
    return False


@compiled
def bill(real_car, sell, end_value, power, end_kwh):
    """Return what net AC power costs by the format's formula; `sell` is what a kWh delivered brings after wear."""
    buy, hours = real_car[8], real_car[1]
    cost = 0.0
    for t in range(power.shape[0]):
        cost += (buy[t] if power[t] > 0.0 else sell[t]) * power[t]
    return cost * hours - end_value * end_kwh


@compiled
def switches_in(power, plugged):
    """Count the changes between charging, idling and discharging within stays."""
    changes = 0
    for t in range(1, power.shape[0]):
        if plugged[t] != 0 and plugged[t - 1] != 0 and np.sign(power[t]) != np.sign(power[t - 1]):
            changes += 1
    return changes


@compiled
def without_small_currents(real_car, sell, end_value, lower, least, limit, power, soc):
    """Raise what is below the least power to it, or do without where the rest can make it up.

    Of both what keeps the targets, then the limit of switches, then costs less. Changes `power` and `soc`; a car whose
    plan has no such slot keeps both to the last digit. Returns whether it had one.
    """
    slots = power.shape[0]
    real, other, best = np.empty(slots), np.empty(slots), np.empty(slots)
    other_soc = np.empty(slots + 1)
    has_changed = False
    for slot in range(slots):
        if not 0.0 < power[slot] < least - NEAR_KW:
            continue
        best_flaws, best_cost = 4, np.inf
        for choice in range(2):
            copy_into(other, power)
            other[slot] = 0.0 if choice == 0 else least
            kept = make_up(real_car, other, lower, least, slot if choice == 0 else -1, real, other_soc)
            follow(real_car, other, real, other_soc)
            flaws = (0 if kept else 2) + (1 if switches_in(real, real_car[6]) > limit else 0)
            cost = bill(real_car, sell, end_value, real, other_soc[slots])
            if flaws < best_flaws or (flaws == best_flaws and cost < best_cost):
                best_flaws, best_cost = flaws, cost
                copy_into(best, other)
        copy_into(power, best)
        has_changed = True
    if has_changed:
        follow(real_car, power, real, soc)
        copy_into(power, real)
    return has_changed


@compiled
def shape_range(cars, prices, climbers, hedges, wishes, out):
    """Shape the plans of a batch; `cars`, `prices`, `climbers` and `hedges` are as `kernel_batch.plan_range` has them.

    `wishes` are (most switches, least power, most SoC, trips [N, T]); `out` (cost, power, soc, switches) holds the
    plans and what becomes of them.
    """
    hours, start, charge_kw, discharge_kw, charge_eff, discharge_eff, wear, end_value, plugged, lower, upper, drive = (
        cars
    )
    row, buy, sell, rank = prices
    place, reserve = climbers
    penalty, hedge_to = hedges
    most, least, top, trip = wishes
    cost, power, soc, switches = out
    slots = plugged.shape[1]
    scratch = workspace(slots)
    buy_stored, sell_stored, after_wear = np.empty(slots), np.empty(slots), np.empty(slots)
    room = np.empty(slots + 1)
    nothing = np.empty(0)
    for i in range(start.shape[0]):
        switches[i] = switches_in(power[i], plugged[i])
        up = charge_eff[i] * charge_kw[i] * hours[i]
        down = discharge_kw[i] * hours[i] / discharge_eff[i]
        floor = lower[i].copy()
        if place.shape[0] > 0 and place[i] >= 0:  # kept as the plan keeps it: down to where it goes itself
            for t in range(slots):
                if plugged[i, t] != 0:
                    floor[t + 1] = max(floor[t + 1], min(reserve[place[i]], soc[i, t + 1]))
        if switches[i] > most[i] and up > 0.0:
            stored_prices(
                buy[row[i]], sell[row[i]], charge_eff[i], discharge_eff[i], wear[i],
                rank[i] if rank.shape[0] > 0 else nothing, plugged[i], buy_stored, sell_stored,
            )  # fmt: skip
            car = (
                start[i], up, down, buy_stored, sell_stored, plugged[i], drive[i].copy(), floor, upper[i].copy(),
                end_value[i], penalty[i] if penalty.shape[0] > 0 else nothing,
                hedge_to[i] if penalty.shape[0] > 0 else 0.0,
            )  # fmt: skip
            few_switches(car, scratch, most[i], NEARLY if down > 0.0 else slots, soc[i])
            cost[i] = account(
                hours[i],
                charge_eff[i],
                discharge_eff[i],
                wear[i],
                buy[row[i]],
                sell[row[i]],
                drive[i],
                soc[i],
                power[i],
            )
            cost[i] -= end_value[i] * soc[i, slots]
        for t in range(slots):
            power[i, t] = min(max(power[i, t], -discharge_kw[i]), charge_kw[i])
            after_wear[t] = sell[row[i], t] - wear[i]
            # A car that came with more than its most keeps what the plan leaves it.
            room[t + 1] = max(top[i], soc[i, t + 1])
        real_car = (
            start[i], hours[i], charge_eff[i], discharge_eff[i], charge_kw[i], room, plugged[i], trip[i], buy[row[i]],
        )  # fmt: skip
        for t in range(slots):  # what the plan itself does not reach, no other need
            floor[t + 1] = min(lower[i, t + 1], soc[i, t + 1])
        if without_small_currents(
            real_car, after_wear, end_value[i], floor, min(least[i], charge_kw[i]), most[i], power[i], soc[i]
        ):
            cost[i] = bill(real_car, after_wear, end_value[i], power[i], soc[i, slots])
        switches[i] = switches_in(power[i], plugged[i])
