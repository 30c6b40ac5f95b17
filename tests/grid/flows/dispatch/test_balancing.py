"""A running event as a closed loop: whom it asks, what is seen of it, who makes up for whom."""

from datetime import datetime, timedelta
from typing import Any

import pytest

from accounts.models import User
from grid.flows.dispatch.balancing import balance, balance_due
from grid.flows.dispatch.dispatching import dispatch_due
from grid.flows.dispatch.limiting import count_switch_limits
from grid.flows.events.announcing import announce_due_events
from grid.flows.plans.planning import plan_due
from grid.models import Dispatch, EventParticipation, EventProgress, GridEvent, PlanningState
from tests.factories import grid, nights
from vehicles.flows.preferences import charge_now
from vehicles.models import Command, PlugSession, SwitchLimit, Vehicle

MINUTE = timedelta(minutes=1)
Call = EventParticipation.Call


def run(now: datetime) -> list[Command]:
    """Let a sweep of each kind go by, and the makers accept what is due."""
    PlanningState.objects.update(dispatch_at=now)
    plan_due(now=now, limit=10)
    dispatch_due(now=now, limit=10)
    told = list(Command.objects.filter(state=Command.State.DUE))
    Command.objects.filter(state=Command.State.DUE).update(state=Command.State.CONFIRMED, sent_at=now)
    return told


def seen(vehicle: Vehicle, now: datetime, power_w: int | None = 0, **fields: Any) -> None:
    nights.reading(vehicle, at=now, soc=50, power_w=power_w, **{"charge_state": "holding", **fields})


def calls() -> dict[int, str]:
    return dict(EventParticipation.objects.values_list("enrollment__vehicle", "call"))


@pytest.fixture
def cars(alice: User, bob: User, charlie: User, now: datetime) -> list[Vehicle]:
    return [nights.plugged_car(owner, now=now, kind="timed").vehicle for owner in (alice, bob, charlie)]


def started(now: datetime, *, target_w: int, kind: str = "hold") -> GridEvent:
    """Announce an event that begins in ten minutes, and let it begin."""
    event = grid.event(
        now=now, kind=kind, target_w=target_w, starts_at=now + 10 * MINUTE, ends_at=now + 130 * MINUTE
    )  # fmt: skip
    announce_due_events(now=now, limit=5)
    run(now)
    run(now + 10 * MINUTE)
    event.refresh_from_db()
    return event


def test_event_asks_no_more_cars_than_it_needs(cars: list[Vehicle], now: datetime) -> None:
    started(now, target_w=5_000)

    assert sorted(calls().values()) == ["plan", "reserve", "reserve"]
    called = next(key for key, call in calls().items() if call == Call.PLAN)
    assert list(Dispatch.objects.filter(stopped_at=None, participation__isnull=False).values_list("vehicle")) == [
        (called,)
    ]


def test_turns_are_taken(cars: list[Vehicle], now: datetime) -> None:
    first = started(now, target_w=5_000)
    one = {key for key, call in calls().items() if call == Call.PLAN}
    GridEvent.objects.filter(pk=first.pk).update(state=GridEvent.State.SETTLED)
    grid.event(now=now, target_w=10_000, starts_at=now + 300 * MINUTE)
    announce_due_events(now=now + 200 * MINUTE, limit=5)

    rows = EventParticipation.objects.exclude(event=first).exclude(call=Call.RESERVE)
    assert set(rows.values_list("enrollment__vehicle", flat=True)) == {car.pk for car in cars} - one


def test_what_a_straggler_does_not_give_is_asked_of_a_car_in_reserve(cars: list[Vehicle], now: datetime) -> None:
    event = started(now, target_w=5_000)
    straggler = Dispatch.objects.get(participation__isnull=False, stopped_at=None).vehicle
    at = now + 13 * MINUTE
    for car in cars:
        seen(car, at, power_w=11_000, charge_state="charging")

    look = balance(event=event, now=at)

    assert (look.asked_w, look.planned_w, look.unknown_w) == (5_000, 11_300, 0)
    assert look.measured_w == 300
    assert (look.measured_cars, look.straggling_cars, look.reserve_cars) == (1, 1, 2)
    assert (look.moved_w, look.missing_w) == (4_700, 0)
    part = EventParticipation.objects.get(enrollment__vehicle=straggler)
    assert part.straggles == "not_done"
    assert sorted(calls().values()) == ["plan", "plan", "reserve"]
    run(at + MINUTE)
    inside = Dispatch.objects.filter(stopped_at=None, participation__isnull=False)
    assert inside.exclude(vehicle=straggler).count() == 1
    # Until readings can show what the one called now does, nobody else is called.
    assert balance(event=event, now=at + 2 * MINUTE).moved_w == 0


def test_car_nobody_has_heard_of_counts_as_unknown_and_not_as_nothing(cars: list[Vehicle], now: datetime) -> None:
    event = started(now, target_w=5_000)

    look = balance(event=event, now=now + 20 * MINUTE)

    assert (look.planned_w, look.measured_w, look.unknown_w, look.unknown_cars) == (11_300, 0, 11_300, 1)
    assert (look.moved_w, look.missing_w) == (0, 0)


def test_car_that_its_owner_took_back_is_made_up_for(cars: list[Vehicle], now: datetime) -> None:
    event = started(now, target_w=5_000)
    car = Dispatch.objects.get(participation__isnull=False, stopped_at=None).vehicle
    at = now + 13 * MINUTE
    for one in cars:
        seen(one, at)
    charge_now(vehicle=car, now=at)
    run(at)

    look = balance(event=event, now=at)

    assert EventParticipation.objects.exclude(enrollment__vehicle=car).filter(call=Call.PLAN).count() == 1
    assert look.moved_w == 5_000


def test_nobody_is_pressed_against_departure_or_minimum(cars: list[Vehicle], now: datetime) -> None:
    """All three are asked and charge all the same; the one that must charge now is not held for it."""
    event = started(now, target_w=60_000)
    at = now + 13 * MINUTE
    for car in cars:
        seen(car, at)
    nights.reading(cars[0], at=at + MINUTE, soc=5, charge_state="charging", power_w=11_000)
    run(at + MINUTE)

    look = balance(event=event, now=at + MINUTE)

    assert look.missing_w > 0
    assert Call.PRESSED not in calls().values()
    assert not Dispatch.objects.filter(vehicle=cars[0], stopped_at=None).exists()


def test_held_car_is_pressed_to_give_back_what_others_do_not(alice: User, bob: User, now: datetime) -> None:
    giver = nights.plugged_car(alice, now=now).vehicle
    nights.plugged_car(bob, now=now, kind="timed")
    event = started(now, target_w=40_000, kind="discharge")
    Dispatch.objects.filter(vehicle=giver).update(mode="hold", power_w=0)
    at = now + 13 * MINUTE
    seen(giver, at)

    look = balance(event=event, now=at)

    assert calls()[giver.pk] == Call.PRESSED
    assert look.moved_w == 9_600
    told = [command for command in run(at) if command.vehicle == giver]
    assert [(command.kind, command.power_w, command.floor_soc_percent) for command in told] == [
        ("discharge", -9_600, 30)
    ]


def test_car_that_waits_is_pressed_to_take_what_others_do_not(alice: User, bob: User, now: datetime) -> None:
    cars = [nights.plugged_car(owner, now=now, kind="timed", soc=50).vehicle for owner in (alice, bob)]
    event = started(now, target_w=20_000, kind="absorb")
    PlugSession.objects.update(soc_percent=90)  # left alone, neither would charge now
    at = now + 13 * MINUTE
    for car in cars:
        seen(car, at)

    look = balance(event=event, now=at)

    assert look.planned_w == 0  # their plans charge later in the night
    assert set(calls().values()) == {Call.PRESSED}
    assert (look.moved_w, look.missing_w) == (20_000, 0)
    again = balance(event=event, now=at + 2 * MINUTE)  # taken at its word until readings can show what it does
    assert (again.planned_w, again.unknown_w, again.moved_w) == (22_600, 22_600, 0)


def test_looks_come_every_minute_and_not_twice(cars: list[Vehicle], now: datetime) -> None:
    started(now, target_w=5_000)

    at = now + 11 * MINUTE
    counts = [balance_due(now=at + timedelta(seconds=seconds), limit=5) for seconds in (0, 5, 59, 60, 61)]

    assert counts == [1, 0, 0, 1, 0]
    assert EventProgress.objects.count() == 2


def test_limit_on_switched_power_is_a_twentieth_of_the_cars(cars: list[Vehicle]) -> None:
    assert count_switch_limits() == 1
    assert count_switch_limits() == 0
    assert SwitchLimit.objects.get().limit_w == round(sum(car.max_charge_w for car in cars) / 20)
