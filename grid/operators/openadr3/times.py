"""OpenADR 3's times: ISO 8601 instants and durations, with its two special values, "now" and "for ever"."""

import re
from datetime import UTC, datetime, timedelta

from grid.operators.base import OperatorUnreadable

# The specification's own pattern for durations. A year counts 365 days and a month 30: no event is told in them.
_DURATION = re.compile(
    r"(-?)P(?=\d|T\d)(?:(\d+)Y)?(?:(\d+)M)?(?:(\d+)([DW]))?(?:T(?:(\d+)H)?(?:(\d+)M)?(?:(\d+(?:\.\d+)?)S)?)?"
)
NOW = datetime(1, 1, 1, tzinfo=UTC)  # a start of 0001-01-01 means "when you read this"
FOREVER = timedelta(days=365 * 9999)  # P9999Y
EARLIEST, LATEST = datetime(2000, 1, 1, tzinfo=UTC), datetime(2200, 1, 1, tzinfo=UTC)


def read_duration(value: object) -> timedelta:
    """Return a duration; raises OperatorUnreadable for anything but an ISO 8601 one of at most `FOREVER`."""
    found = _DURATION.fullmatch(value) if isinstance(value, str) and len(value) <= 60 else None
    if found is None:
        raise OperatorUnreadable("a duration is not readable")
    sign, years, months, days, unit, hours, minutes, seconds = found.groups()
    count = int(days or 0) * (7 if unit == "W" else 1) + int(months or 0) * 30 + int(years or 0) * 365
    if count > FOREVER.days or max(int(hours or 0), int(minutes or 0), int(float(seconds or 0))) > 10**9:
        raise OperatorUnreadable("a duration is longer than for ever")
    length = timedelta(days=count, hours=int(hours or 0), minutes=int(minutes or 0), seconds=float(seconds or 0))
    return -length if sign else length


def read_instant(value: object, *, zone_is_optional: bool = False) -> datetime:
    """Return an instant in aware UTC, `NOW` for the special one.

    A time without a zone is refused, except where only the order of changes depends on it (`zone_is_optional`): the
    reference server writes its own stamps so. Raises OperatorUnreadable.
    """
    if not isinstance(value, str) or len(value) > 40:
        raise OperatorUnreadable("a time is no text")
    if value.startswith("0001-01-01"):
        return NOW
    try:
        at = datetime.fromisoformat(value)
    except ValueError as error:
        raise OperatorUnreadable("a time is not readable") from error
    if at.tzinfo is None and not zone_is_optional:
        raise OperatorUnreadable("a time has no zone")
    at = at.replace(tzinfo=UTC) if at.tzinfo is None else at
    try:
        at = at.astimezone(UTC)
    except OverflowError as error:
        raise OperatorUnreadable("a time is beyond all reason") from error
    if not EARLIEST <= at <= LATEST:
        raise OperatorUnreadable("a time is beyond all reason")
    return at


def write_instant(at: datetime) -> str:
    """Return RFC 3339 in UTC, to the second."""
    return at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def write_duration(length: timedelta) -> str:
    """Return an ISO 8601 duration in days, hours, minutes and seconds; raises ValueError for a negative one."""
    if length < timedelta(0):
        raise ValueError("A duration is not negative.")
    hours, rest = divmod(length.seconds, 3600)
    minutes, seconds = divmod(rest, 60)
    parts = [f"{count}{unit}" for count, unit in ((hours, "H"), (minutes, "M"), (seconds, "S")) if count]
    days = f"{length.days}D" if length.days else ""
    return f"P{days}{'T' if parts or not days else ''}{''.join(parts) or ('' if days else '0S')}"
