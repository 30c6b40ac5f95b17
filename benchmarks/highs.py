"""HiGHS as judge and as rival: the linear and the mixed-integer programme of one problem, written from the format.

Nothing here uses the planner's code, so that a mistake there is not repeated here.
"""

from dataclasses import dataclass, replace
from typing import Any

import highspy
import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
INF = highspy.kHighsInf


@dataclass(frozen=True)
class Terms:
    """One problem in arrays: prices per AC kWh, bounds [T+1] in kWh, what a slot can do in kW."""

    slots: int
    hours: float
    start: float
    charge_kw: Floats
    discharge_kw: Floats
    charge_efficiency: float
    discharge_efficiency: float
    buy: Floats
    sell: Floats
    drive: Floats
    lower: Floats
    upper: Floats
    end_value: float
    is_cut: bool


def terms_of(raw: dict[str, Any], *, floor: str = "reserve_percent") -> Terms:
    """Read a problem; `floor` names the key that bounds SoC from below where the car is plugged in."""
    slots, hours, capacity = len(raw["import_price"]), raw["slot_minutes"] / 60.0, raw["capacity_kwh"]
    extra = np.array(raw.get("carbon_kg_per_kwh", [0.0] * slots)) * raw.get("carbon_price", 0.0)
    extra = extra + np.array(raw.get("adder", [0.0] * slots))
    plugged = np.array(raw["plugged"], dtype=float)
    top = raw.get("max_percent", 100.0) / 100 * capacity
    minimum = raw.get("minimum_percent", 0.0)
    least = (minimum if floor == "minimum_percent" else raw.get("reserve_percent", minimum)) / 100 * capacity
    need = np.concatenate(([0.0], least * plugged))
    for target in raw["targets"]:
        need[target["slot"]] = max(need[target["slot"]], min(target["soc_percent"] / 100 * capacity, top))
    start = raw["soc_percent"] / 100 * capacity
    lower, upper, drive, is_cut = _reach(raw, need, start, top)
    return Terms(
        slots, hours, start, raw["max_charge_kw"] * plugged, raw["max_discharge_kw"] * plugged,
        raw["charge_efficiency"], raw["discharge_efficiency"], np.array(raw["import_price"]) + extra,
        np.array(raw["export_price"]) + extra - raw["wear_per_kwh"], drive, lower, upper,
        raw.get("terminal_value_per_kwh", 0.0), is_cut,
    )  # fmt: skip


def _reach(raw: dict[str, Any], need: Floats, start: float, top: float) -> tuple[Floats, Floats, Floats, bool]:
    """Bounds and trips as the format defines them by the flat-out and the idle car."""
    slots = len(need) - 1
    step = raw["charge_efficiency"] * raw["max_charge_kw"] * raw["slot_minutes"] / 60.0
    most, idle, is_cut = start, start, False
    lower, upper, drive = np.zeros(slots + 1), np.full(slots + 1, max(top, start)), np.zeros(slots)
    for t in range(slots):
        drive[t] = min(raw.get("trip_kwh", [0.0] * slots)[t], most)
        if raw["plugged"][t]:
            most = max(most, min(most + step, top))
        most, idle = most - drive[t], max(idle - drive[t], 0.0)
        is_cut = is_cut or need[t + 1] > most + 1e-9
        lower[t + 1], upper[t + 1] = min(need[t + 1], most), max(top, idle)
    return lower, upper, drive, is_cut


class Model:
    """One linear or mixed-integer programme, kept for reuse: columns charge[T], discharge[T], SoC[1..T], then ways."""

    def __init__(self, *, tolerance: float = 1e-10) -> None:
        self.highs = highspy.Highs()  # type: ignore[no-untyped-call]  # the package has no types
        self.highs.setOptionValue("output_flag", False)
        self.highs.setOptionValue("threads", 1)
        self.highs.setOptionValue("primal_feasibility_tolerance", tolerance)
        self.highs.setOptionValue("dual_feasibility_tolerance", tolerance)
        self.highs.setOptionValue("mip_rel_gap", 1e-7)

    def load(self, terms: Terms, *, one_way: bool = False, reserve: float | None = None) -> None:
        """Pass the programme. `one_way` forbids both ways in a slot; `reserve` forbids a discharge to end below it."""
        t = np.arange(terms.slots)
        zeros = np.zeros(terms.slots)
        rows, cols = [t, t, t, t[1:]], [t, terms.slots + t, 2 * terms.slots + t, 2 * terms.slots + t[1:] - 1]
        values = [
            np.full(terms.slots, -terms.charge_efficiency * terms.hours),
            np.full(terms.slots, terms.hours / terms.discharge_efficiency), zeros + 1.0, zeros[1:] - 1.0,
        ]  # fmt: skip
        level = -terms.drive.copy()
        level[0] += terms.start
        cost = np.concatenate([terms.buy * terms.hours, -terms.sell * terms.hours, zeros])
        cost[-1] -= terms.end_value
        low = np.concatenate([zeros, zeros, terms.lower[1:]])
        high = np.concatenate([terms.charge_kw, terms.discharge_kw, np.maximum(terms.upper, terms.lower)[1:]])
        row_low, row_high, whole = level, level, 0
        if one_way:  # way 1 charges, way 0 discharges
            whole = terms.slots
            cost, low = np.concatenate([cost, zeros]), np.concatenate([low, zeros])
            high = np.concatenate([high, zeros + 1.0])
            rows += [terms.slots + t, terms.slots + t, 2 * terms.slots + t, 2 * terms.slots + t]
            cols += [t, 3 * terms.slots + t, terms.slots + t, 3 * terms.slots + t]
            values += [zeros + 1.0, -terms.charge_kw, zeros + 1.0, terms.discharge_kw]
            row_low = np.concatenate([level, zeros - INF, zeros - INF])
            row_high = np.concatenate([level, zeros, terms.discharge_kw])
            if reserve is not None:
                rows += [3 * terms.slots + t, 3 * terms.slots + t]
                cols += [2 * terms.slots + t, 3 * terms.slots + t]
                values += [zeros + 1.0, zeros + reserve]
                row_low, row_high = np.concatenate([row_low, zeros + reserve]), np.concatenate([row_high, zeros + INF])
        programme = highspy.HighsLp()
        programme.num_col_, programme.num_row_ = len(cost), len(row_low)
        programme.col_cost_, programme.col_lower_, programme.col_upper_ = cost, low, high
        programme.row_lower_, programme.row_upper_ = row_low, row_high
        _set_matrix(programme, np.concatenate(rows), np.concatenate(cols), np.concatenate(values), len(cost))
        if whole:
            kinds = [highspy.HighsVarType.kContinuous] * (3 * terms.slots) + [highspy.HighsVarType.kInteger] * whole
            programme.integrality_ = kinds
        self.highs.passModel(programme)

    def solve(self) -> float:
        """Solve and return the optimum.

        Raises:
            ArithmeticError: where HiGHS does not find it.
        """
        self.highs.run()
        if self.highs.getModelStatus() != highspy.HighsModelStatus.kOptimal:
            raise ArithmeticError(f"HiGHS: {self.highs.modelStatusToString(self.highs.getModelStatus())}")
        return float(self.highs.getInfo().objective_function_value)


def _set_matrix(programme: Any, rows: Floats, cols: Floats, values: Floats, width: int) -> None:
    order = np.lexsort((rows, cols))
    programme.a_matrix_.format_ = highspy.MatrixFormat.kColwise
    programme.a_matrix_.start_ = np.searchsorted(cols[order], np.arange(width + 1))
    programme.a_matrix_.index_ = rows[order]
    programme.a_matrix_.value_ = values[order]


def optimum(raw: dict[str, Any], *, one_way: bool = False, floor: str = "reserve_percent") -> float:
    """The least cost of a problem by HiGHS."""
    model = Model()
    model.load(terms_of(raw, floor=floor), one_way=one_way)
    return model.solve()


def optimum_above_reserve(raw: dict[str, Any]) -> float:
    """The least cost where the floor is the minimum and no discharge ends below the reserve."""
    model = Model()
    reserve = raw["reserve_percent"] / 100 * raw["capacity_kwh"]
    model.load(terms_of(raw, floor="minimum_percent"), one_way=True, reserve=reserve)
    return model.solve()


class Reused:
    """HiGHS at its quickest for many cars: one model, changed in place, each solve starting from the last basis.

    With `is_battery_side`, columns are kWh at the battery: the matrix is then the same for every car and only costs and
    bounds change, which keeps the factorised basis too.
    """

    def __init__(self, first: Terms, *, is_battery_side: bool = False) -> None:
        self.is_battery_side = is_battery_side
        self.model = Model(tolerance=1e-7)
        self.model.load(self._form(first))
        self.model.solve()

    def solve(self, terms: Terms) -> float:
        """Change the model to another car and solve it."""
        each, slots = self._form(terms), terms.slots
        highs: Any = self.model.highs
        cost = np.concatenate([each.buy * each.hours, -each.sell * each.hours, np.zeros(slots)])
        cost[-1] -= each.end_value
        low = np.concatenate([np.zeros(2 * slots), each.lower[1:]])
        high = np.concatenate([each.charge_kw, each.discharge_kw, np.maximum(each.upper, each.lower)[1:]])
        level = -each.drive.copy()
        level[0] += each.start
        columns, rows = np.arange(3 * slots, dtype=np.int32), np.arange(slots, dtype=np.int32)
        highs.changeColsCost(3 * slots, columns, cost)
        highs.changeColsBounds(3 * slots, columns, low, high)
        highs.changeRowsBounds(slots, rows, level, level)
        if not self.is_battery_side:
            for t in range(slots):
                highs.changeCoeff(t, t, -each.charge_efficiency * each.hours)
                highs.changeCoeff(t, slots + t, each.hours / each.discharge_efficiency)
        return self.model.solve()

    def _form(self, terms: Terms) -> Terms:
        if not self.is_battery_side:
            return terms
        return replace(
            terms, hours=1.0, charge_efficiency=1.0, discharge_efficiency=1.0,
            charge_kw=terms.charge_kw * terms.charge_efficiency * terms.hours,
            discharge_kw=terms.discharge_kw * terms.hours / terms.discharge_efficiency,
            buy=terms.buy / terms.charge_efficiency, sell=terms.sell * terms.discharge_efficiency,
        )  # fmt: skip
