"""Fleets keep their limits at the least cost: small ones exactly, large ones within a proved gap."""

import io
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from benchmarks.fleets import event_fleet, joint_programme_seconds
from benchmarks.instances import car, many_trips, plain
from grid.management.commands.plan import Command
from grid.planner.batch import Batch, solve
from grid.planner.fleet import LimitsError, plan_fleet
from grid.planner.fleet_solve import solve_fleet
from grid.planner.solve import plan_problems
from tests.grid.planner.checks import assert_keeps_format

EVENING = list(range(8, 20))


def _cars(count: int, *, v2g_every: int = 3) -> list[dict[str, Any]]:
    rng = np.random.default_rng([count, 51])
    return [car(rng, 96, 15.0, v2g=k % v2g_every == 0, hourly=True) | {"id": f"car-{k}"} for k in range(count)]


def _net(plans: list[dict[str, Any]]) -> Any:
    return np.sum([plan["power_kw"] for plan in plans], axis=0)


def test_small_fleet_sheds_what_the_event_asks_at_the_proved_least_cost() -> None:
    cars = _cars(24)
    free: list[dict[str, Any]] = plan_problems(cars)
    most = float(_net(free)[EVENING].max() * 0.3 - 20.0)
    plans, fleet = plan_fleet(cars, {"limits": [{"vehicles": "all", "slots": EVENING, "max_net_kw": most}]})
    assert fleet["met"]
    assert fleet["excess_kwh"] == 0.0
    assert (_net(plans)[EVENING] <= most + 1e-6).all()
    assert fleet["net_kw"] == pytest.approx(_net(plans), abs=1e-6)
    assert fleet["cost"] == pytest.approx(sum(plan["cost"] for plan in plans))
    assert fleet["cost_without_limits"] == pytest.approx(sum(plan["cost"] for plan in free))
    assert abs(fleet["gap"]) < 1e-6  # type: ignore[arg-type]
    assert any("hold" in str(plan["reasons"]) for plan in plans)
    for raw, plan in zip(cars, plans, strict=True):
        assert_keeps_format(raw, plan)


def test_fleet_absorbs_and_feeders_hold_after_the_event() -> None:
    cars = _cars(20)
    feeder = [f"car-{k}" for k in range(8)]
    limits = [
        {"vehicles": "all", "slots": [40, 41, 42], "min_net_kw": 60.0},
        {"vehicles": feeder, "slots": list(range(40, 60)), "max_net_kw": 20.0, "min_net_kw": -20.0},
    ]
    plans, fleet = plan_fleet(cars, {"limits": limits})
    assert fleet["met"]
    assert (_net(plans)[40:43] >= 60.0 - 1e-6).all()
    assert (np.abs(_net(plans[:8])[40:60]) <= 20.0 + 1e-6).all()


def test_limit_out_of_reach_is_exceeded_by_as_little_as_possible(night: dict[str, Any]) -> None:
    cars = [night | {"id": "a", "soc_percent": 10.0, "minimum_percent": 30.0}, night | {"id": "b"}]
    limits = {"limits": [{"vehicles": "all", "slots": [0, 1], "max_net_kw": 4.0}]}
    _, fleet = plan_fleet(cars, limits)
    assert not fleet["met"]
    assert fleet["excess_kwh"] == pytest.approx(6.0)  # 10 kW at once below the floor, in the first hour
    assert fleet["gap"] == pytest.approx(0.0, abs=1e-6)


def test_identical_cars_share_one_fractional_plan(night: dict[str, Any]) -> None:
    cars = [night | {"id": f"clone-{k}"} for k in range(400)]
    plans, fleet = plan_fleet(cars, {"limits": [{"vehicles": "all", "slots": [3, 4], "max_net_kw": 1000.0}]})
    assert fleet["met"]
    assert abs(fleet["gap"]) < 1e-6  # type: ignore[arg-type]
    assert plans[0]["power_kw"] == plans[399]["power_kw"]
    assert plans[0]["power_kw"][3] == pytest.approx(2.5)  # type: ignore[index]


def test_one_way_holds_where_absorbing_would_pay_for_burning(night: dict[str, Any]) -> None:
    v2g = night | {"max_discharge_kw": 10.0, "terminal_value_per_kwh": 0.1, "wear_per_kwh": 0.0, "soc_percent": 90.0}
    cars = [v2g | {"id": f"car-{k}", "discharge_efficiency": 0.9, "charge_efficiency": 0.9} for k in range(3)]
    plans, fleet = plan_fleet(cars, {"limits": [{"vehicles": "all", "slots": [2], "min_net_kw": 25.0}]})
    assert fleet["met"]
    for raw, plan in zip(cars, plans, strict=True):
        assert_keeps_format(raw, plan)


def test_car_below_its_reserve_keeps_it_in_a_fleet() -> None:
    rng = np.random.default_rng(3)
    cars = [
        many_trips(rng, 96, 15.0, v2g=True) | {"id": f"car-{k}", "minimum_percent": 5.0, "reserve_percent": 40.0}
        for k in range(6)
    ]
    plans, _ = plan_fleet(cars, {"limits": [{"vehicles": "all", "slots": EVENING, "max_net_kw": -5.0}]})
    for plan in plans:
        power, soc = np.array(plan["power_kw"]), np.array(plan["soc_percent"])
        assert (soc[1:][power < 0.0] >= 40.0 - 1e-6).all()


@pytest.mark.parametrize(("share", "part"), [(0.3, 0.5), (1.0, 0.9), (0.0, 0.5)], ids=["mixed", "v2g", "v1g"])
def test_large_fleet_is_met_and_certified_within_a_thousandth(share: float, part: float) -> None:
    batch, buy, sell, coupling = event_fleet(1200, v2g_share=share, hour=25.0, part=part)
    made = solve_fleet(batch, buy, sell, coupling)
    assert made.is_met
    assert made.gap <= 1e-3
    assert made.bound >= made.free_cost
    _assert_feasible(batch, made.power, made.soc)


def test_large_fleet_costs_what_the_joint_programme_costs() -> None:
    batch, buy, sell, coupling = event_fleet(350, v2g_share=0.5, hour=24.0, part=0.5)
    made = solve_fleet(batch, buy, sell, coupling)
    _, best = joint_programme_seconds(batch, buy, sell, coupling)
    event = best - made.free_cost
    assert made.is_met
    assert -1e-6 <= (made.cost.sum() - best) / event <= 1e-3
    assert made.bound <= best + 1e-6 * event


def test_fleet_without_reach_minimises_excess_first() -> None:
    batch, buy, sell, coupling = event_fleet(400, v2g_share=0.3, hour=18.0, part=1.3)
    made = solve_fleet(batch, buy, sell, coupling)
    adder = np.zeros((1, batch.slots))
    adder[0, coupling.watch] = 1000.0
    least = solve(batch, buy, sell, adder=adder, watch=coupling.watch, want_soc=False).power
    reachable = float(np.maximum(coupling.over(coupling.net(least)), 0.0).sum()) * coupling.slot_hours
    assert not made.is_met
    assert made.excess_kwh == pytest.approx(reachable, rel=1e-3)


def test_fleet_that_keeps_its_limits_anyway_is_left_alone() -> None:
    batch, buy, sell, coupling = event_fleet(400, v2g_share=0.3, hour=24.0, part=-0.1)
    made = solve_fleet(batch, buy, sell, coupling)
    assert made.is_met
    assert made.cost.sum() == pytest.approx(made.free_cost)
    assert made.gap == pytest.approx(0.0, abs=1e-9)


def _assert_feasible(batch: Batch, power: Any, soc: Any) -> None:
    charge, discharge = np.maximum(power, 0.0), np.maximum(-power, 0.0)
    assert (charge <= batch.charge_kw[:, None] * batch.plugged + 1e-9).all()
    assert (discharge <= batch.discharge_kw[:, None] * batch.plugged + 1e-9).all()
    stored = charge * batch.charge_efficiency[:, None] - discharge / batch.discharge_efficiency[:, None]
    assert np.abs(np.diff(soc, axis=1) - stored * 0.25 + batch.drive).max() < 1e-9
    assert (soc >= batch.lower - 1e-9).all()
    assert (soc <= batch.upper + 1e-9).all()


BAD_LIMITS: list[tuple[Any, str]] = [
    ([], "limits"),
    ({}, "limits"),
    ({"limits": {}}, "limits"),
    ({"limits": [3]}, r"limits\[0\]"),
    ({"limits": [{"vehicles": "some", "slots": [1], "max_net_kw": 1}]}, r"limits\[0\].vehicles"),
    ({"limits": [{"vehicles": ["ghost"], "slots": [1], "max_net_kw": 1}]}, "ghost"),
    ({"limits": [{"vehicles": [1], "slots": [1], "max_net_kw": 1}]}, "vehicles"),
    ({"limits": [{"vehicles": "all", "slots": [8], "max_net_kw": 1}]}, r"limits\[0\].slots"),
    ({"limits": [{"vehicles": "all", "slots": "1", "max_net_kw": 1}]}, r"limits\[0\].slots"),
    ({"limits": [{"vehicles": "all", "slots": [1]}]}, "max_net_kw"),
    ({"limits": [{"vehicles": "all", "slots": [1], "max_net_kw": "x"}]}, "max_net_kw"),
    ({"limits": [{"vehicles": "all", "slots": [1], "min_net_kw": float("nan")}]}, "min_net_kw"),
]


@pytest.mark.parametrize(("limits", "named"), BAD_LIMITS, ids=[named for _, named in BAD_LIMITS])
def test_bad_limits_are_refused_by_name(night: dict[str, Any], limits: Any, named: str) -> None:
    with pytest.raises(LimitsError, match=named):
        plan_fleet([night], limits)


def test_odd_problem_is_answered_and_left_out_of_the_fleet(night: dict[str, Any]) -> None:
    short = {"import_price": [0.1], "export_price": [0.1], "plugged": [1], "targets": []}
    cars = [night, None, night | short | {"id": "short"}, night | {"id": "slow", "slot_minutes": 30}]
    plans, fleet = plan_fleet(cars, {"limits": []})
    assert [plan["status"] for plan in plans] == ["optimal", "error", "error", "error"]
    assert "slot_minutes" in str(plans[3]["error"])
    assert fleet["met"]


def test_command_prints_plans_then_the_fleet(night: dict[str, Any], tmp_path: Path) -> None:
    limits = tmp_path / "limits.json"
    limits.write_text(json.dumps({"limits": [{"vehicles": "all", "slots": [3], "max_net_kw": 12}]}))
    command = Command(stdout=io.StringIO())
    command.stdin = io.BytesIO("\n".join(json.dumps(night | {"id": f"car-{k}"}) for k in range(2)).encode())
    command.handle(fleet=str(limits), threads=1)
    lines = [json.loads(line) for line in command.stdout.getvalue().splitlines()]
    assert [line.get("id") for line in lines] == ["car-0", "car-1", None]
    assert set(lines[2]["fleet"]) == {
        "met", "excess_kwh", "net_kw", "cost", "lower_bound", "cost_without_limits", "gap", "iterations",
    }  # fmt: skip
    assert lines[2]["fleet"]["net_kw"][3] == pytest.approx(12.0)


def test_ties_are_spread_over_cars() -> None:
    rng = np.random.default_rng(9)
    raw = plain(rng, 96, 15.0, v2g=False)
    raw |= {
        "import_price": [0.3] * 32 + [0.1] * 64,
        "carbon_price": 0.0,
        "targets": [{"slot": 96, "soc_percent": 60.0}],
    }
    raw |= {"plugged": [1] * 96, "trip_kwh": [0.0] * 96, "soc_percent": 40.0, "minimum_percent": 10.0}
    plans, _ = plan_fleet([raw | {"id": f"car-{k}"} for k in range(200)], {"limits": []})
    net = _net(plans)
    assert net[32:].max() < 0.7 * 200 * raw["max_charge_kw"]
    assert net[:32].max() == pytest.approx(0.0)
