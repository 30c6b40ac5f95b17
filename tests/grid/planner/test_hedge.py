"""Leaving early is weighed exactly against the cost of power."""

from typing import Any

import highspy
import numpy as np
import pytest

from benchmarks.highs import Model, terms_of
from benchmarks.instances import plain
from grid.planner.batch import pack
from grid.planner.hedge import (
    Caution,
    departure_chances,
    early_chances,
    hedge_level,
    margin_slots,
    plan_hedged,
    with_margin,
    with_taper,
)
from grid.planner.problem import Problem, read_problem
from grid.planner.shape import Taper
from tests.grid.planner.conftest import count


def _optimum_with_penalty(raw: dict[str, Any], weights: Any, level: float) -> float:
    model = Model()
    terms = terms_of(raw)
    model.load(terms)
    highs: Any = model.highs
    for boundary in np.flatnonzero(weights):
        highs.addCol(float(weights[boundary]), 0.0, highspy.kHighsInf, 0, np.empty(0, np.int32), np.empty(0))
        columns = np.array([highs.getNumCol() - 1, 2 * terms.slots + boundary - 1], dtype=np.int32)
        highs.addRow(level, highspy.kHighsInf, 2, columns, np.ones(2))
    return model.solve()


@pytest.mark.parametrize("v2g", [False, True], ids=["v1g", "v2g"])
def test_hedged_plan_minimises_power_and_expected_shortfall_together(v2g: bool) -> None:  # noqa: FBT001
    history = [0.0] * 20 + [45.0, 60.0, 90.0, 150.0]
    for seed in range(count(6, 300)):
        raw = plain(np.random.default_rng([seed, 23]), 96, 15.0, v2g=v2g)
        problem = read_problem(raw)
        weights = departure_chances(problem, history) * 2.0
        hedged = plan_hedged(raw, history, caution=Caution(shortfall_price=2.0))
        plan: dict[str, Any] = hedged.plan
        soc = np.array(plan["soc_percent"]) / 100.0 * problem.capacity_kwh
        total = plan["cost"] + weights @ np.maximum(hedge_level(problem) - soc, 0.0)
        assert total == pytest.approx(_optimum_with_penalty(raw, weights, hedge_level(problem)), rel=1e-9, abs=1e-9)
        assert hedged.added_cost >= -1e-9
        assert hedged.expected_shortfall_kwh <= hedged.without_hedge_kwh + 1e-9


def test_owner_who_leaves_early_gets_charged_earlier(night: dict[str, Any]) -> None:
    late_cheap = night | {"import_price": [0.2] * 6 + [0.1, 0.1]}
    punctual = plan_hedged(late_cheap, [0.0] * 200)
    hasty = plan_hedged(late_cheap, [60.0, 120.0] * 20, caution=Caution(shortfall_price=2.0))
    assert punctual.plan["power_kw"] == pytest.approx([0, 0, 0, 0, 0, 0, 10, 10])
    assert sum(hasty.plan["power_kw"][:6]) > 5  # type: ignore[index]
    assert hasty.plan["soc_percent"][8] == pytest.approx(80.0)  # type: ignore[index]


def test_chances_follow_the_history_and_sum_to_less_than_one() -> None:
    chances = early_chances([0, 0, 0, 0, 50, 50, 50, 50] * 50, 8, 15.0)
    assert chances.argmax() == 3  # 45 to 60 minutes early
    assert 0.4 < chances.sum() < 0.6
    assert early_chances([], 16, 15.0).sum() == pytest.approx(0.25, abs=0.01)


def test_chances_are_those_of_a_car_that_is_still_here() -> None:
    history = [420.0] * 90 + [0.0] * 10  # nine in ten are gone after the first hour of eight
    on_arrival, an_hour_later = early_chances(history, 32, 15.0), early_chances(history, 20, 15.0)
    assert on_arrival[24:].sum() > 0.8
    assert an_hour_later.sum() < 0.2


def test_who_never_left_early_is_still_taken_for_a_human() -> None:
    punctual = early_chances([0.0] * 5, 16, 15.0)
    assert (punctual > 0.0).all()
    assert punctual.sum() < early_chances([], 16, 15.0).sum() / 1.5


def test_others_departures_stand_in_for_a_short_history() -> None:
    others = [200.0] * 30
    stranger, known = early_chances([], 32, 15.0, others), early_chances([0.0] * 60, 32, 15.0, others)
    assert stranger.argmax() == 13
    assert stranger.sum() == pytest.approx(1.0)
    assert known.sum() < 0.15


def test_one_departure_speaks_for_those_around_it() -> None:
    more = early_chances([100.0], 16, 15.0) - early_chances([0.0], 16, 15.0)
    assert more.argmax() == 6
    assert (more[3:10] > 0.0).all()
    assert more[12:] == pytest.approx(0.0)


def test_car_that_slows_down_near_full_is_ready_on_time(night: dict[str, Any]) -> None:
    taper = Taper(from_percent=80.0, share=0.25)
    raw = night | {"soc_percent": 60.0, "targets": [{"slot": 8, "soc_percent": 100.0}]}
    raw["import_price"] = [0.4] * 4 + [0.3, 0.2, 0.1, 0.05]
    plain: dict[str, Any] = plan_hedged(raw, [0.0] * 500, caution=Caution(shortfall_price=0.0)).plan
    slow: dict[str, Any] = plan_hedged(raw, [0.0] * 500, caution=Caution(shortfall_price=0.0, taper=taper)).plan
    problem = read_problem(raw)
    assert _drawn(problem, taper, plain["power_kw"]) < 50.0 - 2.0
    assert _drawn(problem, taper, slow["power_kw"]) == pytest.approx(50.0)


def test_taper_asks_nothing_of_a_car_that_stays_below_it(night: dict[str, Any]) -> None:
    problem = read_problem(night)
    assert with_taper(problem, Taper(from_percent=90.0)).targets == problem.targets
    assert (pack([with_taper(problem, Taper(from_percent=90.0))]).lower == pack([problem]).lower).all()


def _drawn(problem: Problem, taper: Taper, power_kw: list[float]) -> float:
    """Follow a plan minute by minute with a car that slows down; returns the SoC it ends with, kWh."""
    soc = problem.start_kwh
    for power in power_kw:
        for _ in range(60):
            soc += min(power, taper.most_kw(problem, soc)) * problem.charge_efficiency / 60.0
    return soc


def test_margin_fades_as_the_history_grows() -> None:
    assert [margin_slots(seen, 15.0, margin_minutes=60.0) for seen in (0, 5, 10, 50)] == [4, 2, 0, 0]


def test_margin_asks_earlier_but_never_before_the_plug(night: dict[str, Any]) -> None:
    problem = read_problem(night | {"plugged": [0, 0, 0, 0, 0, 0, 1, 1]})
    assert with_margin(problem, 1).targets == ((8, 40.0), (7, 40.0))
    assert with_margin(problem, 5).targets == ((8, 40.0), (7, 40.0))


def test_bad_problem_gives_an_error_plan() -> None:
    assert plan_hedged({"id": "x"}, []).plan["status"] == "error"
