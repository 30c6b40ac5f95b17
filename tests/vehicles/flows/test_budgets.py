"""When cars are read: often where it helps, and spread over the day where their makers count."""

from dataclasses import replace
from datetime import datetime, timedelta
from itertools import pairwise

import pytest
import time_machine

from accounts.models import User
from foundation import clock
from tests.factories import vehicles as make
from tests.vehicles.maker_double import MakerDouble
from vehicles import meter
from vehicles.automakers.base import Capabilities
from vehicles.flows import budgets
from vehicles.flows.budgets import Need, next_read_at
from vehicles.flows.telemetry import read_due_vehicles
from vehicles.meter import Caller, Use
from vehicles.models import CallCount, ChargeReading, Vehicle

MINUTE = timedelta(minutes=1)
FIFTY_A_DAY = replace(Capabilities(), daily_budget=50, min_poll_seconds=600)


def used(car: Vehicle, count: int, *, now: datetime) -> None:
    for _ in range(count):
        meter.spend(Caller(car.link, can=car.own, car=car.pk), Use.READ, now=now)


@pytest.mark.parametrize(("need", "minutes"), [(Need.OFTEN, 5), (Need.USUAL, 15), (Need.SELDOM, 30)])
def test_car_without_a_budget_is_read_as_often_as_it_helps(
    timed_car: Vehicle, now: datetime, need: Need, minutes: int
) -> None:
    assert next_read_at(vehicle=timed_car, need=need, now=now) == now + minutes * MINUTE


def test_fifty_readings_last_the_whole_day(alice: User, maker: MakerDouble, now: datetime) -> None:
    """A car at its plug for a day, read by the sweep: never refused, never silent for over an hour and a half."""
    start = now.replace(hour=0, minute=0)
    with time_machine.travel(start, tick=False) as traveller:
        link = make.link(alice, access_expires_at=start + timedelta(days=3))
        car = make.ready_car(alice, now=start, can=FIFTY_A_DAY, of=link)
        for _ in range(24 * 12 - 1):
            traveller.shift(5 * MINUTE)
            read_due_vehicles(now=clock.now(), limit=5)
        seen = list(ChargeReading.objects.order_by("observed_at").values_list("observed_at", flat=True))

    gaps = [later - earlier for earlier, later in pairwise(seen)]
    assert 30 <= maker.counts["GET state"] <= 50
    assert max(gaps) <= 90 * MINUTE
    car.refresh_from_db()
    assert car.read_failure == ""


def test_spent_budget_waits_for_the_next_day_and_says_so(
    alice: User, maker: MakerDouble, now: datetime, at_now: time_machine.Traveller
) -> None:
    car = make.ready_car(alice, now=now, can=FIFTY_A_DAY)
    used(car, 50, now=now)

    read_due_vehicles(now=now, limit=5)

    car.refresh_from_db()
    assert maker.counts["GET state"] == 0
    assert car.read_failure == "budget_spent"
    assert car.next_read_at == now.replace(hour=0, minute=0) + timedelta(days=1)


def test_car_is_looked_at_before_it_leaves(alice: User, now: datetime, at_now: time_machine.Traveller) -> None:
    """At 06:30 in Austin, an hour before it leaves, with few readings left."""
    at = datetime.fromisoformat("2026-11-19T12:30Z")
    car = make.ready_car(alice, now=now, can=FIFTY_A_DAY)
    used(car, 40, now=at)

    planned = next_read_at(vehicle=car, need=Need.USUAL, now=at)

    assert planned == datetime.fromisoformat("2026-11-19T12:45Z")


def test_commanded_car_may_use_what_was_kept(alice: User, now: datetime, at_now: time_machine.Traveller) -> None:
    noon = now.replace(hour=12, minute=0)
    car = make.ready_car(alice, now=now, can=replace(make.TIMED, daily_budget=100))
    used(car, 60, now=noon)

    often, usual, seldom = (next_read_at(vehicle=car, need=need, now=noon) - noon for need in Need)

    assert often < usual < seldom
    assert often == timedelta(hours=12) * 0.4 / 20


def test_cars_of_one_account_share_its_budget(alice: User, now: datetime, at_now: time_machine.Traveller) -> None:
    noon = now.replace(hour=12, minute=0)
    car = make.ready_car(alice, now=now, can=FIFTY_A_DAY)
    used(car, 10, now=noon)
    alone = next_read_at(vehicle=car, need=Need.SELDOM, now=noon) - noon
    make.ready_car(alice, now=now, can=FIFTY_A_DAY, of=car.link)

    assert next_read_at(vehicle=car, need=Need.SELDOM, now=noon) - noon == 2 * alone


def test_old_counts_are_forgotten_but_not_bills(timed_car: Vehicle, now: datetime) -> None:
    used(timed_car, 3, now=now - timedelta(days=40))
    used(timed_car, 1, now=now)

    assert budgets.forget_old_counts(now=now, limit=100) >= 2
    assert set(CallCount.objects.filter(starts_at__lt=now - timedelta(days=31)).values_list("scope", flat=True)) == {
        "car"
    }
