"""Linear programmes of fleets in HiGHS: choices among stored plans, and small fleets solved whole."""

from dataclasses import dataclass, replace
from typing import Any

import highspy
import numpy as np
from numpy.typing import NDArray

from grid.planner.batch import Batch, Ints
from grid.planner.fleet_limits import Coupling
from grid.planner.problem import Floats

INF = highspy.kHighsInf
WHOLE_SECONDS = 20.0  # HiGHS may look for one-way plans
ROUNDS = 5


@dataclass(slots=True)
class Programme:
    """min cost x, low <= x <= high, row_low <= A x <= row_high with A in triplets; `whole` columns are 0 or 1."""

    cost: Floats
    low: Floats
    high: Floats
    row_low: Floats
    row_high: Floats
    rows: Ints
    cols: Ints
    values: Floats
    whole: Ints


def solved(programme: Programme) -> Floats:
    """Solve a programme and return its columns; its rows' prices are in `solved_with_prices`."""
    return solved_with_prices(programme)[0]


def solved_with_prices(programme: Programme) -> tuple[Floats, Floats, float]:
    """Solve a programme; returns columns, dual prices of the rows, and the lower bound of the optimum.

    Raises:
        ArithmeticError: where HiGHS finds no solution.
    """
    highs: Any = highspy.Highs()  # type: ignore[no-untyped-call]
    for option, value in {"output_flag": False, "threads": 1, "mip_rel_gap": 1e-6, "time_limit": 600.0}.items():
        highs.setOptionValue(option, value)
    if len(programme.whole):
        highs.setOptionValue("time_limit", WHOLE_SECONDS)
    highs.passModel(_model(programme))
    highs.run()
    solution = highs.getSolution()
    if not solution.value_valid:
        raise ArithmeticError(f"HiGHS: {highs.modelStatusToString(highs.getModelStatus())}")
    info = highs.getInfo()
    bound = info.mip_dual_bound if len(programme.whole) else info.objective_function_value
    return np.array(solution.col_value), np.array(solution.row_dual), float(bound)


def _model(programme: Programme) -> Any:
    lp = highspy.HighsLp()
    lp.num_col_, lp.num_row_ = len(programme.cost), len(programme.row_low)
    lp.col_cost_, lp.col_lower_, lp.col_upper_ = programme.cost, programme.low, programme.high
    lp.row_lower_, lp.row_upper_ = programme.row_low, programme.row_high
    order = np.lexsort((programme.rows, programme.cols))
    lp.a_matrix_.format_ = highspy.MatrixFormat.kColwise
    lp.a_matrix_.start_ = np.searchsorted(programme.cols[order], np.arange(len(programme.cost) + 1))
    lp.a_matrix_.index_ = programme.rows[order]
    lp.a_matrix_.value_ = programme.values[order]
    if len(programme.whole):
        kinds = [highspy.HighsVarType.kContinuous] * len(programme.cost)
        for column in programme.whole:
            kinds[column] = highspy.HighsVarType.kInteger
        lp.integrality_ = kinds
    return lp


def coupled_programme(
    *, cost: Floats, member: Ints, members: int, power: Floats, room: Floats, excess_cost: float
) -> Programme:
    """Choose shares of stored plans: those of each member sum to one, the rows `power` x - excess <= room.

    Args:
        cost: [n] of each plan.
        member: [n] which car each plan is of.
        members: how many cars.
        power: [E, n] what each plan adds to each row.
        room: [E] of each row.
        excess_cost: of each kW beyond it.
    """
    rows, plans = power.shape
    at_row, at_plan = np.nonzero(power)
    excess = np.arange(rows)
    return Programme(
        cost=np.concatenate([cost, np.full(rows, excess_cost)]),
        low=np.zeros(plans + rows),
        high=np.concatenate([np.ones(plans), np.full(rows, INF)]),
        row_low=np.concatenate([np.ones(members), np.full(rows, -INF)]),
        row_high=np.concatenate([np.ones(members), room]),
        rows=np.concatenate([member, members + at_row, members + excess]),
        cols=np.concatenate([np.arange(plans), at_plan, plans + excess]),
        values=np.concatenate([np.ones(plans), power[at_row, at_plan], -np.ones(rows)]),
        whole=np.empty(0, np.int64),
    )


@dataclass(slots=True)
class Joint:
    """A small fleet solved whole: battery steps [N, T] kWh, and prices [E] and bound of the programme."""

    step: Floats
    price: Floats
    bound: float


def solve_jointly(
    batch: Batch, buy: Floats, sell: Floats, coupling: Coupling, *, ceiling: float, weight: Floats
) -> Joint:
    """Solve N cars under shared limits as one linear programme; `weight` [N] counts identical cars.

    Columns of each car: charge, discharge (kWh at the battery) and SoC in each slot. Where the programme would do both
    at once in a slot, it is solved again with that slot one way, by binaries.
    """
    programme = _joint_programme(batch, buy, sell, coupling=coupling, ceiling=ceiling, weight=weight)
    count, slots = batch.plugged.shape
    both = np.zeros((count, slots), dtype=bool)
    for _ in range(ROUNDS):
        columns, prices, bound = solved_with_prices(programme)
        charge, discharge = columns[: 2 * count * slots].reshape(2, count, slots)
        again = (charge > 1e-7) & (discharge > 1e-7) & ~both
        if not again.any():
            break
        both |= again
        programme = _one_way(
            _joint_programme(batch, buy, sell, coupling=coupling, ceiling=ceiling, weight=weight), both
        )
    rows = count * slots
    price = np.clip(-prices[rows : rows + len(coupling)] / coupling.slot_hours, 0.0, ceiling)
    return Joint(charge - discharge, price, bound)


def _joint_programme(
    batch: Batch, buy: Floats, sell: Floats, *, coupling: Coupling, ceiling: float, weight: Floats
) -> Programme:
    count, slots = batch.plugged.shape
    up = (batch.charge_efficiency * batch.charge_kw * batch.slot_hours)[:, None] * batch.plugged
    down = (batch.discharge_kw * batch.slot_hours / batch.discharge_efficiency)[:, None] * batch.plugged
    drawn, delivered = 1.0 / batch.charge_efficiency[:, None], batch.discharge_efficiency[:, None]
    level = np.zeros((count, slots))
    level[:, -1] = -batch.end_value
    start = -batch.drive.copy()
    start[:, 0] += batch.start
    each = np.arange(count * slots).reshape(count, slots)
    excess = 3 * count * slots + np.arange(len(coupling))
    at_row, cars = np.nonzero(coupling.covers[:, coupling.kind])
    slot = coupling.watch[coupling.place[at_row]]
    side = coupling.sign[at_row] * weight[cars] / batch.slot_hours[cars]
    limits = count * slots
    ones = np.ones(count * slots)
    return Programme(
        cost=np.concatenate([
            (buy[batch.row] * drawn * weight[:, None]).ravel(),
            (-(sell[batch.row] - batch.wear[:, None]) * delivered * weight[:, None]).ravel(),
            (level * weight[:, None]).ravel(), np.full(len(coupling), ceiling * coupling.slot_hours),
        ]),
        low=np.concatenate([np.zeros(2 * count * slots), batch.lower[:, 1:].ravel(), np.zeros(len(coupling))]),
        high=np.concatenate([
            up.ravel(), down.ravel(), np.maximum(batch.upper, batch.lower)[:, 1:].ravel(), np.full(len(coupling), INF),
        ]),
        row_low=np.concatenate([start.ravel(), np.full(len(coupling), -INF)]),
        row_high=np.concatenate([start.ravel(), coupling.sign * coupling.limit]),
        rows=np.concatenate([
            each.ravel(), each.ravel(), each.ravel(), each[:, 1:].ravel(),
            limits + at_row, limits + at_row, limits + np.arange(len(coupling)),
        ]),
        cols=np.concatenate([
            each.ravel(), limits + each.ravel(), 2 * limits + each.ravel(), 2 * limits + each[:, :-1].ravel(),
            each[cars, slot], limits + each[cars, slot], excess,
        ]),
        values=np.concatenate([
            -ones, ones, ones, -np.ones(count * (slots - 1)),
            side / batch.charge_efficiency[cars], -side * batch.discharge_efficiency[cars], -np.ones(len(coupling)),
        ]),
        whole=np.empty(0, np.int64),
    )  # fmt: skip


def _one_way(programme: Programme, both: NDArray[np.bool_]) -> Programme:
    """Let the marked slots [N, T] either charge or discharge: one binary each, 1 = charge."""
    cars_slots = np.flatnonzero(both)
    size, width, height = both.size, len(programme.cost), len(programme.row_low)
    count = len(cars_slots)
    way = width + np.arange(count)
    charge, discharge = height + np.arange(count), height + count + np.arange(count)
    most_up, most_down = programme.high[cars_slots], programme.high[size + cars_slots]
    ones = np.ones(count)
    return replace(
        programme,
        cost=np.concatenate([programme.cost, np.zeros(count)]),
        low=np.concatenate([programme.low, np.zeros(count)]),
        high=np.concatenate([programme.high, ones]),
        row_low=np.concatenate([programme.row_low, np.full(2 * count, -INF)]),
        row_high=np.concatenate([programme.row_high, np.zeros(count), most_down]),
        rows=np.concatenate([programme.rows, charge, charge, discharge, discharge]),
        cols=np.concatenate([programme.cols, cars_slots, way, size + cars_slots, way]),
        values=np.concatenate([programme.values, ones, -most_up, ones, most_down]),
        whole=way,
    )
