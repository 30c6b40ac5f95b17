"""Slots in which charging and discharging at once would pay: each goes one way, chosen by branch and bound, compiled.

Where a stored kWh sells for more than it is bought for, the cost of a slot is concave at zero and the programme no
longer convex. Sharing the slot between both ways in time is the convex hull of its two ways, so the programme with
shared slots gives a lower bound, exact where every such slot ends up wholly on one side. Otherwise the slot that gains
most from sharing is tried both ways, deepest first, until the best plan found is proved within TOLERANCE or NODES are
spent; then single turns and swaps of ways polish what was found.

`backward_generally` also carries what else the plain programme of `kernel.py` does not: ways that are fixed, and the
price of being short when the car leaves early.
"""

import numpy as np

from grid.planner.compiled import compiled, inlined
from grid.planner.kernel import clip, copy_into, forward, insert_left, insert_right

FREE, CHARGE_ONLY, DISCHARGE_ONLY, IDLE_ONLY = 0, 1, 2, 3

TOLERANCE = 1e-5  # of the cost; the format asks for 1e-3
NODES = 300
ROUNDS = 3  # of polishing
POLISHING = 500_000  # slots planned at most in polishing, so that a month of 5-minute slots ends too


@inlined
def fear_leaving(slope, length, first, end, left, level, penalty):
    """Add penalty * max(0, level - SoC) to V; returns the end of the pieces, one more where `level` splits one."""
    one = np.uint64(1)
    at = first
    reached = left
    while at < end and reached + length[at] <= level:
        reached += length[at]
        slope[at] -= penalty
        at += one
    if at < end and reached < level:
        move = end
        while move > at:
            slope[move] = slope[move - one]
            length[move] = length[move - one]
            move -= one
        slope[at] -= penalty
        length[at] = level - reached
        length[at + one] -= level - reached
        end += one
    return end


@compiled
def backward_generally(car, choice, scratch):
    """Do what `kernel.backward` does under a `choice` of ways and a penalty on leaving early.

    Marks in `scratch` the slots that share both ways, in which both levels are the one SoC it steers to.
    """
    _start, up, down, buy, sell, plugged, drive, lower, upper, end_value, penalty, hedge_to = car
    slope, length, charge_to, discharge_to, shared = scratch
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
        if penalty.shape[0] > 0 and penalty[t + 1] > 0.0:
            end = fear_leaving(slope, length, first, end, left, hedge_to, penalty[t + 1])
        charge_to[t] = -np.inf
        discharge_to[t] = np.inf
        shared[t] = 0
        if plugged[t] == 0:
            left += drive[t]
            right += drive[t]
        else:
            add = up if choice[t] == FREE or choice[t] == CHARGE_ONLY else 0.0
            take = down if choice[t] == FREE or choice[t] == DISCHARGE_ONLY else 0.0
            if add > 0.0 and take > 0.0 and sell[t] > buy[t]:
                price = (buy[t] * add + sell[t] * take) / (add + take)
                charge_to[t] = insert_left(slope, length, first, end, left, -price, add + take)
                discharge_to[t] = charge_to[t]
                first -= one
                shared[t] = 1
            else:
                if add > 0.0:
                    charge_to[t] = insert_left(slope, length, first, end, left, -buy[t], add)
                    first -= one
                if take > 0.0:
                    if add == 0.0:
                        slope[first - one] = -np.inf
                    discharge_to[t] = insert_right(slope, length, end, right, -sell[t], take)
                    end += one
            left -= add
            right += take
        first, end, left, right = clip(length, first, end, left, right, lower[t], upper[t])


@compiled
def weigh(car, shared, soc):
    """Cost of a trajectory; returns (cost one way a slot, cost with shared slots on the hull, slot that gains most)."""
    _start, up, down, buy, sell, _plugged, drive, _lower, _upper, end_value, penalty, hedge_to = car
    cost = -end_value * soc[drive.shape[0]]
    gained = 0.0
    most = 0.0
    slot = -1
    for t in range(drive.shape[0]):
        moved = soc[t + 1] - soc[t] + drive[t]
        bill = moved * (buy[t] if moved > 0.0 else sell[t])
        cost += bill
        if shared[t] != 0:
            gain = bill - (buy[t] * up * (moved + down) - sell[t] * down * (up - moved)) / (up + down)
            gained += max(gain, 0.0)
            if gain > most:
                most = gain
                slot = t
        if penalty.shape[0] > 0:
            cost += penalty[t + 1] * max(hedge_to - soc[t + 1], 0.0)
    return cost, cost - gained, slot


@compiled
def try_choice(car, scratch, choice, soc):
    """Plan under a choice of ways; returns what `weigh` does. `soc` gets the trajectory."""
    backward_generally(car, choice, scratch)
    forward(car[0], car[1], car[2], car[6], scratch[2], scratch[3], soc)
    return weigh(car, scratch[4], soc)


@compiled
def settle(car, scratch, choice, soc, best, best_choice, best_soc):
    """Fix every slot still shared to the side its trajectory `soc` takes and plan again; keeps what is cheaper."""
    buy, sell, plugged, drive = car[3], car[4], car[5], car[6]
    fixed = choice.copy()
    for t in range(choice.shape[0]):
        if plugged[t] != 0 and sell[t] > buy[t] and fixed[t] == FREE:
            fixed[t] = CHARGE_ONLY if soc[t + 1] - soc[t] + drive[t] > 0.0 else DISCHARGE_ONLY
    cost = try_choice(car, scratch, fixed, soc)[0]
    if cost < best:
        best = cost
        copy_into(best_choice, fixed)
        copy_into(best_soc, soc)
    return best


@compiled
def branch(car, given, scratch, best_choice, best_soc):
    """Search choices depth first; returns (best cost, proved lower bound, whether that proves the best)."""
    slots = best_soc.shape[0] - 1
    choice = given.copy()
    soc = np.empty(slots + 1)
    branched = np.zeros(slots + 1, np.int64)
    turned = np.zeros(slots + 1, np.uint8)
    bounds = np.empty(slots + 1)  # of the side not yet tried at each depth: its parent's
    best = np.inf
    lost = np.inf  # the least bound among what was cut off for being good enough
    depth = 0
    for _ in range(NODES):
        _cost, bound, slot = try_choice(car, scratch, choice, soc)
        moved = 0.0 if slot < 0 else soc[slot + 1] - soc[slot] + car[6][slot]
        if bound < best:
            best = settle(car, scratch, choice, soc, best, best_choice, best_soc)
        if slot >= 0 and bound < best - TOLERANCE * max(abs(best), 0.01):
            choice[slot] = CHARGE_ONLY if moved > 0.0 else DISCHARGE_ONLY
            branched[depth], turned[depth], bounds[depth] = slot, 0, bound
            depth += 1
            continue
        lost = min(lost, bound)
        while depth > 0 and turned[depth - 1] != 0:  # both sides of this slot are done
            depth -= 1
            choice[branched[depth]] = FREE
        if depth == 0:
            return best, min(best, lost), True
        slot = branched[depth - 1]
        choice[slot] = CHARGE_ONLY + DISCHARGE_ONLY - choice[slot]
        turned[depth - 1] = 1
    for open_side in range(depth):
        lost = min(lost, bounds[open_side])
    return best, min(best, lost), False


@compiled
def polish(car, given, scratch, best, best_choice, best_soc):
    """Turn single slots, then swap pairs, while that makes the plan cheaper; returns the cost."""
    slots = best_soc.shape[0] - 1
    soc = np.empty(slots + 1)
    two_way = np.flatnonzero(best_choice != given)
    choice = best_choice.copy()
    tries = POLISHING // slots + 1
    for _ in range(ROUNDS):
        before = best
        for i in range(len(two_way)):
            for j in range(i, len(two_way)):
                a, b = two_way[i], two_way[j]
                if (i != j and choice[a] == choice[b]) or tries <= 0:
                    continue
                tries -= 1
                choice[a] = CHARGE_ONLY + DISCHARGE_ONLY - choice[a]
                if i != j:
                    choice[b] = CHARGE_ONLY + DISCHARGE_ONLY - choice[b]
                cost = try_choice(car, scratch, choice, soc)[0]
                if cost < best - 1e-12:
                    best = cost
                    copy_into(best_choice, choice)
                    copy_into(best_soc, soc)
                else:
                    copy_into(choice, best_choice)
        if best >= before - TOLERANCE * abs(best):
            break
    return best


@compiled
def one_way(car, given, scratch, best_soc):
    """Plan a car some of whose slots sell for more than they buy; returns the proved lower bound of its cost.

    `car` is (start, up, down, buy, sell, plugged, drive, lower, upper, end value, penalty [T+1 or 0] for being below a
    level, that level), prices per stored kWh, `given` the ways that are fixed,
    `scratch` (slope, length, charge_to, discharge_to, shared); `best_soc` gets the trajectory.
    """
    best_choice = given.copy()
    best, bound, is_proved = branch(car, given, scratch, best_choice, best_soc)
    if not is_proved and best - bound > TOLERANCE * abs(best):
        polish(car, given, scratch, best, best_choice, best_soc)
    return bound
