"""Plans that can be checked by hand; the ids say what the car should do."""

from typing import Any

import pytest

from grid.planner.solve import plan_problem, plan_problems, value_of_kwh

CASES: list[tuple[str, dict[str, Any], list[float]]] = [
    ("charges-in-the-two-cheapest-hours", {}, [0, 0, 0, 10, 10, 0, 0, 0]),
    ("takes-part-of-the-next-cheapest-hour", {"soc_percent": 34.0}, [0, 0, 0, 10, 10, 3, 0, 0]),
    ("charges-at-once-below-the-minimum", {"soc_percent": 8.0}, [6, 0, 0, 10, 10, 10, 0, 0]),
    ("does-nothing-when-the-target-is-reached", {"soc_percent": 85.0}, [0] * 8),
    (
        "charges-flat-out-when-the-target-is-out-of-reach",
        {"max_charge_kw": 2.0},
        [2, 2, 2, 2, 2, 2, 2, 2],
    ),
    (
        "charges-before-an-early-target",
        {"targets": [{"slot": 2, "soc_percent": 60.0}]},
        [10, 0, 0, 0, 0, 0, 0, 0],
    ),
    (
        "splits-between-two-targets",
        {"targets": [{"slot": 3, "soc_percent": 60.0}, {"slot": 8, "soc_percent": 80.0}]},
        [0, 0, 10, 10, 0, 0, 0, 0],
    ),
    (
        "holds-for-the-event-and-charges-after",
        {"adder": [0, 0, 0, 0.3, 0.3, 0, 0, 0]},
        [0, 0, 0, 0, 0, 10, 10, 0],
    ),
    (
        "absorbs-for-the-event",
        {"adder": [-0.35, 0, 0, 0, 0, 0, 0, 0], "soc_percent": 60.0},
        [10, 0, 0, 0, 0, 0, 0, 0],
    ),
    (
        "waits-for-the-plug",
        {"plugged": [0, 0, 0, 0, 0, 1, 1, 1]},
        [0, 0, 0, 0, 0, 10, 10, 0],
    ),
    (
        "charges-before-a-trip-that-would-end-below-the-minimum",
        {"plugged": [1, 1, 0, 0, 0, 0, 1, 1], "trip_kwh": [0, 0, 20, 0, 0, 0, 0, 0], "targets": [], "max_charge_kw": 6},
        [4, 0, 0, 0, 0, 0, 6, 0],
    ),
    (
        "sells-when-dear-and-buys-back-when-cheap",
        {"max_discharge_kw": 10.0, "terminal_value_per_kwh": 0.0, "export_price": [0.5, 0, 0, 0, 0, 0, 0, 0]},
        [-10, 0, 0, 10, 10, 10, 0, 0],
    ),
    (
        "never-discharges-below-the-reserve",
        {
            "max_discharge_kw": 10.0, "terminal_value_per_kwh": 0.0, "reserve_percent": 30.0, "targets": [],
            "export_price": [0.5, 0.5, 0, 0, 0, 0, 0, 0], "import_price": [0.6] * 8,
        },
        [0, -5, 0, 0, 0, 0, 0, 0],
    ),
    (
        "does-not-dump-what-is-above-the-maximum",
        {
            "soc_percent": 95.0, "max_percent": 80.0, "max_discharge_kw": 10.0, "terminal_value_per_kwh": 0.3,
            "export_price": [0.3] * 8, "import_price": [0.31] * 8,
        },
        [0] * 8,
    ),
    (
        "charges-for-nothing-below-zero",
        {"import_price": [0.4, 0.4, -0.1, 0.1, 0.1, 0.1, 0.1, 0.1], "soc_percent": 82.0},
        [0, 0, 9, 0, 0, 0, 0, 0],
    ),
    ("charges-earlier-among-equal-prices", {"import_price": [0.2] * 8}, [10, 10, 0, 0, 0, 0, 0, 0]),
    (
        "charges-by-rank-among-equal-prices",
        {"import_price": [0.2] * 8, "tie_rank": [7, 6, 5, 4, 3, 2, 0, 1]},
        [0, 0, 0, 0, 0, 0, 10, 10],
    ),
    (
        "prefers-a-lower-price-to-a-lower-rank",
        {"tie_rank": [0, 1, 2, 9, 9, 9, 3, 4]},
        [0, 0, 0, 10, 10, 0, 0, 0],
    ),
    (
        "does-not-discharge-for-nothing",
        {
            "max_discharge_kw": 10.0, "terminal_value_per_kwh": 0.2, "import_price": [0.21] * 8,
            "export_price": [0.25] * 8, "targets": [],
        },
        [0, 0, 0, 0, 0, 0, 0, 0],
    ),
    (
        "goes-one-way-where-both-would-pay",
        {
            "max_discharge_kw": 10.0, "terminal_value_per_kwh": 0.3, "targets": [],
            "import_price": [0.31] * 8, "export_price": [0, 1.0, 0, 0, 0, 0, 0, 0],
        },
        [0, -10, 0, 0, 0, 0, 0, 0],
    ),
]  # fmt: skip


@pytest.mark.parametrize(("change", "power"), [case[1:] for case in CASES], ids=[case[0] for case in CASES])
def test_car(night: dict[str, Any], change: dict[str, Any], power: list[float]) -> None:
    plan: dict[str, Any] = plan_problem(night | change)
    assert plan["power_kw"] == pytest.approx(power, abs=1e-9)


def test_reasons_say_why_in_every_slot(night: dict[str, Any]) -> None:
    change = {
        "soc_percent": 8.0, "adder": [0, 0.2, 0, 0, 0, 0, 0, 0], "plugged": [1, 1, 1, 1, 1, 1, 1, 0],
        "targets": [{"slot": 7, "soc_percent": 76.0}],
    }  # fmt: skip
    plan = plan_problem(night | change)
    assert plan["reasons"] == ["minimum", "hold", "idle", "cheap", "cheap", "cheap", "idle", "unplugged"]


def test_last_chance_to_make_a_target_is_called_a_deadline(night: dict[str, Any]) -> None:
    plan = plan_problem(night | {"targets": [{"slot": 2, "soc_percent": 80.0}]})
    assert plan["reasons"] == ["deadline", "deadline", *["idle"] * 6]


def test_slot_chosen_for_its_carbon_is_called_clean(night: dict[str, Any]) -> None:
    carbon = [0.5, 0.5, 0.5, 0.5, 0.5, 0.1, 0.1, 0.5]
    plan = plan_problem(night | {"carbon_kg_per_kwh": carbon, "carbon_price": 0.5})
    assert plan["reasons"] == ["idle", "idle", "idle", "idle", "idle", "clean", "clean", "idle"]
    assert plan["carbon_kg"] == pytest.approx(2.0)
    assert plan["cash"] == pytest.approx(3.4)


def test_drawing_for_a_reward_is_called_absorbing(night: dict[str, Any]) -> None:
    plan = plan_problem(night | {"adder": [0, -0.39, 0, 0, 0, 0, 0, 0]})
    assert plan["reasons"][1] == "absorb"  # type: ignore[index]


def test_cost_of_charging_at_once_is_that_of_the_first_hours(night: dict[str, Any]) -> None:
    assert plan_problem(night)["cost_of_charging_at_once"] == pytest.approx(8.0)


def test_charging_at_once_without_a_target_fills_to_the_minimum(night: dict[str, Any]) -> None:
    plan = plan_problem(night | {"targets": [], "soc_percent": 10.0})
    assert plan["cost_of_charging_at_once"] == pytest.approx(2.0)


def test_shortfall_is_stated_for_each_target(night: dict[str, Any]) -> None:
    targets = [{"slot": 1, "soc_percent": 80.0}, {"slot": 2, "soc_percent": 100.0}]
    plan = plan_problem(night | {"targets": targets})
    assert plan["status"] == "relaxed"
    assert plan["shortfall_kwh"] == pytest.approx(20.0)


def test_value_of_a_kwh_is_what_the_next_hour_to_charge_costs(night: dict[str, Any]) -> None:
    assert value_of_kwh(night) == pytest.approx(0.12)


def test_problems_of_different_lengths_are_planned_in_order(night: dict[str, Any]) -> None:
    short = night | {
        "id": "short", "import_price": [0.1], "export_price": [0.1], "plugged": [1], "targets": [],
    }  # fmt: skip
    plans = plan_problems([night, short, {"id": "bad"}, night | {"id": "last"}])
    assert [plan["id"] for plan in plans] == ["night", "short", "bad", "last"]
    assert [len(plan.get("power_kw", [])) for plan in plans] == [8, 1, 0, 8]  # type: ignore[arg-type]


def test_two_threads_plan_what_one_plans(night: dict[str, Any]) -> None:
    problems = [night | {"soc_percent": 20.0 + k / 10} for k in range(400)]
    assert plan_problems(problems, threads=2) == plan_problems(problems)
