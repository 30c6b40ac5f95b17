"""One HTTP call to an automaker, with its outcome put into the contract's words."""

from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from typing import Any

import requests
from urllib3.exceptions import MaxRetryError, NewConnectionError

from foundation.http import AnswerUnreadable, read_json
from vehicles.automakers.answers import number, pick, text
from vehicles.automakers.base import Clock
from vehicles.automakers.errors import (
    AutomakerError,
    CommandTimeout,
    NotPluggedIn,
    NotSupported,
    RateLimited,
    Rejected,
    ScopeMissing,
    TokenRejected,
    Unreachable,
    UpstreamDown,
    VehicleGone,
)

LONGEST_WAIT_SECONDS = 86_400
USUAL_WAIT_SECONDS = 60


def ask(
    session: requests.Session,
    method: str,
    url: str,
    *,
    headers: Mapping[str, str],
    clock: Clock,
    body: Mapping[str, Any] | None = None,
    is_command: bool = False,
    meaning: Callable[[requests.Response], AutomakerError | None] = lambda _reply: None,
) -> Any:
    """Make one call and return its JSON; raises an AutomakerError for anything but success.

    For a command, whatever may have reached the maker without a clear answer is CommandTimeout; for a question it is
    UpstreamDown. `meaning` reads a maker's own error codes; where it returns None the HTTP status counts. Causes are
    cut off on purpose: their texts quote URLs with car numbers in them.
    """
    try:
        reply = session.request(method, url, headers=dict(headers), json=body)
    except requests.exceptions.RequestException as error:
        unclear = is_command and not was_never_sent(error)
        raise (CommandTimeout if unclear else UpstreamDown)(type(error).__name__) from None
    if not reply.ok or reply.is_redirect:
        raise meaning(reply) or refusal(reply, clock=clock, is_command=is_command)
    if reply.status_code == 204:
        return {}
    try:
        return read_json(reply)
    except AnswerUnreadable:
        raise (CommandTimeout if is_command else UpstreamDown)("unreadable answer") from None


def was_never_sent(error: requests.exceptions.RequestException) -> bool:
    """Say whether the request surely never left: no connection came about."""
    if isinstance(error, requests.exceptions.ConnectTimeout):
        return True
    cause = error.args[0] if error.args else None
    return isinstance(cause, MaxRetryError) and isinstance(cause.reason, NewConnectionError)


def refusal(reply: requests.Response, *, clock: Clock, is_command: bool) -> AutomakerError:
    """Return the error that a failed answer means, by its HTTP status."""
    status = reply.status_code
    if status == 429:
        return RateLimited("HTTP 429", retry_at=wait_until(reply, clock=clock))
    if status == 409:
        return _conflict(reply)
    plain: dict[int, AutomakerError] = {
        401: TokenRejected("HTTP 401"),
        403: ScopeMissing("HTTP 403"),
        404: VehicleGone("HTTP 404"),
        408: Unreachable("HTTP 408", is_asleep=True),
        501: NotSupported("HTTP 501"),
    }
    if status in plain:
        return plain[status]
    if is_command and 400 <= status < 500:
        return Rejected(f"HTTP {status}")
    if is_command:
        return CommandTimeout(f"HTTP {status}")
    return UpstreamDown(f"HTTP {status}", retry_at=wait_until(reply, clock=clock) if status == 503 else None)


def _conflict(reply: requests.Response) -> AutomakerError:
    try:
        body = read_json(reply)
    except AnswerUnreadable:
        return Rejected("HTTP 409")
    words = " ".join(text(value) for value in (pick(body, "error"), pick(body, "error", "title"), pick(body, "reason")))
    return NotPluggedIn("HTTP 409") if "plug" in words.lower() else Rejected("HTTP 409")


def wait_until(reply: requests.Response, *, clock: Clock) -> datetime:
    """Return the wall time until which the server asks to wait (Retry-After in seconds or as a date), within a day."""
    wall = clock.wall()
    asked = reply.headers.get("Retry-After", "")
    seconds = number(asked, low=0, high=LONGEST_WAIT_SECONDS)
    if seconds is None:
        try:
            until = parsedate_to_datetime(asked)
        except ValueError:
            return wall + timedelta(seconds=USUAL_WAIT_SECONDS)
        until = until.replace(tzinfo=UTC) if until.tzinfo is None else until
        return min(max(until, wall), wall + timedelta(seconds=LONGEST_WAIT_SECONDS))
    return wall + timedelta(seconds=seconds)
