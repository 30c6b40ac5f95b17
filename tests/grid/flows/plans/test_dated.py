"""What owners say of single dates reaches the plan, by the one loader and by the fleet's."""

from datetime import UTC, date, datetime, time, timedelta

import pytest

from accounts.models import User
from grid.flows.plans.cars import load_cars
from grid.flows.plans.departures import next_departure
from grid.flows.plans.fleet import load_fleet
from grid.flows.plans.planning import current_plan, plan_due
from grid.models import Plan, PlanningState
from tests.factories import nights
from vehicles.flows.dated import add_dated, remove_dated
from vehicles.models import PlugSession, Vehicle

HOUR = timedelta(hours=1)


def plan_of(vehicle: Vehicle, *, now: datetime) -> Plan:
    assert plan_due(now=now, limit=10) == 1
    plan = current_plan(vehicle)
    assert plan is not None
    return plan


def test_an_early_friday_moves_the_plan_and_taking_it_back_moves_it_again(alice: User, now: datetime) -> None:
    vehicle = nights.plugged_car(alice, now=now, kind="timed").vehicle
    assert plan_of(vehicle, now=now).departure_at == datetime(2026, 11, 19, 13, 30, tzinfo=UTC)

    later = now + timedelta(minutes=5)
    early = add_dated(vehicle=vehicle, kind="leaves", first_date=date(2026, 11, 19), leaves_at_local=time(4), now=later)
    plan = plan_of(vehicle, now=later)
    assert (plan.departure_at, plan.reason) == (datetime(2026, 11, 19, 10, tzinfo=UTC), "preference")
    assert plan.soc_percent_at(datetime(2026, 11, 19, 9, 28, tzinfo=UTC)) == pytest.approx(80)

    remove_dated(dated=early, now=later)
    assert plan_of(vehicle, now=later).departure_at == datetime(2026, 11, 19, 13, 30, tzinfo=UTC)


def test_both_loaders_see_the_same_dates(alice: User, now: datetime) -> None:
    vehicle = nights.plugged_car(alice, now=now, kind="timed").vehicle
    plan_due(now=now, limit=10)
    add_dated(vehicle=vehicle, kind="stays", first_date=date(2026, 11, 19), now=now)

    one = load_cars([vehicle.pk], now=now)[vehicle.pk]
    [many] = load_fleet([PlanningState.objects.get().pk], now=now)

    assert one.dated == many.car.dated != ()
    assert (
        next_departure(one, now=now) == next_departure(many.car, now=now) == datetime(2026, 11, 20, 13, 30, tzinfo=UTC)
    )


@pytest.mark.parametrize(
    ("now_at", "departs_at"),
    [
        pytest.param("2026-03-07T23:05Z", "2026-03-08T11:00Z", id="spring: 23 hours"),
        pytest.param("2026-10-31T22:05Z", "2026-11-01T12:00Z", id="autumn: 25 hours"),
    ],
)
def test_a_dated_departure_keeps_its_local_time_when_the_clock_changes(
    now_at: str, departs_at: str, alice: User
) -> None:
    now, departure_at = datetime.fromisoformat(now_at), datetime.fromisoformat(departs_at)
    vehicle = nights.plugged_car(alice, now=now, kind="timed").vehicle
    sunday = departure_at.date()
    add_dated(vehicle=vehicle, kind="leaves", first_date=sunday, leaves_at_local=time(6), now=now)

    plan = plan_of(vehicle, now=now)

    assert plan.departure_at == departure_at
    assert plan.soc_percent_at(departure_at - timedelta(minutes=32)) == pytest.approx(80)


def test_a_car_that_is_away_is_not_expected_before_its_last_day_is_over(alice: User, now: datetime) -> None:
    vehicle = nights.plugged_car(alice, now=now).vehicle
    PlugSession.objects.update(unplugged_at=now - 9 * HOUR, plugged_in_at=now - 20 * HOUR)
    nights.reading(vehicle, at=now, soc=40, is_plugged_in=False, is_at_home=False)
    add_dated(vehicle=vehicle, kind="away", first_date=date(2026, 11, 18), last_date=date(2026, 11, 18), now=now)

    tonight = plan_of(vehicle, now=now)

    midnight = tonight.slot_at(datetime(2026, 11, 19, 6, tzinfo=UTC))
    assert midnight is not None
    assert set(tonight.problem["plugged"][:midnight]) == {0}
    assert tonight.problem["plugged"][midnight] == 1
    assert tonight.departure_at == datetime(2026, 11, 19, 13, 30, tzinfo=UTC)


def test_a_car_away_for_weeks_is_planned_without_falling_over(alice: User, now: datetime) -> None:
    vehicle = nights.plugged_car(alice, now=now).vehicle
    PlugSession.objects.update(unplugged_at=now - 9 * HOUR, plugged_in_at=now - 20 * HOUR)
    nights.reading(vehicle, at=now, soc=40, is_plugged_in=False, is_at_home=False)
    add_dated(vehicle=vehicle, kind="away", first_date=date(2026, 11, 18), last_date=date(2026, 12, 6), now=now)

    plan = plan_of(vehicle, now=now)

    assert set(plan.problem["plugged"]) == {0}
    assert set(plan.solution["power_kw"]) == {0}
