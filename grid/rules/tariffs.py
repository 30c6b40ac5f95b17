"""What a kWh costs and earns in each slot of time under a tariff; pure, no Django.

Local rules (time of use) are evaluated on the utility's wall clock, so that a night with 23 or 25 hours prices each
slot by what the clock on the wall shows in it. A holiday counts as a Sunday. Where the price steps up with the month's
use, a car pays the step that a household reaches without it (`month_kwh`): the price of its next kWh.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from fractions import Fraction
from math import ceil
from typing import Any
from zoneinfo import ZoneInfo

KINDS = ("flat", "time_of_use", "market")
EDGE_MINUTES = 15
SUNDAY = 6
MONTHS = frozenset(range(1, 13))
MONTH_KWH = (
    900  # what a household in the United States used in a month of 2022 (EIA, Electric Sales, Revenue and Price)
)
MOST_PERIODS, MOST_HOLIDAYS = 1_000, 1_000
PER_MONTH = {"month": Fraction(1), "day": Fraction(365, 12)}
_CLOCK = re.compile(r"([01]\d|2[0-3]):([0-5]\d)|24:00")


@dataclass(frozen=True)
class Period:
    """One rate over `[starts_minute, ends_minute)` of the local day, on some weekdays (0 = Monday) of some months.

    `export_micros_per_kwh` is what energy delivered earns in it, None = the tariff's own export rate.
    """

    weekdays: frozenset[int]
    starts_minute: int
    ends_minute: int
    rate_micros_per_kwh: int
    months: frozenset[int] = MONTHS
    export_micros_per_kwh: int | None = None

    def covers(self, local: datetime, weekday: int) -> bool:
        """Say whether the local instant, on a day that counts as `weekday`, falls into the period."""
        minute = local.hour * 60 + local.minute
        return (
            weekday in self.weekdays and self.starts_minute <= minute < self.ends_minute and local.month in self.months
        )


@dataclass(frozen=True)
class Rates:
    """One version of a tariff as numbers; rates in micro-currency per kWh, AC side.

    It holds on the local days of `[valid_from_date, valid_until_date)`, None = open. `others` are the tariff's other
    versions, which have none themselves.
    """

    kind: str
    zone: ZoneInfo
    flat_micros_per_kwh: int = 0
    periods: tuple[Period, ...] = ()
    delivery_micros_per_kwh: int = 0
    export_micros_per_kwh: int = 0
    holidays: frozenset[date] = frozenset()
    version: int = 1
    valid_from_date: date | None = None
    valid_until_date: date | None = None
    others: tuple["Rates", ...] = ()

    def __post_init__(self) -> None:
        if self.kind not in KINDS:
            raise ValueError(f"A tariff of kind {self.kind!r} is not known.")
        if self.valid_from_date and self.valid_until_date and self.valid_from_date >= self.valid_until_date:
            raise ValueError("A tariff holds for at least one day: it is valid until a day after its first.")

    def holds_on(self, day: date) -> bool:
        """Say whether this version is in force on a local day."""
        begins, ends = self.valid_from_date or date.min, self.valid_until_date or date.max
        return begins <= day < ends

    def version_on(self, day: date) -> "Rates":
        """Return the version in force on a local day; where none is, the one that is nearest in time."""
        versions = (self, *self.others)
        in_force = [one for one in versions if one.holds_on(day)]
        if in_force:
            return max(in_force, key=lambda one: one.version)
        return min(versions, key=lambda one: (one.days_from(day), -one.version))

    def days_from(self, day: date) -> int:
        """Return how many days lie between a day and the version's validity, 0 inside it."""
        begins, ends = self.valid_from_date or date.min, self.valid_until_date or date.max
        return max((begins - day).days, (day - ends).days + 1, 0)


def parse_rates(record: Mapping[str, Any], *, zone: ZoneInfo) -> Rates:
    """Read one version of a tariff, as the catalogue keeps it: rates in micros, dates as ISO text or None.

    Keys: kind, flat, periods, delivery, export, holidays, month_kwh, version, valid_from_date, valid_until_date.
    Raises ValueError that says what is wrong.
    """
    begins, ends = (_parse_date(record[name]) if record.get(name) else None for name in _VALIDITY)
    holidays = record.get("holidays") or []
    if not isinstance(holidays, list) or len(holidays) > MOST_HOLIDAYS:
        raise ValueError("Holidays are a list of dates.")
    return Rates(
        kind=str(record["kind"]),
        zone=zone,
        flat_micros_per_kwh=int(record.get("flat", 0)),
        periods=parse_periods(record.get("periods", []), month_kwh=int(record.get("month_kwh", MONTH_KWH))),
        delivery_micros_per_kwh=int(record.get("delivery", 0)),
        export_micros_per_kwh=int(record.get("export", 0)),
        holidays=frozenset(map(_parse_date, holidays)),
        version=int(record.get("version", 1)),
        valid_from_date=begins,
        valid_until_date=ends,
    )


_VALIDITY = ("valid_from_date", "valid_until_date")


def _parse_date(value: object) -> date:
    try:
        return date.fromisoformat(value)  # type: ignore[arg-type]  # anything else raises TypeError
    except (TypeError, ValueError):
        raise ValueError(f"{value!r} is no date (YYYY-MM-DD).") from None


def parse_periods(records: object, *, month_kwh: int = MONTH_KWH) -> tuple[Period, ...]:
    """Read a tariff's `periods`, in their order.

    Each is `{"weekdays": [0..6], "from": "HH:MM", "to": "HH:MM", "rate": micros}`, half-open, `to` may be "24:00".
    Edges lie on quarter hours, so that no planning slot straddles two rates; a period over midnight is written as
    two. It may also name "months" ([1..12], else all of them) and "export" (micros). In place of rate and export
    stand "tiers" (`[{"up_to_wh": 600000, "rate": micros}, ..., {"rate": micros}]`, a rate for each further stretch of
    what is used in a month, or a day with `"tiers_per": "day"`), of which the one reached by `month_kwh` counts.
    Raises ValueError that names the period and what is wrong with it.
    """
    if not isinstance(records, list) or len(records) > MOST_PERIODS:
        raise ValueError("Periods are a list, of bounded length.")
    return tuple(_parse_period(record, f"Period {place}", month_kwh) for place, record in enumerate(records, start=1))


_NEEDED = {"weekdays", "from", "to"}
_PRICED = ({"rate"}, {"rate", "export"}, {"tiers"}, {"tiers", "tiers_per"})


def _parse_period(record: object, name: str, month_kwh: int) -> Period:
    if (
        not isinstance(record, Mapping)
        or set(record) - _NEEDED - {"months"} not in _PRICED
        or not set(record) >= _NEEDED
    ):
        raise ValueError(
            f"{name} needs exactly weekdays, from, to and rate (or tiers); months and export may be named."
        )
    weekdays, months = record["weekdays"], record.get("months", sorted(MONTHS))
    if not _are_numbers(weekdays, 0, SUNDAY):
        raise ValueError(f"{name}: weekdays are numbers from 0 (Monday) to 6.")
    if not _are_numbers(months, 1, 12):
        raise ValueError(f"{name}: months are numbers from 1 to 12.")
    starts, ends = (_parse_clock(record[key], f"{name}: {key}") for key in ("from", "to"))
    if starts >= ends:
        raise ValueError(f"{name} ends before it starts; one over midnight is written as two.")
    priced = record if "rate" in record else _tier(record, name, month_kwh)
    export = None if "export" not in priced else _parse_rate(priced["export"], name)
    return Period(frozenset(weekdays), starts, ends, _parse_rate(priced["rate"], name), frozenset(months), export)


def _tier(record: Mapping[str, Any], name: str, month_kwh: int) -> Mapping[str, Any]:
    """Return the tier that the next kWh is billed at once `month_kwh` are used; all of them are checked."""
    tiers, per = record["tiers"], PER_MONTH.get(record.get("tiers_per", "month"))
    if not isinstance(tiers, list) or not tiers or per is None:
        raise ValueError(f"{name}: tiers are a list, per month or per day.")
    used_wh, below, found = month_kwh * 1000 / per, 0, None
    for place, tier in enumerate(tiers, start=1):
        keys = {"rate"} if place == len(tiers) else {"rate", "up_to_wh"}
        if not isinstance(tier, Mapping) or set(tier) - {"export"} != keys:
            raise ValueError(f"{name}: each tier needs a rate and up_to_wh, the last one a rate alone.")
        ends = tier.get("up_to_wh")
        if ends is not None and (type(ends) is not int or ends <= below):
            raise ValueError(f"{name}: up_to_wh are whole numbers that rise from tier to tier.")
        _parse_rate(tier["rate"], name)
        if found is None and (ends is None or used_wh < ends):
            found = tier
        below = ends or below
    assert found is not None
    return found


def tier_starts(record: Mapping[str, Any]) -> set[int]:
    """Return at how many kWh a month further tiers of one version begin, whole kWh: between two all months are alike.

    The version is one that `parse_rates` reads.
    """
    return {
        ceil(tier["up_to_wh"] * PER_MONTH[period.get("tiers_per", "month")] / 1000)
        for period in record.get("periods", [])
        for tier in period.get("tiers", [])
        if "up_to_wh" in tier
    }


def _are_numbers(values: object, least: int, most: int) -> bool:
    return (
        isinstance(values, list) and bool(values) and all(type(one) is int and least <= one <= most for one in values)
    )


def _parse_rate(value: object, name: str) -> int:
    if type(value) is not int:
        raise ValueError(f"{name}: the rate is a whole number of millionths per kWh.")
    return value


def _parse_clock(value: object, name: str) -> int:
    if not isinstance(value, str) or not _CLOCK.fullmatch(value):
        raise ValueError(f"{name} is a time from 00:00 to 24:00.")
    minute = int(value[:2]) * 60 + int(value[3:])
    if minute % EDGE_MINUTES:
        raise ValueError(f"{name} lies on a quarter hour.")
    return minute


def rate_at(rates: Rates, at: datetime) -> int:
    """Return what a kWh costs at the instant `at` under a flat or time-of-use tariff, in micro-currency."""
    version, period = _at(rates, at)
    return version.flat_micros_per_kwh if period is None else period.rate_micros_per_kwh


def _at(rates: Rates, at: datetime) -> tuple[Rates, Period | None]:
    """Return the version and the period that an instant falls into; the first period that fits counts."""
    local = at.astimezone(rates.zone)
    day = local.date()
    version = rates.version_on(day) if rates.others else rates
    weekday = SUNDAY if day in version.holidays else local.weekday()
    return version, next((period for period in version.periods if period.covers(local, weekday)), None)


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
    is_market = any(one.kind == "market" for one in (rates, *rates.others))
    if is_market and len(market_micros) != slot_count:
        raise ValueError(f"{slot_count} market prices are needed, {len(market_micros)} are here.")
    if not rates.others and rates.kind == "flat":
        return [rates.flat_micros_per_kwh] * slot_count
    if not rates.others and rates.kind == "market":
        return [None if price is None else price + rates.delivery_micros_per_kwh for price in market_micros]
    step = timedelta(minutes=slot_minutes)
    places = [_at(rates, starts_at + step * slot) for slot in range(slot_count)]
    market = market_micros or [None] * slot_count
    return [_price(version, period, price) for (version, period), price in zip(places, market, strict=True)]


def _price(version: Rates, period: Period | None, market_micros: int | None) -> int | None:
    if version.kind == "market":
        return None if market_micros is None else market_micros + version.delivery_micros_per_kwh
    is_flat = period is None or version.kind == "flat"
    return version.flat_micros_per_kwh if is_flat or period is None else period.rate_micros_per_kwh


def export_prices(rates: Rates, *, starts_at: datetime, slot_minutes: int, slot_count: int) -> list[int]:
    """Return what a kWh delivered to the grid earns in each slot, in micro-currency."""
    if not rates.others and all(period.export_micros_per_kwh is None for period in rates.periods):
        return [rates.export_micros_per_kwh] * slot_count
    step = timedelta(minutes=slot_minutes)
    places = [_at(rates, starts_at + step * slot) for slot in range(slot_count)]
    return [
        version.export_micros_per_kwh
        if period is None or period.export_micros_per_kwh is None
        else period.export_micros_per_kwh
        for version, period in places
    ]


def slots_out_of_validity(rates: Rates, *, starts_at: datetime, slot_minutes: int, slot_count: int) -> list[bool]:
    """Say of each slot whether no version of the tariff is in force in it: the price is then the nearest one's."""
    versions = (rates, *rates.others)
    if any(one.valid_from_date is None and one.valid_until_date is None for one in versions):
        return [False] * slot_count
    step = timedelta(minutes=slot_minutes)
    days = [(starts_at + step * slot).astimezone(rates.zone).date() for slot in range(slot_count)]
    known = {day: any(one.holds_on(day) for one in versions) for day in set(days)}
    return [not known[day] for day in days]
