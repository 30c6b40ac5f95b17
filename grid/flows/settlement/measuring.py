"""One car's own result in an event, from its readings: what is waited for, and how many results are kept at once."""

import json
import logging
from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

from django.db import DatabaseError, connection, transaction
from django.db.models import Exists, Model, OuterRef, QuerySet

from grid.flows.settlement.cases import READINGS_AROUND, Cases, cases_of
from grid.metering import evidence
from grid.metering.cases import Case
from grid.metering.settlement import Result, metered_wh, settle
from grid.models import EventParticipation, GridEvent, Measurement, Settlement
from vehicles.models import ChargeReading

logger = logging.getLogger(__name__)

# Without readings from after the event's end nothing is known; so long they are waited for.
READINGS_DEADLINE = timedelta(hours=24)
# The rest of a car's and a home's row is encrypted, and takes longer to read than the settlement takes.
NEEDED = (
    "public_id",
    "event",
    "frozen",
    "enrollment__vehicle__capacity_wh",
    "enrollment__vehicle__charge_efficiency",
    "enrollment__vehicle__max_charge_w",
    "enrollment__site__evse_max_charge_w",
)


def needed(parts: QuerySet[EventParticipation]) -> QuerySet[EventParticipation]:
    """Return the parts with what their results are worked out from, and no more."""
    return parts.select_related("enrollment__vehicle", "enrollment__site").only(*NEEDED)


def ready(parts: QuerySet[EventParticipation], event: GridEvent, now: datetime) -> QuerySet[EventParticipation]:
    """Return the parts that need be waited for no longer."""
    rows = needed(parts)
    if now >= event.ends_at + READINGS_DEADLINE:
        return rows
    seen = ChargeReading.objects.filter(
        vehicle=OuterRef("enrollment__vehicle"),
        observed_at__gte=event.ends_at,
        observed_at__lte=event.ends_at + READINGS_AROUND,
    )
    return rows.filter(Exists(seen))


def settlements_of(event: GridEvent, parts: Sequence[EventParticipation], now: datetime) -> list[Settlement]:
    """Return the settlements of cars that are settled alone, not saved yet; none of one that fails."""
    cases, made = cases_of(event, parts), []
    for part in parts:
        part.event = event  # with its terms, read once
        try:
            made.append(settlement_of(part, cases, now, revision=1))
        except Exception:
            logger.exception("participation %s was not settled", part.public_id)
    return made


def settlement_of(part: EventParticipation, cases: Cases, now: datetime, *, revision: int) -> Settlement:
    """Return the settlement of a car that is settled alone; the row is not saved yet."""
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


def measurements_of(
    event: GridEvent, parts: Sequence[EventParticipation], now: datetime, *, revision: int
) -> list[Measurement]:
    """Return the cars' own results in an event that is settled by the group, not saved yet.

    One that fails is left out, to be tried again; once nothing is waited for any more it counts as not known, so that
    one car holds up no group for ever.
    """
    cases, made = cases_of(event, parts), []
    is_last_call = now >= event.ends_at + READINGS_DEADLINE
    for part in parts:
        part.event = event
        try:
            made.append(_measurement(part, cases.of(part), now, revision))
        except Exception:
            logger.exception("participation %s was not measured", part.public_id)
            if is_last_call:
                made.append(_measurement(part, replace(cases.of(part), stays=(), readings=()), now, revision))
    return made


def _measurement(part: EventParticipation, case: Case, now: datetime, revision: int) -> Measurement:
    result: Result = settle(case)
    return Measurement(
        participation=part,
        revision=revision,
        method=case.method,
        method_version=case.method_version,
        baseline_wh=result.baseline_wh,
        net_wh=result.net_wh,
        delivered_wh=result.delivered_wh,
        metered_wh=metered_wh(case, result),
        grade=result.grade,
        reason=result.reason if result.reason in {"not_plugged_in", "readings_missing"} else "",
        evidence=evidence.write(case, result, is_of_group=True),
        created_at=now,
    )


def keep(rows: Sequence[Settlement] | Sequence[Measurement]) -> int:
    """Save new revisions, each once whoever saves it; returns how many were saved. One that fails stays due."""
    try:
        with transaction.atomic():
            _insert(rows)
    except DatabaseError:
        logger.warning("%d results were not saved together; saving them singly", len(rows), exc_info=True)
    else:
        return len(rows)
    kept = 0
    for row in rows:
        try:
            with transaction.atomic():
                row.save(force_insert=True)
            kept += 1
        except DatabaseError:
            same = type(row)._default_manager.filter(participation=row.participation_id, revision=row.revision)  # noqa: SLF001 - public but for its name
            if not same.exists():  # nobody else worked it out in the meantime
                logger.exception("participation %s was not settled", row.participation_id)
    return kept


def _insert(rows: Sequence[Model]) -> None:
    if not rows:
        return
    model = type(rows[0])
    if connection.vendor != "postgresql":
        model._default_manager.bulk_create(rows)  # noqa: SLF001 - public but for its name
        return
    names = [field.attname for field in model._meta.concrete_fields if field.name != "id"]  # noqa: SLF001 - likewise
    # Evidence is long and full of quotes: as parameters of a statement it would take most of the time. Django puts
    # the faults of statements into its own words, but not those of COPY.
    statement = f"COPY {model._meta.db_table} ({', '.join(names)}) FROM STDIN"  # noqa: SLF001 - likewise
    with connection.wrap_database_errors, connection.cursor() as cursor, cursor.copy(statement) as copy:
        for one in rows:
            copy.write_row([_cell(getattr(one, name)) for name in names])


def _cell(value: Any) -> Any:
    return json.dumps(value) if isinstance(value, dict) else value
