"""What is asked of a plan beside the least cost: early departures, few switches, spread ties, small currents."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from grid.arrays.again import plan_again
from grid.arrays.bulk import Made, plan_nights
from grid.arrays.fearing import fear_early, prior_of
from grid.arrays.packing import unpack_plan
from grid.arrays.problems import Night, NightCare, problem_of
from grid.planner.hedge import departure_chances
from grid.planner.problem import read_problem
from grid.planner.ties import BLOCK, rank_in_blocks, spread_phase
from tests.grid.arrays.test_bulk import random_night
from tests.grid.arrays.test_problems import night

CARE = NightCare(shortfall_price=1.0, minutes_early=(0, 0, 45, 90), switches=6, least_kw=1.4, is_spread=True)


def solutions(nights: list[Night]) -> list[dict[str, Any]]:
    return [unpack_plan(made.packed)[1] for made in plan_nights(nights)]


def stepped(seed: int, **changes: Any) -> Night:
    """A night whose price is another in every slot."""
    dice = np.random.default_rng(seed)
    return night(import_price=np.round(0.1 + 0.2 * dice.random(48), 6), **changes)


def test_careful_plans_are_computed_again_to_the_last_digit_kept() -> None:
    nights = [
        replace(
            random_night(seed),
            care=replace(CARE, minutes_early=(0, seed, 2 * seed), usual_early=(0, 30, 200) if seed % 2 else ()),
        )
        for seed in range(60)
    ]

    for made in plan_nights(nights):
        problem, solution, _ = unpack_plan(made.packed)
        again = plan_again(problem)
        for key in ("power_kw", "soc_percent", "switches"):
            assert again[key] == solution[key]
        for key in ("cost", "hedge_cost", "shape_cost"):
            assert again[key] == pytest.approx(solution[key], abs=1e-9)


@pytest.mark.parametrize("usual", [(), (0, 0, 30, 240)], ids=str)
@pytest.mark.parametrize("early", [(), (0,) * 9, (0, 10, 45, 90, 600), (30, 60, 90)], ids=str)
def test_price_of_leaving_early_is_that_of_the_hedge(early: tuple[int, ...], usual: tuple[int, ...]) -> None:
    one = night()
    chances = departure_chances(read_problem(problem_of(one, with_asks=False)), early, usual)

    penalty = np.zeros(49)
    fear_early(one.presence.plugged, 48, np.array(early, dtype=np.float64), prior_of(usual, 48), 2.0, penalty)

    assert penalty == pytest.approx(2.0 * chances, abs=1e-12)


def test_owner_who_leaves_early_finds_the_car_fuller_and_reads_what_it_cost() -> None:
    cheap_at_last = np.array([0.2] * 40 + [0.1] * 8)
    punctual = night(import_price=cheap_at_last, care=replace(CARE, minutes_early=(0,) * 40))
    hasty = replace(punctual, care=replace(CARE, minutes_early=(60, 90, 120) * 10))

    made = plan_nights([punctual, hasty])

    soc = [unpack_plan(plan.packed)[1]["soc_percent"] for plan in made]
    assert soc[1][40] > soc[0][40] + 5
    assert [one[48] for one in soc] == [pytest.approx(80), pytest.approx(80)]
    assert made[1].added_cost[0] > 0.05 > made[0].added_cost[0] - 0.05


def test_other_owners_stand_in_for_one_nothing_is_known_of() -> None:
    cheap_at_last = np.array([0.2] * 40 + [0.1] * 8)
    unknown = night(import_price=cheap_at_last, care=replace(CARE, minutes_early=(), usual_early=(0,) * 16))
    among_hasty = replace(unknown, care=replace(unknown.care, usual_early=(60, 90, 120, 150) * 4))

    punctual, hasty = solutions([unknown, among_hasty])

    assert hasty["soc_percent"][40] > punctual["soc_percent"][40] + 5


@pytest.mark.parametrize("gives_back", [False, True], ids=["v1g", "v2g"])
def test_switches_keep_their_limit_and_cost_what_is_told(gives_back: bool) -> None:  # noqa: FBT001
    fields = {"discharge_w": 9_600, "reserve_percent": 30.0, "wear_per_kwh": 0.01} if gives_back else {}
    free = [stepped(seed, soc_percent=60.0, max_percent=95.0, **fields) for seed in range(30)]
    if gives_back:
        free = [replace(one, export_price=one.import_price * 0.9) for one in free]
    few = [replace(one, care=NightCare(switches=6)) for one in free]

    for one, plan, shaped, made in zip(free, solutions(free), solutions(few), plan_nights(few), strict=True):
        plugged = one.presence.plugged
        sign = np.sign(shaped["power_kw"])
        changes = int(((np.diff(sign) != 0) & (plugged[1:] == 1) & (plugged[:-1] == 1)).sum())
        assert changes == shaped["switches"] <= 6
        assert shaped["shortfall_kwh"] <= plan["shortfall_kwh"] + 1e-6
        assert made.added_cost[1] == pytest.approx(shaped["cost"] - plan["cost"], abs=1e-6)


def test_no_power_is_below_six_amperes() -> None:
    nights = [
        replace(random_night(seed), is_eager=False, discharge_w=0, care=NightCare(least_kw=1.4)) for seed in range(60)
    ]

    for one, solution in zip(nights, solutions(nights), strict=True):
        power, soc = np.array(solution["power_kw"]), np.array(solution["soc_percent"])
        is_full = np.isclose(soc[1:], one.max_percent, atol=1e-4)
        assert (power[(power > 0) & ~is_full] >= 1.4 - 1e-6).all()


def test_cars_begin_all_over_a_cheap_night() -> None:
    prices = np.array([0.3] * 12 + [0.1] * 24 + [0.3] * 12)  # 18:00, 21:00 to 03:00 cheap, 06:00
    nights = [night(name=f"car-{number}", import_price=prices, care=CARE) for number in range(300)]
    nights = [replace(one, care=replace(CARE, shortfall_price=0.0, switches=0)) for one in nights]

    charging = np.array([solution["power_kw"] for solution in solutions(nights)]) > 0

    together = charging.sum(axis=0)  # each needs 12 of the 24 cheap slots
    assert together[:12].max() == 0
    assert 0.25 * 300 < together[12:36].min() <= together[12:36].max() < 0.75 * 300
    assert together[12] < 0.6 * 300


@pytest.mark.parametrize("first", [0, 5, 23])
def test_rank_stays_the_cars_own_an_hour_later(first: int) -> None:
    now, later = np.empty(96), np.empty(92)
    rank_in_blocks(7, first, now)
    rank_in_blocks(7, (first + 4) % BLOCK, later)

    assert sorted(now) == list(range(96))
    assert np.argsort(now[4:]).tolist() == np.argsort(later).tolist()
    assert 0 <= spread_phase("car") < BLOCK


def test_real_power_and_taper_make_the_car_start_sooner() -> None:
    slow = night(real_charge_w=5_000, import_price=np.array([0.2] * 30 + [0.1] * 18))
    quick = replace(slow, real_charge_w=0)
    full = night(target_percent=100.0, max_percent=100.0, import_price=np.array([0.2] * 30 + [0.1] * 18))

    slow_plan, quick_plan, full_plan = solutions([slow, quick, full])

    assert max(slow_plan["power_kw"]) <= 5.0
    slow_slots, quick_slots = (sum(kw > 0 for kw in plan["power_kw"]) for plan in (slow_plan, quick_plan))
    assert slow_slots >= 2 * quick_slots - 1
    assert full_plan["soc_percent"][44] >= 96.5  # at 3 to 10 kW the last tenth takes longer than its energy
    assert isinstance(plan_nights([slow])[0], Made)
