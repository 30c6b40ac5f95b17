"""What a kWh costs and earns in each slot of time under a tariff; pure, no Django.

Local rules (time of use) are evaluated on the utility's wall clock, so that a night with 23 or 25 hours prices each
slot by what the clock on the wall shows in it.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

KINDS = ("flat", "time_of_use", "market")
EDGE_MINUTES = 15
_CLOCK = re.compile(r"([01]\d|2[0-3]):([0-5]\d)|24:00")


@dataclass(frozen=True)
class Period:
    """One rate over `[starts_minute, ends_minute)` of the local day, on some weekdays (0 = Monday)."""

    weekdays: frozenset[int]
    starts_minute: int
    ends_minute: int
    rate_micros_per_kwh: int

    def covers(self, local: datetime) -> bool:
        """Say whether the local instant falls into the period."""
        minute = local.hour * 60 + local.minute
        return local.weekday() in self.weekdays and self.starts_minute <= minute < self.ends_minute


@dataclass(frozen=True)
class Rates:
    """A tariff as numbers; rates in micro-currency per kWh, AC side."""

    kind: str
    zone: ZoneInfo
    flat_micros_per_kwh: int = 0
    periods: tuple[Period, ...] = ()
    delivery_micros_per_kwh: int = 0
    export_micros_per_kwh: int = 0

    def __post_init__(self) -> None:
        if self.kind not in KINDS:
            raise ValueError(f"A tariff of kind {self.kind!r} is not known.")


def parse_periods(records: object) -> tuple[Period, ...]:
    """Read a tariff's `periods`, in their order.

    Each is `{"weekdays": [0..6], "from": "HH:MM", "to": "HH:MM", "rate": micros}`, half-open, `to` may be "24:00".
    Edges lie on quarter hours, so that no planning slot straddles two rates; a period over midnight is written as
    two. Raises ValueError that names the period and what is wrong with it.
    """
    if not isinstance(records, list):
        raise ValueError("Periods are a list.")  # noqa: TRY004 - bad data, not a bug in the caller
    return tuple(_parse_period(record, place) for place, record in enumerate(records, start=1))


def _parse_period(record: object, place: int) -> Period:
    if not isinstance(record, Mapping) or set(record) != {"weekdays", "from", "to", "rate"}:
        raise ValueError(f"Period {place} needs exactly weekdays, from, to and rate.")
    weekdays = record["weekdays"]
    if not isinstance(weekdays, list) or not weekdays or not all(map(_is_weekday, weekdays)):
        raise ValueError(f"Period {place}: weekdays are numbers from 0 (Monday) to 6.")
    starts, ends = (_parse_clock(record[key], f"Period {place}: {key}") for key in ("from", "to"))
    if starts >= ends:
        raise ValueError(f"Period {place} ends before it starts; one over midnight is written as two.")
    rate = record["rate"]
    if type(rate) is not int:
        raise ValueError(f"Period {place}: the rate is a whole number of millionths per kWh.")
    return Period(frozenset(weekdays), starts, ends, rate)


def _is_weekday(value: object) -> bool:
    return type(value) is int and 0 <= value <= 6


def _parse_clock(value: object, name: str) -> int:
    if not isinstance(value, str) or not _CLOCK.fullmatch(value):
        raise ValueError(f"{name} is a time from 00:00 to 24:00.")
    minute = int(value[:2]) * 60 + int(value[3:])
    if minute % EDGE_MINUTES:
        raise ValueError(f"{name} lies on a quarter hour.")
    return minute


def rate_at(rates: Rates, at: datetime) -> int:
    """Return what a kWh costs at the instant `at` under a flat or time-of-use tariff, in micro-currency."""
    local = at.astimezone(rates.zone)
    for period in rates.periods:
        if period.covers(local):
            return period.rate_micros_per_kwh
    return rates.flat_micros_per_kwh


def import_prices(
    rates: Rates,
    *,
    starts_at: datetime,
    slot_minutes: int,
    slot_count: int,
    market_micros: Sequence[int | None] = (),
) -> list[int | None]:
    """Return the price of a kWh drawn from the grid in each slot, in micro-currency; None where it is not known.

    `market_micros` is the market's price a slot (needed for market tariffs alone); the delivery charge is added to
    it. Prices may be negative. Raises ValueError where the market series has another length than the slots.
    """
    if rates.kind == "market":
        if len(market_micros) != slot_count:
            raise ValueError(f"{slot_count} market prices are needed, {len(market_micros)} are here.")
        return [None if price is None else price + rates.delivery_micros_per_kwh for price in market_micros]
    if rates.kind == "flat":
        return [rates.flat_micros_per_kwh] * slot_count
    step = timedelta(minutes=slot_minutes)
    return [rate_at(rates, starts_at + step * slot) for slot in range(slot_count)]


def export_prices(rates: Rates, *, slot_count: int) -> list[int]:
    """Return what a kWh delivered to the grid earns in each slot, in micro-currency: one rate, whatever the hour."""
    return [rates.export_micros_per_kwh] * slot_count
