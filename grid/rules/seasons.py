"""The months in which a program asks, and the seasons and days by which it counts, on the utility's clock; pure."""

from collections.abc import Collection
from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

from foundation.windows import Span

MONTHS = range(1, 13)


def parse_months(record: object) -> list[int]:
    """Return the months of a season (1 to 12, none twice), in order; raises ValueError for anything else."""
    if not isinstance(record, list) or not all(type(month) is int and month in MONTHS for month in record):
        raise ValueError("months are a list of numbers from 1 to 12")
    if len(set(record)) != len(record):
        raise ValueError("a month is there twice")
    return sorted(record)


def is_in_season(months: Collection[int], span: Span, *, zone: ZoneInfo) -> bool:
    """Say whether the span begins and ends in the months; where there are none, the whole year is right."""
    last = span.ends_at - timedelta(microseconds=1)
    return not months or all(at.astimezone(zone).month in months for at in (span.starts_at, last))


def season_of(at: datetime, months: Collection[int], *, zone: ZoneInfo) -> Span:
    """Return the season around `at`: the run of months without a gap, over the new year too; else the calendar year."""
    local = at.astimezone(zone).date()
    wanted = set(months)
    if local.month not in wanted or len(wanted) == len(MONTHS):
        return _between(date(local.year, 1, 1), date(local.year + 1, 1, 1), zone)
    first = local.replace(day=1)
    while _month_before(first).month in wanted:
        first = _month_before(first)
    after = _month_after(local)
    while after.month in wanted:
        after = _month_after(after)
    return _between(first, after, zone)


def month_of(at: datetime, *, zone: ZoneInfo) -> Span:
    """Return the local month around `at`."""
    first = at.astimezone(zone).date().replace(day=1)
    return _between(first, _month_after(first), zone)


def day_of(at: datetime, *, zone: ZoneInfo) -> Span:
    """Return the local day around `at`, of 23, 24 or 25 hours."""
    local = at.astimezone(zone).date()
    return _between(local, local + timedelta(days=1), zone)


def _between(first: date, after: date, zone: ZoneInfo) -> Span:
    starts_at, ends_at = (datetime(day.year, day.month, day.day, tzinfo=zone).astimezone(UTC) for day in (first, after))
    return Span(starts_at, ends_at)


def _month_before(day: date) -> date:
    return (day.replace(day=1) - timedelta(days=1)).replace(day=1)


def _month_after(day: date) -> date:
    return (day.replace(day=28) + timedelta(days=4)).replace(day=1)
