"""Beside holds: one limit in place of a night of holds, wakes for events alone, a word against foreign schedules."""

from dataclasses import replace
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest

from accounts.models import User
from grid.models import Enrollment, EventParticipation, GridEvent, PlanningState
from tests.factories import grid, nights
from tests.grid.flows.dispatch.test_dispatching import plan_with, seen_at, tick
from vehicles.automakers.base import Capabilities, HoldEnds
from vehicles.flows.preferences import charge_now, set_paused
from vehicles.models import ChargeLimit, Command, ForeignSign, HomePlace, Vehicle

MINUTE = timedelta(minutes=1)
ANNOUNCED = GridEvent.State.ANNOUNCED
LIMITED = Capabilities(
    can_start_stop=True,
    hold_ends=HoldEnds.SCHEDULE,
    set_limit_percent=(50, 100, 1),
    can_wake=True,
    min_poll_seconds=60,
    worst_latency_seconds=120,
)


def enrolled(owner: User, now: datetime, can: Capabilities = LIMITED, soc: float = 50) -> Enrollment:
    part = nights.plugged_car(owner, now=now, soc=soc)
    Vehicle.objects.update(capabilities=can.as_json(), max_discharge_w=can.max_discharge_w)
    HomePlace.objects.get_or_create(owner=owner, defaults={"latitude": "30", "longitude": "-97", "set_at": now})
    part.vehicle.refresh_from_db()
    return part


def told(kind: str) -> list[Command]:
    return list(Command.objects.filter(kind=kind).order_by("pk"))


def test_car_with_a_limit_is_told_once_and_then_left_alone_at_its_target(alice: User, now: datetime) -> None:
    car = enrolled(alice, now, soc=82).vehicle
    plan_with(car, *[0] * 40, now=now)
    for minute in range(0, 45, 5):
        at = now + minute * MINUTE
        seen_at(car, at, 82, limit_percent=Decimal(80 if minute else 90), charge_state="complete")
        tick(at)

    assert [command.limit_percent for command in told("set_limit")] == [80]
    assert len(told("hold")) <= 1  # before the limit was in force
    assert ChargeLimit.objects.get().before_percent == 90


def test_full_car_needs_no_hold_but_one_in_an_event_gets_it(alice: User, now: datetime) -> None:
    part = enrolled(alice, now, can=replace(LIMITED, set_limit_percent=None), soc=90)
    plan_with(part.vehicle, *[0] * 40, now=now)
    seen_at(part.vehicle, now, 90, limit_percent=Decimal(90), charge_state="complete")
    tick(now)
    assert told("hold") == []
    grid.participation(part, now=now, in_event=event_now(now))
    PlanningState.objects.update(dispatch_at=now)
    tick(now)

    assert len(told("hold")) == 1


def event_now(now: datetime, **fields: Any) -> GridEvent:
    return grid.event(now=now, state=ANNOUNCED, starts_at=now, ends_at=now + 60 * MINUTE, **fields)


def test_car_at_its_target_is_held_by_fewer_commands(alice: User, now: datetime) -> None:
    can = Capabilities(can_start_stop=True, hold_ends=HoldEnds.TIMED, worst_latency_seconds=120)
    car = enrolled(alice, now, can=can, soc=82).vehicle
    plan_with(car, *[0] * 40, now=now)
    for minute in range(41):
        at = now + minute * MINUTE
        seen_at(car, at, 82)
        tick(at)

    assert [command.created_at - now for command in told("hold")] == [minute * MINUTE for minute in (0, 14, 28)]


def test_schedule_car_is_held_for_price_with_its_backstop(alice: User, now: datetime) -> None:
    car = enrolled(alice, now).vehicle
    plan_with(car, *[0] * 8, 11.3, now=now)
    tick(now)

    command = told("hold")[0]
    assert (command.reason, command.zone) == ("price", "America/Chicago")
    assert command.backstop_at is not None
    assert now < command.backstop_at < now + timedelta(hours=14)


def test_schedule_car_without_a_departure_is_left_alone(alice: User, now: datetime) -> None:
    car = enrolled(alice, now).vehicle
    plan_with(car, *[0] * 8, now=now)
    car.preference.departures.all().delete()
    tick(now)

    assert told("hold") == []


def test_charge_now_and_events_that_take_energy_widen_the_limit(alice: User, now: datetime) -> None:
    part = enrolled(alice, now, soc=60)
    car = part.vehicle
    plan_with(car, *[0] * 8, now=now)
    tick(now)
    seen_at(car, now + MINUTE, 60, limit_percent=Decimal(80))
    charge_now(vehicle=car, now=now + MINUTE)
    tick(now + MINUTE)

    assert [command.limit_percent for command in told("set_limit")] == [80, 90]


def test_paused_car_gets_its_own_limit_back(alice: User, now: datetime) -> None:
    car = enrolled(alice, now).vehicle
    plan_with(car, *[0] * 8, now=now)
    tick(now)
    seen_at(car, now + MINUTE, 50, limit_percent=Decimal(80))
    set_paused(vehicle=car, is_paused=True, now=now + MINUTE)
    tick(now + MINUTE)

    assert [(row.limit_percent, row.reason) for row in told("set_limit")] == [(80, "limit"), (90, "limit_restored")]


@pytest.mark.parametrize(
    ("kind", "charge_state", "expected"),
    [("hold", "plugged_idle", 0), ("hold", "charging", 1), ("absorb", "plugged_idle", 1)],
)
def test_silent_car_is_woken_only_where_its_event_needs_it(
    *, alice: User, now: datetime, kind: str, charge_state: str, expected: int
) -> None:
    part = enrolled(alice, now)
    plan_with(part.vehicle, 0, now=now)
    grid.participation(part, now=now, in_event=event_now(now + 45 * MINUTE, kind=kind))
    seen_at(part.vehicle, now, charge_state=charge_state)
    for minute in (0, 30, 40, 41, 42):
        tick(now + minute * MINUTE)

    assert len(told("wake")) == expected
    assert EventParticipation.objects.count() == 1


def test_nothing_is_woken_for_price(alice: User, now: datetime) -> None:
    car = enrolled(alice, now).vehicle
    plan_with(car, *[0] * 8, now=now)
    for minute in range(0, 120, 10):
        tick(now + minute * MINUTE)

    assert told("wake") == []


def test_car_kept_from_charging_by_others_is_started_in_its_slot(alice: User, now: datetime) -> None:
    car = enrolled(alice, now, can=replace(LIMITED, set_limit_percent=None)).vehicle
    plan_with(car, *[11.3] * 8, now=now)
    seen_at(car, now, charge_state="plugged_idle")
    ForeignSign.objects.create(vehicle=car, kind="stopped", seen_at=now, last_seen_at=now, readings=2)
    tick(now)

    assert [command.reason for command in told("resume")] == ["foreign"]


def test_car_that_charges_against_its_holds_is_given_up_for_the_night(alice: User, now: datetime) -> None:
    car = enrolled(alice, now, can=replace(LIMITED, set_limit_percent=None)).vehicle
    plan_with(car, *[0] * 8, now=now)
    tick(now)
    ForeignSign.objects.create(vehicle=car, kind="started", seen_at=now - MINUTE, last_seen_at=now, readings=2)
    Command.objects.update(created_at=now)
    hold = told("hold")[0]
    hold.pk, hold.key = None, "again"
    hold.public_id = "00000000-0000-0000-0000-000000000001"
    hold.save(force_insert=True)
    seen_at(car, now + 2 * MINUTE)
    tick(now + 2 * MINUTE)

    state = PlanningState.objects.get()
    assert state.dispatch_at == now + 3 * MINUTE  # free: looked at once a minute
    assert Command.objects.filter(kind="resume").exists()
