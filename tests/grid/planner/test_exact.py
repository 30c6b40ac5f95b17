"""The planner against HiGHS on random instances of every family: the same optimum, no bound broken."""

from typing import Any

import numpy as np
import pytest

from benchmarks.highs import Model, optimum, optimum_above_reserve, terms_of
from benchmarks.instances import BOTH_AT_ONCE, EXACT, terminal
from grid.planner.solve import plan_problem
from tests.grid.planner.checks import assert_keeps_format, gap
from tests.grid.planner.conftest import count

HORIZONS = [(96, 15.0)] * 7 + [(192, 15.0)] * 2 + [(576, 5.0)]


@pytest.mark.parametrize("family", EXACT)
def test_plan_costs_what_highs_finds(family: str) -> None:
    model = Model()
    for seed in range(count(10, 600)):
        rng = np.random.default_rng([seed, len(family)])
        slots, minutes = HORIZONS[(seed * 3) % 10]
        raw = EXACT[family](rng, slots, minutes, v2g=seed % 2 == 0)
        plan: dict[str, Any] = plan_problem(raw)
        model.load(terms_of(raw, floor="reserve_percent" if raw["max_discharge_kw"] else "minimum_percent"))
        assert abs(gap(plan["cost"], model.solve())) <= 1e-9, f"{family} {seed}"
        assert plan["lower_bound"] == pytest.approx(plan["cost"], abs=1e-9)
        assert_keeps_format(raw, plan)


@pytest.mark.parametrize("family", BOTH_AT_ONCE)
def test_one_way_plan_is_within_a_thousandth_of_highs(family: str) -> None:
    for seed in range(count(12, 500)):
        raw = BOTH_AT_ONCE[family](np.random.default_rng([seed, 3]), 96, 15.0)
        plan: dict[str, Any] = plan_problem(raw)
        best = optimum(raw, one_way=True)
        assert gap(plan["cost"], best) <= 1e-3, f"{family} {seed}"
        assert plan["lower_bound"] <= best + 1e-6 * max(1.0, abs(best))
        assert_keeps_format(raw, plan)


@pytest.mark.parametrize("drives", [False, True], ids=["at-home", "with-trips"])
def test_car_below_its_reserve_discharges_only_above_it_and_at_best_cost(drives: bool) -> None:  # noqa: FBT001
    for seed in range(count(5, 100)):
        rng = np.random.default_rng([seed, 5])
        raw = terminal(rng, 96, 15.0, v2g=True) | {"wear_per_kwh": 0.08, "minimum_percent": 10.0}
        raw["reserve_percent"] = float(rng.choice([30.0, 45.0]))
        raw["soc_percent"] = float(rng.uniform(0.0, 90.0 if drives else raw["reserve_percent"]))
        if not drives:
            raw["trip_kwh"] = [0.0] * 96
        plan: dict[str, Any] = plan_problem(raw)
        power, soc = np.array(plan["power_kw"]), np.array(plan["soc_percent"])
        assert (soc[1:][power < 0.0] >= raw["reserve_percent"] - 1e-9).all()
        assert abs(gap(plan["cost"], optimum_above_reserve(raw))) < 1e-6
        without = optimum(raw | {"max_discharge_kw": 0.0}, floor="minimum_percent")
        assert plan["cost"] <= without + 1e-9
        assert_keeps_format(raw, plan, floor="minimum_percent")


def test_car_that_cannot_charge_sells_at_best_where_selling_pays_more_than_buying() -> None:
    for seed in range(count(20, 500)):
        rng = np.random.default_rng([seed, 7])
        raw = terminal(rng, 96, 15.0, v2g=True) | {"max_charge_kw": 0.0, "terminal_value_per_kwh": 0.2}
        raw["export_price"] = (np.array(raw["export_price"]) + rng.choice([0.3, 1000.0])).tolist()
        plan: dict[str, Any] = plan_problem(raw)
        assert abs(gap(plan["cost"], optimum(raw))) <= 1e-9
        assert_keeps_format(raw, plan)
