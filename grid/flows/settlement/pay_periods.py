"""The months and seasons that a version of pay terms pays for, once they are over, on the utility's clock."""

from collections.abc import Mapping
from datetime import UTC, date, datetime, timedelta
from typing import Any, NamedTuple
from zoneinfo import ZoneInfo

from rewards.models import PayTerms

# By then every event of a month is settled, with readings or without them.
SETTLED_AFTER = timedelta(days=2)
DECEMBER = 12
MONTHS_BACK = 3  # what an outage delayed is paid afterwards
DAY = timedelta(days=1)
Form = Mapping[str, Any]


class Period(NamedTuple):
    """A stretch that is paid for: its first day, and `[begins_at, ends_at)`."""

    first: date
    begins_at: datetime
    ends_at: datetime


def local_day(at: datetime, terms: PayTerms) -> date:
    """Return the day on the utility's clock."""
    return at.astimezone(ZoneInfo(terms.time_zone)).date()


def finished_months(terms: PayTerms, form: Form, now: datetime) -> list[Period]:
    """Return the last finished months of the form's `months` that these terms pay for, as `_pays_for` says."""
    return [period for period in _last_months(terms, form, now) if _pays_for(terms, period)]


def finished_parts(terms: PayTerms, form: Form, now: datetime) -> list[Period]:
    """Return the parts of the same months in which these terms hold: what is paid by the kWh goes by the hour."""
    parts = []
    for month in _last_months(terms, form, now):
        begins_at = max(month.begins_at, terms.valid_from_at)
        ends_at = min(month.ends_at, terms.valid_until_at or month.ends_at)
        first = month.first if begins_at == month.begins_at else local_day(begins_at, terms)
        if begins_at < ends_at:
            parts.append(Period(first, begins_at, ends_at))
    return parts


def finished_season(terms: PayTerms, form: Form, now: datetime) -> Period | None:
    """Return the season (the months without a gap between them) that has ended last, where these terms pay for it."""
    months, after = form["months"], local_day(now, terms).replace(day=1)
    if len(set(months)) == DECEMBER:  # a season of every month is the calendar year
        first, after = after.replace(year=after.year - 1, month=1), after.replace(month=1)
    else:
        for _ in range(12):
            first = (after - DAY).replace(day=1)
            if first.month in months and after.month not in months:
                break
            after = first
        else:
            return None
        while (first - DAY).month in months:
            first = (first - DAY).replace(day=1)
    period = _period(first, after, terms)
    return period if now >= period.ends_at + SETTLED_AFTER and _pays_for(terms, period) else None


def _last_months(terms: PayTerms, form: Form, now: datetime) -> list[Period]:
    first, periods = local_day(now, terms).replace(day=1), list[Period]()
    for _ in range(MONTHS_BACK):
        last, first = first, (first - DAY).replace(day=1)
        period = _period(first, last, terms)
        if first.month in form.get("months", [first.month]) and now >= period.ends_at + SETTLED_AFTER:
            periods.append(period)
    return periods


def _period(first: date, after: date, terms: PayTerms) -> Period:
    zone = ZoneInfo(terms.time_zone)
    begins_at, ends_at = (datetime(day.year, day.month, 1, tzinfo=zone).astimezone(UTC) for day in (first, after))
    return Period(first, begins_at, ends_at)


def _pays_for(terms: PayTerms, period: Period) -> bool:
    """Say whether the terms held when the period began, and they or the program's next versions until its end.

    So a version that comes amid a month or season begins to pay with the next one, and none is lost between two.
    """
    held = terms.valid_from_at <= period.begins_at
    held = held and (terms.valid_until_at is None or terms.valid_until_at > period.begins_at)
    return held and (terms.goes_on_until_at is None or terms.goes_on_until_at >= period.ends_at)
