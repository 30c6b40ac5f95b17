"""What a plan is truly worth once its events are settled, and which of several is best; no Django."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from grid.arrays.problems import Ask, Night, terms_of
from grid.arrays.slots import SLOT, SLOT_MINUTES
from grid.planner.compiled import compiled
from grid.planner.problem import Floats

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
    write_baseline(*baseline_terms(night), np.asarray(solution["soc_percent"], dtype=np.float64), power_kw)
    return power_kw


def baseline_terms(night: Night) -> tuple[Floats, float, float, float, float, float]:
    """Return what `write_baseline` needs of a night: stays, began, SoC then, limit, slots a percent takes, kW."""
    began = np.nan if night.stay_began_at is None else (night.stay_began_at - night.slots.starts_at) / SLOT
    per_percent = night.capacity_wh / 100 / night.charge_efficiency / night.charge_w / HOURS
    limit, kw = night.limit_percent, night.charge_w / 1000
    return night.presence.stays, began, night.stay_soc_percent, limit, per_percent, kw


@compiled
def write_baseline(  # noqa: PLR0917 - compiled code takes its arrays by position
    stays: Floats, began: float, first_percent: float, limit: float, per_percent: float, kw: float,
    soc_percent: Floats, out: Floats,
) -> None:  # fmt: skip
    """Add to `out` [T] the power of the car left alone; times are in slots, `began` NaN where it is not plugged in."""
    slots = out.shape[0]
    for stay in range(stays.shape[0]):
        begins, soc = stays[stay, 0], first_percent
        if begins == 0.0 and not np.isnan(began):
            begins = began
        else:
            soc = soc_percent[min(slots, max(0, int(np.ceil(begins))))]
        ends = min(begins + max(0.0, limit - soc) * per_percent, stays[stay, 1])
        for t in range(max(0, int(np.floor(begins))), min(slots, int(np.ceil(ends)))):
            out[t] += max(0.0, min(t + 1.0, ends) - max(float(t), begins)) * kw


@compiled
def write_baselines(stays: Floats, used: Any, left_alone: Floats, soc_percent: Floats, out: Floats) -> None:
    """Add to `out` [N, T] the power of each car left alone; `left_alone` [N, 5] is what `baseline_terms` tells."""
    for i in range(out.shape[0]):
        began, first, limit, per_percent, kw = left_alone[i]
        write_baseline(stays[i, : used[i]], began, first, limit, per_percent, kw, soc_percent[i], out[i])
