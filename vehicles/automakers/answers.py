"""Reading untrusted answers: every value is checked for type and range, and what fails becomes None, never a guess."""

import math
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any, TypeVar

from vehicles.automakers.base import Observed, VehicleRef
from vehicles.automakers.errors import UpstreamDown

T = TypeVar("T")

# A car's clock and ours differ a little; more than this is a broken clock, whose readings would block all later ones.
MOST_AHEAD = timedelta(minutes=10)
EARLIEST = datetime(2015, 1, 1, tzinfo=UTC)


def pick(record: Any, *path: str) -> Any:
    """Return the value at `path` inside nested objects, or None where any step is missing or no object."""
    for key in path:
        if not isinstance(record, Mapping):
            return None
        record = record.get(key)
    return record


def rows(record: Any, key: str, *, limit: int = 500) -> list[Mapping[str, Any]]:
    """Return the objects of the list at `key`, at most `limit`; anything else in it is left out."""
    found = pick(record, key)
    return [item for item in found[:limit] if isinstance(item, Mapping)] if isinstance(found, list) else []


def listed(
    body: Any, key: str, read: Callable[[Mapping[str, Any]], VehicleRef], *, limit: int = 50
) -> list[VehicleRef]:
    """Return the cars (or boxes) of the list at `key` that have an id; raises UpstreamDown where there is no list."""
    if not isinstance(pick(body, key), list):
        raise UpstreamDown(f"an answer without {key}")
    return [ref for row in rows(body, key, limit=limit) if (ref := read(row)).external_id]


def number(value: Any, *, low: float, high: float) -> float | None:
    """Return a finite number within `[low, high]`, also from a string; else None."""
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        return None
    try:
        parsed = float(value)
    except (ValueError, OverflowError):
        return None
    return parsed if math.isfinite(parsed) and low <= parsed <= high else None


def integer(value: Any, *, low: int, high: int) -> int | None:
    """Return a whole number within `[low, high]`, rounded; else None."""
    parsed = number(value, low=low, high=high)
    return None if parsed is None else round(parsed)


def boolean(value: Any) -> bool | None:
    """Return a truth value, also from "true" and "false"; else None."""
    if isinstance(value, bool):
        return value
    if isinstance(value, str):
        return {"true": True, "false": False}.get(value.strip().lower())
    return None


def text(value: Any, *, limit: int = 60) -> str:
    """Return a printable text of at most `limit` characters; "" for anything else."""
    if isinstance(value, int) and not isinstance(value, bool):
        value = str(value)
    if not isinstance(value, str):
        return ""
    return "".join(letter for letter in value if letter.isprintable()).strip()[:limit]


def vin(value: Any) -> str:
    """Return a vehicle identification number in upper case (17 letters and digits without I, O, Q); else ""."""
    found = text(value, limit=40).upper()
    is_vin = len(found) == 17 and found.isascii() and found.isalnum() and not set(found) & set("IOQ")
    return found if is_vin else ""


def instant(value: Any, *, now: datetime, pattern: str = "") -> datetime | None:
    """Return an aware UTC instant from ISO 8601 or `pattern`; without a zone it is UTC. None if absurd or ahead."""
    if not isinstance(value, str) or len(value) > 40:
        return None
    try:
        parsed = datetime.strptime(value, pattern) if pattern else datetime.fromisoformat(value)  # noqa: DTZ007
        parsed = parsed.replace(tzinfo=UTC) if parsed.tzinfo is None else parsed.astimezone(UTC)
    except (ValueError, OverflowError):
        return None
    return parsed if EARLIEST <= parsed <= now + MOST_AHEAD else None


def observed(value: T | None, *, observed_at: datetime | None, fetched_at: datetime) -> Observed[T] | None:
    """Return the value with its times, or None where value or time is missing: what has no time cannot be ordered."""
    if value is None or observed_at is None:
        return None
    return Observed(value, observed_at=observed_at, fetched_at=fetched_at)
