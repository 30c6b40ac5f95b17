"""The closed loop knows no more than a platform would, and its frontier holds on a part of the sessions."""

from datetime import timedelta
from itertools import pairwise

import numpy as np
import pytest

from benchmarks.closed_loop import Point, hedges, points, run, told
from benchmarks.closed_loop_data import Sessions, prices_of, read_prices, read_sessions
from benchmarks.closed_loop_world import Policy, World, build_world, simulate

EVERY = 24


@pytest.fixture(scope="module")
def sessions() -> Sessions:
    return read_sessions(every=EVERY)


@pytest.fixture(scope="module")
def evening(sessions: Sessions) -> World:
    return build_world(sessions, hours_later=9.0)


@pytest.fixture(scope="module")
def frontier(evening: World) -> list[Point]:
    return points(evening, [*hedges(), told()])


def test_nothing_is_known_before_it_ended(sessions: Sessions) -> None:
    every = read_sessions()
    ends = np.array([at + timedelta(hours=h) for at, h in zip(every.arrival, every.stay_hours, strict=True)])
    for at, own, usual in zip(sessions.arrival, sessions.own, sessions.usual, strict=True):
        assert len(own) <= (ends <= at).sum()
        assert len(usual) <= (ends <= at).sum()
    assert not len(every.own[0])
    assert not len(every.usual[0])


def test_history_is_that_of_the_same_request() -> None:
    every = read_sessions()
    alike = [i for i in range(len(every)) if len(every.own[i]) >= 20]
    spread = np.median([np.std(every.own[i]) for i in alike])
    assert len(alike) > 300
    assert spread < np.median([np.std(every.usual[i]) for i in alike])


def test_prices_are_those_of_the_weekday_and_hour(sessions: Sessions) -> None:
    hourly = read_prices()
    first = sessions.arrival[0]  # Wednesday 2019-05-01, shortly after one; 2022-04-27 is a Wednesday
    assert (first.year, first.weekday(), first.hour) == (2019, 2, 1)
    day = (31 + 28 + 31 + 26) * 24
    prices = prices_of(sessions, steps=24, step_minutes=5.0, hours_later=0.0)
    assert prices[0, 0] == hourly[day + 1]
    assert np.isfinite(prices).all()


def test_charging_at_once_gives_every_car_its_energy(evening: World) -> None:
    found = simulate(evening, Policy("charge at once"))
    assert found.kwh == pytest.approx(evening.sessions.energy_kwh, abs=1e-5)


def test_hedging_buys_readiness_with_savings(frontier: list[Point]) -> None:
    without, *hedged, bound = frontier
    assert without.short > 0.15
    assert hedged[-1].short < 0.02
    shorts = [each.short for each in (without, *hedged)]
    assert all(after <= before + 0.01 for before, after in pairwise(shorts))
    assert bound.saved > max(each.saved for each in (without, *hedged))
    assert hedged[1].saved > without.saved - 0.01  # the first half of the risk costs next to nothing
    assert hedged[1].short < 0.6 * without.short


def test_announced_departures_are_kept(frontier: list[Point]) -> None:
    assert min(each.kept for each in frontier[:-1]) == 1.0


def test_v2g_saves_more_and_keeps_its_promises_too(sessions: Sessions, frontier: list[Point]) -> None:
    world = build_world(sessions, hours_later=9.0, is_v2g=True)
    some = hedges()
    without, tenth, strong = points(world, [some[0], some[2], some[-1]])
    assert without.saved > frontier[0].saved + 0.05
    assert tenth.saved > without.saved - 0.01
    assert tenth.short < 0.6 * without.short
    assert strong.short < 0.02
    assert min(without.kept, tenth.kept, strong.kept) == 1.0


def test_late_plans_would_break_the_promise(evening: World) -> None:
    at_once = simulate(evening, Policy("charge at once"))
    late = simulate(evening, Policy("late", hedges()[0].caution, earlier_hours=-3.0))
    assert (at_once.kwh_as_announced - late.kwh_as_announced > 1.0).mean() > 0.1


def test_short_run_meets_its_targets() -> None:
    assert [ratio.name for ratio in run(is_short=True) if ratio.is_met is False] == []
