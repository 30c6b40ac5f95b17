"""Counting calls: exact under a race, a part kept for commands, releases always through."""

from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import replace
from datetime import datetime, timedelta

import pytest
import responses
import time_machine
from django.db import connections

from accounts.models import User
from tests.factories import vehicles as make
from tests.vehicles.maker_double import MakerDouble
from vehicles import gateway, meter
from vehicles.automakers.errors import BudgetSpent, UpstreamDown
from vehicles.meter import Caller, Use
from vehicles.models import CallCount, MakerSwitch, Vehicle, VehicleLink


def read(car: Vehicle) -> None:
    gateway.call(car, lambda maker, access: maker.read_state(access))


def resume(car: Vehicle, use: Use) -> None:
    gateway.call(car, lambda maker, access: maker.resume(access, key="k"), use=use)


def calls(scope: str) -> int:
    return sum(row.reads + row.commands + row.releases for row in CallCount.objects.filter(scope=scope))


@pytest.fixture
def thrifty(alice: User, at_now: time_machine.Traveller, now: datetime) -> Vehicle:
    """A car whose maker allows its owner ten calls a day."""
    return make.ready_car(alice, now=now, can=replace(make.TIMED, daily_budget=10))


def test_readings_leave_a_part_for_commands_and_releases_always_pass(thrifty: Vehicle, maker: MakerDouble) -> None:
    for _ in range(8):
        read(thrifty)
    with pytest.raises(BudgetSpent) as refused:
        read(thrifty)
    for _ in range(2):
        resume(thrifty, Use.COMMAND)
    with pytest.raises(BudgetSpent):
        resume(thrifty, Use.COMMAND)
    resume(thrifty, Use.RELEASE)

    assert refused.value.retry_at == datetime.fromisoformat("2026-11-19T00:00Z")
    assert refused.value.scope == "user"
    assert maker.counts["GET state"] == 8
    assert maker.counts["DELETE setpoint"] == 3
    assert (calls("maker"), calls("link"), calls("car")) == (11, 11, 11)
    assert VehicleLink.objects.get().quiet_until is None  # our own thrift is no trouble at the maker


def test_next_day_brings_a_new_budget(thrifty: Vehicle, maker: MakerDouble, at_now: time_machine.Traveller) -> None:
    for _ in range(8):
        read(thrifty)
    at_now.shift(timedelta(hours=1))

    read(thrifty)

    assert maker.counts["GET state"] == 9


@pytest.mark.parametrize(("scope", "allowed"), [("user", 8), ("vehicle", 16)])
@pytest.mark.usefixtures("at_now")
def test_budget_is_of_the_account_or_of_each_car(
    alice: User, now: datetime, maker: MakerDouble, scope: str, allowed: int
) -> None:
    can = replace(make.TIMED, daily_budget=10, budget_scope=scope)
    first = make.ready_car(alice, now=now, can=can)
    second = make.ready_car(alice, now=now, can=can, of=first.link)

    for car in (first, second) * 12:
        with suppress(BudgetSpent):
            read(car)

    assert maker.counts["GET state"] == allowed


def test_maker_budget_counts_all_owners(timed_car: Vehicle, maker: MakerDouble, bob: User, now: datetime) -> None:
    MakerSwitch.objects.create(maker="ford", hourly_budget=5)
    other = make.ready_car(bob, now=now)

    for car in (timed_car, other) * 2:
        read(car)
    with pytest.raises(BudgetSpent) as refused:
        read(other)

    assert refused.value.scope == "app"
    assert maker.counts["GET state"] == 4


def test_calls_counted_together_are_counted_as_if_one_after_another(
    timed_car: Vehicle, bob: User, now: datetime
) -> None:
    """Of the car's budget of 2 one is left: its first command goes, its second is refused; its release always goes."""
    own = Caller(timed_car.link, can=replace(make.TIMED, daily_budget=2), car=timed_car.pk)
    other = Caller(make.link(bob), can=make.TIMED, car=timed_car.pk + 1)
    meter.spend(own, Use.COMMAND, now=now)

    found = meter.spend_all([(own, Use.COMMAND), (own, Use.COMMAND), (other, Use.COMMAND), (own, Use.RELEASE)], now=now)

    assert [isinstance(lines, BudgetSpent) for lines in found] == [False, True, False, False]
    assert meter.calls_today(link=timed_car.link_id, car=timed_car.pk, now=now)["car"] == 3
    assert meter.calls_today(link=other.link.pk, car=timed_car.pk + 1, now=now) == {"link": 1, "car": 1}


@pytest.mark.django_db(transaction=True)
def test_racing_callers_never_pass_a_budget(alice: User, now: datetime) -> None:
    link = make.link(alice)
    caller = Caller(link, can=replace(make.TIMED, daily_budget=25), car=1)

    def go(_number: int) -> int:
        try:
            meter.spend(caller, Use.COMMAND, now=now)
        except BudgetSpent:
            return 0
        finally:
            connections.close_all()
        return 1

    with ThreadPoolExecutor(8) as threads:
        passed = sum(threads.map(go, range(60)))

    assert passed == 25
    assert CallCount.objects.get(scope="link").commands == 25


def test_failures_are_counted_beside_the_calls(timed_car: Vehicle, door: responses.RequestsMock) -> None:
    door.get("https://maker.test/ford/api/fordconnect/v3/vehicles/" + timed_car.external_id, status=500)

    with pytest.raises(UpstreamDown):
        read(timed_car)

    for row in CallCount.objects.all():
        assert (row.reads, row.failures) == (1, 1)


def test_pushes_are_counted_with_their_values(timed_car: Vehicle, now: datetime) -> None:
    caller = Caller(timed_car.link, can=timed_car.own, car=timed_car.pk)

    meter.count_push(caller, signals=4, now=now)
    meter.count_push(caller, signals=3, now=now)

    row = CallCount.objects.get(scope="car")
    assert (row.pushes, row.signals, row.reads) == (2, 7, 0)


def test_calls_today_are_told_by_account_and_car(timed_car: Vehicle, now: datetime) -> None:
    caller = Caller(timed_car.link, can=timed_car.own, car=timed_car.pk)
    meter.spend(caller, Use.READ, now=now)
    meter.spend(Caller(timed_car.link), Use.READ, now=now)

    assert meter.calls_today(link=timed_car.link_id, car=timed_car.pk, now=now) == {"link": 2, "car": 1}
    assert meter.calls_today(link=timed_car.link_id, car=timed_car.pk, now=now + timedelta(days=1)) == {
        "link": 0,
        "car": 0,
    }
