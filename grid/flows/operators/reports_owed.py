"""Reports that events ask for by their descriptors: owed when the event is read, told when due, told again later on.

What was is told soon after its intervals end, from what readings say by then, and again once it is settled; what will
be is told as soon as cars have plans for it, and again when it begins; that an owner said no, or yes again, is told
with the next sweep. A report is one object at the server, replaced in its place.
"""

import logging
from collections.abc import Sequence
from datetime import datetime, timedelta

from django.db.models import Exists, F, OuterRef, Q

from foundation import clock
from grid.flows.operators.nominations_owed import owe_nominations, split_wishes, tell_nomination
from grid.flows.operators.report_delivery import deliver, next_try, reason_of
from grid.flows.operators.report_subjects import Telling, events_of, windows_of
from grid.flows.operators.targeting_cars import scope_of
from grid.flows.operators.telling import tell_of_past
from grid.flows.operators.telling_ahead import tell_ahead, tell_opt_outs
from grid.gateway import open_operator
from grid.models import (
    EventParticipation,
    GridEvent,
    OperatorEvent,
    OperatorResource,
    OwedReport,
    Settlement,
)
from grid.models.owed import NOMINATIONS, OPT_OUTS
from grid.operators.base import Asked, OperatorError
from grid.operators.openadr3.client import VtnClient
from grid.operators.openadr3.reporting import write_rows
from grid.operators.openadr3.wishes import Owed, owed_by

logger = logging.getLogger(__name__)

OF_ONE_CAR = {"USAGE", "BASELINE", "DELTA_USAGE", "DEMAND", "OPERATING_STATE", "DATA_QUALITY"}
LATE = timedelta(minutes=5)  # by then the reading after an interval has come
AGAIN = timedelta(minutes=15)
SOON = timedelta(minutes=5)
GIVE_UP = timedelta(hours=48)  # after the last interval; what is settled later still goes out
CORRECTED_WITHIN = timedelta(days=120)  # of real time


def owe_reports(row: OperatorEvent, asked: Asked, *, now: datetime) -> None:
    """Owe the reports that the event asks for as it stands now, and add to its questions what is not clear of them."""
    wishes, nominated, questions = split_wishes(asked)
    owed, unclear = owed_by(wishes, asked.intervals)
    questions += unclear
    wanted: dict[tuple[str, int], Owed] = {}
    for one in owed:
        unknown = scope_of(row.program, one.targets)[1]
        questions += [f"target {name[:60]} of a report is not known here" for name in unknown]
        types = one.types if one.is_aggregate else tuple(kind for kind in one.types if kind in OF_ONE_CAR)
        if len(types) < len(one.types):
            left = ", ".join(kind for kind in one.types if kind not in OF_ONE_CAR)
            questions.append(f"{left} is told of all cars together alone: ask with aggregate")
        if types and not (one.is_ahead and not one.is_aggregate) and not (unknown and len(unknown) == len(one.targets)):
            wanted[one.wish, one.number] = Owed(**{**vars(one), "types": types})
        elif types and one.is_ahead and not one.is_aggregate:
            questions.append(f"what {types[0]} will be is told of all cars together alone: ask with aggregate")
    _reconcile(row, wanted, now)
    _watch_opt_outs(row, list(wanted.values()))
    row.wanted["nominations"] = nominated
    row.wanted["questions"] = list(dict.fromkeys([*row.wanted["questions"], *questions]))
    row.questions = row.wanted["questions"]
    if row.wanted_until is None and nominated.get("types"):  # so that it is noticed when the server has it no more
        row.wanted_until = datetime.fromisoformat(nominated["ends_at"])
    row.save(update_fields=["wanted", "questions", "wanted_until"])


def _reconcile(row: OperatorEvent, wanted: dict[tuple[str, int], Owed], now: datetime) -> None:
    known = {(kept.wish, kept.number): kept for kept in row.owed_reports.exclude(wish__in=(OPT_OUTS, NOMINATIONS))}
    for key, kept in known.items():
        if key not in wanted:
            _drop(kept)
    for key, one in wanted.items():
        windows = [[number, starts_at.isoformat(), ends_at.isoformat()] for number, starts_at, ends_at in one.windows]
        due_at = now if one.due_at is None else one.due_at + (timedelta(0) if one.is_ahead else LATE)
        values = {"types": list(one.types), "windows": windows, "targets": list(one.targets)}
        stands = known.get(key)
        if stands is None:
            OwedReport.objects.create(
                event=row,
                wish=one.wish,
                number=one.number,
                is_ahead=one.is_ahead,
                is_aggregate=one.is_aggregate,
                due_at=due_at,
                **values,
            )
        elif {name: getattr(stands, name) for name in values} != values:
            OwedReport.objects.filter(pk=stands.pk).update(due_at=max(due_at, now), **values)


def _drop(report: OwedReport) -> None:
    """Owe a report no more; one that may stand at the server is kept as it is."""
    if report.is_tried:
        OwedReport.objects.filter(pk=report.pk).update(due_at=None)
    else:
        report.delete()


def _watch_opt_outs(row: OperatorEvent, wanted: Sequence[Owed]) -> None:
    asking = [one for one in wanted if "OPERATING_STATE" in one.types]
    if not asking:
        for kept in row.owed_reports.filter(wish=OPT_OUTS):
            _drop(kept)
        return
    row.owed_reports.get_or_create(
        wish=OPT_OUTS,
        number=0,
        defaults={
            "types": ["OPERATING_STATE"],
            "windows": [],
            "is_ahead": False,
            "is_aggregate": all(one.is_aggregate for one in asking),
        },
    )


def send_owed_reports(*, now: datetime, limit: int) -> int:
    """Send the reports that are due, and return how many went out. One failure stops no other."""
    owe_nominations(now=now)
    _notice_opt_outs(now)
    _notice_corrections(now)
    is_free = Q(next_try_at__isnull=True) | Q(next_try_at__lte=clock.wall())
    due = OwedReport.objects.filter(is_free, due_at__lte=now).order_by("due_at", "pk")
    rows = due.select_related("event__program__link", "event__program__program__utility")
    return sum(_send(report, now) for report in rows[:limit] if _claim(report))


def _notice_opt_outs(now: datetime) -> None:
    """Owe news of owners who decided otherwise since they were told of, in events that are not over."""
    parts = EventParticipation.objects.filter(
        event__operator_ask__operator_event=OuterRef("event"),
        event__state=GridEvent.State.ANNOUNCED,
        event__ends_at__gt=now,
    )
    is_out = Q(state=EventParticipation.State.OPTED_OUT) | Q(yields_to__isnull=False)
    is_first = Q(told_at__isnull=True) & Exists(parts.filter(is_out))
    is_news = Q(told_at__isnull=False) & Exists(parts.filter(decided_at__gt=OuterRef("told_at")))
    OwedReport.objects.filter(is_first | is_news, wish=OPT_OUTS, due_at__isnull=True).update(due_at=now)


def _notice_corrections(now: datetime) -> None:
    """Owe again what was told from settlements that are corrected since."""
    since = clock.wall() - CORRECTED_WITHIN
    newer = Settlement.objects.filter(pk__gt=OuterRef("told_mark"))
    told = OwedReport.objects.filter(due_at__isnull=True, is_ahead=False, told_mark__gt=0, sent_at__gt=since)
    told = told.filter(Exists(newer.filter(participation__event__operator_ask__operator_event=OuterRef("event"))))
    told.update(due_at=now)


def _claim(report: OwedReport) -> bool:
    """Put the next try off, so that of two senders one sends."""
    rows = OwedReport.objects.filter(pk=report.pk, due_at=report.due_at, next_try_at=report.next_try_at)
    return rows.update(next_try_at=next_try(report)) == 1


def _send(report: OwedReport, now: datetime) -> bool:
    if report.event.state == OperatorEvent.State.GONE and (not report.remote_id or report.wish == NOMINATIONS):
        _drop(report)
        return False
    try:
        telling = _tell(report, now)
        if not telling.rows:
            _put_off(report, telling, now, failure="nothing is known yet")
            return False
        server = open_operator(report.event.program.link)
        _introduce(report, telling, server)
        body = _write(report, telling)
        remote_id = report.remote_id
        is_news = body != report.body or not remote_id
        if is_news:
            remote_id = deliver(report, body, server)
    except Exception as error:
        is_ours = not isinstance(error, OperatorError | ValueError)
        logger.warning("%s was not sent: %s", report, reason_of(error), exc_info=is_ours)
        OwedReport.objects.filter(pk=report.pk).update(
            failure="internal error" if is_ours else reason_of(error), failures=F("failures") + 1
        )
        return False
    OwedReport.objects.filter(pk=report.pk).update(
        remote_id=remote_id, body=body, told_at=now, told_mark=telling.mark, sent_at=clock.wall()
    )
    _put_off(report, telling, now, failure="")
    return is_news


def _tell(report: OwedReport, now: datetime) -> Telling:
    if report.wish == OPT_OUTS:
        return tell_opt_outs(report, now=now)
    if report.wish == NOMINATIONS:
        return tell_nomination(report)
    return tell_ahead(report) if report.is_ahead else tell_of_past(report, now=now)


def _introduce(report: OwedReport, telling: Telling, server: VtnClient) -> None:
    """Have the cars that are told singly stand at the server as resources of our VEN."""
    for resource in telling.resources:
        if not resource.remote_id:
            resource.remote_id = server.put_resource(report.event.program.link.ven_id, resource.name, [])
            OperatorResource.objects.filter(pk=resource.pk).update(remote_id=resource.remote_id)


def _write(report: OwedReport, telling: Telling) -> dict[str, object]:
    program = report.event.program
    return write_rows(
        version=program.link.version,
        program_id=program.remote_id,
        event_id=report.event.remote_id,
        client_name=program.link.ven_name,
        rows=telling.rows,
        words=program.words,
        name=report.name,
        types=report.types,
    )


def _put_off(report: OwedReport, telling: Telling, now: datetime, *, failure: str) -> None:
    OwedReport.objects.filter(pk=report.pk).update(
        due_at=_due_again(report, telling, now), failure=failure, failures=0, next_try_at=None
    )


def _due_again(report: OwedReport, telling: Telling, now: datetime) -> datetime | None:
    """Return when the report is to be looked at again; None where all is told, or nothing more will be known."""
    if report.wish in {OPT_OUTS, NOMINATIONS}:
        return None
    windows = [window for _, window in windows_of(report)]
    if report.is_ahead:
        if telling.rows:
            return windows[0].starts_at if now < windows[0].starts_at else None
        return now + SOON if now < windows[-1].ends_at else None
    if telling.is_final or now > max(window.ends_at for window in windows) + GIVE_UP:
        return None
    settles = [event.settle_at for event in events_of(report) if event.state != GridEvent.State.SETTLED]
    return max(now + AGAIN, *settles) if settles and telling.rows else now + AGAIN
