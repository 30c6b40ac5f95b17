"""Many nights at once give the plans that each would get alone, through the format's own planner."""

from dataclasses import replace
from datetime import timedelta
from typing import Any

import numpy as np
import pytest

from grid.arrays.again import plan_again
from grid.arrays.bulk import plan_nights
from grid.arrays.packing import unpack_plan
from grid.arrays.presence import presence
from grid.arrays.problems import Night, problem_of
from grid.arrays.slots import Slots
from grid.planner.solve import plan_problem
from tests.grid.arrays.test_problems import EVENT, SIX, night


def random_night(seed: int) -> Night:
    """Return a night with prices, carbon, a trip and a departure by the seed; every other car gives back."""
    dice = np.random.default_rng(seed)
    count = int(dice.choice([48, 60]))
    leaves_at = SIX + timedelta(minutes=15 * int(dice.integers(2, count)))
    slots = Slots(SIX, count)
    away = timedelta(hours=2)
    gives_back = bool(dice.integers(0, 2))
    return night(
        slots=slots,
        presence=presence(slots=slots, returns_at=None, departures=[leaves_at], away=away, trip_kwh=9),
        departures=(leaves_at,),
        import_price=np.round(dice.choice([0.1, 0.2, 0.3], count) + dice.integers(0, 2) * dice.random(count), 6),
        export_price=np.round(dice.random(count) * 0.3, 6),
        carbon_kg_per_kwh=np.round(dice.random(count), 6),
        carbon_price=0.08 * int(dice.integers(0, 2)),
        soc_percent=float(dice.integers(5, 90)),
        target_percent=float(dice.integers(40, 90)),
        max_percent=float(dice.integers(80, 100)),
        discharge_w=9_600 if gives_back else 0,
        reserve_percent=30.0 if gives_back else 20.0,
        is_eager=bool(dice.integers(0, 4) == 0),
    )


def test_bulk_plans_are_those_of_the_format() -> None:
    nights = [random_night(seed) for seed in range(60)]

    made = plan_nights(nights)

    for one, plan in zip(nights, made, strict=True):
        problem, solution, _ = unpack_plan(plan.packed)
        assert problem == problem_of(one, with_asks=False)
        assert plan_again(problem)["power_kw"] == solution["power_kw"]
        alone: dict[str, Any] = dict(plan_problem(problem))
        assert solution["reasons"] == alone.pop("reasons")
        assert (solution["status"], solution["id"]) == (alone.pop("status"), alone.pop("id"))
        for key, value in alone.items():
            assert solution[key] == pytest.approx(value, abs=1e-6), key


def test_nights_with_and_without_events_keep_their_order() -> None:
    asked = night(asks=(EVENT,), name="asked")
    nights = [night(name="first"), asked, night(name="third", slots=Slots(SIX, 60))]

    made = plan_nights(nights)

    assert [unpack_plan(plan.packed)[0]["id"] for plan in made] == ["first", "asked", "third"]
    assert [plan.with_rewards for plan in made] == [False, True, False]
    assert list(made[1].expected_reward) == [pytest.approx(40.0)]


def test_reward_is_given_up_where_it_would_not_come() -> None:
    prices = np.array([0.4] * 4 + [0.1] * 8 + [0.4] * 36)
    full = night(import_price=prices, asks=(EVENT,), stay_soc_percent=88.0, target_percent=70.0)

    assert [plan.with_rewards for plan in plan_nights([full, replace(full, stay_soc_percent=10.0)])] == [False, True]
