"""WattTime's API v3: a sign-in, the forecast and the history of marginal carbon (`co2_moer`, lbs CO2/MWh).

Modelled on https://docs.watttime.org/. The forecast is what really happened later: a perfect one.
"""

import base64
import binascii
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from functools import wraps
from typing import Any

from django.conf import settings
from django.core.signing import BadSignature, TimestampSigner
from django.http import HttpRequest, HttpResponseBase, JsonResponse
from django.views.decorators.http import require_GET

from sandbox.feeds import series
from sandbox.feeds.models import Fault
from sandbox.world import clock

TOKEN_SECONDS = 30 * 60
MAX_HORIZON_HOURS = 72
MAX_HISTORY = timedelta(days=32)
_signer = TimestampSigner(salt="watttime-token")

Answer = Callable[[HttpRequest, str, datetime, dict[str, Fault]], HttpResponseBase]


@require_GET
def login(request: HttpRequest) -> HttpResponseBase:
    """Answer a token of 30 real minutes for a basic sign-in."""
    broken = _broken(Fault.in_force(Fault.Feed.WATTTIME, now=clock.now()))
    if broken is not None:
        return broken
    name, password = _basic(request)
    wanted = getattr(settings, "WATTTIME_USERNAME", ""), getattr(settings, "WATTTIME_PASSWORD", "")
    if not name or not password or (any(wanted) and (name, password) != wanted):
        return _error(401, "Unauthorized", "Check that your username and password are correct")
    return JsonResponse({"token": _signer.sign(name)})


def _with_token(answer: Answer) -> Callable[[HttpRequest], HttpResponseBase]:
    """Let `answer` see the call only with a live token, a known region and signal, and no fault in the way."""

    @wraps(answer)
    def guarded(request: HttpRequest) -> HttpResponseBase:
        now = clock.now()
        faults = Fault.in_force(Fault.Feed.WATTTIME, now=now)
        broken = _broken(faults)
        if broken is not None:
            return broken
        if Fault.Kind.UNAUTHORIZED in faults or not _has_token(request):
            return _error(401, "Unauthorized", "Invalid or expired token")
        region = request.GET.get("region", "")
        if request.GET.get("signal_type") != "co2_moer":
            return _error(400, "Bad Request", "signal_type must be co2_moer")
        if region not in series.MOER_REGIONS:
            return _error(404, "Not Found", f"region {region[:40]!r} is not known")
        return answer(request, region, now, faults)

    return require_GET(guarded)


@_with_token
def forecast(request: HttpRequest, region: str, now: datetime, faults: dict[str, Fault]) -> HttpResponseBase:
    """Answer the five-minute points from the current one on, for `horizon_hours` (24 where not said)."""
    horizon = request.GET.get("horizon_hours", "24")
    if not (horizon.isascii() and horizon.isdecimal() and 0 <= int(horizon) <= MAX_HORIZON_HOURS):
        return _error(400, "Bad Request", f"horizon_hours must be 0 to {MAX_HORIZON_HOURS}")
    silence = faults.get(Fault.Kind.SILENCE)
    generated_at = series.floor_step(min(now, silence.starts_at) if silence else now)
    ends_at = generated_at + max(timedelta(hours=int(horizon)), series.MOER_STEP)
    points = series.marginal_carbon(region, generated_at, ends_at)
    return JsonResponse(
        {"data": _wire(points, faults), "meta": _meta(region, points) | {"generated_at": _iso(generated_at)}}
    )


@_with_token
def historical(request: HttpRequest, region: str, now: datetime, faults: dict[str, Fault]) -> HttpResponseBase:
    """Answer the five-minute points from `start` through `end`, as far as they are past."""
    start, end = _instant(request, "start"), _instant(request, "end")
    if start is None or end is None or end < start:
        return _error(400, "Bad Request", "start and end must be ISO instants in order")
    if end - start > MAX_HISTORY:
        return _error(400, "Bad Request", "start and end may be at most 32 days apart")
    silence = faults.get(Fault.Kind.SILENCE)
    seen_at = min(now, silence.starts_at) if silence else now
    points = series.marginal_carbon(region, start, min(end + timedelta(microseconds=1), seen_at))
    return JsonResponse({"data": _wire(points, faults), "meta": _meta(region, points)})


def unknown(_request: HttpRequest, **_rest: str) -> HttpResponseBase:
    """Answer 404 in WattTime's shape."""
    return _error(404, "Not Found", "The requested URL was not found on the server")


def _broken(faults: dict[str, Fault]) -> HttpResponseBase | None:
    if Fault.Kind.OUTAGE in faults:
        return _error(503, "Service Unavailable", "Try again later")
    if Fault.Kind.RATE_LIMIT in faults:
        reply = _error(429, "Too Many Requests", "API rate limit exceeded")
        reply["Retry-After"] = "1"
        return reply
    return None


def _basic(request: HttpRequest) -> tuple[str, str]:
    scheme, _, value = request.headers.get("Authorization", "").partition(" ")
    if scheme.lower() != "basic":
        return "", ""
    try:
        name, _, password = base64.b64decode(value, validate=True).decode().partition(":")
    except (binascii.Error, UnicodeDecodeError):
        return "", ""
    return name, password


def _has_token(request: HttpRequest) -> bool:
    scheme, _, token = request.headers.get("Authorization", "").partition(" ")
    if scheme.lower() != "bearer":
        return False
    try:
        _signer.unsign(token, max_age=TOKEN_SECONDS)
    except BadSignature:
        return False
    return True


def _instant(request: HttpRequest, name: str) -> datetime | None:
    try:
        # A "+" of an offset that was not percent-encoded arrives as a space.
        instant = datetime.fromisoformat(request.GET.get(name, "").replace(" ", "+"))
    except ValueError:
        return None
    return instant if instant.tzinfo else instant.replace(tzinfo=UTC)


def _wire(points: list[series.CarbonPoint], faults: dict[str, Fault]) -> list[dict[str, Any]]:
    correction = faults.get(Fault.Kind.CORRECTION)
    offset = correction.offset if correction else 0.0
    return [{"point_time": _iso(point.point_time), "value": round(point.lbs_per_mwh + offset, 1)} for point in points]


def _meta(region: str, points: list[series.CarbonPoint]) -> dict[str, Any]:
    return {
        "data_point_period_seconds": 300,
        "region": region,
        "signal_type": "co2_moer",
        "units": "lbs_co2_per_mwh",
        "model": {"date": "2021-05-01"},
        "warnings": [],
        "source_note": _source_note(points),
    }


def _source_note(points: list[series.CarbonPoint]) -> str:
    if not points:
        return "Real Californian marginal emissions of May to August 2021, replayed; no points for this question."
    first, last = series.moer_source_date(points[0].point_time), series.moer_source_date(points[-1].point_time)
    return (
        f"Real Californian marginal emissions of {first} to {last}, replayed at the same local hours "
        "(16 weeks of May to August 2021 repeat)."
    )


def _iso(instant: datetime) -> str:
    return instant.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def _error(status: int, name: str, message: str) -> JsonResponse:
    return JsonResponse({"error": name, "message": message}, status=status)
