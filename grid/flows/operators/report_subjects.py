"""What a report that a utility asked for is on: our events, the spans, the cars and the names they go by."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime

from django.db.models import QuerySet

from grid.flows.operators.targeting_cars import Scope, cars_in, scope_of
from grid.metering.cases import Window
from grid.models import Enrollment, EventParticipation, GridEvent, OperatorResource, OwedReport
from grid.operators.openadr3.reporting import Row


@dataclass
class Telling:
    """What a report says. `is_final`: nothing more will be known but by a correction; `mark`: its newest settlement."""

    rows: dict[str, list[Row]] = field(default_factory=dict)
    is_final: bool = False
    mark: int = 0
    resources: list[OperatorResource] = field(default_factory=list)


def events_of(report: OwedReport) -> list[GridEvent]:
    """Return our events that stand for the utility's and that owners heard of, in order of time."""
    told = (GridEvent.State.ANNOUNCED, GridEvent.State.SETTLED)
    rows = GridEvent.objects.filter(operator_ask__operator_event=report.event, state__in=told)
    return list(rows.select_related("terms__program__utility").order_by("starts_at"))


def windows_of(report: OwedReport) -> list[tuple[int, Window]]:
    """Return the spans that the report is on, with their ids."""
    return [
        (int(number), Window(datetime.fromisoformat(starts), datetime.fromisoformat(ends)))
        for number, starts, ends in report.windows
    ]


def scope_of_report(report: OwedReport) -> Scope:
    """Return the cars that the report's own targets mean."""
    return scope_of(report.event.program, report.targets)[0]


def parts_in(event: GridEvent, scope: Scope) -> "QuerySet[EventParticipation]":
    """Return the parts in an event of the cars that the scope means."""
    parts = EventParticipation.objects.filter(event=event)
    return parts.filter(enrollment__in=cars_in(scope, Enrollment.objects.all())) if scope else parts


def name_cars(report: OwedReport, enrollment_ids: Sequence[int], telling: Telling) -> dict[int, str]:
    """Return the opaque name of each car at the report's program, made where it has none."""
    program = report.event.program
    OperatorResource.objects.bulk_create(
        [OperatorResource(program=program, enrollment_id=key) for key in enrollment_ids], ignore_conflicts=True
    )
    rows = list(OperatorResource.objects.filter(program=program, enrollment__in=enrollment_ids))
    known = {row.pk for row in telling.resources}
    telling.resources += [row for row in rows if row.pk not in known]
    return {row.enrollment_id: row.name for row in rows}
