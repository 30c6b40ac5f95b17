"""ERCOT's public API, one report: NP4-190-CD, day-ahead settlement point prices.

Modelled on https://developer.ercot.com/ ("dam_stlmnt_pnt_prices"); values are arrays in the order of `fields`.
"""

from datetime import date, datetime, timedelta
from typing import Any

from django.conf import settings
from django.http import HttpRequest, HttpResponseBase, JsonResponse
from django.views.decorators.http import require_GET

from sandbox.feeds import series
from sandbox.feeds.models import Fault
from sandbox.world import clock

MAX_SIZE = 50_000
MAX_DAYS = 400
FIELDS = (
    ("deliveryDate", "DATE"),
    ("hourEnding", "VARCHAR"),
    ("settlementPoint", "VARCHAR"),
    ("settlementPointPrice", "DOUBLE"),
    ("DSTFlag", "BOOLEAN"),
)
MISSING_KEY = (
    "Access denied due to missing subscription key. "
    "Make sure to include subscription key when making requests to an API."
)
INVALID_KEY = (
    "Access denied due to invalid subscription key. Make sure to provide a valid key for an active subscription."
)


class BadQuery(ValueError):
    """A parameter that the report does not understand; the message says which."""


@require_GET
def day_ahead_prices(request: HttpRequest) -> HttpResponseBase:
    """Answer one page of the report; the prices of a day appear at 13:30 in Texas on the day before."""
    now = clock.now()
    faults = Fault.in_force(Fault.Feed.ERCOT, now=now)
    refusal = _refusal(request, faults)
    if refusal is not None:
        return refusal
    silence, correction = faults.get(Fault.Kind.SILENCE), faults.get(Fault.Kind.CORRECTION)
    try:
        rows = _rows(
            request,
            seen_at=min(now, silence.starts_at) if silence else now,
            offset=correction.offset if correction else 0.0,
        )
        return JsonResponse(_page(request, rows))
    except BadQuery as error:
        return _error(400, str(error))


def unknown(_request: HttpRequest, **_rest: str) -> HttpResponseBase:
    """Answer 404 as ERCOT's gateway does."""
    return _error(404, "Resource not found")


def _refusal(request: HttpRequest, faults: dict[str, Fault]) -> HttpResponseBase | None:
    if Fault.Kind.OUTAGE in faults:
        return _error(503, "Service Unavailable")
    if Fault.Kind.RATE_LIMIT in faults:
        reply = _error(429, "Rate limit is exceeded. Try again in 30 seconds.")
        reply["Retry-After"] = "30"
        return reply
    key, wanted = request.headers.get("Ocp-Apim-Subscription-Key", ""), getattr(settings, "ERCOT_SUBSCRIPTION_KEY", "")
    if not key:
        return _error(401, MISSING_KEY)
    if Fault.Kind.UNAUTHORIZED in faults or (wanted and key != wanted):
        return _error(401, INVALID_KEY)
    return None


def _rows(request: HttpRequest, *, seen_at: datetime, offset: float) -> list[list[Any]]:
    """Return the report's rows: day by day, point by point, hour by hour, as far as published at `seen_at`."""
    newest = series.published_through(seen_at)
    first, last = _date(request, "deliveryDateFrom", newest), _date(request, "deliveryDateTo", newest)
    if (last - first).days > MAX_DAYS:
        raise BadQuery(f"deliveryDateFrom and deliveryDateTo span more than {MAX_DAYS} days")
    wanted = request.GET.get("settlementPoint")
    points = [point for point in series.settlement_points() if wanted in {None, point}]
    days = [first + timedelta(days=ahead) for ahead in range((min(last, newest) - first).days + 1)]
    return [
        [
            hour.delivery_date.isoformat(),
            hour.hour_ending,
            point,
            round(hour.usd_per_mwh + offset, 2),
            hour.is_repeated,
        ]
        for day in days
        for point in points
        for hour in series.day_ahead_prices(point, day)
    ]


def _page(request: HttpRequest, rows: list[list[Any]]) -> dict[str, Any]:
    page, size = (
        _number(request, "page", default=1, most=1_000_000),
        _number(request, "size", default=1_000, most=MAX_SIZE),
    )
    return {
        "_meta": {
            "totalRecords": len(rows),
            "pageSize": size,
            "totalPages": max(1, -(-len(rows) // size)),
            "currentPage": page,
            "source_note": _source_note(rows),
        },
        "report": {"reportEmilId": "np4-190-cd", "reportName": "DAM Settlement Point Prices"},
        "fields": [{"name": name, "dataType": data_type} for name, data_type in FIELDS],
        "data": rows[(page - 1) * size : page * size],
    }


def _source_note(rows: list[list[Any]]) -> str:
    if not rows:
        return "Real ERCOT day-ahead prices of 2022, replayed; nothing is published for this question."
    first, last = date.fromisoformat(rows[0][0]), date.fromisoformat(rows[-1][0])
    real_first, real_last = series.price_source_date(first), series.price_source_date(last)
    return (
        f"Real ERCOT day-ahead prices of {real_first} to {real_last}, replayed "
        f"{(first - real_first).days // 7} weeks later (the 52 weeks of 2022 repeat)."
    )


def _date(request: HttpRequest, name: str, default: date) -> date:
    try:
        return date.fromisoformat(request.GET.get(name, default.isoformat()))
    except ValueError as error:
        raise BadQuery(f"{name} is not a date (YYYY-MM-DD)") from error


def _number(request: HttpRequest, name: str, *, default: int, most: int) -> int:
    text = request.GET.get(name, str(default))
    if not (text.isascii() and text.isdecimal() and 1 <= int(text) <= most):
        raise BadQuery(f"{name} is not a number from 1 to {most}")
    return int(text)


def _error(status: int, message: str) -> JsonResponse:
    return JsonResponse({"statusCode": status, "message": message}, status=status)
