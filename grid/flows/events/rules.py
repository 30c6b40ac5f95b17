"""What a program's terms say of the calendar: months, hours, and how many events and hours a season or day may hold."""

from datetime import datetime, timedelta

from django.db.models import Count, F, QuerySet, Sum

from foundation.refusals import Refusal
from foundation.windows import Span, is_in_windows, parse_windows
from grid.models import GridEvent, ProgramTerms
from grid.rules.seasons import day_of, is_in_season, season_of

MINUTE = timedelta(minutes=1)


class UnableToSaveEvent(Refusal):
    """The event stays as it was, or is not made."""


def check_calendar(
    terms: ProgramTerms, *, starts_at: datetime, ends_at: datetime, ignoring: GridEvent | None = None
) -> None:
    """Refuse an event outside the terms' months or hours, or above their caps; raises UnableToSaveEvent.

    Counted are the program's events that were not cancelled, drafts too, by the utility's clock; `ignoring` is the
    event's own earlier form.
    """
    span, zone = Span(starts_at, ends_at), terms.program.utility.zone
    if not is_in_season(terms.season_months, span, zone=zone):
        months = ", ".join(map(str, terms.season_months))
        raise UnableToSaveEvent(
            f"{terms.program} asks in these months only: {months}.", code="out_of_season", field="starts_at"
        )
    if not is_in_windows(parse_windows(terms.windows), span, zone=zone):
        raise UnableToSaveEvent(
            f"{terms.program} asks at these times only: {windows_text(terms)}.", code="out_of_hours", field="starts_at"
        )
    _check_season(terms, span, season_of(starts_at, terms.season_months, zone=zone), ignoring)
    _check_day(terms, day_of(starts_at, zone=zone), ignoring)


def windows_text(terms: ProgramTerms) -> str:
    """Return the terms' windows for an admin: "Mon-Fri 16:00-21:00"."""
    return "; ".join(f"{_days_text(one['weekdays'])} {one['from']}-{one['to']}" for one in terms.windows)


def _days_text(weekdays: list[int]) -> str:
    names, days = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun"), sorted(weekdays)
    is_run = len(days) > 1 and days == list(range(days[0], days[-1] + 1))
    return f"{names[days[0]]}-{names[days[-1]]}" if is_run else ", ".join(names[day] for day in days)


def _check_season(terms: ProgramTerms, span: Span, season: Span, ignoring: GridEvent | None) -> None:
    if terms.max_events_per_season is None and terms.max_minutes_per_season is None:
        return
    held = _held(terms, season, ignoring).aggregate(events=Count("pk"), time=Sum(F("ends_at") - F("starts_at")))
    if terms.max_events_per_season is not None and held["events"] >= terms.max_events_per_season:
        raise UnableToSaveEvent(
            f"{terms.program} allows {terms.max_events_per_season} events a season; there are {held['events']}.",
            code="too_many_this_season",
            field="starts_at",
        )
    used = (held["time"] or timedelta(0)) / MINUTE
    wanted = (span.ends_at - span.starts_at) / MINUTE
    if terms.max_minutes_per_season is not None and used + wanted > terms.max_minutes_per_season:
        raise UnableToSaveEvent(
            f"{terms.program} allows {terms.max_minutes_per_season} minutes a season; {used:.0f} are used.",
            code="too_long_this_season",
            field="ends_at",
        )


def _check_day(terms: ProgramTerms, day: Span, ignoring: GridEvent | None) -> None:
    if terms.max_events_per_day is None:
        return
    held = _held(terms, day, ignoring).count()
    if held >= terms.max_events_per_day:
        raise UnableToSaveEvent(
            f"{terms.program} allows {terms.max_events_per_day} events a day; that day has {held}.",
            code="too_many_this_day",
            field="starts_at",
        )


def _held(terms: ProgramTerms, within: Span, ignoring: GridEvent | None) -> QuerySet[GridEvent]:
    rows = GridEvent.objects.filter(
        terms__program=terms.program_id, starts_at__gte=within.starts_at, starts_at__lt=within.ends_at
    ).exclude(state=GridEvent.State.CANCELLED)
    return (rows.exclude(pk=ignoring.pk) if ignoring else rows).order_by()
