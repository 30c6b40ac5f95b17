"""Programs at the desk: the terms, who takes part, and what the season's caps leave."""

from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from django.conf import settings
from django.db.models import Count, Q
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404

from foundation import clock
from grid.flows.desk.events import event_lines, events_of, programs_of
from grid.models import GridEvent, Program, ProgramTerms
from grid.views.desk.doors import Desk, desk_read, show

SHOWN = 10
MINUTE = timedelta(minutes=1)


@desk_read
def programs(request: HttpRequest, desk: Desk) -> HttpResponse:
    """List the utility's programs with how many cars take part."""
    enrolled = Count("enrollments", filter=Q(enrollments__ended_at__isnull=True))
    rows = [
        {"program": program, "cars": program.cars, "is_small": program.cars < settings.UTILITY_SMALLEST_GROUP}
        for program in programs_of(desk.utility).annotate(cars=enrolled)
    ]
    return show(request, desk, "programs", {"rows": rows, "smallest": settings.UTILITY_SMALLEST_GROUP})


@desk_read
def program(request: HttpRequest, desk: Desk, program: UUID) -> HttpResponse:
    """Show one program: its terms by version, what is used of its caps this season, and its newest events."""
    found = get_object_or_404(programs_of(desk.utility), public_id=program)
    now = clock.now()
    cars = found.enrollments.filter(ended_at__isnull=True).count()
    terms = ProgramTerms.in_force(program=found, at=now)
    newest = events_of(desk.utility).filter(terms__program=found)[:SHOWN]
    context = {
        "program": found,
        "cars": cars,
        "is_small": cars < settings.UTILITY_SMALLEST_GROUP,
        "smallest": settings.UTILITY_SMALLEST_GROUP,
        "terms": terms,
        "kinds": [GridEvent.Kind(kind).label for kind in terms.kinds] if terms else [],
        "versions": found.terms.order_by("-version"),
        "used": used_this_season(found, terms, now) if terms else None,
        "lines": event_lines(newest, now=now),
    }
    return show(request, desk, "program", context)


def used_this_season(program: Program, terms: ProgramTerms, now: datetime) -> dict[str, Any]:
    """Return how many events and minutes were asked for since the season's first month, in the utility's time."""
    begins_at = season_begins_at(terms, now.astimezone(program.utility.zone))
    asked = GridEvent.objects.filter(terms__program=program, starts_at__gte=begins_at).exclude(
        state__in=[GridEvent.State.CANCELLED, GridEvent.State.DRAFT]
    )
    spans = asked.values_list("starts_at", "ends_at")
    return {
        "since": begins_at,
        "events": len(spans),
        "minutes": int(sum((ends_at - starts_at for starts_at, ends_at in spans), timedelta()) / MINUTE),
        "most_events": terms.max_events_per_season,
        "most_minutes": terms.max_minutes_per_season,
    }


def season_begins_at(terms: ProgramTerms, local: datetime) -> datetime:
    """Return the first instant of the season under way, or of the last one; without a season the year's."""
    months = set(terms.season_months) or set(range(1, 13))
    first = local.replace(day=1, hour=0, minute=0, second=0, microsecond=0)
    if len(months) == 12:
        return first.replace(month=1)
    while first.month not in months:
        first = (first - timedelta(days=1)).replace(day=1)
    while (before := (first - timedelta(days=1)).replace(day=1)).month in months:
        first = before
    return first
