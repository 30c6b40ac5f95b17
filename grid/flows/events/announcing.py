"""Events reach the cars: each enrolled car gets its part, each owner one notice, each plan is made anew."""

import logging
from datetime import datetime, timedelta

from django.db import transaction
from django.db.models import Q

from foundation import clock
from grid.flows.events import calling
from grid.flows.events.abilities import decide
from grid.flows.events.drawing import draw_controls
from grid.flows.events.freezing import freeze
from grid.flows.events.precedence import SERVES, has_rivals, keep_apart, keep_apart_in
from grid.flows.events.telling import owners_told, tell
from grid.flows.operators.targeting_cars import cars_asked
from grid.flows.plans.cars import CarNow, load_cars
from grid.flows.plans.nudges import pull_forward
from grid.models import TAKES_PART, Enrollment, EventParticipation, GridEvent

logger = logging.getLogger(__name__)

LEASE = timedelta(seconds=60)
BATCH = 500
MOST_BATCHES = 40  # an event for more cars than that goes on with the next sweep


def announce_due_events(*, now: datetime, limit: int) -> int:
    """Announce the events that are due and return how many are announced now.

    A car takes part unless it cannot (UNABLE, with the reason) or its owner has asked to leave it alone. Running
    the sweep twice invites nobody twice. An event that nobody approved or announced before its start is cancelled:
    owners are asked beforehand or not at all.
    """
    _cancel_missed(now)
    due = GridEvent.objects.filter(_is_due(now)).select_related("terms__program__utility").order_by("announce_at", "pk")
    announced = 0
    for event in due[:limit]:
        if not GridEvent.objects.filter(_is_due(now), pk=event.pk).update(lease_until=clock.wall() + LEASE):
            continue
        try:
            announced += _announce(event, now)
        except Exception:
            logger.exception("event %s was not announced", event.public_id)
    return announced


def _is_due(now: datetime) -> Q:
    is_free = Q(lease_until__isnull=True) | Q(lease_until__lte=clock.wall())
    return is_free & Q(state=GridEvent.State.SCHEDULED, announce_at__lte=now, starts_at__gt=now)


def _cancel_missed(now: datetime) -> None:
    for state, reason in (
        (GridEvent.State.DRAFT, "not approved before its start"),
        (GridEvent.State.SCHEDULED, "not announced before its start"),
    ):
        for key in GridEvent.objects.filter(state=state, starts_at__lte=now).values_list("pk", flat=True):
            _give_up(key, state, reason, now)


@transaction.atomic
def _give_up(key: int, state: str, reason: str, now: datetime) -> None:
    """Call off an event that has begun without having been announced to all; those who know of it are told."""
    event = _locked(key, state=state, starts_at__lte=now)
    if event is None:
        return
    event.state, event.cancelled_at, event.cancel_reason = GridEvent.State.CANCELLED, now, reason
    event.version += 1
    event.save(update_fields=["state", "cancelled_at", "cancel_reason", "version"])
    parts = EventParticipation.objects.filter(event=event, state__in=SERVES)
    owner_ids = set(parts.values_list("enrollment__vehicle__owner_id", flat=True))
    if owner_ids:
        tell(event, kind="event_cancelled", owner_ids=sorted(owners_told(event, owner_ids)), now=now)
        keep_apart_in(event, now=now)


def _locked(key: int, **wanted: object) -> GridEvent | None:
    """Return the event as it is now, locked until the transaction ends; None where it is not as wanted any more."""
    rows = GridEvent.objects.select_for_update(of=("self",), no_key=True).select_related("terms__program__utility")
    return rows.filter(pk=key, **wanted).first()


def _announce(event: GridEvent, now: datetime) -> bool:
    for _ in range(MOST_BATCHES):
        if not _invite_batch(event, now):
            break
    else:
        GridEvent.objects.filter(pk=event.pk).update(lease_until=None)
        return False
    fresh = GridEvent.objects.filter(pk=event.pk, state=GridEvent.State.SCHEDULED)
    found = fresh.select_related("terms__program__utility").first()
    if found is None:  # called off meanwhile, or waits for a second person again
        GridEvent.objects.filter(pk=event.pk).update(lease_until=None)
        return False
    event = found
    if event.terms.control_share_percent:
        draw_controls(event, now)
        _tell_all(event, now)
    calling.hold_back(event, now=now)
    told = GridEvent.objects.filter(pk=event.pk, state=GridEvent.State.SCHEDULED).update(
        state=GridEvent.State.ANNOUNCED, announced_at=now, lease_until=None
    )
    keep_apart_in(event, now=now)  # an event that was moved meanwhile did not see these parts yet
    pull_forward(participating_vehicle_ids(event), reason="event", now=now)
    return told == 1


@transaction.atomic
def _invite_batch(event: GridEvent, now: datetime) -> int:
    """Give the next enrolled cars their part in the event; return how many, none where it is off by now.

    Whoever moves it or calls it off waits for the batch, and then knows whom to tell.
    """
    found = _locked(event.pk, state=GridEvent.State.SCHEDULED)
    return 0 if found is None else _invite(found, now)


def _invite(event: GridEvent, now: datetime) -> int:
    enrolled = Enrollment.objects.filter(
        TAKES_PART, program=event.terms.program, ended_at__isnull=True, enrolled_at__lte=now
    )
    enrollments = list(
        cars_asked(event, enrolled)
        .exclude(participations__event=event)
        .select_related("vehicle__link")
        .select_for_update(of=("self",), no_key=True)  # nobody leaves before the part is there to be left
        .order_by("pk")[:BATCH]
    )
    cars = load_cars([enrollment.vehicle_id for enrollment in enrollments], now=now)
    parts = [_part(event, enrollment, cars[enrollment.vehicle_id], now) for enrollment in enrollments]
    EventParticipation.objects.bulk_create(parts, ignore_conflicts=True)
    given_up = set[int]()
    if has_rivals(event, now=now):
        given_up = keep_apart((one.vehicle_id for one in enrollments), now=now, inviting=event).lost_by(event)
    if not event.terms.control_share_percent:  # where lots are drawn, nobody hears before they are
        tell(
            event,
            kind="event_announced",
            owner_ids=[
                enrollment.vehicle.owner_id
                for enrollment, part in zip(enrollments, parts, strict=True)
                if part.state == EventParticipation.State.IN and enrollment.vehicle_id not in given_up
            ],
            now=now,
        )
    return len(parts)


def _tell_all(event: GridEvent, now: datetime) -> None:
    """Tell the owners of those that take part and of those that are left alone, some hundred at a time.

    Their parts are held meanwhile: a car that another event takes was told of before it gives way, or not at all.
    """
    for kind, state in (
        ("event_announced", EventParticipation.State.IN),
        ("event_left_alone", EventParticipation.State.CONTROL),
    ):
        rows = EventParticipation.objects.filter(event=event, state=state).order_by("pk")
        keys = list(rows.values_list("pk", flat=True))
        for place in range(0, len(keys), BATCH):
            with transaction.atomic():
                found = _locked(event.pk, state=GridEvent.State.SCHEDULED)
                if found is None:
                    return
                held = rows.filter(pk__in=keys[place : place + BATCH]).select_for_update(of=("self",), no_key=True)
                tell(
                    found, kind=kind, owner_ids=list(held.values_list("enrollment__vehicle__owner", flat=True)), now=now
                )


def _part(event: GridEvent, enrollment: Enrollment, car: CarNow, now: datetime) -> EventParticipation:
    state, reason = decide(event, enrollment, car)
    part = EventParticipation(event=event, enrollment=enrollment, state=state, reason=reason, invited_at=now)
    if state != EventParticipation.State.UNABLE:
        part.committed_wh, part.frozen = freeze(car, event=event, now=now)
    return part


def participating_vehicle_ids(event: GridEvent) -> list[int]:
    """Return the keys of the cars that take part."""
    parts = EventParticipation.objects.filter(event=event, state=EventParticipation.State.IN)
    return list(parts.values_list("enrollment__vehicle_id", flat=True))
