"""A 2.0b server's side in the database: who we are there, what it distributed, and what is missing from its list.

The profile says that an event which is missing from a complete `oadrDistributeEvent` is called off. We believe it only
of the answer to our own `oadrRequestEvent` without a limit, and only if a second one misses the event too: a server
that restarts may show an empty list for a moment, and the list in a poll is a nudge. Everything else that is silent -
an error, an `oadrResponse` in place of a list, a list that cannot be read - calls nothing off.
"""

import logging
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from django.db.models import Q, QuerySet

from foundation import clock
from grid.flows.operators import operators
from grid.flows.operators.following import enrolled_w, follow
from grid.flows.operators.opting import answer_to
from grid.models import OperatorEvent, OperatorLink, OperatorProgram
from grid.operators.openadr2b.certificates import Credentials, faults
from grid.operators.openadr2b.messages import Distribution
from grid.operators.openadr2b.saying import Answer, Registration

logger = logging.getLogger(__name__)

SYNC_EVERY = timedelta(minutes=15)
OVERDUE = timedelta(minutes=5)
RENEW_AHEAD = timedelta(days=30)
LINKS = OperatorLink.objects.filter(protocol=OperatorLink.Protocol.OPENADR_2_0B)


def claim_due(*, now: datetime, limit: int, busy: Collection[int] = ()) -> list[OperatorLink]:
    """Take the 2.0b servers that are due to be asked for oneself; `busy` are those that are being asked already."""
    due = LINKS.filter(operators.is_due(now)).exclude(pk__in=busy).select_related("utility").order_by("pk")
    return [link for link in due[:limit] if operators.claim(link, now)]


def unasked(*, now: datetime) -> "QuerySet[OperatorLink]":
    """Return the 2.0b servers that should have been asked a while ago, though none of them is waited for."""
    overdue = Q(next_poll_at__lte=now - OVERDUE) | Q(next_poll_at__isnull=True, heard_at__isnull=True)
    is_free = Q(lease_until__isnull=True) | Q(lease_until__lte=clock.wall() - OVERDUE)
    return LINKS.filter(overdue & is_free, is_active=True)


def running_out(*, at: datetime) -> list[OperatorLink]:
    """Return the 2.0b links whose certificate cannot be used for another `RENEW_AHEAD`."""
    links = LINKS.filter(is_active=True).exclude(certificate="").select_related("utility")[:200]
    return [link for link in links if faults(credentials_of(link), at=at + RENEW_AHEAD).get("certificate")]


def credentials_of(link: OperatorLink) -> Credentials:
    """Return what we show the server and expect of it."""
    return Credentials(
        certificate=link.certificate,
        private_key=link.private_key,
        authorities=link.authorities,
        fingerprint=link.fingerprint,
        signs_messages=link.signs_messages,
    )


def resources_of(link: OperatorLink) -> dict[str, str]:
    """Return our opaque resource names by market context."""
    return dict(link.programs.values_list("remote_id", "resource_name"))


def keep_registration(link: OperatorLink, registration: Registration) -> None:
    """Remember how the server knows us; the whole list of events is due."""
    link.ven_id, link.registration_id = registration.ven_id, registration.registration_id
    link.least_poll_seconds, link.synced_at = registration.least_poll_seconds, None
    link.save(update_fields=["ven_id", "registration_id", "least_poll_seconds", "synced_at"])
    logger.info("%s knows us as a VEN", link)


def forget_registration(link: OperatorLink) -> None:
    """Forget a registration that the server ended; what it asked before stands."""
    link.registration_id = ""
    link.save(update_fields=["registration_id"])


@dataclass
class Taken:
    """What came of a list of events: the rows, what we answer, and which open events of ours the list misses."""

    rows: list[OperatorEvent] = field(default_factory=list)
    answers: list[Answer] = field(default_factory=list)
    missing: set[str] = field(default_factory=set)


def take_distribution(link: OperatorLink, distribution: Distribution, *, now: datetime) -> Taken:
    """Bring our events in line with the records of a list, and return what to answer."""
    programs = {program.remote_id: program for program in link.programs.select_related("link", "program__utility")}
    power_w = {remote_id: enrolled_w(program) for remote_id, program in programs.items()}
    taken = Taken()
    for record in distribution.records:
        row = _take(link, record, programs, power_w, now=now)
        if row is None:
            continue
        taken.rows.append(row)
    for program in {row.program_id: row.program for row in taken.rows}.values():
        follow(program, now=now)
    taken.answers = [answer for row in _fresh(taken.rows) if (answer := answer_to(row, now=now)) is not None]
    seen = {str(record["id"])[:128] for record in distribution.records}
    standing = operators.open_events(now).filter(program__link=link)
    taken.missing = set(standing.exclude(remote_id__in=seen).values_list("remote_id", flat=True))
    return taken


def _fresh(rows: Sequence[OperatorEvent]) -> "QuerySet[OperatorEvent]":
    """Return the rows as they stand now, with what their answers are read off."""
    found = OperatorEvent.objects.filter(pk__in=[row.pk for row in rows]).order_by("pk")
    return found.select_related("program__link", "program__program__utility").prefetch_related("asks__grid_event")


def _take(
    link: OperatorLink,
    record: Mapping[str, Any],
    programs: Mapping[str, OperatorProgram],
    power_w: Mapping[str, int],
    *,
    now: datetime,
) -> OperatorEvent | None:
    remote_id = str(record["id"])[:128]
    known = (
        OperatorEvent.objects.filter(program__link=link, remote_id=remote_id).select_related("program__link").first()
    )
    context = str(record["marketContext"])
    program = programs.get(context)
    if program is None or (known is not None and known.program_id != program.pk):
        where = known.program if known is not None else next(iter(programs.values()), None)
        if where is None:
            logger.warning("%s asks for something, but no program of it is set up", link)
            return None
        why = f"its market context {context[:60]!r} is no program of this link"
        return operators.keep_unread(where, remote_id, record, why if program is None else f"{why} any more", now=now)
    vens = record["targets"].get("venID", [])
    if vens and link.ven_id not in vens:
        return operators.keep_unread(program, remote_id, record, "it is meant for another VEN", now=now)
    return operators.take_record(program, record, power_w[context], now=now)[0]


def is_sync_due(link: OperatorLink, *, now: datetime) -> bool:
    """Say whether the whole list is to be read again."""
    return link.synced_at is None or link.synced_at + SYNC_EVERY <= now


def finish_sync(link: OperatorLink, *, missing: Collection[str], now: datetime) -> None:
    """Call off what two complete lists in a row missed, and note that all events were read."""
    gone = operators.open_events(now).filter(program__link=link, remote_id__in=missing)
    for row in gone.select_related("program__link", "program__program__utility"):
        operators.call_off(row, now=now)
    link.synced_at = now
    link.save(update_fields=["synced_at"])
