"""What each car delivered in an event and what it earned: computed once from readings, corrected by new rows only."""

import json
import logging
import time
from collections.abc import Sequence
from datetime import datetime, timedelta

from django.db import DatabaseError, connection, transaction
from django.db.models import Exists, OuterRef, Q, QuerySet

from foundation import clock
from grid.flows.cases import READINGS_AROUND, Cases, cases_of
from grid.flows.crediting import post_due_settlements
from grid.metering import evidence
from grid.metering.energy import MISSING
from grid.metering.settlement import settle
from grid.models import EventParticipation, GridEvent, Settlement
from vehicles.models import ChargeReading

__all__ = ["post_due_settlements", "settle_due"]

logger = logging.getLogger(__name__)

LEASE_SECONDS = 60
ASK_AGAIN_AFTER = timedelta(minutes=10)
# Without readings from after the event's end nothing is known; so long they are waited for.
READINGS_DEADLINE = timedelta(hours=24)
CORRECTED_FOR = timedelta(days=7)
AT_ONCE = 500
COLUMNS = [field.attname for field in Settlement._meta.concrete_fields if field.name not in {"id", "evidence"}]  # noqa: SLF001 - public but for its name
COLUMNS.append("evidence")
# The rest of a car's and a home's row is encrypted, and takes longer to read than the settlement takes.
NEEDED = (
    "public_id",
    "event",
    "enrollment__vehicle__capacity_wh",
    "enrollment__vehicle__charge_efficiency",
    "enrollment__vehicle__max_charge_w",
    "enrollment__site__evse_max_charge_w",
)
SWEEP_SECONDS = 20.0  # of real time; a task may take 30


def settle_due(*, now: datetime, limit: int) -> int:
    """Settle up to `limit` events that are due, and correct what was missing; return how many settlements were made.

    A car whose readings from after the event have not come yet is waited for, until a deadline: then its energy is
    missing, which credits nothing and is corrected by a next revision when readings arrive. Cars whose owner opted
    out, or that were unable, took no part and get no settlement. A large event is gone on with by the next sweep.
    """
    made, ends_at = 0, time.monotonic() + SWEEP_SECONDS
    for event in _claim_events(now, limit):
        try:
            made += _settle_event(event, now, ends_at=ends_at)
        except Exception:
            logger.exception("event %s was not settled", event.public_id)
    for missing in _correctable(now)[:limit]:
        try:
            made += _correct(missing, now)
        except Exception:
            logger.exception("settlement %s was not corrected", missing.public_id)
    return made


def _claim_events(now: datetime, limit: int) -> list[GridEvent]:
    wall = clock.wall()
    free = Q(lease_until__isnull=True) | Q(lease_until__lte=wall)
    with transaction.atomic():
        due = GridEvent.objects.filter(free, state=GridEvent.State.ANNOUNCED, settle_at__lte=now)
        keys = list(
            due.order_by("settle_at", "pk").select_for_update(skip_locked=True).values_list("pk", flat=True)[:limit]
        )
        GridEvent.objects.filter(pk__in=keys).update(lease_until=wall + timedelta(seconds=LEASE_SECONDS))
    claimed = GridEvent.objects.filter(pk__in=keys).select_related("terms__program__utility")
    return list(claimed.order_by("settle_at", "pk"))


def _settle_event(event: GridEvent, now: datetime, *, ends_at: float) -> int:
    """Settle the cars that can be, some hundreds at a time; a car that fails or waits holds up no other."""
    made, after = 0, 0
    while parts := list(_ready(event, now).filter(pk__gt=after).order_by("pk")[:AT_ONCE]):
        if time.monotonic() > ends_at:
            GridEvent.objects.filter(pk=event.pk).update(lease_until=None)  # still due: the next sweep goes on
            return made
        GridEvent.objects.filter(pk=event.pk).update(lease_until=clock.wall() + timedelta(seconds=LEASE_SECONDS))
        made += _keep(_work_out(event, parts, now))
        after = parts[-1].pk
    _close_event(event, now, is_done=not _open_parts(event).exists())
    return made


def _open_parts(event: GridEvent) -> QuerySet[EventParticipation]:
    return EventParticipation.objects.filter(event=event, state=EventParticipation.State.IN, settlements__isnull=True)


def _ready(event: GridEvent, now: datetime) -> QuerySet[EventParticipation]:
    """Return the parts that need be waited for no longer."""
    rows = _open_parts(event).select_related("enrollment__vehicle", "enrollment__site").only(*NEEDED)
    if now >= event.ends_at + READINGS_DEADLINE:
        return rows
    seen = ChargeReading.objects.filter(
        vehicle=OuterRef("enrollment__vehicle"),
        observed_at__gte=event.ends_at,
        observed_at__lte=event.ends_at + READINGS_AROUND,
    )
    return rows.filter(Exists(seen))


def _work_out(event: GridEvent, parts: Sequence[EventParticipation], now: datetime) -> list[Settlement]:
    """Return the settlements of parts in one event, not saved yet; none of a car for which it fails."""
    cases, made = cases_of(event, parts), []
    for part in parts:
        part.event = event  # with its terms, read once
        try:
            made.append(_settlement(part, cases, now, revision=1))
        except Exception:
            logger.exception("participation %s was not settled", part.public_id)
    return made


def _keep(settlements: Sequence[Settlement]) -> int:
    """Save new revisions, each once whoever saves it; returns how many were saved. One that fails stays due."""
    try:
        with transaction.atomic():
            _insert(settlements)
    except DatabaseError:
        logger.warning("%d settlements were not saved together; saving them singly", len(settlements), exc_info=True)
    else:
        return len(settlements)
    kept = 0
    for settlement in settlements:
        try:
            with transaction.atomic():
                settlement.save(force_insert=True)
            kept += 1
        except DatabaseError:
            same = Settlement.objects.filter(participation=settlement.participation, revision=settlement.revision)
            if not same.exists():  # nobody else settled it in the meantime
                logger.exception("participation %s was not settled", settlement.participation.public_id)
    return kept


def _insert(settlements: Sequence[Settlement]) -> None:
    if connection.vendor != "postgresql":
        Settlement.objects.bulk_create(settlements)
        return
    # Evidence is long and full of quotes: as parameters of a statement it would take most of the time. Django puts
    # the faults of statements into its own words, but not those of COPY.
    statement = f"COPY grid_settlement ({', '.join(COLUMNS)}) FROM STDIN"
    with connection.wrap_database_errors, connection.cursor() as cursor, cursor.copy(statement) as copy:
        for one in settlements:
            copy.write_row([*(getattr(one, name) for name in COLUMNS[:-1]), json.dumps(one.evidence)])


def _close_event(event: GridEvent, now: datetime, *, is_done: bool) -> None:
    rows = GridEvent.objects.filter(pk=event.pk, state=GridEvent.State.ANNOUNCED)
    if is_done:
        rows.update(state=GridEvent.State.SETTLED, settled_at=now, lease_until=None)
    else:
        rows.update(settle_at=now + ASK_AGAIN_AFTER, lease_until=None)


def _correctable(now: datetime) -> list[Settlement]:
    """Return the newest settlements whose energy is missing although readings from after the event came since."""
    later = Settlement.objects.filter(participation=OuterRef("participation"), revision__gt=OuterRef("revision"))
    news = ChargeReading.objects.filter(
        vehicle=OuterRef("participation__enrollment__vehicle"),
        fetched_at__gt=OuterRef("created_at"),
        observed_at__gte=OuterRef("participation__event__starts_at"),
    )
    rows = Settlement.objects.filter(
        ~Exists(later), Exists(news), grade=Settlement.Grade.MISSING, created_at__gte=now - CORRECTED_FOR
    )
    return list(
        rows.select_related(
            "participation__event__terms__program__utility",
            "participation__enrollment__vehicle__owner",
            "participation__enrollment__site",
        ).order_by("created_at", "pk")
    )


def _correct(missing: Settlement, now: datetime) -> int:
    """Add the next revision where readings now tell something; returns how many were added."""
    part = missing.participation
    settlement = _settlement(part, cases_of(part.event, [part]), now, revision=missing.revision + 1)
    return 0 if settlement.grade == MISSING else _keep([settlement])


def _settlement(part: EventParticipation, cases: Cases, now: datetime, *, revision: int) -> Settlement:
    """Work out one car's part; the row is not saved yet."""
    case = cases.of(part)
    result = settle(case)
    return Settlement(
        participation=part,
        revision=revision,
        method=case.method,
        method_version=case.method_version,
        baseline_wh=result.baseline_wh,
        net_wh=result.net_wh,
        delivered_wh=result.delivered_wh,
        credited_wh=result.credited_wh,
        reward_micros_per_kwh=case.rate_micros_per_kwh,
        amount_minor=result.amount_minor,
        currency=case.currency,
        grade=result.grade,
        reason=result.reason,
        evidence=evidence.write(case, result),
        created_at=now,
    )
