"""Sweeps, owners and utilities at the same cars at once: nobody waits for somebody who waits for them."""

import threading
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

import pytest
from django.db import DatabaseError, connection, transaction

from accounts.models import User
from foundation.refusals import Refusal
from grid.flows.dispatch import dispatching
from grid.flows.events import changing, events, taking_part
from grid.flows.events.announcing import announce_due_events
from grid.flows.events.taking_part import opt_in, opt_out
from grid.flows.plans.cars import load_cars
from grid.flows.plans.nudges import pull_forward
from grid.flows.plans.planning import plan_due
from grid.flows.plans.staleness import mark_stale
from grid.flows.programs.enrollment import end_enrollment
from grid.models import EventParticipation, GridEvent, PlanningState
from grid.rules.wishes import HOLD, Wish
from tests.factories import grid as make
from tests.factories import nights
from vehicles.models import ChargePreference

pytestmark = [
    pytest.mark.django_db(transaction=True),
    pytest.mark.postgres,
    pytest.mark.skipif("postgres" not in connection.vendor, reason="SQLite lets one writer in at a time"),
]

MINUTE = timedelta(minutes=1)
HOUR = timedelta(hours=1)


def apart(act: Callable[[], object | None]) -> tuple[threading.Thread, list[object]]:
    """Do the act on a connection of its own; return its thread and where its result will be."""
    found: list[object] = []

    def run() -> None:
        try:
            found.append(act())
        except (DatabaseError, Refusal) as error:
            found.append(error)
        finally:
            connection.close()

    thread = threading.Thread(target=run)
    thread.start()
    return thread, found


def wait_for(thread: threading.Thread, found: list[object]) -> object:
    thread.join(timeout=30)
    assert found, "it never ended"
    if isinstance(found[0], Exception):
        raise found[0]
    return found[0]


def test_owner_opts_out_while_the_car_is_being_steered(
    alice: User, now: datetime, monkeypatch: pytest.MonkeyPatch
) -> None:
    enrollment = nights.plugged_car(alice, now=now)
    plan_due(now=now, limit=10)
    event = make.event(now=now, starts_at=now - MINUTE, state=GridEvent.State.ANNOUNCED, announced_at=now - HOUR)
    part = make.participation(enrollment, now=now, in_event=event)
    car = load_cars([enrollment.vehicle_id], now=now)[enrollment.vehicle_id]
    wish = Wish(HOLD, "hold", ends_at=now + HOUR, until=now + 14 * MINUTE, participation=part.pk)
    is_steering, is_deciding, request = threading.Event(), threading.Event(), dispatching._request

    def requested(*args: Any) -> Any:
        is_steering.set()
        is_deciding.wait(5)
        return request(*args)

    def pulled(*args: Any, **named: Any) -> None:
        is_deciding.set()
        is_steering.wait(5)
        pull_forward(*args, **named)

    monkeypatch.setattr(dispatching, "_request", requested)
    monkeypatch.setattr(taking_part, "pull_forward", pulled)
    steering = apart(lambda: dispatching._bring_in_line(car, wish, now))
    deciding = apart(lambda: opt_out(participation=part, now=now))
    assert wait_for(*deciding)
    assert wait_for(*steering) is True
    part.refresh_from_db()
    assert part.state == EventParticipation.State.OPTED_OUT


def test_nudges_wait_for_nobody(alice: User, bob: User, now: datetime) -> None:
    """Who steers or plans locks states car by car, and in another order than whoever nudges."""
    cars = [nights.plugged_car(owner, now=now).vehicle for owner in (alice, bob)]
    for car in cars:
        PlanningState.objects.create(vehicle=car, due_at=now + HOUR, dispatch_at=now + HOUR, planned_at=now)
    ChargePreference.objects.update(version=7, changed_at=now)
    with transaction.atomic():
        PlanningState.objects.select_for_update().get(vehicle=cars[0])
        marking = apart(lambda: mark_stale(now=now))
        assert wait_for(*marking) == 1
        keys = [car.pk for car in cars]
        nudging, _ = apart(lambda: pull_forward(keys, reason="event", now=now))
        nudging.join(10)
        assert not nudging.is_alive()
    assert [state.dispatch_at == now for state in PlanningState.objects.order_by("vehicle")] == [False, True]


def test_event_is_not_moved_to_where_another_one_is_just_made(
    ada: User, now: datetime, monkeypatch: pytest.MonkeyPatch
) -> None:
    terms = make.terms(now=now)
    event = make.event(now=now, starts_at=now + HOUR, ends_at=now + 2 * HOUR, state=GridEvent.State.SCHEDULED)
    checked = changing._check_as_new

    def create() -> GridEvent:
        return events.create_event(
            terms=terms, kind="hold", starts_at=now + 4 * HOUR, ends_at=now + 5 * HOUR, target_w=1000,
            created_by=ada, now=now,
        )  # fmt: skip

    made: list[Any] = []

    def check(*args: Any, **named: Any) -> None:
        checked(*args, **named)
        made.append(apart(create))
        made[0][0].join(0.5)

    monkeypatch.setattr(changing, "_check_as_new", check)
    changing.change_event(event=event, starts_at=now + 4 * HOUR, ends_at=now + 5 * HOUR, target_w=1000, now=now)
    made[0][0].join(10)
    spans = list(GridEvent.objects.values_list("starts_at", "ends_at"))
    assert len(spans) == len(set(spans)) == 1, (spans, made[0][1])


def test_car_that_leaves_the_program_is_not_brought_back_by_a_click(alice: User, now: datetime) -> None:
    enrollment = make.enrollment(alice, now=now)
    part = opt_out(participation=make.participation(enrollment, now=now), now=now)
    with transaction.atomic():
        end_enrollment(enrollment=enrollment, now=now)
        thread, found = apart(lambda: opt_in(participation=part, now=now))
        thread.join(0.5)
    with pytest.raises(Refusal, match="left the program"):
        wait_for(thread, found)


def test_car_that_leaves_the_program_is_not_invited_meanwhile(alice: User, bob: User, now: datetime) -> None:
    leaves, stays = (make.enrollment(owner, now=now) for owner in (alice, bob))
    make.event(now=now)
    with transaction.atomic():
        end_enrollment(enrollment=leaves, now=now)
        thread, found = apart(lambda: announce_due_events(now=now, limit=1))
        thread.join(0.5)
    assert wait_for(thread, found) == 1
    assert list(EventParticipation.objects.values_list("enrollment", flat=True)) == [stays.pk]
