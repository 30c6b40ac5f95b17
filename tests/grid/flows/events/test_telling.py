"""Who is told that an event is moved or called off: whoever knows of it, and nobody else."""

from datetime import datetime, timedelta

import pytest

from accounts.models import User
from grid.flows.events import announcing
from grid.flows.events.changing import change_event
from grid.flows.events.events import cancel_event
from grid.models import EventParticipation, GridEvent
from tests.factories import grid as make

HOUR = timedelta(hours=1)


def told(owner: User) -> list[str]:
    return list(owner.notices.order_by("pk").values_list("kind", flat=True))


def test_owner_of_a_car_left_alone_hears_that_the_event_is_moved_and_called_off(alice: User, now: datetime) -> None:
    part = make.participation(make.enrollment(alice, now=now), now=now)
    EventParticipation.objects.filter(pk=part.pk).update(state=EventParticipation.State.CONTROL)
    event = part.event

    change_event(event=event, starts_at=now + 3 * HOUR, ends_at=now + 5 * HOUR, target_w=event.target_w, now=now)
    cancel_event(event=event, now=now)

    assert told(alice) == ["event_left_alone", "event_cancelled"]
    assert alice.notices.get(kind="event_left_alone").params["starts_at"] == (now + 3 * HOUR).isoformat()


@pytest.fixture
def one_by_one(alice: User, bob: User, now: datetime, monkeypatch: pytest.MonkeyPatch) -> None:
    """Two enrolled cars, invited to an event in two batches: Alice's first."""
    monkeypatch.setattr(announcing, "BATCH", 1)
    for owner in (alice, bob):
        make.enrollment(owner, now=now)


def test_owners_told_while_the_event_is_still_being_announced_hear_what_becomes_of_it(
    one_by_one: None, alice: User, bob: User, now: datetime
) -> None:
    event = make.event(now=now, state=GridEvent.State.SCHEDULED)
    announcing._invite_batch(event, now)

    change_event(event=event, starts_at=now + 3 * HOUR, ends_at=now + 5 * HOUR, target_w=event.target_w, now=now)
    cancel_event(event=event, now=now)

    assert told(alice) == ["event_announced", "event_changed", "event_cancelled"]
    assert told(bob) == []


def test_nobody_hears_of_an_event_that_is_called_off_before_they_do(
    one_by_one: None, alice: User, bob: User, now: datetime, monkeypatch: pytest.MonkeyPatch
) -> None:
    event, invite = make.event(now=now), announcing._invite_batch

    def then_call_off(of: GridEvent, at: datetime) -> int:
        invited = invite(of, at)
        if not GridEvent.objects.filter(pk=event.pk, state="cancelled").exists():
            cancel_event(event=event, now=now)
        return invited

    monkeypatch.setattr(announcing, "_invite_batch", then_call_off)
    assert announcing.announce_due_events(now=now, limit=5) == 0

    assert told(alice) == ["event_announced", "event_cancelled"]
    assert told(bob) == []


def test_event_that_begins_while_it_is_announced_is_called_off_aloud(
    one_by_one: None, alice: User, bob: User, now: datetime
) -> None:
    event = make.event(now=now)
    announcing._invite_batch(event, now)

    announcing.announce_due_events(now=now + 2 * HOUR, limit=5)

    assert told(alice) == ["event_announced", "event_cancelled"]
    assert told(bob) == []
