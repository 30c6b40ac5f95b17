"""Nominations told by OpenADR 3: what cars can be counted on for tomorrow, hour by hour, as a report a day.

Both versions want an event on every report. A utility that wants nominations therefore makes an event that asks no car
for anything and whose descriptors ask for `NOMINATED`; it stands as long as nominations are wanted. Or it agrees (in
the admin, or by the descriptors of its program) that the hours of each of its events are nominated as they come.
"""

from collections import defaultdict
from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

from django.db.models import Q

from grid.flows.operators.report_subjects import Telling, windows_of
from grid.flows.operators.telemetry import FEWEST_CARS
from grid.models import Nomination, OperatorEvent, OperatorLink, OwedReport
from grid.models.owed import NOMINATIONS
from grid.operators.base import Asked, OperatorRefused, ReportWish
from grid.operators.openadr3.client import NotThere, VtnClient
from grid.operators.openadr3.reporting import AGGREGATED, FORECAST, Row, Told
from grid.operators.openadr3.wishes import NOMINATED, ONLY_AHEAD

HOUR, DAY = timedelta(hours=1), timedelta(days=1)
MOST_EVENTS = 500
Wanted = dict[str, Any]


def split_wishes(asked: Asked) -> tuple[list[ReportWish], Wanted, list[str]]:
    """Return the report wishes without those for nominations, what is nominated, and questions to a person.

    Of an event that asks cars for something, forecasts come from their plans; one that asks nothing has none.
    """
    if asked.span is None:
        return list(asked.reports), {}, []
    span = {"starts_at": asked.span[0].isoformat(), "ends_at": asked.span[1].isoformat()}
    if asked.asks:
        return list(asked.reports), span, []
    ahead = [wish for wish in asked.reports if wish.payload_type in ONLY_AHEAD]
    types = [name for name in NOMINATED if any(wish.payload_type == name for wish in ahead)]
    questions = [
        f"what {wish.payload_type[:40]} will be is told of events that ask for help alone"
        for wish in ahead
        if wish.payload_type not in NOMINATED
    ]
    if types and (asked.targets or any(wish.targets for wish in ahead)):
        questions.append("nominations are of all cars of the program; the targets are not looked at")
    others = [wish for wish in asked.reports if wish.payload_type not in ONLY_AHEAD]
    return others, {**span, "types": types} if types else {}, list(dict.fromkeys(questions))


def owe_nominations(*, now: datetime) -> None:
    """Owe a report for each nominated day that an event wants told; each day is owed once."""
    is_wanted = Q(wanted__nominations__has_key="types") | Q(program__tells_nominations=True)
    rows = OperatorEvent.objects.filter(
        is_wanted, state=OperatorEvent.State.READ, wanted_until__gt=now, wanted__has_key="nominations"
    ).exclude(program__link__protocol=OperatorLink.Protocol.OPENADR_2_0B)
    for row in rows.select_related("program__program__utility").order_by("pk")[:MOST_EVENTS]:
        _owe(row, row.wanted["nominations"], now)


def _owe(row: OperatorEvent, wanted: Mapping[str, Any], now: datetime) -> None:
    if not wanted:
        return
    zone = row.program.program.utility.zone
    nominated = Nomination.objects.filter(
        program=row.program.program_id,
        cars__gte=FEWEST_CARS,
        starts_at__gt=max(datetime.fromisoformat(wanted["starts_at"]) - HOUR, now - DAY),
        starts_at__lt=datetime.fromisoformat(wanted["ends_at"]),
    )
    days: defaultdict[int, list[datetime]] = defaultdict(list)
    for at in nominated.order_by("starts_at").values_list("starts_at", flat=True):
        days[at.astimezone(zone).toordinal()].append(at)
    known = set(row.owed_reports.filter(wish=NOMINATIONS).values_list("number", flat=True))
    OwedReport.objects.bulk_create(
        [
            OwedReport(
                event=row,
                wish=NOMINATIONS,
                number=day,
                types=wanted.get("types") or list(NOMINATED),
                windows=[[place, at.isoformat(), (at + HOUR).isoformat()] for place, at in enumerate(hours)],
                is_ahead=True,
                is_aggregate=True,
                due_at=now,
            )
            for day, hours in days.items()
            if day not in known and hours[-1] + HOUR > now
        ],
        ignore_conflicts=True,
    )


def tell_nomination(report: OwedReport) -> Telling:
    """Return the nominated power of each hour: charging that could be held, and what could be given back."""
    spans = windows_of(report)
    rows = Nomination.objects.filter(
        program=report.event.program.program_id, starts_at__in=[window.starts_at for _, window in spans]
    )
    powers = {row.starts_at: (row.hold_w, row.discharge_w) for row in rows}
    told = [
        Row(number, window.starts_at, window.ends_at, _told(*powers[window.starts_at]))
        for number, window in spans
        if window.starts_at in powers
    ]
    return Telling({AGGREGATED: told} if told else {}, is_final=True)


def _told(hold_w: int, discharge_w: int) -> Told:
    values = (hold_w / 1000, discharge_w / 1000)
    return Told(grade=FORECAST, more=dict(zip(NOMINATED, values, strict=True)))


def learn_wishes(link: OperatorLink, server: VtnClient) -> None:
    """Take it for agreed that a program is nominated where its own descriptors name what is nominated.

    Looked at once, when our VEN introduces itself; from then on the admin decides.
    """
    try:
        records = {str(record.get("id")): record for record in server.programs()}
    except (NotThere, OperatorRefused):
        return  # a server that shows no programs has agreed on nothing in this way
    for program in link.programs.filter(tells_nominations=False):
        descriptors = records.get(program.remote_id, {}).get("payloadDescriptors")
        if any(
            isinstance(row, Mapping)
            and row.get("objectType") == "REPORT_PAYLOAD_DESCRIPTOR"
            and row.get("payloadType") in NOMINATED
            for row in (descriptors if isinstance(descriptors, list) else [])
        ):
            program.tells_nominations = True
            program.save(update_fields=["tells_nominations"])
