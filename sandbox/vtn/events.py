"""The utility's own events: how its page words them in OpenADR 3, and when one is over. Pure."""

import re
from datetime import UTC, datetime, timedelta
from typing import Any

_DURATION = re.compile(r"P(?:(\d+)D)?(?:T(?:(\d+)H)?(?:(\d+)M)?(?:(\d+)S)?)?")
USUAL_REPORT = {"readingType": "DIRECT_READ", "units": "KWH", "aggregate": True}
REPORTS: dict[str, list[dict[str, Any]]] = {
    "the result": [{"payloadType": "USAGE", **USUAL_REPORT}],
    "before, in quarter hours, and the result": [
        {"payloadType": "USAGE", **USUAL_REPORT},
        *(
            {"payloadType": name, "aggregate": True, "historical": False, "startInterval": 0}
            for name in ("USAGE_FORECAST", "LOAD_SHED_DELTA_AVAILABLE")
        ),
        *(
            {
                "payloadType": name,
                "aggregate": True,
                "startInterval": 1,
                "numIntervals": 1,
                "frequency": 1,
                "repeat": -1,
            }
            for name in ("USAGE", "BASELINE", "OPERATING_STATE")
        ),
    ],
    "each car by itself, and the result": [
        {"payloadType": "USAGE", **USUAL_REPORT},
        *({"payloadType": name, "aggregate": False} for name in ("USAGE", "BASELINE", "OPERATING_STATE")),
    ],
}
KINDS = {
    "hold": ("DISPATCH_SETPOINT_RELATIVE", -1),
    "absorb": ("DISPATCH_SETPOINT_RELATIVE", 1),
    "discharge": ("DISPATCH_SETPOINT", -1),
}


def write_duration(length: timedelta) -> str:
    """Return whole minutes as an ISO 8601 duration."""
    return f"PT{round(length.total_seconds() / 60)}M"


def word_event(
    *,
    program_id: str,
    kind: str,
    starts_at: datetime,
    length: timedelta,
    target_kw: float,
    priority: int = 1,
    reports: str = "the result",
    pieces: int = 1,
) -> dict[str, Any]:
    """Return an event of equal intervals that asks the group for `target_kw` (> 0) of the kind; raises KeyError."""
    payload, sign = KINDS[kind]
    return {
        "programID": program_id,
        "eventName": f"{kind} {starts_at:%Y-%m-%d %H:%M}Z",
        "priority": priority,
        "targets": None,
        "intervalPeriod": {
            "start": starts_at.astimezone(UTC).isoformat(timespec="seconds").replace("+00:00", "Z"),
            "duration": write_duration(length / pieces),
            "randomizeStart": "PT0S",
        },
        "payloadDescriptors": [{"objectType": "EVENT_PAYLOAD_DESCRIPTOR", "payloadType": payload, "units": "KW"}],
        "reportDescriptors": REPORTS[reports],
        "intervals": [
            {"id": place, "payloads": [{"type": payload, "values": [sign * target_kw]}]} for place in range(pieces)
        ],
    }


def word_wish(*, program_id: str, starts_at: datetime, days: int) -> dict[str, Any]:
    """Return an event that asks no car for anything: nominations are wanted for so many days."""
    return {
        "programID": program_id,
        "eventName": f"nominations from {starts_at:%Y-%m-%d}",
        "targets": None,
        "intervalPeriod": {
            "start": starts_at.astimezone(UTC).isoformat(timespec="seconds").replace("+00:00", "Z"),
            "duration": f"P{days}D",
        },
        "payloadDescriptors": None,
        "reportDescriptors": [
            {
                "payloadType": name,
                "readingType": "FORECAST",
                "units": "KW",
                "aggregate": True,
                "historical": False,
                "startInterval": 0,
                "reportIntervals": "OPEN_INTERVALS",
            }
            for name in ("LOAD_SHED_DELTA_AVAILABLE", "GENERATION_DELTA_AVAILABLE")
        ],
        "intervals": [{"id": 0, "payloads": []}],
    }


def is_over(body: dict[str, Any], now: datetime) -> bool:
    """Say whether the event has ended; one whose end cannot be told is not over."""
    period = body.get("intervalPeriod") or {}
    length = read_duration(str(period.get("duration", "")))
    try:
        starts_at = datetime.fromisoformat(str(period.get("start", "")))
    except ValueError:
        return False
    if length is None or starts_at.tzinfo is None or body.get("duration"):
        return False
    if any(row.get("intervalPeriod") for row in body.get("intervals") or []):
        return False
    return starts_at + length * max(1, len(body.get("intervals") or [])) <= now


def read_duration(text: str) -> timedelta | None:
    """Return an ISO 8601 duration of days to seconds, None for any other text."""
    found = _DURATION.fullmatch(text)
    if found is None:
        return None
    days, hours, minutes, seconds = (int(part or 0) for part in found.groups())
    return timedelta(days=days, hours=hours, minutes=minutes, seconds=seconds)
