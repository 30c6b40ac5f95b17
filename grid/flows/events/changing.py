"""An event that the utility changes after it was made: moved, lengthened, shortened, more or less asked of it."""

from datetime import datetime

from django.db import transaction

from grid.flows.events import two_people
from grid.flows.events.announcing import participating_vehicle_ids
from grid.flows.events.events import SETTLE_AFTER, check_event, lock_open, lock_program, owners_concerned
from grid.flows.events.precedence import keep_apart_in
from grid.flows.events.rules import UnableToSaveEvent, check_calendar
from grid.flows.events.telling import tell
from grid.flows.plans.nudges import pull_forward
from grid.models import EventParticipation, GridEvent


def change_event(
    *, event: GridEvent, starts_at: datetime, ends_at: datetime, target_w: int, now: datetime
) -> GridEvent:
    """Give an open event another span or size, tell the owners whose cars take part, and return it.

    Nothing changes, and nobody is told, where all is as it was. One that has begun keeps its start; it may end sooner,
    at `now` at the earliest, or later. The promised reward stays. Raises UnableToSaveEvent as a new event of that span
    would, and where the event is over.
    """
    with transaction.atomic():
        lock_program(event.terms.program_id)  # none is made where this one goes, and the calendar counts both
        event = lock_open(event, now=now)
        if (event.starts_at, event.ends_at, event.target_w) == (starts_at, ends_at, target_w):
            return event
        if event.starts_at <= now and starts_at != event.starts_at:
            raise UnableToSaveEvent("This event has begun.", code="event_begun", field="starts_at")
        if event.starts_at > now:
            _check_as_new(event, starts_at=starts_at, ends_at=ends_at, target_w=target_w, now=now)
        elif ends_at > event.ends_at:
            _check_longer(event, ends_at=ends_at)
        two_people.recheck(event, starts_at=starts_at, ends_at=ends_at, target_w=target_w)
        is_same_time = (event.starts_at, event.ends_at) == (starts_at, ends_at)
        event.starts_at, event.ends_at, event.target_w = starts_at, max(ends_at, now), target_w
        event.settle_at, event.version = event.ends_at + SETTLE_AFTER, event.version + 1
        event.save(update_fields=["starts_at", "ends_at", "target_w", "settle_at", "version"])
        keep_apart_in(event, now=now)
        if event.state == GridEvent.State.ANNOUNCED:
            pull_forward(participating_vehicle_ids(event), reason="event", now=now)
        if not is_same_time:  # how much all cars together give is the utility's affair, when is the owner's
            _tell_of_the_change(event, now=now)
    keep_apart_in(event, now=now)  # one that was announced meanwhile saw the event where it was before
    return event


def _tell_of_the_change(event: GridEvent, *, now: datetime) -> None:
    for kind, state in (
        ("event_changed", EventParticipation.State.IN),
        ("event_left_alone", EventParticipation.State.CONTROL),
    ):
        tell(event, kind=kind, owner_ids=owners_concerned(event, state=state), now=now)


def _check_as_new(event: GridEvent, *, starts_at: datetime, ends_at: datetime, target_w: int, now: datetime) -> None:
    check_event(
        terms=event.terms,
        kind=event.kind,
        starts_at=starts_at,
        ends_at=ends_at,
        target_w=target_w,
        now=now,
        # Owners who were told already have had their notice; the others hear of it now.
        announce_at=event.announced_at or now,
        ignoring=event,
    )


def _check_longer(event: GridEvent, *, ends_at: datetime) -> None:
    most = event.terms.max_event_minutes
    if (ends_at - event.starts_at).total_seconds() > most * 60:
        raise UnableToSaveEvent(
            f"Events of {event.terms.program} last at most {most} minutes.", code="too_long", field="ends_at"
        )
    check_calendar(event.terms, starts_at=event.starts_at, ends_at=ends_at, ignoring=event)
    other = GridEvent.objects.filter(
        terms__program=event.terms.program_id,
        state__in=GridEvent.OPEN_STATES,
        starts_at__lt=ends_at,
        ends_at__gt=event.ends_at,
    ).exclude(pk=event.pk)
    if other.exists():
        raise UnableToSaveEvent("It would overlap the next event of this program.", code="overlap", field="ends_at")
