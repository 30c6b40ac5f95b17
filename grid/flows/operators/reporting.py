"""Reports that a utility's server is owed: once an event of it is settled, what the group did, interval by interval.

The report is made from the settlements' own evidence, so that it says what owners were paid for. Cars are told
together, under one opaque name; a car whose energy is not known is left out of the sums and lowers their grade.
"""

import logging
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import timedelta

from django.db.models import F

from foundation import clock
from grid.flows.operators.report_delivery import deliver, next_try, reason_of
from grid.gateway import open_operator
from grid.metering.evidence import read
from grid.metering.settlement import SERIES_STEP, Interval, series
from grid.models import (
    EventParticipation,
    GridEvent,
    GroupSettlement,
    OperatorAsk,
    OperatorLink,
    OperatorReport,
    Settlement,
)
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
    # A 2.0b server asks for the reports that it wants: `grid/flows/operators/telemetry.py`.
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
    """Return what all cars of the event did together in each quarter hour; what nobody knows is left unknown.

    Where the event was settled by its group, baseline and net energy add up to what that settlement states; where it
    states nothing, nothing is told.
    """
    group = GroupSettlement.objects.filter(event=event).defer("evidence").order_by("-revision").first()
    treated = _sum_up(event, EventParticipation.State.IN, group)
    if not treated.known:
        return []
    grade = "measured" if treated.grades == {"measured"} and treated.known == treated.cars else "derived"
    told = [_told(event, place, watts, grade) for place, watts in enumerate(treated.watts)]
    if group is None:
        return told
    if group.baseline_wh is None or group.net_wh is None:
        return []
    share = treated.cars / treated.known
    baselines = [(one.baseline_wh or 0) * share for one in told]
    if group.method == "randomised-control-group":
        controls = _sum_up(event, EventParticipation.State.CONTROL, group)
        share_of_controls = treated.cars / max(1, controls.known)
        rows = [_told(event, place, watts, grade) for place, watts in enumerate(controls.watts)]
        baselines = [(one.net_wh or 0) * share_of_controls for one in rows] or baselines
    return [
        replace(one, baseline_wh=baseline, net_wh=net, demand_w=_mean_w(event, place, net))
        for place, (one, baseline, net) in enumerate(
            zip(
                told,
                _adding_up(baselines, group.baseline_wh),
                _adding_up([(one.net_wh or 0) * share for one in told], group.net_wh),
                strict=True,
            )
        )
    ]


def _adding_up(values: Sequence[float], whole: int) -> list[int]:
    """Return the values as whole numbers that add up to `whole`; what they lack is spread evenly."""
    lack, told, done, exact = (whole - sum(values)) / len(values), list[int](), 0, 0.0
    for value in values:
        exact += value + lack
        told.append(round(exact) - done)
        done += told[-1]
    told[-1] += whole - done
    return told


@dataclass
class _Sums:
    """Mean powers of known cars by quarter hour, baseline and net, in W; of how many cars, and how they are known."""

    watts: list[list[float]] = field(default_factory=list)
    known: int = 0
    cars: int = 0
    grades: set[str] = field(default_factory=set)


def _sum_up(event: GridEvent, state: str, group: GroupSettlement | None) -> _Sums:
    """Add up the newest results of the event's cars in a state; of a group those that took part in it."""
    rows = Settlement.objects.filter(participation__event=event, participation__state=state)
    if group is not None:
        rows = rows.filter(group=group).exclude(reason__in=("not_plugged_in", "excluded"))
    sums, seen = _Sums(), 0
    for settlement in rows.order_by("participation", "-revision").defer("share").iterator(chunk_size=BATCH):
        if settlement.participation_id == seen:
            continue
        seen = settlement.participation_id
        sums.cars += 1
        intervals = series(read(settlement.evidence))
        if any(interval.net_w is None for interval in intervals):
            continue
        sums.known += 1
        sums.grades.add(settlement.grade)
        _add(sums.watts, intervals)
    return sums


def _add(sums: list[list[float]], intervals: Sequence[Interval]) -> None:
    for place, interval in enumerate(intervals):
        if place == len(sums):
            sums.append([0.0, 0.0])
        sums[place][0] += interval.baseline_w
        sums[place][1] += interval.net_w or 0


def _told(event: GridEvent, place: int, watts: Sequence[float], grade: str) -> Told:
    baseline_w, net_w = watts
    hours = _hours(event, place)
    is_more = event.kind == GridEvent.Kind.ABSORB
    return Told(
        net_wh=round(net_w * hours),
        baseline_wh=round(baseline_w * hours),
        demand_w=round(net_w),
        operating_state="RUNNING_HEIGHTENED" if is_more else "RUNNING_CURTAILED",
        grade=grade,
    )


def _hours(event: GridEvent, place: int) -> float:
    starts_at = event.starts_at + place * SERIES_STEP
    return (min(starts_at + SERIES_STEP, event.ends_at) - starts_at) / timedelta(hours=1)


def _mean_w(event: GridEvent, place: int, net_wh: int) -> int:
    return round(net_wh / _hours(event, place))
