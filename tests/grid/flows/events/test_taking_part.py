"""Owners leave events out and come back, each in time."""

from datetime import datetime, timedelta

import pytest

from accounts.models import User
from grid.flows.events.events import UnableToTakePart, opt_in, opt_out
from grid.models import EventParticipation, GridEvent, PlanningState
from tests.factories import grid as make
from vehicles.models import ChargePreference

pytestmark = pytest.mark.django_db

IN, OUT, UNABLE = EventParticipation.State.IN, EventParticipation.State.OPTED_OUT, EventParticipation.State.UNABLE


def test_owner_leaves_an_event_out_and_the_plan_is_made_anew(alice: User, now: datetime) -> None:
    part = make.participation(make.enrollment(alice, now=now), now=now)
    later = now + timedelta(hours=9)
    PlanningState.objects.create(vehicle=part.enrollment.vehicle, due_at=later, dispatch_at=later)
    left = opt_out(participation=part, now=now)
    assert (left.state, left.reason, left.decided_at) == (OUT, "owner", now)
    state = PlanningState.objects.get()
    assert (state.due_at, state.dispatch_at) == (now, now)


def test_leaving_out_twice_keeps_the_first_decision(alice: User, now: datetime) -> None:
    part = make.participation(make.enrollment(alice, now=now), now=now)
    opt_out(participation=part, now=now)
    assert opt_out(participation=part, now=now + timedelta(minutes=5)).decided_at == now


def test_event_can_be_left_while_it_runs_but_not_afterwards(alice: User, now: datetime) -> None:
    part = make.participation(make.enrollment(alice, now=now), now=now)
    with pytest.raises(UnableToTakePart, match="over"):
        opt_out(participation=part, now=part.event.ends_at)
    assert opt_out(participation=part, now=part.event.ends_at - timedelta(minutes=1)).state == OUT


def test_cancelled_or_settled_event_cannot_be_left(alice: User, now: datetime) -> None:
    part = make.participation(make.enrollment(alice, now=now), now=now)
    for state in (GridEvent.State.CANCELLED, GridEvent.State.SETTLED):
        GridEvent.objects.update(state=state)
        with pytest.raises(UnableToTakePart):
            opt_out(participation=part, now=now)


def test_owner_comes_back_before_the_event_begins(alice: User, now: datetime) -> None:
    part = make.participation(make.enrollment(alice, now=now), now=now)
    opt_out(participation=part, now=now)
    assert opt_in(participation=part, now=now + timedelta(minutes=59)).state == IN


def test_owner_cannot_come_back_once_it_has_begun(alice: User, now: datetime) -> None:
    part = make.participation(make.enrollment(alice, now=now), now=now)
    opt_out(participation=part, now=now)
    with pytest.raises(UnableToTakePart) as refused:
        opt_in(participation=part, now=part.event.starts_at)
    assert refused.value.reason_code == "event_begun"


def test_car_that_cannot_help_does_not_come_back(alice: User, now: datetime) -> None:
    part = make.participation(make.enrollment(alice, now=now), now=now)
    opt_out(participation=part, now=now)
    ChargePreference.objects.update(is_paused=True)
    back = opt_in(participation=part, now=now)
    assert (back.state, back.reason) == (UNABLE, "paused")


def test_car_that_left_the_program_does_not_come_back(alice: User, now: datetime) -> None:
    part = make.participation(make.enrollment(alice, now=now), now=now)
    opt_out(participation=part, now=now)
    part.enrollment.ended_at = now
    part.enrollment.save()
    with pytest.raises(UnableToTakePart, match="left the program"):
        opt_in(participation=part, now=now)
