"""Plans with few changes between charging, idling and discharging, compiled.

A car is told something new at every change, and each command is a message that can be late or lost. Starting from the
best plan, the change that costs least to do without is removed, one after the other, until few enough are left. Each
trial is planned exactly under what each slot may still do.
"""

import numpy as np

from grid.planner.compiled import compiled
from grid.planner.kernel import copy_into
from grid.planner.kernel_one_way import CHARGE_ONLY, DISCHARGE_ONLY, FREE, IDLE_ONLY, settle, try_choice

NEAR_KWH = 1e-9
NEAR_RUNS = 6  # how many runs away another may take over what a run did


@compiled
def find_ways(plugged, drive, soc, way):
    """Write what each slot of a trajectory does, FREE where unplugged; returns how often that changes within stays."""
    changes = 0
    for t in range(plugged.shape[0]):
        moved = soc[t + 1] - soc[t] + drive[t]
        way[t] = IDLE_ONLY
        if plugged[t] == 0:
            way[t] = FREE
        elif moved > NEAR_KWH:
            way[t] = CHARGE_ONLY
        elif moved < -NEAR_KWH:
            way[t] = DISCHARGE_ONLY
        if t > 0 and way[t] != way[t - 1] and plugged[t] != 0 and plugged[t - 1] != 0:
            changes += 1
    return changes


@compiled
def keeps_bounds(lower, upper, soc):
    """Say whether a trajectory keeps its bounds; one planned under too narrow ways may not."""
    for t in range(soc.shape[0]):
        if soc[t] < lower[t] - NEAR_KWH or soc[t] > upper[t] + NEAR_KWH:
            return False
    return True


@compiled
def try_ways(car, scratch, ways, most, soc, way):
    """Plan one way a slot; returns (cost, changes), infinite where that breaks a bound or changes `most` or more."""
    plugged, drive, lower, upper = car[5], car[6], car[7], car[8]
    cost, _, slot = try_choice(car, scratch, ways, soc)
    if slot >= 0:  # both ways at once would pay somewhere: take the side the hull is on
        other, side = soc.copy(), ways.copy()
        cost = settle(car, scratch, ways, other, np.inf, side, soc)
    changes = find_ways(plugged, drive, soc, way)
    if changes >= most or not keeps_bounds(lower, upper, soc):
        return np.inf, changes
    return cost, changes


@compiled
def find_runs(plugged, way):
    """Return [number of runs, 2]: begin and end of each run of slots that do the same while plugged in."""
    slots = way.shape[0]
    runs = np.empty((slots, 2), np.int64)
    count = 0
    begin = 0
    while begin < slots:
        end = begin + 1
        while end < slots and way[end] == way[begin]:
            end += 1
        if plugged[begin] != 0:
            runs[count, 0] = begin
            runs[count, 1] = end
            count += 1
        begin = end
    return runs[:count]


@compiled
def write_trial(plugged, now, given, runs, j, move, trial):
    """Write the ways of the `move`-th idea to do without run `j`; returns whether there is such an idea.

    Moves 0 and 1: it takes to what comes before or after it, all else as allowed so far; 2 and 3: all else as it is
    now. From 4 on: it idles, and another run that does the same grows into idle time by its length, before or after.
    """
    slots = now.shape[0]
    begin, end = runs[j, 0], runs[j, 1]
    if move < 4:
        neighbour = begin - 1 if move % 2 == 0 else end
        if neighbour < 0 or neighbour >= slots or plugged[neighbour] == 0:
            return False
        copy_into(trial, given if move < 2 else now)
        for t in range(begin, end):
            trial[t] = now[neighbour]
        return True
    k = j - NEAR_RUNS + (move - 4) // 2
    if k < 0 or k == j or k >= runs.shape[0] or now[runs[k, 0]] != now[begin] or now[begin] == IDLE_ONLY:
        return False
    copy_into(trial, now)
    for t in range(begin, end):
        trial[t] = IDLE_ONLY
    first = runs[k, 0] - (end - begin) if move % 2 == 0 else runs[k, 1]
    for t in range(max(first, 0), min(first + end - begin, slots)):
        if plugged[t] != 0 and trial[t] == IDLE_ONLY:
            trial[t] = now[begin]
    return True


@compiled
def remove_change(car, scratch, given, most, soc, best_given, best_soc):
    """Find the cheapest way to do without one change of `soc`; returns (cost, changes), infinite if there is none."""
    plugged, drive = car[5], car[6]
    slots = plugged.shape[0]
    now, way = np.zeros(slots, np.uint8), np.zeros(slots, np.uint8)
    find_ways(plugged, drive, soc, now)
    runs = find_runs(plugged, now)
    trial, found = given.copy(), soc.copy()
    best, best_changes = np.inf, most
    for j in range(runs.shape[0]):
        for move in range(4 + 4 * NEAR_RUNS + 2):
            if write_trial(plugged, now, given, runs, j, move, trial):
                cost, changes = try_ways(car, scratch, trial, most, found, way)
                if cost < best - 1e-12 or (cost < best + 1e-12 and changes < best_changes):
                    best, best_changes = cost, changes
                    copy_into(best_given, trial)
                    copy_into(best_soc, found)
    return best, best_changes


@compiled
def few_changes(car, scratch, limit, soc):
    """Reduce the trajectory `soc` to `limit` changes, or as few as its bounds allow; returns how many are left."""
    slots = car[5].shape[0]
    given, next_given = np.zeros(slots, np.uint8), np.zeros(slots, np.uint8)
    next_soc = soc.copy()
    changes = find_ways(car[5], car[6], soc, next_given)
    has_stopped_discharging = False
    while changes > limit:
        cost, fewer = remove_change(car, scratch, given, changes, soc, next_given, next_soc)
        if cost == np.inf:
            if has_stopped_discharging:
                break
            has_stopped_discharging = True  # no single change can go: without discharging there are fewer to begin with
            next_given[:] = CHARGE_ONLY
            cost, fewer = try_ways(car, scratch, next_given, changes, next_soc, np.zeros(slots, np.uint8))
            if cost == np.inf:
                break
        changes = fewer
        copy_into(given, next_given)
        copy_into(soc, next_soc)
    return changes
