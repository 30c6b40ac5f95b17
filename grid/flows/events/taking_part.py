"""The owner's say: leaving an event out, and coming back."""

from datetime import datetime
from typing import cast

from django.db import transaction
from django.utils.translation import gettext

from foundation.refusals import Refusal
from grid.flows.events.abilities import decide
from grid.flows.events.precedence import keep_apart
from grid.flows.plans.cars import load_cars
from grid.flows.plans.nudges import pull_forward
from grid.models import Enrollment, EventParticipation, GridEvent
from vehicles.models import Vehicle


class UnableToTakePart(Refusal):
    """The car's part in the event stays as it was."""


@transaction.atomic
def opt_out(*, participation: EventParticipation, now: datetime) -> EventParticipation:
    """Leave the car out of the event, before or while it runs; a hold for it ends with the next dispatch.

    Leaving out twice changes nothing. An event of another program that gave way to it may have the car then. Raises
    UnableToTakePart once the event is over or cancelled.
    """
    part = _fresh(participation)
    _check_is_on(part.event)
    if part.event.ends_at <= now:
        raise UnableToTakePart(gettext("This event is over."), code="event_over")
    if part.state in {EventParticipation.State.OPTED_OUT, EventParticipation.State.CONTROL}:
        return part  # drawn to be left alone, it is left out already
    return _decide(part, state=EventParticipation.State.OPTED_OUT, reason="owner", now=now)


@transaction.atomic
def opt_in(*, participation: EventParticipation, now: datetime) -> EventParticipation:
    """Take part after all, as long as the event has not begun; return the part, UNABLE where the car cannot help.

    It cannot where another program's event has precedence; one over which this event has it gives way. Raises
    UnableToTakePart once the event has begun, is cancelled, or the car has left the program.
    """
    part = _fresh(participation)
    _check_is_on(part.event)
    if part.event.starts_at <= now:
        raise UnableToTakePart(gettext("This event has already begun."), code="event_begun")
    if part.enrollment.ended_at is not None:
        raise UnableToTakePart(gettext("This car has left the program."), code="not_enrolled")
    if part.state in {EventParticipation.State.IN, EventParticipation.State.CONTROL}:
        return part
    car = load_cars([part.enrollment.vehicle_id], now=now)[part.enrollment.vehicle_id]
    state, reason = decide(part.event, part.enrollment, car)
    return _decide(part, state=state, reason=reason, now=now)


def _fresh(participation: EventParticipation) -> EventParticipation:
    """Return the part as it is now; car and enrollment stay as they are until the transaction ends."""
    enrollment = Enrollment.objects.select_for_update(no_key=True).get(pk=participation.enrollment_id)
    Vehicle.objects.select_for_update(no_key=True).get(pk=enrollment.vehicle_id)
    rows = EventParticipation.objects.select_related("event__terms__program__utility", "enrollment__vehicle__link")
    return rows.get(pk=participation.pk)


def _check_is_on(event: GridEvent) -> None:
    if event.state == GridEvent.State.CANCELLED:
        raise UnableToTakePart(gettext("This event is cancelled."), code="event_cancelled")
    if event.state == GridEvent.State.SETTLED:
        raise UnableToTakePart(gettext("This event is over."), code="event_over")


def _decide(part: EventParticipation, *, state: str, reason: str, now: datetime) -> EventParticipation:
    part.state, part.reason, part.decided_at = cast(EventParticipation.State, state), reason, now
    part.yields_to = None
    part.save(update_fields=["state", "reason", "yields_to", "decided_at"])
    keep_apart([part.enrollment.vehicle_id], now=now)
    part.refresh_from_db(fields=["state", "reason", "yields_to"])
    pull_forward([part.enrollment.vehicle_id], reason="event", now=now)
    return part
