"""Plans a car can follow: few switches, no small currents, less power near full, and no target missed for it."""

from typing import Any

import numpy as np
import pytest

from benchmarks.instances import car, plain
from grid.planner.shape import Shape, Taper, plan_shaped
from grid.planner.solve import plan_problem
from tests.grid.planner.checks import assert_keeps_format
from tests.grid.planner.conftest import count


def _switches(raw: dict[str, Any], plan: dict[str, Any]) -> int:
    sign, plugged = np.sign(plan["power_kw"]), np.array(raw["plugged"])
    return int(((np.diff(sign) != 0) & (plugged[1:] == 1) & (plugged[:-1] == 1)).sum())


@pytest.mark.parametrize("v2g", [False, True], ids=["v1g", "v2g"])
def test_switches_are_limited_without_missing_a_target(v2g: bool) -> None:  # noqa: FBT001
    for seed in range(count(8, 200)):
        raw = plain(np.random.default_rng([seed, 31]), 96, 15.0, v2g=v2g)
        best: dict[str, Any] = plan_problem(raw)
        shaped = plan_shaped(raw, Shape(switches=6, least_kw=0.0))
        plan: dict[str, Any] = shaped.plan
        assert _switches(raw, plan) == shaped.switches <= max(6, 2 * len(raw["targets"]) + 4)
        assert plan["shortfall_kwh"] <= best["shortfall_kwh"] + 1e-6
        assert shaped.added_cost == pytest.approx(plan["cost"] - best["cost"], abs=1e-9)
        assert plan["lower_bound"] == pytest.approx(best["cost"], abs=1e-9)
        assert_keeps_format(raw, plan)


def test_plan_with_few_switches_is_left_alone(night: dict[str, Any]) -> None:
    shaped = plan_shaped(night)
    assert shaped.plan == plan_problem(night)
    assert (shaped.switches, shaped.added_cost) == (2, 0.0)


def test_no_power_is_below_six_amperes(night: dict[str, Any]) -> None:
    raw = night | {"soc_percent": 38.0}  # 21 kWh: 10, 10 and 1
    assert plan_problem(raw)["power_kw"] == pytest.approx([0, 0, 0, 10, 10, 1, 0, 0])
    shaped = plan_shaped(raw)
    assert shaped.plan["power_kw"] == pytest.approx([0, 0, 0, 10, 10, 1.4, 0, 0])
    assert shaped.plan["shortfall_kwh"] == 0.0
    assert shaped.added_cost == pytest.approx(0.4 * 0.14)


def test_small_currents_go_in_every_plan_and_no_target_is_missed() -> None:
    for seed in range(count(10, 200)):
        raw = car(np.random.default_rng([seed, 37]), 96, 15.0, v2g=False)
        plan: dict[str, Any] = plan_shaped(raw).plan
        power = np.array(plan["power_kw"])
        least = min(1.4, raw["max_charge_kw"])
        full = np.isclose(plan["soc_percent"][1:], raw["max_percent"], atol=1e-6)
        assert (power[(power > 0) & ~full] >= least - 1e-9).all()
        assert plan["shortfall_kwh"] <= plan_problem(raw)["shortfall_kwh"] + 1e-6  # type: ignore[operator]


def test_taper_near_full_starts_charging_sooner(night: dict[str, Any]) -> None:
    raw = night | {"targets": [{"slot": 6, "soc_percent": 100.0}], "soc_percent": 50.0}
    taper = Taper(from_percent=80.0, share=0.2)
    plan: dict[str, Any] = plan_shaped(raw, Shape(taper=taper)).plan
    assert plan_problem(raw)["power_kw"] == pytest.approx([0, 0, 0, 10, 10, 5, 0, 0])
    assert plan["soc_percent"][6] == pytest.approx(100.0, abs=1e-3)
    assert plan["power_kw"][2] > 0.0
    assert plan["power_kw"][5] < 5.0


def test_bad_problem_gives_an_error_plan() -> None:
    assert plan_shaped({"id": "x"}).plan["status"] == "error"
