"""What a plan is truly worth once its events are settled, and which of several is best; no Django."""

from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import Any

import numpy as np

from grid.planner.problem import Floats
from grid.problems import SLOT, SLOT_MINUTES, Ask, Night, terms_of

HOURS = SLOT_MINUTES / 60
Solution = Mapping[str, Any]


def pick(night: Night, solutions: Sequence[Solution]) -> int:
    """Return which of the solutions (power_kw [T], soc_percent [T+1]) is best once the events are truly settled.

    The adder is linear, a settlement is not: it never charges for using more than the baseline. So the plan made with
    the adder may give up something for nothing, and the plan without it may be better.
    """
    costs = [true_cost(night, solution) for solution in solutions]
    return costs.index(min(costs))


def true_cost(night: Night, solution: Solution) -> float:
    """Return what the plan costs by the formula without adders, less what its events would really earn."""
    terms = terms_of(night, with_asks=False)
    power = np.asarray(solution["power_kw"])
    carbon = terms.carbon_price * terms.carbon
    price = np.where(power > 0.0, terms.import_price + carbon, terms.export_price + carbon - night.wear_per_kwh)
    stored_kwh = solution["soc_percent"][-1] / 100 * night.capacity_wh / 1000
    earned = sum(expected_reward(night, ask, solution) for ask in night.asks)
    return float(HOURS * (power @ price) - terms.terminal_value_per_kwh * stored_kwh - earned)


def expected_reward(night: Night, ask: Ask, solution: Solution) -> float:
    """Return what the event would earn if the car did as planned, in currency: reward x max(0, delivered kWh)."""
    share = HOURS * night.slots.shares_within(ask.starts_at, ask.ends_at)
    delivered_kwh = ask.sign * (share @ (baseline_power(night, solution) - np.asarray(solution["power_kw"])))
    return float(ask.reward_per_kwh * max(0.0, delivered_kwh))


def baseline_power(night: Night, solution: Solution) -> Floats:
    """Return the mean power in kW, slot by slot, of the car that charges from each plug-in until its own limit.

    The stay under way counts from its true plug-in; later ones start with the SoC that the plan expects then.
    """
    power_kw = np.zeros(night.slots.count)
    for starts_at, ends_at in night.presence.stays:
        began_at, soc_percent = starts_at, night.stay_soc_percent
        if starts_at == night.slots.starts_at and night.stay_began_at is not None:
            began_at = night.stay_began_at
        else:
            arrival = min(night.slots.count, max(0, -((night.slots.starts_at - starts_at) // SLOT)))
            soc_percent = float(solution["soc_percent"][arrival])
        missing_wh = max(0.0, night.limit_percent - soc_percent) / 100 * night.capacity_wh / night.charge_efficiency
        full_at = began_at + timedelta(hours=missing_wh / night.charge_w)
        if began_at < night.slots.ends_at and full_at > night.slots.starts_at:
            power_kw += night.charge_w / 1000 * night.slots.shares_within(began_at, min(full_at, ends_at))
    return power_kw
