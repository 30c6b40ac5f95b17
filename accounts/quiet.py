"""Quiet hours and the digest's hour, by the owner's own clock. Pure: no Django, no clock.

A local time that a spring night skips is read with the offset before the gap (02:30 becomes 03:30), one that an
autumn night repeats means its first pass (RFC 5545 section 3.3.5), as departures are read too.
"""

from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

DAY = timedelta(days=1)


def quiet_ends_at(at: datetime, *, zone: ZoneInfo, starts: time, ends: time) -> datetime | None:
    """Return the end of the quiet hours that `at` falls into, in UTC, or None where it falls into none.

    `starts` and `ends` are local times; quiet hours run over midnight where `ends` is not after `starts`. A night of
    a clock change is an hour longer or shorter, its ends stay where the owner's clock shows them.
    """
    today = at.astimezone(zone).date()
    for day in (today - DAY, today):
        begins_at = _instant(day, starts, zone)
        over_at = _instant(day if ends > starts else day + DAY, ends, zone)
        if begins_at <= at < over_at:
            return over_at
    return None


def next_local(at: datetime, *, zone: ZoneInfo, local: time) -> datetime:
    """Return the next instant after `at`, in UTC, at which the owner's clock shows `local`."""
    today = at.astimezone(zone).date()
    coming = (_instant(today + days * DAY, local, zone) for days in range(-1, 3))  # a skipped 23:30 falls a day later
    return next(instant for instant in coming if instant > at)


def _instant(day: date, local: time, zone: ZoneInfo) -> datetime:
    return datetime.combine(day, local.replace(fold=0, tzinfo=None), tzinfo=zone).astimezone(UTC)
