"""Reading JSON bodies of the control API; every fault becomes a 400 that says what is wrong."""

import json
from collections.abc import Callable
from datetime import UTC, datetime
from functools import wraps
from typing import Any, ParamSpec

from django.http import HttpRequest, HttpResponseBase, JsonResponse


class BadBody(ValueError):
    """The body is not what this address takes; the message says why."""


def read_object(request: HttpRequest) -> dict[str, Any]:
    """Return the body's JSON object; raises BadBody where it is none."""
    try:
        body = json.loads(request.body or b"{}")
    except ValueError as error:
        raise BadBody("the body is not JSON") from error
    if not isinstance(body, dict):
        raise BadBody("the body is not a JSON object")
    return body


def read_instant(body: dict[str, Any], name: str, default: datetime | None = None) -> datetime:
    """Return the aware UTC instant that stands under `name` in ISO form; raises BadBody."""
    value = body.get(name)
    if value is None and default is not None:
        return default
    if not isinstance(value, str):
        raise BadBody(f"{name} must be an ISO instant")
    try:
        instant = datetime.fromisoformat(value)
    except ValueError as error:
        raise BadBody(f"{name} is not an ISO instant") from error
    if instant.tzinfo is None:
        raise BadBody(f"{name} needs a zone")
    return instant.astimezone(UTC)


def read_number(body: dict[str, Any], name: str, *, least: float, most: float, default: float | None = None) -> float:
    """Return the number that stands under `name`, within `least`..`most`; raises BadBody."""
    value = body.get(name, default)
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise BadBody(f"{name} must be a number")
    if not least <= value <= most:
        raise BadBody(f"{name} must lie within {least:g} and {most:g}")
    return float(value)


def read_flag(body: dict[str, Any], name: str) -> bool:
    """Return the true or false that stands under `name`; raises BadBody."""
    value = body.get(name)
    if not isinstance(value, bool):
        raise BadBody(f"{name} must be true or false")
    return value


P = ParamSpec("P")


def refuse_bad_bodies(view: Callable[P, HttpResponseBase]) -> Callable[P, HttpResponseBase]:
    """Turn a BadBody that `view` raises into a 400."""

    @wraps(view)
    def guarded(*args: P.args, **kwargs: P.kwargs) -> HttpResponseBase:
        try:
            return view(*args, **kwargs)
        except BadBody as error:
            return JsonResponse({"error": str(error)}, status=400)

    return guarded
