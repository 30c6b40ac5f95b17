"""Values as files write them: rates as strings, instants with a zone, days; and what is wrong with a file."""

from collections.abc import Collection, Mapping
from datetime import date, datetime
from decimal import Decimal, InvalidOperation
from typing import Any

from foundation.refusals import Refusal

MICROS = 1_000_000


class UnableToLoad(Refusal):
    """Nothing of the file was loaded."""


def check_names(record: Mapping[str, Any], known: Collection[str], *, where: str) -> None:
    """Refuse a record with a name that nobody knows: a slip of the keyboard would else be a rule that is not there."""
    unknown = sorted(set(record) - set(known))
    if unknown:
        raise UnableToLoad(
            f"{where} knows no `{unknown[0]}`; it may have: {', '.join(sorted(known))}.", code="unknown_name"
        )


def micros(text: object) -> int:
    """Return a rate in millionths; raises UnableToLoad for anything but a string of at most six decimals."""
    try:
        number = Decimal(text) * MICROS if isinstance(text, str) else Decimal("NaN")
    except InvalidOperation:
        number = Decimal("NaN")
    if not number.is_finite() or number != number.to_integral_value():
        raise UnableToLoad(
            f"{text!r} is no rate: write currency per kWh as a string of at most six decimals.", code="bad_rate"
        )
    return int(number)


def instant(text: str) -> datetime:
    """Return an instant; raises UnableToLoad where it says no time zone."""
    at = datetime.fromisoformat(text)
    if at.tzinfo is None:
        raise UnableToLoad(f"{text} says no time zone.", code="naive_time")
    return at


def day(text: str | None) -> date | None:
    """Return a day, or None."""
    return None if text is None else date.fromisoformat(text)
