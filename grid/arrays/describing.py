"""What many plans amount to, and why they do what they do: `planner.outcome` and `planner.reasons`, compiled."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from grid.arrays.packing import REASONS
from grid.planner.compiled import compiled
from grid.planner.outcome import NEAR_KWH
from grid.planner.problem import Bytes, Floats

Ints = NDArray[np.int64]

UNPLUGGED, DISCHARGE, HOLD, IDLE, MINIMUM, DEADLINE, ABSORB, CLEAN, CHEAP = range(len(REASONS))
FULL_KWH, MINIMUM_KWH, MAX_KWH, START_KWH, EFFICIENCY, HOURS, WEAR, END_VALUE, CARBON_PRICE = range(9)
CASH, CARBON, AT_ONCE, SHORTFALL = range(4)


@compiled
def stay_levels(plugged: Bytes, targets: Floats, minimum: float, top: float) -> Any:
    """Return the SoC [T] to which the car that charges at once would charge in each slot, -1 where it is out."""
    slots = plugged.shape[0]
    level = np.full(slots, -1.0)
    highest = -1.0
    for t in range(slots - 1, -1, -1):
        wanted = targets[t + 1] if targets[t + 1] > 0.0 else -1.0
        highest = max(highest, wanted) if plugged[t] else -1.0
        level[t] = highest
    for t in range(slots):
        if plugged[t]:
            if t > 0 and plugged[t - 1]:
                level[t] = level[t - 1]
            else:
                level[t] = min(level[t] if level[t] >= 0.0 else minimum, top)
    return level


@compiled
def cost_at_once(plugged: Bytes, trip: Floats, level: Floats, buy: Floats, car: Floats) -> float:
    """Return what charging at once would cost, by the format's formula."""
    soc, cost = car[START_KWH], 0.0
    for t in range(plugged.shape[0]):
        step = min(car[FULL_KWH], max(level[t] - soc, 0.0))
        cost += buy[t] * step / car[EFFICIENCY]
        soc += step - min(trip[t], soc)
    return float(cost - car[END_VALUE] * soc)


@compiled
def is_clean(t: int, begin: int, end: int, power: Floats, price: tuple[Floats, Floats], buy: Floats) -> bool:
    """Say whether a slot of the same stay is left free that is cheaper but for its carbon; `price` is import, adder."""
    imports, adder = price
    mine = imports[t] + adder[t]
    for other in range(begin, end):
        if power[other] == 0.0 and imports[other] + adder[other] < mine and buy[other] > buy[t]:
            return True
    return False


@compiled
def latest_levels(plugged: Bytes, trip: Floats, lower: Floats, full: float) -> Any:
    """Return the least SoC [T+1] from which charging flat out still keeps every later bound."""
    latest = lower.copy()
    for t in range(plugged.shape[0] - 1, -1, -1):
        latest[t] = max(latest[t], latest[t + 1] - (full if plugged[t] else -trip[t]))
    return latest


@compiled
def charging_reason(soc: float, latest: float, has_waited: bool, pays: bool, minimum: float) -> int:
    """Return why a car charges, or CHEAP where only the price speaks for it."""
    if soc < minimum - NEAR_KWH:
        return MINIMUM
    if soc < latest - NEAR_KWH and not has_waited:
        return DEADLINE
    return ABSORB if pays else CHEAP


@compiled
def write_reasons(
    plugged: Bytes,
    trip: Floats,
    lower: Floats,
    prices: tuple[Floats, Floats, Floats, Floats],
    power: Floats,
    soc: Floats,
    car: Floats,
    out: Bytes,
) -> None:
    """Write one reason a slot; `prices` are (import, adder, total, carbon)."""
    imports, adder, buy, _carbon = prices
    latest = latest_levels(plugged, trip, lower, car[FULL_KWH])
    slots, begin, end, has_waited = plugged.shape[0], 0, 0, False
    for t in range(slots):
        if plugged[t] and t >= end:
            begin, end = t, t
            while end < slots and plugged[end]:
                end += 1
        if not plugged[t]:
            out[t] = UNPLUGGED
        elif power[t] < 0.0:
            out[t] = DISCHARGE
        elif power[t] == 0.0:
            out[t] = HOLD if adder[t] > 0.0 else IDLE
        else:
            pays = adder[t] < 0.0 or imports[t] < 0.0
            out[t] = charging_reason(soc[t], latest[t + 1], has_waited, pays, car[MINIMUM_KWH])
            if out[t] == CHEAP and car[CARBON_PRICE] != 0.0 and is_clean(t, begin, end, power, (imports, adder), buy):
                out[t] = CLEAN
        has_waited = out[t] == IDLE or (has_waited and out[t] != UNPLUGGED)


@compiled
def describe(
    row: Ints,
    prices: tuple[Floats, Floats, Floats, Floats, Floats],
    shape: tuple[Bytes, Floats, Floats, Floats],
    plans: tuple[Floats, Floats],
    cars: Floats,
    outcomes: Floats,
    reasons: Bytes,
) -> None:
    """Write outcomes [N, 4] and reasons [N, T] of many plans.

    `prices` (import, export, adder, total, carbon) are [G, T], `row` [N] picks each car's; `shape` is plugged, trip
    [N, T], targets in kWh [N, T+1] (0 = none) and lower bounds [N, T+1]; `plans` AC power [N, T] and SoC in kWh
    [N, T+1]; `cars` [N, 9] the numbers named above.
    """
    imports, exports, adder, buy, carbon = prices
    plugged, trip, targets, lower = shape
    power, soc = plans
    for i in range(row.shape[0]):
        g, car = row[i], cars[i]
        cash, kilograms, short = 0.0, 0.0, 0.0
        for t in range(plugged.shape[1]):
            energy = power[i, t] * car[HOURS]
            cash += (imports[g, t] if energy > 0.0 else exports[g, t]) * energy
            kilograms += carbon[g, t] * energy
            missing = targets[i, t + 1] - soc[i, t + 1]
            short += missing if missing > NEAR_KWH else 0.0
        wanted = stay_levels(plugged[i], targets[i], car[MINIMUM_KWH], car[MAX_KWH])
        outcomes[i, CASH], outcomes[i, CARBON], outcomes[i, SHORTFALL] = cash, kilograms, short
        outcomes[i, AT_ONCE] = cost_at_once(plugged[i], trip[i], wanted, buy[g], car)
        write_reasons(
            plugged[i], trip[i], lower[i], (imports[g], adder[g], buy[g], carbon[g]), power[i], soc[i], car, reasons[i]
        )
