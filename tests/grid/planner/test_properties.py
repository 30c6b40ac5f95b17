"""What must hold of any plan, looked for by Hypothesis."""

from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from benchmarks.highs import Model, terms_of
from grid.planner.solve import plan_problem
from tests.grid.planner.checks import assert_keeps_format
from tests.grid.planner.conftest import count

PERCENT = st.integers(0, 100).map(float)
PRICE = st.integers(-20, 80).map(lambda cents: cents / 100)
POWER = st.sampled_from([0.0, 1.4, 3.7, 7.4, 11.0, 22.0])
EFFICIENCY = st.sampled_from([0.7, 0.9, 0.95, 1.0])
EXAMPLES = settings(
    max_examples=count(60, 2000), deadline=None, derandomize=True, suppress_health_check=list(HealthCheck)
)


@st.composite
def problems(draw: st.DrawFn, *, v2g: bool | None = None, drives: bool = True) -> dict[str, Any]:
    """A problem of up to 16 slots of any shape."""
    slots = draw(st.integers(1, 16))
    plugged = draw(st.lists(st.sampled_from([1, 1, 1, 0]), min_size=slots, max_size=slots))
    minimum = draw(PERCENT)
    imports = draw(st.lists(PRICE, min_size=slots, max_size=slots))
    targets = draw(st.lists(st.tuples(st.integers(0, slots), PERCENT), max_size=3))
    is_v2g = draw(st.booleans()) if v2g is None else v2g
    driving = draw(st.lists(st.integers(0, 20), min_size=slots, max_size=slots)) if drives else [0] * slots
    return {
        "id": "any",
        "slot_minutes": draw(st.sampled_from([5, 15, 60])),
        "import_price": imports,
        "export_price": [price - draw(st.sampled_from([0.0, 0.02, 0.3])) for price in imports],
        "adder": draw(st.lists(st.sampled_from([0.0, 0.0, 0.2, -0.2]), min_size=slots, max_size=slots)),
        "plugged": plugged,
        "trip_kwh": [float(kwh) if not on else 0.0 for kwh, on in zip(driving, plugged, strict=True)],
        "capacity_kwh": draw(st.sampled_from([20.0, 57.3, 100.0])),
        "soc_percent": draw(PERCENT),
        "max_charge_kw": draw(POWER),
        "max_discharge_kw": draw(POWER) if is_v2g else 0.0,
        "charge_efficiency": draw(EFFICIENCY),
        "discharge_efficiency": draw(EFFICIENCY),
        "wear_per_kwh": draw(st.sampled_from([0.0, 0.05, 0.5])),
        "minimum_percent": minimum,
        "reserve_percent": minimum,
        "max_percent": draw(PERCENT),
        "targets": [{"slot": slot, "soc_percent": percent} for slot, percent in targets],
        "terminal_value_per_kwh": draw(PRICE),
    }


@EXAMPLES
@given(problems())
def test_plan_keeps_every_bound_and_its_sums(raw: dict[str, Any]) -> None:
    assert_keeps_format(raw, plan_problem(raw))


@EXAMPLES
@given(problems(v2g=False))
def test_v1g_plan_is_optimal(raw: dict[str, Any]) -> None:
    plan: dict[str, Any] = plan_problem(raw)
    model = Model()
    model.load(terms_of(raw, floor="minimum_percent"))
    assert plan["cost"] == pytest.approx(model.solve(), rel=1e-9, abs=1e-9)


@EXAMPLES
@given(problems(v2g=True))
def test_v2g_plan_is_optimal_one_way_a_slot(raw: dict[str, Any]) -> None:
    plan: dict[str, Any] = plan_problem(raw)
    model = Model()
    model.load(terms_of(raw), one_way=True)
    best = model.solve()
    assert plan["cost"] <= best + 1e-3 * max(0.1, abs(best))
    assert plan["lower_bound"] <= best + 1e-6 * max(1.0, abs(best))


@EXAMPLES
@given(problems())
def test_plan_is_never_dearer_than_charging_flat_out(raw: dict[str, Any]) -> None:
    always = raw | {"targets": [{"slot": slot, "soc_percent": 100.0} for slot in range(len(raw["plugged"]) + 1)]}
    plan, forced = plan_problem(raw), plan_problem(always)
    assert plan["cost"] <= forced["cost"] + 1e-9  # type: ignore[operator]


@EXAMPLES
@given(problems(v2g=False), st.randoms(use_true_random=False))
def test_rank_changes_no_cost(raw: dict[str, Any], dice: Any) -> None:
    rank = list(range(len(raw["plugged"])))
    dice.shuffle(rank)
    plain, ranked = plan_problem(raw), plan_problem(raw | {"tie_rank": rank})
    assert ranked["cost"] == pytest.approx(plain["cost"], abs=1e-9)


@EXAMPLES
@given(problems(drives=False))
def test_plan_of_the_rest_agrees_after_the_first_slot(raw: dict[str, Any]) -> None:
    plan: dict[str, Any] = plan_problem(raw)
    slots = len(raw["plugged"])
    if slots < 2:
        return
    series = ("import_price", "export_price", "adder", "plugged", "trip_kwh")
    later = raw | {key: raw[key][1:] for key in series} | {"soc_percent": plan["soc_percent"][1]}
    later["targets"] = [t | {"slot": t["slot"] - 1} for t in raw["targets"] if t["slot"] >= 1]
    rest: dict[str, Any] = plan_problem(later)
    hours, kw = raw["slot_minutes"] / 60, plan["power_kw"][0]
    price = raw["import_price"][0] if kw > 0 else raw["export_price"][0] - raw["wear_per_kwh"]
    first = (price + raw["adder"][0]) * kw * hours
    scale = max(1.0, abs(plan["cost"]))
    # What was allowed above the maximum on arrival is not allowed again once given up.
    if raw["soc_percent"] <= raw["max_percent"] and np.isclose(plan["cost"], plan["lower_bound"], atol=1e-9):
        assert first + rest["lower_bound"] <= plan["cost"] + 1e-3 * scale
        assert first + rest["cost"] >= plan["lower_bound"] - 1e-9 * scale
