"""Reports that a utility's server is owed: once an event of it is settled, what the group did, interval by interval.

The report is made from the settlements' own evidence, so that it says what owners were paid for. Cars are told
together, under one opaque name; a car whose energy is not known is left out of the sums and lowers their grade.
"""

import logging
from collections.abc import Sequence
from datetime import timedelta

from django.db.models import F

from foundation import clock
from grid.flows.report_delivery import deliver, next_try, reason_of
from grid.gateway import open_operator
from grid.metering.evidence import read
from grid.metering.settlement import SERIES_STEP, Interval, series
from grid.models import EventParticipation, GridEvent, OperatorAsk, OperatorLink, OperatorReport, Settlement
from grid.operators.base import OperatorError
from grid.operators.openadr3.reporting import AGGREGATED, Told, write_report

logger = logging.getLogger(__name__)

BATCH = 2000


def report_due_events(*, limit: int) -> int:
    """Send the reports that are owed, and return how many went out. One failure stops no other."""
    _owe_reports(limit)
    due = OperatorReport.objects.filter(sent_at__isnull=True, next_try_at__lte=clock.wall())
    rows = due.select_related("ask__grid_event", "ask__operator_event__program__link").order_by("next_try_at")
    return sum(_send(report) for report in rows[:limit] if _claim(report))


def owe_report_again(event: GridEvent) -> None:
    """Let the report on an event be sent once more, in place of the one that was sent: its result was corrected."""
    OperatorReport.objects.filter(ask__grid_event=event, sent_at__isnull=False).update(
        sent_at=None, next_try_at=clock.wall()
    )


def _owe_reports(limit: int) -> None:
    settled = OperatorAsk.objects.filter(report__isnull=True, grid_event__state=GridEvent.State.SETTLED)
    # A 2.0b server asks for the reports that it wants: `grid/flows/telemetry.py`.
    settled = settled.exclude(operator_event__program__link__protocol=OperatorLink.Protocol.OPENADR_2_0B)
    OperatorReport.objects.bulk_create(
        (OperatorReport(ask=ask, next_try_at=clock.wall()) for ask in settled[:limit]), ignore_conflicts=True
    )


def _claim(report: OperatorReport) -> bool:
    """Put the next try off, so that of two senders one sends."""
    rows = OperatorReport.objects.filter(pk=report.pk, sent_at__isnull=True, next_try_at=report.next_try_at)
    return rows.update(next_try_at=next_try(report)) == 1


def _send(report: OperatorReport) -> bool:
    ask = report.ask
    program = ask.operator_event.program
    try:
        body = write_report(
            version=program.link.version,
            program_id=program.remote_id,
            event_id=ask.operator_event.remote_id,
            client_name=program.link.ven_name,
            starts_at=ask.grid_event.starts_at,
            length=SERIES_STEP,
            told={AGGREGATED: group_told(ask.grid_event)},
            words=program.words,
            name=f"{ask.grid_event.kind} {ask.grid_event.starts_at:%Y-%m-%d %H:%M}Z",
        )
        remote_id = deliver(report, body, open_operator(program.link))
    except (OperatorError, ValueError) as error:
        reason = reason_of(error)
        logger.warning("report on %s was not sent: %s", ask.grid_event, reason)
        OperatorReport.objects.filter(pk=report.pk).update(failure=reason, failures=F("failures") + 1)
        return False
    OperatorReport.objects.filter(pk=report.pk).update(
        remote_id=remote_id, body=body, sent_at=clock.wall(), failure="", failures=0
    )
    return True


def group_told(event: GridEvent) -> list[Told]:
    """Return what all cars of the event did together in each quarter hour; what nobody knows is left unknown."""
    newest = (
        Settlement.objects.filter(participation__event=event, participation__state=EventParticipation.State.IN)
        .order_by("participation", "-revision")
        .iterator(chunk_size=BATCH)
    )
    sums: list[list[float]] = []
    known = whole = 0
    grades: set[str] = set()
    seen = 0
    for settlement in newest:
        if settlement.participation_id == seen:
            continue
        seen = settlement.participation_id
        whole += 1
        intervals = series(read(settlement.evidence))
        if any(interval.net_w is None for interval in intervals):
            continue
        known += 1
        grades.add(settlement.grade)
        _add(sums, intervals)
    if not known:
        return []
    grade = "measured" if grades == {"measured"} and known == whole else "derived"
    return [_told(event, place, baseline_w, net_w, grade) for place, (baseline_w, net_w) in enumerate(sums)]


def _add(sums: list[list[float]], intervals: Sequence[Interval]) -> None:
    for place, interval in enumerate(intervals):
        if place == len(sums):
            sums.append([0.0, 0.0])
        sums[place][0] += interval.baseline_w
        sums[place][1] += interval.net_w or 0


def _told(event: GridEvent, place: int, baseline_w: float, net_w: float, grade: str) -> Told:
    starts_at = event.starts_at + place * SERIES_STEP
    hours = (min(starts_at + SERIES_STEP, event.ends_at) - starts_at) / timedelta(hours=1)
    is_more = event.kind == GridEvent.Kind.ABSORB
    return Told(
        net_wh=round(net_w * hours),
        baseline_wh=round(baseline_w * hours),
        demand_w=round(net_w),
        operating_state="RUNNING_HEIGHTENED" if is_more else "RUNNING_CURTAILED",
        grade=grade,
    )
