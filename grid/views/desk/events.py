"""Events at the desk: the list, one event with its evidence, its files, and the utility's word on its result."""

from collections.abc import Callable
from typing import Any
from uuid import UUID

from django import forms
from django.core.paginator import Paginator
from django.http import Http404, HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import get_object_or_404, redirect
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from foundation import clock
from foundation.pages import refusals_as_messages
from foundation.templatetags.show import locale_for
from grid.arrays.slots import SLOT_MINUTES
from grid.flows.desk import sheets
from grid.flows.desk.events import (
    EventLine,
    IntervalRow,
    car_rows,
    event_lines,
    events_of,
    grades,
    interval_rows,
)
from grid.flows.desk.progress import progress_of
from grid.flows.settlement import reviewing
from grid.models import Dispute, GroupSettlement, Settlement
from grid.views.desk.doors import Desk, desk_action, desk_read, show

A_PAGE = 25
MOST_ROWS = 5000
SHOWN_CARS = 100
FILES: dict[str, tuple[tuple[str, ...], Callable[[EventLine], list[dict[str, Any]]]]] = {
    "intervals": (sheets.INTERVAL_COLUMNS, lambda line: [sheets.interval_row(row) for row in interval_rows(line)]),
    "cars": (sheets.CAR_COLUMNS, lambda line: [sheets.car_row(row) for row in car_rows(line)]),
    "progress": (sheets.PROGRESS_COLUMNS, sheets.progress_rows),
}
LIVE = 60  # seconds between two looks at a running event
WATTS_PER_KW = 1000


class ObjectionForm(forms.Form):
    """What is wrong with a result, and what shows it."""

    reason = forms.CharField(label=_("What is wrong"), max_length=200)
    evidence = forms.CharField(
        label=_("What shows it"),
        max_length=4000,
        required=False,
        widget=forms.Textarea(attrs={"rows": 4}),
        help_text=_("Your meters' figures, interval by interval, or what your own reckoning gives."),
    )


@desk_read
def events(request: HttpRequest, desk: Desk) -> HttpResponse:
    """List the utility's events, newest first."""
    page = Paginator(events_of(desk.utility), A_PAGE).get_page(request.GET.get("page"))
    return show(request, desk, "events", {"lines": event_lines(page.object_list, now=clock.now()), "page": page})


@desk_read
def events_file(request: HttpRequest, desk: Desk, form: str) -> HttpResponse:
    """Hand out the events of a program, or of all of them, as CSV or JSON."""
    rows = events_of(desk.utility)
    program = request.GET.get("program", "")
    if "\x00" in program:
        raise Http404("no such program")
    if program:
        rows = rows.filter(terms__program__slug=program)
    lines = event_lines(rows[:MOST_ROWS], now=clock.now())
    return as_file(form, f"events-{desk.utility.slug}", sheets.EVENT_COLUMNS, [sheets.event_row(one) for one in lines])


@desk_read
def event(request: HttpRequest, desk: Desk, event: UUID) -> HttpResponse:
    """Show one event: what was asked, who took part, what was delivered and how that is known."""
    line = line_of(desk, event)
    if request.GET.get("part") == "progress":
        context = progress_context(desk, line)
        return show(request, desk, "_progress", context) if context["progress"] else HttpResponse(status=204)
    return show(request, desk, "event", {**context_of(desk, line), **progress_context(desk, line)})


def progress_context(desk: Desk, line: EventLine) -> dict[str, Any]:
    """Return what the part of the page shows that follows a running event; nothing of a small group."""
    found = None if line.is_small else progress_of(line.event)
    context = {"line": line, "event": line.event, "progress": found, "live_seconds": LIVE if clock.rate() == 1 else 5}
    if found is None:
        return context
    chart = found.chart(zone=desk.utility.time_zone, locale=locale_for(desk.person.country))
    return {**context, "look": found.newest, "progress_chart": chart}


def context_of(desk: Desk, line: EventLine) -> dict[str, Any]:
    """Return what the event's page shows."""
    cars, intervals = car_rows(line), interval_rows(line)
    group = line.group
    is_open = group is not None and group.review == GroupSettlement.Review.OPEN
    return {
        "line": line,
        "event": line.event,
        "program": line.event.terms.program,
        "group": group,
        "intervals": intervals,
        "chart_data": chart_of(desk, intervals) if intervals else None,
        "cars": cars[:SHOWN_CARS],
        "more_cars": max(0, len(cars) - SHOWN_CARS),
        "stragglers": sum(car.is_straggler for car in cars),
        "grades": [(Settlement.Grade(grade).label, count) for grade, count in grades(cars).items()],
        "draw": None if line.is_small else getattr(line.event, "control_draw", None),
        "disputes": Dispute.objects.filter(group__event=line.event).order_by("-raised_at"),
        "can_review": desk.can_review and is_open,
        "can_object": desk.can_review and is_open and group is not None and clock.now() < group.objection_ends_at,
        "form": ObjectionForm(),
    }


def chart_of(desk: Desk, rows: list[IntervalRow]) -> dict[str, Any]:
    """Return what `components/settlement_chart.html` draws of the whole group."""
    return {
        "startsAt": rows[0].starts_at.isoformat(),
        "slotMinutes": SLOT_MINUTES,
        "baseline": [None if row.baseline_w is None else row.baseline_w / WATTS_PER_KW for row in rows],
        "net": [None if row.net_w is None else row.net_w / WATTS_PER_KW for row in rows],
        "zone": desk.utility.time_zone,
        "locale": locale_for(desk.person.country),
    }


def line_of(desk: Desk, event_id: UUID) -> EventLine:
    """Return one of the utility's events; another's does not exist."""
    rows = events_of(desk.utility).select_related("terms__program__utility", "control_draw")
    found = get_object_or_404(rows, public_id=event_id)
    return event_lines([found], now=clock.now())[0]


@desk_read
def event_evidence(request: HttpRequest, desk: Desk, event: UUID) -> HttpResponse:
    """Hand out everything the event's result rests on, as JSON."""
    del request
    line = line_of(desk, event)
    answer = JsonResponse(sheets.event_evidence(line), json_dumps_params={"indent": 1})
    answer["Content-Disposition"] = f'attachment; filename="event-{line.event.public_id}.json"'
    return answer


@desk_read
def event_file(request: HttpRequest, desk: Desk, event: UUID, what: str) -> HttpResponse:
    """Hand out an event's quarter hours, its cars or the looks at it while it ran, as CSV."""
    del request
    line = line_of(desk, event)
    if what not in FILES:
        raise Http404("no such file")
    columns, rows = FILES[what]
    return as_file("csv", f"event-{line.event.public_id}-{what}", columns, rows(line))


def as_file(form: str, name: str, columns: tuple[str, ...], rows: list[dict[str, Any]]) -> HttpResponse:
    """Return rows as a file of the form asked for: csv or json; any other does not exist."""
    if form == "json":
        body = {"schema": sheets.SCHEMA, "rows": [sheets.plain(row) for row in rows]}
        answer: HttpResponse = JsonResponse(body, json_dumps_params={"indent": 1})
    elif form == "csv":
        answer = HttpResponse(sheets.as_csv(columns, rows), content_type="text/csv; charset=utf-8")
    else:
        raise Http404("no such form")
    answer["Content-Disposition"] = f'attachment; filename="{name}.{form}"'
    return answer


def group_of(desk: Desk, event_id: UUID) -> GroupSettlement:
    """Return the newest result of one of the utility's events."""
    line = line_of(desk, event_id)
    if line.group is None:
        raise Http404("no result")
    return line.group


def check_seen(request: HttpRequest, group: GroupSettlement) -> None:
    """Refuse a word on a result that was worked out anew since its page was shown: nobody has looked at that one."""
    if request.GET.get("revision", str(group.revision)) != str(group.revision):
        raise reviewing.UnableToReview(gettext("The result was corrected in the meantime."), code="corrected_meanwhile")


@desk_action
def approve(request: HttpRequest, desk: Desk, event: UUID) -> HttpResponse:
    """Let the result stand."""
    group = group_of(desk, event)
    with refusals_as_messages(request, success=gettext("Approved. The owners' credits are paid now.")):
        check_seen(request, group)
        reviewing.approve_group(group=group, reviewed_by=desk.person, now=clock.now())
    return redirect("desk_event", desk.utility.slug, event)


@desk_action
def dispute(request: HttpRequest, desk: Desk, event: UUID) -> HttpResponse:
    """Object to the result."""
    group = group_of(desk, event)
    form = ObjectionForm(request.POST)
    if not form.is_valid():
        context = {**context_of(desk, line_of(desk, event)), "form": form}
        return show(request, desk, "event", context, status=422)
    done = gettext("Your objection is with us. Nothing is paid for this event until it is resolved.")
    with refusals_as_messages(request, success=done):
        check_seen(request, group)
        reviewing.object_to_group(group=group, raised_by=desk.person, now=clock.now(), **form.cleaned_data)
    return redirect("desk_event", desk.utility.slug, event)
