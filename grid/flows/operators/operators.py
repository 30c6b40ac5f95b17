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
from django.db.models import F, Q, QuerySet
from django.urls import reverse

from foundation import clock
from grid.flows.operators.following import enrolled_w, follow, is_waiting
from grid.flows.operators.hearing import learn_targets, take_new_name
from grid.flows.operators.kept_asks import write_asks
from grid.flows.operators.nominations_owed import learn_wishes
from grid.flows.operators.reports_owed import owe_reports
from grid.flows.operators.signals import keep_signals
from grid.flows.operators.targeting_cars import Scope, is_nobody, scope_of
from grid.gateway import open_operator, read_record
from grid.models import GridEvent, OperatorEvent, OperatorLink, OperatorProgram
from grid.operators.base import Asked, OperatorBusy, OperatorError, OperatorUnreadable
from grid.operators.openadr3.client import VtnClient

logger = logging.getLogger(__name__)

LEASE = timedelta(minutes=2)
FIRST_WAIT, LONGEST_WAIT = timedelta(seconds=15), timedelta(minutes=15)
MOST_EVENTS = 1000  # of one program at once; more is a server gone wild
MOST_RECORD_BYTES = 500_000


def poll_due_operators(*, now: datetime, limit: int) -> int:
    """Ask the utilities' servers that are due, and return how many answered well. One failure stops no other.

    Those of OpenADR 2.0b are asked by their own process (`grid/ven.py`).
    """
    due = OperatorLink.objects.exclude(protocol=OperatorLink.Protocol.OPENADR_2_0B).filter(is_due(now))
    due = due.order_by(F("next_poll_at").asc(nulls_first=True), "pk")
    return sum(_poll_claimed(link, now) for link in due[:limit] if claim(link, now))


def is_due(now: datetime) -> Q:
    """Which servers are due to be asked, and asked by nobody else."""
    is_free = Q(lease_until__isnull=True) | Q(lease_until__lte=clock.wall())
    return Q(is_active=True) & is_free & (Q(next_poll_at__isnull=True) | Q(next_poll_at__lte=now))


def claim(link: OperatorLink, now: datetime) -> bool:
    """Take the server for oneself for `LEASE`; False where somebody else was first."""
    link.lease_until = clock.wall() + LEASE
    return OperatorLink.objects.filter(is_due(now), pk=link.pk).update(lease_until=link.lease_until) == 1


def _poll_claimed(link: OperatorLink, now: datetime) -> bool:
    try:
        server = open_operator(link)
        _introduce(link, server)
        for program in link.programs.select_related("program__utility"):
            listing = server.events(program.remote_id)
            if not OperatorLink.objects.filter(pk=link.pk, lease_until=link.lease_until).exists():
                logger.warning("%s: whoever came later knows more", link)  # we stood still for longer than the lease
                return False
            take_listing(program=program, listing=listing, server=server, now=now)
    except OperatorError as error:
        logger.warning("%s: %s (%s)", link, error.code, error)
        record_failure(link, error)
        return False
    except Exception as error:
        logger.exception("%s broke", link)
        record_failure(link, error)
        return False
    record_success(link, now)
    return True


def record_success(link: OperatorLink, now: datetime) -> None:
    """Note that the server answered well, and when it is asked again."""
    wait = timedelta(seconds=max(link.poll_seconds, link.least_poll_seconds))
    OperatorLink.objects.filter(pk=link.pk).update(
        heard_at=now, next_poll_at=now + wait, failure="", failures=0, lease_until=None
    )


def record_failure(link: OperatorLink, error: Exception) -> None:
    """Note why the server gave nothing; it is asked again after a wait that grows."""
    failure, wait = "internal error", LONGEST_WAIT
    if isinstance(error, OperatorError):
        failure, wait = error.code, _wait(link, error)
    OperatorLink.objects.filter(pk=link.pk).update(
        failure=failure, failures=F("failures") + 1, lease_until=clock.wall() + wait
    )


def _wait(link: OperatorLink, error: OperatorError) -> timedelta:
    if isinstance(error, OperatorBusy) and error.retry_after_seconds is not None:
        return min(timedelta(seconds=error.retry_after_seconds), LONGEST_WAIT)
    return min(FIRST_WAIT * (1 << min(link.failures, 10)), LONGEST_WAIT)


def _introduce(link: OperatorLink, server: VtnClient) -> None:
    """Be known at the server: our VEN, and for each program one resource that stands for all its cars."""
    if not link.ven_id:
        learn_wishes(link, server)
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
    learn_targets(program, listing, server)
    seen = {str(record.get("id")) for record in listing}
    is_changed = False
    for missing in _missing(program, now).exclude(remote_id__in=seen):
        is_changed |= _look_for(missing, listing, server=server, power_w=power_w, now=now)
    for record in listing:
        is_changed |= take_record(program, record, power_w, now=now)[1]
    if is_changed or is_waiting(program, now=now):
        follow(program, now=now)


def open_events(now: datetime) -> "QuerySet[OperatorEvent]":
    """Utilities' events of which something is still to come."""
    return OperatorEvent.objects.filter(
        asks__grid_event__state__in=GridEvent.OPEN_STATES,
        asks__grid_event__ends_at__gt=now,
    ).distinct()


def _missing(program: OperatorProgram, now: datetime) -> "QuerySet[OperatorEvent]":
    """The program's events of which something is still to come, made into ours or not."""
    rows = OperatorEvent.objects.filter(program=program).exclude(state=OperatorEvent.State.GONE)
    return rows.filter(Q(wanted_until__gt=now) | Q(pk__in=open_events(now).values("pk")))


def _look_for(
    missing: OperatorEvent, listing: Sequence[Mapping[str, Any]], *, server: VtnClient, power_w: int, now: datetime
) -> bool:
    """Ask the server about an event that its list misses, and return whether that changes what is asked."""
    record = server.event(missing.remote_id)
    if record is not None:
        return take_record(missing.program, record, power_w, now=now)[1]
    if take_new_name(missing, listing):
        return False
    logger.info("%s was deleted by the utility", missing)
    mark_gone(missing, now=now)
    return True


def mark_gone(row: OperatorEvent, *, now: datetime) -> None:
    """Note that the server has the event no more."""
    OperatorEvent.objects.filter(pk=row.pk).update(
        state=OperatorEvent.State.GONE, seen_at=now, wanted={}, wanted_until=None
    )


def call_off(row: OperatorEvent, *, now: datetime) -> None:
    """Call off what the event asked: the server has it no more."""
    logger.info("%s was deleted by the utility", row)
    with transaction.atomic():
        mark_gone(row, now=now)
        follow(row.program, now=now)


def take_record(
    program: OperatorProgram, record: Mapping[str, Any], power_w: int, *, now: datetime
) -> tuple[OperatorEvent, bool]:
    """Read one message, and return its row and whether what is asked may be another thing now."""
    remote_id = str(record.get("id") or "")[:128]
    known = OperatorEvent.objects.filter(program=program, remote_id=remote_id).first()
    if known is not None and known.record == record and known.state != OperatorEvent.State.GONE:
        is_read = "asks" in known.wanted or known.state == OperatorEvent.State.UNREADABLE
        if is_read:  # one kept by an earlier release is read once more
            return known, False
    try:
        if len(str(record)) > MOST_RECORD_BYTES:
            raise OperatorUnreadable("an event is too long")
        asked = read_record(record, program=program, enrolled_w=power_w, now=now)
        if asked.program_id != program.remote_id:
            raise OperatorUnreadable("an event is of another program")
        scope, unknown = scope_of(program, asked.targets)
        if scope and asked.asks:  # shares are of the power of those it is for
            asked = read_record(record, program=program, enrolled_w=enrolled_w(program, scope), now=now)
    except OperatorUnreadable as error:
        return keep_unread(program, remote_id, record, str(error), now=now), False
    if known is not None and _is_older(asked, known) and not _is_over(known, now):
        return known, False
    with transaction.atomic():
        row = _keep(program, record, asked, scope, unknown, now=now)
        keep_signals(program=program, asked=asked, now=now)
        owe_reports(row, asked, now=now)
    return row, True


def _keep(
    program: OperatorProgram,
    record: Mapping[str, Any],
    asked: Asked,
    scope: Scope,
    unknown: Sequence[str],
    *,
    now: datetime,
) -> OperatorEvent:
    questions = [*asked.questions, *(f"target {name[:60]} is not known here" for name in unknown)]
    asks = [] if is_nobody(scope) else write_asks(asked)
    row, _ = OperatorEvent.objects.update_or_create(
        program=program,
        remote_id=asked.remote_id,
        defaults={
            "state": OperatorEvent.State.READ,
            "changed_at": asked.changed_at,
            "revision": asked.revision,
            "seen_at": now,
            "record": record,
            "priority": asked.priority,
            "scope": scope,
            "wanted": {"asks": asks, "questions": questions},
            "wanted_until": max((ask.ends_at for ask in asked.asks), default=None) if asks else None,
            "questions": questions,
        },
    )
    return row


def _is_older(asked: Asked, known: OperatorEvent) -> bool:
    if asked.revision != known.revision:
        return asked.revision < known.revision
    return known.changed_at is not None and asked.changed_at < known.changed_at


def _is_over(known: OperatorEvent, now: datetime) -> bool:
    """Say whether all that the event ever asked is past: its name may stand for a new one, counted anew.

    One that was called off is over when it would have been: till then older messages of it may be about.
    """
    ends = [known.wanted_until, *known.asks.values_list("grid_event__ends_at", flat=True)]
    past = [at for at in ends if at is not None]
    return bool(past) and max(past) <= now


def count_of(record: Mapping[str, Any]) -> int:
    """Return how often an event was changed, as its own message counts it (2.0b does; 0 where it does not)."""
    count = str(record.get("modificationNumber") or "")
    return int(count) if count.isdecimal() and len(count) < 10 else 0


def keep_unread(
    program: OperatorProgram, remote_id: str, record: Mapping[str, Any], reason: str, *, now: datetime
) -> OperatorEvent:
    """Keep a message that is not understood for a person to look at; what it asked before stands."""
    known = OperatorEvent.objects.filter(program=program, remote_id=remote_id).first()
    revision = count_of(record)
    if known is not None and revision < known.revision:
        return known
    kept = record if len(str(record)) <= MOST_RECORD_BYTES else {"id": remote_id}
    logger.warning("an event of %s cannot be read: %s", program, reason)
    row, _ = OperatorEvent.objects.update_or_create(
        program=program,
        remote_id=remote_id,
        defaults={
            "state": OperatorEvent.State.UNREADABLE,
            "revision": revision,
            "seen_at": now,
            "record": kept,
            "questions": [reason],
        },
    )
    row.wanted = {**row.wanted, "unread": [reason]}
    row.save(update_fields=["wanted"])
    return row
