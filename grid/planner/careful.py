"""Plans that an owner who may leave early and a real car can live with, for many cars at once.

First the cheapest plan; then, where leaving early would be felt, the plan that weighs that too (`hedge.py`); then few
switches and no small currents (`kernel_shape.py`). What each step adds to the cost is told.
"""

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from grid.planner.batch import Batch, Plans, solve
from grid.planner.kernel_shape import shape_range
from grid.planner.problem import Floats

Ints = NDArray[np.int64]


@dataclass(slots=True)
class Care:
    """What is asked of N plans beside the least cost.

    `penalty` [N, T+1] is the price of each kWh below `hedge_to` [N] at each boundary, `switches` [N] the most changes
    between charging, idling and discharging, `least_kw` [N] the least power to charge with, `top` [N] the SoC in kWh
    charging may reach, `trip` [N, T] the energy of trips as asked.
    """

    penalty: Floats
    hedge_to: Floats
    switches: Ints
    least_kw: Floats
    top: Floats
    trip: Floats


@dataclass(slots=True)
class Careful:
    """Plans, what the hedge and what the shape add to each one's cost [N], and the switches left [N]."""

    plans: Plans
    hedge_cost: Floats
    shape_cost: Floats
    switches: Ints


def solve_carefully(batch: Batch, buy: Floats, sell: Floats, care: Care, *, threads: int = 1) -> Careful:
    """Plan every car of the batch; `buy` and `sell` are as `batch.solve` takes them."""
    plans = solve(batch, buy, sell, threads=threads)
    best = plans.cost.copy()
    missing = np.maximum(care.hedge_to[:, None] - plans.soc, 0.0)
    felt = np.flatnonzero((care.penalty * missing).sum(axis=1) > 0.0)
    if len(felt):  # where the cheapest plan lacks nothing at any chance of leaving, it is the best one anyhow
        hedging = replace(batch, penalty=care.penalty, hedge_to=care.hedge_to)
        hedged = solve(hedging, buy, sell, which=felt, threads=threads)
        plans.cost[felt], plans.power[felt], plans.soc[felt] = hedged.cost, hedged.power, hedged.soc
    hedge_cost = plans.cost - best
    switches = np.empty(len(batch), dtype=np.int64)
    _shape(batch, buy, sell, care, (plans.cost, plans.power, plans.soc, switches))
    return Careful(plans, hedge_cost, plans.cost - best - hedge_cost, switches)


def _shape(batch: Batch, buy: Floats, sell: Floats, care: Care, out: tuple[Any, ...]) -> None:
    slots = batch.slots
    shape_range(
        (
            batch.slot_hours, batch.start, batch.charge_kw, batch.discharge_kw, batch.charge_efficiency,
            batch.discharge_efficiency, batch.wear, batch.end_value, batch.plugged, batch.lower, batch.upper,
            batch.drive,
        ),
        (
            batch.row, np.ascontiguousarray(buy), np.ascontiguousarray(sell),
            np.empty((0, slots)) if batch.rank is None else batch.rank,
        ),
        (batch.climbers.place, batch.climbers.reserve),
        (care.penalty, care.hedge_to),
        (care.switches, care.least_kw, care.top, care.trip),
        out,
    )  # fmt: skip
