"""What breaks the format gets an error that names the key; nothing crashes the planner."""

import json
import random
from datetime import UTC, datetime
from typing import Any

import numpy as np
import pytest

from benchmarks.instances import EXACT
from grid.planner.explain import explain
from grid.planner.solve import plan_problem, plan_problems
from tests.grid.planner.conftest import count

NAN, INF = float("nan"), float("inf")
MISSING = object()
NOW = datetime(2026, 11, 18, 22, 0, tzinfo=UTC)

BAD: list[tuple[str, Any, str]] = [
    ("id", MISSING, "id"),
    ("id", 7, "id"),
    ("slot_minutes", MISSING, "slot_minutes"),
    ("slot_minutes", 0, "slot_minutes"),
    ("slot_minutes", "15", "slot_minutes"),
    ("slot_minutes", 1e6, "slot_minutes"),
    ("import_price", MISSING, "import_price"),
    ("import_price", [], "import_price"),
    ("import_price", 0.3, "import_price"),
    ("import_price", "cheap", "import_price"),
    ("import_price", [0.1, None] * 4, "import_price"),
    ("import_price", [0.1, NAN] * 4, "import_price"),
    ("import_price", [0.1, INF] * 4, "import_price"),
    ("import_price", [0.1, 10**400] * 4, "import_price"),
    ("export_price", [0.1] * 7, "export_price"),
    ("export_price", [True] * 8, "export_price"),
    ("carbon_kg_per_kwh", [0.1] * 9, "carbon_kg_per_kwh"),
    ("carbon_kg_per_kwh", None, "carbon_kg_per_kwh"),
    ("carbon_price", "0.1", "carbon_price"),
    ("adder", [0.1], "adder"),
    ("adder", {"0": 1}, "adder"),
    ("plugged", MISSING, "plugged"),
    ("plugged", [1, 0.5] * 4, "plugged"),
    ("plugged", [1] * 9, "plugged"),
    ("plugged", [[1]] * 8, "plugged"),
    ("trip_kwh", [-1.0] + [0.0] * 7, "trip_kwh"),
    ("trip_kwh", [1.0] + [0.0] * 7, "trip_kwh"),
    ("capacity_kwh", 0, "capacity_kwh"),
    ("capacity_kwh", -50, "capacity_kwh"),
    ("capacity_kwh", NAN, "capacity_kwh"),
    ("capacity_kwh", 10**400, "capacity_kwh"),
    ("soc_percent", 100.1, "soc_percent"),
    ("soc_percent", -0.1, "soc_percent"),
    ("soc_percent", True, "soc_percent"),
    ("max_charge_kw", -1, "max_charge_kw"),
    ("max_charge_kw", None, "max_charge_kw"),
    ("max_discharge_kw", MISSING, "max_discharge_kw"),
    ("max_discharge_kw", 5, "terminal_value_per_kwh"),
    ("charge_efficiency", 0, "charge_efficiency"),
    ("charge_efficiency", 1.01, "charge_efficiency"),
    ("discharge_efficiency", -0.9, "discharge_efficiency"),
    ("discharge_efficiency", [], "discharge_efficiency"),
    ("wear_per_kwh", -0.1, "wear_per_kwh"),
    ("wear_per_kwh", MISSING, "wear_per_kwh"),
    ("minimum_percent", 101, "minimum_percent"),
    ("reserve_percent", 10, "reserve_percent"),
    ("max_percent", -1, "max_percent"),
    ("targets", MISSING, "targets"),
    ("targets", {"slot": 8}, "targets"),
    ("targets", [8], "targets[0]"),
    ("targets", [{"slot": 8, "soc_percent": 80}, {"slot": 9, "soc_percent": 80}], "targets[1].slot"),
    ("targets", [{"slot": -1, "soc_percent": 80}], "targets[0].slot"),
    ("targets", [{"slot": 1.5, "soc_percent": 80}], "targets[0].slot"),
    ("targets", [{"slot": True, "soc_percent": 80}], "targets[0].slot"),
    ("targets", [{"slot": 1}], "targets[0].soc_percent"),
    ("targets", [{"slot": 1, "soc_percent": 180}], "targets[0].soc_percent"),
    ("terminal_value_per_kwh", "much", "terminal_value_per_kwh"),
    ("tie_rank", [1, 2], "tie_rank"),
]


@pytest.mark.parametrize(
    ("key", "value", "named"), BAD, ids=[f"{k}={'missing' if v is MISSING else str(v)[:24]}" for k, v, _ in BAD]
)
def test_error_names_the_key(night: dict[str, Any], key: str, value: Any, named: str) -> None:
    raw = {k: v for k, v in (night | {key: value}).items() if v is not MISSING}
    plan = plan_problem(raw)
    assert plan["status"] == "error"
    assert str(plan["error"]).split(": ")[0] == named
    assert set(plan) == {"id", "status", "error"}


@pytest.mark.parametrize("line", [None, 3, "x", [], [{}], True], ids=repr)
def test_what_is_no_object_has_a_null_id(line: Any) -> None:
    assert plan_problems([line]) == [{"id": None, "status": "error", "error": "line: is no JSON object"}]


def test_bad_line_leaves_the_others_planned(night: dict[str, Any]) -> None:
    plans = plan_problems([night, night | {"capacity_kwh": "big"}, night])
    assert [plan["status"] for plan in plans] == ["optimal", "error", "optimal"]
    assert plans[1]["id"] == "night"


def test_unknown_keys_are_ignored(night: dict[str, Any]) -> None:
    assert plan_problem(night | {"colour": "blue"}) == plan_problem(night)


def test_arrays_and_flags_are_read_like_lists_and_numbers(night: dict[str, Any]) -> None:
    other = night | {"import_price": np.array(night["import_price"]), "plugged": [True] * 8}
    assert plan_problem(other) == plan_problem(night)


def test_plan_is_json(night: dict[str, Any]) -> None:
    plan = plan_problem(night)
    assert json.loads(json.dumps(plan, allow_nan=False)) == plan


WEIRD: list[Any] = [
    None, True, False, 0, -1, 1, 0.5, 1e-12, 1e9, 1e308, -1e308, NAN, INF, 10**400, "", "x", [], [0], {}, {"a": 1},
    [NAN] * 96, [1e9] * 96, [-1e9] * 96, [0] * 96, [1] * 96, [1e-300] * 96, 100, 1e-6,
]  # fmt: skip


def test_fuzzed_problems_never_crash_and_stay_finite() -> None:
    dice = random.Random(11)  # noqa: S311
    for seed in range(count(150, 5000)):
        rng = np.random.default_rng([seed, 17])
        raw = EXACT[dice.choice(list(EXACT))](rng, 96, 15.0, v2g=seed % 3 > 0)
        for key in dice.sample(list(raw), dice.randint(1, 3)):
            raw[key] = dice.choice(WEIRD)
        plan: dict[str, Any] = plan_problem(raw)
        json.dumps(plan, allow_nan=False)
        if plan["status"] != "error":
            assert np.isfinite(plan["power_kw"]).all()
            assert np.isfinite([plan["cost"], plan["lower_bound"], plan["cash"]]).all()
        told = explain(raw, plan)
        assert bool(told.error) == (plan["status"] == "error")
        assert told.error or told.is_out or told.ending
