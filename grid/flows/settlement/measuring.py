"""One car's own result in an event, from its readings: what is waited for, and how many results are kept at once."""

import json
import logging
from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

from django.db import DatabaseError, transaction
from django.db.models import Model

from grid.flows.settlement.cases import Cases, cases_of
from grid.metering import evidence
from grid.metering.cases import Case
from grid.metering.settlement import Result, metered_wh, settle
from grid.models import EventParticipation, GridEvent, Measurement, Settlement
from grid.rows.column_writes import insert_rows

logger = logging.getLogger(__name__)

# Without readings from after the event's end nothing is known; so long they are waited for.
READINGS_DEADLINE = timedelta(hours=24)
AT_ONCE = 1_000  # cars worked out at once


def is_last_call(event: GridEvent, now: datetime) -> bool:
    """Say whether nothing is waited for any more."""
    return now >= event.ends_at + READINGS_DEADLINE


def settlements_of(event: GridEvent, parts: Sequence[EventParticipation], now: datetime) -> list[Settlement]:
    """Return the settlements of cars that are settled alone, not saved yet.

    None of one whose readings are waited for, nor of one that fails.
    """
    cases, made = cases_of(event, parts), []
    for part in parts:
        if not cases.is_seen_after(part) and not is_last_call(event, now):
            continue
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
    event: GridEvent, parts: Sequence[EventParticipation], now: datetime, *, revision: int, is_waiting: bool = False
) -> list[Measurement]:
    """Return the cars' own results in an event that is settled by the group, not saved yet.

    Where `is_waiting`, none of a car whose readings may still come. One that fails is left out, to be tried again; once
    nothing is waited for any more it counts as not known, so that one car holds up no group for ever.
    """
    cases, made = cases_of(event, parts), []
    is_last = is_last_call(event, now)
    for part in parts:
        if is_waiting and not is_last and not cases.is_seen_after(part):
            continue
        try:
            made.append(_measurement(part, cases.of(part), now, revision))
        except Exception:
            logger.exception("participation %s was not measured", part.public_id)
            if is_last:
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
    fields = [field for field in type(rows[0])._meta.concrete_fields if not field.primary_key]  # noqa: SLF001 - public but for its name
    columns = {field.name: [_cell(getattr(row, field.attname)) for row in rows] for field in fields}
    insert_rows(type(rows[0]), columns)


def _cell(value: Any) -> Any:
    return json.dumps(value) if isinstance(value, dict) else value
