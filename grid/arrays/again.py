"""A stored plan computed again from what it keeps: the same numbers, to the last digit kept; no Django."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from grid.arrays.asking import ANY_NUMBER
from grid.arrays.fearing import fear_early, prior_of
from grid.planner.batch import pack
from grid.planner.careful import Care, solve_carefully
from grid.planner.problem import Floats, read_problem
from grid.planner.ties import rank_in_blocks

NO_CARE: Mapping[str, Any] = {"shortfall_price": 0.0, "departure_slot": 0, "minutes_early": (), "switches": 0,
                              "least_kw": 0.0, "rank": None}  # fmt: skip


def plan_again(problem: Mapping[str, Any]) -> dict[str, Any]:
    """Plan a stored problem (`Plan.problem`) with the care it was planned with.

    Returns power_kw and soc_percent, rounded to millionths as they are kept, cost, hedge_cost, shape_cost and switches.
    """
    asked = problem.get("care", NO_CARE)
    rank = _rank(asked["rank"], len(problem["plugged"])) if "care" in problem else None
    checked = read_problem({**problem, "tie_rank": rank})
    batch = pack([checked])
    penalty = np.zeros((1, checked.slots + 1))
    if asked["departure_slot"]:
        early = np.array(asked["minutes_early"], dtype=np.float64)
        plugged = np.array(problem["plugged"], dtype=np.float64)
        prior = prior_of(tuple(asked.get("usual_early", ())), checked.slots)
        fear_early(plugged, asked["departure_slot"], early, prior, asked["shortfall_price"], penalty[0])
    wanted = max((kwh for slot, kwh in checked.targets if slot == asked["departure_slot"]), default=0.0)
    care = Care(
        penalty=penalty,
        hedge_to=np.array([min(wanted, checked.max_kwh)]),
        switches=np.array([asked["switches"] or ANY_NUMBER]),
        least_kw=np.array([asked["least_kw"]]),
        top=np.array([max(checked.max_kwh, checked.start_kwh)]),
        trip=checked.trip_kwh[None],
    )
    careful = solve_carefully(batch, checked.buy[None], checked.sell[None], care)
    power = np.clip(careful.plans.power[0], -checked.max_discharge_kw, checked.max_charge_kw)
    soc = np.clip(careful.plans.soc[0] / checked.capacity_kwh * 100.0, 0.0, 100.0)
    return {
        "power_kw": np.round(power, 6).tolist(),
        "soc_percent": np.round(soc, 6).tolist(),
        "cost": float(careful.plans.cost[0]),
        "hedge_cost": float(careful.hedge_cost[0]),
        "shape_cost": float(careful.shape_cost[0]),
        "switches": int(careful.switches[0]),
    }


def _rank(rank: list[int] | None, slots: int) -> list[float]:
    if rank is None:
        return [float(slot) for slot in range(slots)]
    out: Floats = np.empty(slots)
    rank_in_blocks(rank[0], rank[1], out)
    return [float(place) for place in out]
