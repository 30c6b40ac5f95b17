"""Why a plan does what it does, slot by slot, in the words of docs/planner-format.md."""

import numpy as np

from grid.planner.outcome import NEAR_KWH, stays
from grid.planner.problem import Floats, Problem


def reasons_of(problem: Problem, power_kw: Floats, soc_kwh: Floats, lower_kwh: Floats) -> list[str]:
    """One reason for each slot; `lower_kwh` [T+1] are the bounds the plan was made under.

    Charging is called a deadline where the target would be missed without it and the car has not let a slot of this
    stay pass but for an event: where it has, it waited for this slot, and the price is the reason.
    """
    latest = latest_kwh(problem, lower_kwh)
    clean = tipped_by_carbon(problem, power_kw)
    pays_to_draw = (problem.adder < 0.0) | (problem.import_price < 0.0)
    reasons: list[str] = []
    has_waited = False
    for t in range(problem.slots):
        if not problem.plugged[t]:
            reason = "unplugged"
        elif power_kw[t] < 0.0:
            reason = "discharge"
        elif power_kw[t] == 0.0:
            reason = "hold" if problem.adder[t] > 0.0 else "idle"
        elif soc_kwh[t] < problem.minimum_kwh - NEAR_KWH:
            reason = "minimum"
        elif soc_kwh[t] < latest[t + 1] - NEAR_KWH and not has_waited:
            reason = "deadline"
        elif pays_to_draw[t]:
            reason = "absorb"
        else:
            reason = "clean" if clean[t] else "cheap"
        has_waited = reason == "idle" or (has_waited and reason != "unplugged")
        reasons.append(reason)
    return reasons


def latest_kwh(problem: Problem, lower_kwh: Floats) -> Floats:
    """The least SoC (kWh) at each boundary from which charging flat out still keeps every later bound."""
    full = problem.charge_efficiency * problem.max_charge_kw * problem.slot_hours
    latest = lower_kwh.copy()
    for t in range(problem.slots - 1, -1, -1):
        gain = full if problem.plugged[t] else -problem.trip_kwh[t]
        latest[t] = max(latest[t], latest[t + 1] - gain)
    return latest


def tipped_by_carbon(problem: Problem, power_kw: Floats) -> Floats:
    """Where the car charges although the same stay has a slot left free that is cheaper but for its carbon."""
    tipped = np.zeros(problem.slots)
    if problem.carbon_price == 0.0 or not problem.carbon.any():
        return tipped
    price, total = problem.import_price + problem.adder, problem.buy
    for begin, end in stays(problem.plugged):
        free = np.flatnonzero(power_kw[begin:end] == 0.0) + begin
        if len(free):
            # Sorted by price, the least total price among all free slots cheaper than ours.
            free = free[np.argsort(price[free], kind="stable")]
            cheaper = np.searchsorted(price[free], price[begin:end], side="left")
            dirtiest = np.concatenate(([-np.inf], np.maximum.accumulate(total[free])))
            tipped[begin:end] = (dirtiest[cheaper] > total[begin:end]) & (power_kw[begin:end] > 0.0)
    return tipped
