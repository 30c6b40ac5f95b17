"""What every source of prices or carbon gives: points over half-open intervals, in millionths of a unit.

Adapters know neither Django nor models: they receive an HTTP session (timeouts and size limits are its), an address,
credentials and the time. Whatever a source sends is untrusted: what cannot be read is refused by name, never guessed.
"""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal, InvalidOperation
from typing import Any, Protocol

import requests

from foundation.http import AnswerUnreadable, read_json

MICROS = 1_000_000
MAX_POINTS = 20_000


class FeedError(Exception):
    """The source gave nothing that can be used; `code` is short and stable."""

    code = "failed"


class FeedUnavailable(FeedError):
    """The source cannot be reached or is failing; trying again later helps."""

    code = "unavailable"


class FeedBusy(FeedError):
    """The source asks us to wait; `retry_after_seconds` where it says how long."""

    code = "busy"

    def __init__(self, message: str, *, retry_after_seconds: float | None = None) -> None:
        super().__init__(message)
        self.retry_after_seconds = retry_after_seconds


class FeedRefused(FeedError):
    """The source does not accept our credentials; a person must look."""

    code = "credentials refused"


class FeedUnreadable(FeedError):
    """The source answered something that is not what it documents."""

    code = "unreadable answer"


@dataclass(frozen=True)
class Point:
    """One value over `[starts_at, ends_at)`, in millionths of `unit`; instants are aware UTC."""

    starts_at: datetime
    ends_at: datetime
    value_micros: int
    unit: str
    issued_at: datetime


class FeedSource(Protocol):
    """A source of one kind of series."""

    unit: str

    def fetch(self, *, zone: str, starts_at: datetime, ends_at: datetime, now: datetime) -> list[Point]:
        """Return the points known at `now` that overlap `[starts_at, ends_at)`, in order; [] where none are out yet.

        Raises FeedError.
        """
        ...

    def window(self, now: datetime) -> tuple[datetime, datetime]:
        """Return the stretch of time that is worth fetching at `now`: late corrections behind, what is out ahead."""
        ...

    def expected_until(self, now: datetime) -> datetime:
        """Return up to when values should be out at `now`; what is missing before it is a gap."""
        ...

    def next_fetch_at(self, now: datetime) -> datetime:
        """Return when to ask again after an answer at `now`."""
        ...


def get_json(session: requests.Session, url: str, **options: Any) -> Any:
    """Return the JSON answer of one GET; raises FeedError by what went wrong."""
    try:
        reply = session.get(url, **options)
    except requests.RequestException as error:
        raise FeedUnavailable(f"no answer: {type(error).__name__}") from error
    check_status(reply)
    try:
        return read_json(reply)
    except AnswerUnreadable as error:
        raise FeedUnreadable(str(error)) from error


def check_status(reply: requests.Response) -> None:
    """Raise the FeedError that belongs to the answer's status, none for 200."""
    status = reply.status_code
    if status == requests.codes.ok:
        return
    if status == requests.codes.too_many_requests:
        raise FeedBusy("HTTP 429", retry_after_seconds=_retry_after(reply))
    if status in {requests.codes.unauthorized, requests.codes.forbidden}:
        raise FeedRefused(f"HTTP {status}")
    if status >= requests.codes.internal_server_error:
        raise FeedUnavailable(f"HTTP {status}")
    raise FeedUnreadable(f"HTTP {status}")


def _retry_after(reply: requests.Response) -> float | None:
    text = reply.headers.get("Retry-After", "")
    return float(text) if text.isascii() and text.isdigit() and len(text) <= 6 else None


def as_instant(value: object) -> datetime:
    """Return an ISO 8601 time with a zone as aware UTC; raises FeedUnreadable."""
    try:
        at = datetime.fromisoformat(value) if isinstance(value, str) else None
    except ValueError as error:
        raise FeedUnreadable("a time is not readable") from error
    if at is None or at.tzinfo is None:
        raise FeedUnreadable("a time is missing or has no zone")
    return at.astimezone(UTC)


def as_number(value: object, *, lowest: Decimal, highest: Decimal) -> Decimal:
    """Return a JSON number (or a number in a string) as an exact decimal; raises FeedUnreadable beyond the limits."""
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        raise FeedUnreadable("a value is not a number")
    try:
        number = Decimal(str(value))
    except InvalidOperation as error:
        raise FeedUnreadable("a value is not a number") from error
    if not number.is_finite() or not lowest <= number <= highest:
        raise FeedUnreadable("a value is beyond all reason")
    return number


def as_micros(number: Decimal) -> int:
    """Return the number in millionths, rounded half to even once."""
    return int((number * MICROS).to_integral_value())


def one_per_start(points: list[Point]) -> list[Point]:
    """Return the points in order, the last one said for each start; raises FeedUnreadable for far too many."""
    if len(points) > MAX_POINTS:
        raise FeedUnreadable(f"more than {MAX_POINTS} values")
    return sorted({point.starts_at: point for point in points}.values(), key=lambda point: point.starts_at)


def holes(points: list[Point], *, starts_at: datetime, ends_at: datetime) -> list[tuple[datetime, datetime]]:
    """Return the stretches of `[starts_at, ends_at)` that no point covers, in order."""
    missing, known_until = [], starts_at
    for point in sorted(points, key=lambda point: point.starts_at):
        if point.starts_at > known_until:
            missing.append((known_until, min(point.starts_at, ends_at)))
        known_until = max(known_until, point.ends_at)
        if known_until >= ends_at:
            break
    if known_until < ends_at:
        missing.append((known_until, ends_at))
    return missing


HOUR = timedelta(hours=1)
