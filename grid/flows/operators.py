"""Utilities' servers are asked when due, and what they ask becomes events of ours.

A listing is believed as a whole or not at all. What is in it and new or changed is read; what cannot be read leaves
standing what was asked before; what is missing from it is called off only once the server says of that very event
that it is no more, for silence and an empty list are no cancellation.
"""

import logging
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

from django.conf import settings
from django.db import transaction
from django.db.models import F, Q, Sum
from django.urls import reverse

from foundation import clock
from foundation.refusals import Refusal
from grid.flows import changing, events
from grid.flows.signals import keep_signals
from grid.gateway import open_operator
from grid.models import Enrollment, GridEvent, OperatorAsk, OperatorEvent, OperatorLink, OperatorProgram, ProgramTerms
from grid.operators.base import Ask, Asked, OperatorBusy, OperatorError, OperatorUnreadable
from grid.operators.openadr3.asking import read_asked
from grid.operators.openadr3.client import VtnClient
from grid.operators.openadr3.messages import read_event

logger = logging.getLogger(__name__)

LEASE = timedelta(minutes=2)
FIRST_WAIT, LONGEST_WAIT = timedelta(seconds=15), timedelta(minutes=15)
MOST_EVENTS = 1000  # of one program at once; more is a server gone wild
MOST_RECORD_BYTES = 500_000
SOON = timedelta(minutes=1)  # what should have begun already begins then


def poll_due_operators(*, now: datetime, limit: int) -> int:
    """Ask the utilities' servers that are due, and return how many answered well. One failure stops no other."""
    due = OperatorLink.objects.filter(_is_due(now)).order_by(F("next_poll_at").asc(nulls_first=True), "pk")
    return sum(_poll_claimed(link, now) for link in due[:limit] if _claim(link, now))


def _is_due(now: datetime) -> Q:
    is_free = Q(lease_until__isnull=True) | Q(lease_until__lte=clock.wall())
    return Q(is_active=True) & is_free & (Q(next_poll_at__isnull=True) | Q(next_poll_at__lte=now))


def _claim(link: OperatorLink, now: datetime) -> bool:
    return OperatorLink.objects.filter(_is_due(now), pk=link.pk).update(lease_until=clock.wall() + LEASE) == 1


def _poll_claimed(link: OperatorLink, now: datetime) -> bool:
    try:
        server = open_operator(link)
        _introduce(link, server)
        for program in link.programs.select_related("program__utility"):
            take_listing(program=program, listing=server.events(program.remote_id), server=server, now=now)
    except OperatorError as error:
        logger.warning("%s: %s (%s)", link, error.code, error)
        _record_failure(link, error.code, _wait(link, error))
        return False
    except Exception:
        logger.exception("%s broke", link)
        _record_failure(link, "internal error", LONGEST_WAIT)
        return False
    OperatorLink.objects.filter(pk=link.pk).update(
        heard_at=now,
        next_poll_at=now + timedelta(seconds=link.poll_seconds),
        failure="",
        failures=0,
        lease_until=None,
    )
    return True


def _wait(link: OperatorLink, error: OperatorError) -> timedelta:
    if isinstance(error, OperatorBusy) and error.retry_after_seconds is not None:
        return min(timedelta(seconds=error.retry_after_seconds), LONGEST_WAIT)
    return min(FIRST_WAIT * (1 << min(link.failures, 10)), LONGEST_WAIT)


def _record_failure(link: OperatorLink, failure: str, wait: timedelta) -> None:
    OperatorLink.objects.filter(pk=link.pk).update(
        failure=failure, failures=F("failures") + 1, lease_until=clock.wall() + wait
    )


def _introduce(link: OperatorLink, server: VtnClient) -> None:
    """Be known at the server: our VEN, and for each program one resource that stands for all its cars."""
    if not link.ven_id:
        link.ven_id = server.register(link.ven_name)
        OperatorLink.objects.filter(pk=link.pk).update(ven_id=link.ven_id)
        for program in link.programs.all():
            power_kw = round(enrolled_w(program) / 1000, 1)
            attributes = [{"type": "MAX_POWER_CONSUMPTION", "values": [power_kw]}]
            server.put_resource(link.ven_id, program.resource_name, attributes)
            if link.push_token:
                server.subscribe(
                    client_name=link.ven_name,
                    program_id=program.remote_id,
                    callback_url=f"{settings.PUBLIC_URL}{reverse('operator_bell', args=[link.public_id])}",
                    bearer=link.push_token,
                )


def enrolled_w(program: OperatorProgram) -> int:
    """Return the charging power of the cars enrolled in the program, W."""
    enrolled = Enrollment.objects.filter(program=program.program, ended_at__isnull=True)
    return int(enrolled.aggregate(power=Sum("vehicle__max_charge_w"))["power"] or 0)


def ring(*, link: OperatorLink, now: datetime) -> None:
    """Have the server asked at once: it says that something changed. What it says besides is not believed."""
    OperatorLink.objects.filter(pk=link.pk).update(next_poll_at=now)


def take_listing(
    *, program: OperatorProgram, listing: Sequence[Mapping[str, Any]], server: VtnClient, now: datetime
) -> None:
    """Bring our events in line with a whole listing of the program's events; raises OperatorError."""
    if len(listing) > MOST_EVENTS:
        raise OperatorUnreadable(f"more than {MOST_EVENTS} events at once")
    power_w = enrolled_w(program)
    seen = {str(record.get("id")) for record in listing}
    for record in listing:
        take_event(program=program, record=record, power_w=power_w, now=now)
    for missing in _open_events(program, now).exclude(remote_id__in=seen):
        _look_for(missing, server=server, power_w=power_w, now=now)


def _open_events(program: OperatorProgram, now: datetime) -> Any:
    """The utility's events of which something is still to come."""
    return OperatorEvent.objects.filter(
        program=program,
        asks__grid_event__state__in=GridEvent.OPEN_STATES,
        asks__grid_event__ends_at__gt=now,
    ).distinct()


def _look_for(missing: OperatorEvent, *, server: VtnClient, power_w: int, now: datetime) -> None:
    record = server.event(missing.remote_id)
    if record is not None:
        take_event(program=missing.program, record=record, power_w=power_w, now=now)
        return
    logger.info("%s was deleted by the utility", missing)
    with transaction.atomic():
        OperatorEvent.objects.filter(pk=missing.pk).update(state=OperatorEvent.State.GONE, seen_at=now)
        _reconcile(missing, [], now=now)


def take_event(*, program: OperatorProgram, record: Mapping[str, Any], power_w: int, now: datetime) -> OperatorEvent:
    """Read one message and bring our events in line with it; an older copy or one that is known changes nothing."""
    remote_id = str(record.get("id") or "")[:128]
    known = OperatorEvent.objects.filter(program=program, remote_id=remote_id).first()
    if known is not None and known.record == record and known.state != OperatorEvent.State.GONE:
        return known
    try:
        if len(str(record)) > MOST_RECORD_BYTES:
            raise OperatorUnreadable("an event is too long")
        asked = read_asked(read_event(record, now=now), words=program.words, enrolled_w=power_w)
        if asked.program_id != program.remote_id:
            raise OperatorUnreadable("an event is of another program")
    except OperatorUnreadable as error:
        return _keep_unread(program, remote_id, record, str(error), now=now)
    if known is not None and known.changed_at is not None and asked.changed_at < known.changed_at:
        return known
    with transaction.atomic():
        row, _ = OperatorEvent.objects.update_or_create(
            program=program,
            remote_id=remote_id,
            defaults={
                "state": OperatorEvent.State.READ,
                "changed_at": asked.changed_at,
                "seen_at": now,
                "record": record,
            },
        )
        keep_signals(program=program, asked=asked, now=now)
        row.questions = [*asked.questions, *_reconcile(row, _timely(asked, now), now=now)]
        row.save(update_fields=["questions"])
    return row


def _keep_unread(
    program: OperatorProgram, remote_id: str, record: Mapping[str, Any], reason: str, *, now: datetime
) -> OperatorEvent:
    kept = record if len(str(record)) <= MOST_RECORD_BYTES else {"id": remote_id}
    logger.warning("an event of %s cannot be read: %s", program, reason)
    row, _ = OperatorEvent.objects.update_or_create(
        program=program,
        remote_id=remote_id,
        defaults={
            "state": OperatorEvent.State.UNREADABLE,
            "seen_at": now,
            "record": kept,
            "questions": [reason],
        },
    )
    return row


def _timely(asked: Asked, now: datetime) -> list[Ask]:
    return [ask for ask in asked.asks if ask.ends_at > now]


def _reconcile(row: OperatorEvent, wanted: Sequence[Ask], *, now: datetime) -> list[str]:
    """Make our events those that are wanted: kept, changed, made or called off. Returns why one could not be made."""
    standing = list(
        GridEvent.objects.filter(
            operator_ask__operator_event=row, state__in=GridEvent.OPEN_STATES, ends_at__gt=now
        ).order_by("starts_at")
    )
    questions: list[str] = []
    left = list(wanted)
    for event in standing:
        alike = [ask for ask in left if ask.kind == event.kind and (ask.starts_at <= now) == (event.starts_at <= now)]
        match = min(alike, key=lambda ask: abs(ask.starts_at - event.starts_at), default=None)
        if match is None:
            events.cancel_event(event=event, now=now, reason="called off by the utility")
            continue
        left.remove(match)
        questions += _change(event, match, row, now=now)
    for ask in left:
        questions += _make(row, ask, now=now)
    return questions


def _change(event: GridEvent, ask: Ask, row: OperatorEvent, *, now: datetime) -> list[str]:
    try:
        changing.change_event(
            event=event,
            starts_at=max(ask.starts_at, now) if event.starts_at > now else event.starts_at,
            ends_at=ask.ends_at,
            target_w=ask.target_w or enrolled_w(row.program) or event.target_w,
            now=now,
        )
    except Refusal as refusal:
        return [f"its change cannot be followed: {refusal.reason}"]
    return []


def _make(row: OperatorEvent, ask: Ask, *, now: datetime) -> list[str]:
    starts_at = ask.starts_at if ask.starts_at > now else now + SOON
    terms = ProgramTerms.in_force(program=row.program.program, at=starts_at)
    if terms is None:
        return ["the program has no terms in force then"]
    if ask.ends_at <= starts_at:
        return []
    try:
        with transaction.atomic():
            event = events.create_event(
                terms=terms,
                kind=ask.kind,
                starts_at=starts_at,
                ends_at=ask.ends_at,
                target_w=ask.target_w or enrolled_w(row.program),
                created_by=None,
                now=now,
            )
            OperatorAsk.objects.create(
                operator_event=row,
                grid_event=event,
                randomize_seconds=ask.randomize_seconds,
                is_emergency=ask.is_emergency,
            )
    except Refusal as refusal:
        return [f"it cannot be asked of owners: {refusal.reason}"]
    return []
