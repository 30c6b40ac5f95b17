"""What programs pay besides their rate per kWh, by version, each as long as it holds."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

from foundation.windows import Span, parse_windows, spans_between
from grid.models import ProgramTerms
from grid.rules.combining import BY_HOURS
from rewards.models import PayTerms


def terms_by_now(now: datetime) -> list[PayTerms]:
    """Return all pay terms that have begun, each ending where the program's next version begins."""
    rows = list(PayTerms.objects.filter(valid_from_at__lte=now).order_by("pk"))
    found = ProgramTerms.objects.filter(program__slug__in={one.program for one in rows})
    versions = list(found.values_list("program__slug", "version", "valid_from_at", "valid_until_at"))
    for terms in rows:
        ends = [at for slug, version, at, _ in versions if slug == terms.program and version > terms.version]
        terms.valid_until_at = min([*ends, *([terms.valid_until_at] if terms.valid_until_at else [])], default=None)
        held = [(begins, ends) for slug, _, begins, ends in versions if slug == terms.program]
        terms.goes_on_until_at = _without_a_gap(terms.valid_until_at, held)
    # A version that was replaced before it began pays nothing.
    return [one for one in rows if one.valid_until_at is None or one.valid_from_at < one.valid_until_at]


def _without_a_gap(until: datetime | None, versions: Sequence[tuple[datetime, datetime | None]]) -> datetime | None:
    """Return up to when versions `[begins, ends)` follow each other from `until` on; None = for ever."""
    while until is not None:
        ends = [end for begins, end in versions if begins <= until and (end is None or end > until)]
        if not ends:
            break
        until = None if None in ends else max(end for end in ends if end is not None)
    return until


def hours_paid(terms: PayTerms, span: Span) -> list[Span]:
    """Return when in the span these terms pay for what a car charges, by any of their forms."""
    begins_at = max(span.starts_at, terms.valid_from_at)
    ends_at = min(span.ends_at, terms.valid_until_at or span.ends_at)
    if begins_at >= ends_at:
        return []
    zone = ZoneInfo(terms.time_zone)
    return [
        part
        for form in terms.forms
        if form["form"] in BY_HOURS
        for part in spans_between(parse_windows(form["windows"]), Span(begins_at, ends_at), zone=zone)
        if _pays_in(form, part, zone)
    ]


def _pays_in(form: Mapping[str, Any], part: Span, zone: ZoneInfo) -> bool:
    months: Sequence[int] = form.get("months", ())
    # A window ends by midnight, so that a part lies in one month, but for windows of whole days.
    return not months or part.starts_at.astimezone(zone).month in months
