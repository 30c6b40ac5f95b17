"""Cars that may be below their reserve: when to climb to it and discharge from then on, compiled.

Between minimum and reserve a car charges when it likes but discharges only once the reserve is reached, so its cost is
not convex at the reserve. Within one stay it is simple again: up to some slot the car does not discharge and its floor
is the minimum, from that slot on it may and its floor is the reserve. So the choice is one slot a stay, and each choice
is a convex programme. Where the plan that ignores the reserve happens to keep it, that plan is the best; otherwise the
slots are searched stay by stay, which is exact for one stay. Never discharging is among the choices, so the plan is
never dearer than that.
"""

import numpy as np

from grid.planner.compiled import compiled
from grid.planner.kernel import copy_into, soften
from grid.planner.kernel_one_way import CHARGE_ONLY, FREE, one_way, try_choice

ROUNDS = 3
GAIN = 1e-12


@compiled
def keeps_reserve(reserve, plugged, soc):
    """Say whether no slot of the trajectory discharges to below the reserve."""
    for t in range(plugged.shape[0]):
        if plugged[t] != 0 and soc[t + 1] < min(soc[t], reserve) - 1e-10:
            return False
    return True


@compiled
def find_stays(plugged):
    """Return [number of stays, 2]: the first slot of each stay and the one after its last."""
    slots = plugged.shape[0]
    stays = np.empty((slots + 1, 2), np.int64)
    count = 0
    for t in range(slots):
        if plugged[t] != 0 and (t == 0 or plugged[t - 1] == 0):
            stays[count, 0] = t
            count += 1
        if plugged[t] != 0:
            stays[count - 1, 1] = t + 1
    return stays[:count]


@compiled
def bound_by(car, limits, stays, since, choice):
    """Write the bounds and ways that hold where each stay discharges `since` a slot."""
    start, up, down, plugged, drive, lower, upper = car[0], car[1], car[2], car[5], car[6], car[7], car[8]
    top, minimum, reserve, targets, trip = limits
    need = targets.copy()
    choice[:] = FREE
    for j in range(stays.shape[0]):
        for t in range(stays[j, 0], stays[j, 1]):
            is_free = t >= since[j]
            need[t + 1] = max(need[t + 1], reserve if is_free else minimum)
            if not is_free:
                choice[t] = CHARGE_ONLY
    soften(start, top, up, down, plugged, need, trip, lower, upper, drive)


@compiled
def climb(car, limits, scratch, stride, soc):
    """Replace the trajectory `soc`, planned as if the reserve were the minimum, by the best that keeps the reserve.

    `car` and `scratch` are as `one_way` takes them; the bounds in `car` are overwritten. `limits` is (top, minimum,
    reserve, targets, trip) with the SoC wanted at each boundary, [T+1]. Every `stride`-th slot is tried.
    """
    plugged = car[5]
    reserve = limits[2]
    stays = find_stays(plugged)
    count = stays.shape[0]
    choice = np.zeros(plugged.shape[0], np.uint8)
    since, best_since = stays[:, 0].copy(), stays[:, 0].copy()
    best = np.inf
    for guess in range(3):
        for j in range(count):
            since[j] = stays[j, 1] if guess == 1 else stays[j, 0]
            if guess == 2:  # from where the plan without a reserve stays above it
                since[j] = stays[j, 1]
                while since[j] > stays[j, 0] and soc[since[j]] >= reserve - 1e-9:
                    since[j] -= 1
        bound_by(car, limits, stays, since, choice)
        cost = try_choice(car, scratch, choice, np.empty_like(soc))[0]
        if cost < best - GAIN:
            best = cost
            copy_into(best_since, since)
    for _ in range(ROUNDS):
        before = best
        for j in range(count):
            best = search_stay(car, limits, scratch, stays, j, stride, best, best_since, choice)
        if best >= before - GAIN or count == 1:
            break
    bound_by(car, limits, stays, best_since, choice)
    one_way(car, choice, scratch, soc)


@compiled
def search_stay(car, limits, scratch, stays, j, stride, best, best_since, choice):
    """Try every `stride`-th slot of stay `j`, then closer around the best; returns the cost, updates `best_since`."""
    since = best_since.copy()
    soc = np.empty(car[5].shape[0] + 1)
    low, high, step = stays[j, 0], stays[j, 1], stride
    while True:
        for slot in range(low, high + 1, step):
            since[j] = slot
            bound_by(car, limits, stays, since, choice)
            cost = try_choice(car, scratch, choice, soc)[0]
            if cost < best - GAIN:
                best = cost
                best_since[j] = slot
        if step == 1:
            return best
        low = max(stays[j, 0], best_since[j] - step + 1)
        high = min(stays[j, 1], best_since[j] + step - 1)
        step = (step + 3) // 4
