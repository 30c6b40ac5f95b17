"""OpenEI's Utility Rate Database (URDB) records as rules of ours; pure, no Django.

`energyratestructure[period][tier]` holds `rate` and `adj` (what a kWh costs is their sum, plus the month's
`fuelAdjustmentsMonthly`), `sell`, `max` and `unit`; `energyweekdayschedule` and `energyweekendschedule` are 12 months
x 24 hours of period numbers on the local clock. `startdate` and `enddate` (the last day) are epoch seconds. Holidays
are not told. Currency is USD. What would make a plan wrong if it were left out is refused: charges for power, tiers
by power. Source: https://openei.org/services/doc/rest/util_rates (version 7 and 8), read 2026-11.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal, InvalidOperation
from itertools import groupby
from typing import Any

MICROS = 1_000_000
SATURDAY = 5
WEEKDAYS, WEEKEND = list(range(SATURDAY)), [SATURDAY, 6]
MOST_TIERS, MOST_RATES = 50, 100
HIGHEST = Decimal(100)  # USD/kWh; beyond it somebody wrote cents or MWh
PER = {"kwh": "month", "kwh daily": "day"}
# What is paid for power. Each is refused where it asks for anything: a plan that charges at full power costs more.
FOR_POWER = ("demandratestructure", "flatdemandstructure", "coincidentratestructure")
ENDLESS = Decimal(10) ** 12


class RecordRefused(ValueError):
    """The record cannot be priced faithfully; the message says why."""


@dataclass(frozen=True)
class UrdbTariff:
    """A record as fields of our tariff, `periods` as `grid.rules.tariffs` reads them, and what a person should know."""

    label: str
    name: str
    utility: str
    eia_id: str
    periods: list[dict[str, Any]]
    valid_from_date: date | None
    valid_until_date: date | None
    fixed_charge: str
    source: str
    warnings: tuple[str, ...]


def read_record(record: object) -> UrdbTariff:
    """Return one record of `items`; raises RecordRefused that says what it lacks or why it cannot be priced."""
    if not isinstance(record, Mapping):
        raise RecordRefused("A record is an object.")
    _refuse_power(record)
    structure = _structure(record)
    schedules = [_schedule(record, f"energy{kind}schedule", len(structure)) for kind in ("weekday", "weekend")]
    adjustments = _adjustments(record)
    begins, ends = (_day(record, name) for name in ("startdate", "enddate"))
    label = str(record.get("label", ""))
    if not (label.isascii() and label.isalnum() and 1 <= len(label) <= 40):
        raise RecordRefused("label is missing or is no identifier.")
    eia_id = str(record.get("eiaid", ""))
    return UrdbTariff(
        label=label,
        name=str(record.get("name", label))[:120],
        utility=str(record.get("utility", ""))[:120],
        eia_id=eia_id,
        periods=_periods(structure, schedules, adjustments),
        valid_from_date=begins,
        valid_until_date=None if ends is None else ends + timedelta(days=1),
        fixed_charge=_fixed_charge(record),
        source=f"OpenEI URDB {label}, EIA utility {eia_id or 'unknown'}, {_origin(record)}"[:200],
        warnings=tuple(_warnings(record)),
    )


def _refuse_power(record: Mapping[str, Any]) -> None:
    for name in FOR_POWER:
        rows = record.get(name) or []
        if any(_decimal(tier.get(part, 0), name) for tier in _tiers_within(rows) for part in ("rate", "adj")):
            raise RecordRefused(f"{name}: it charges for power (per kW), which plans do not weigh. Not loaded.")


def _tiers_within(rows: object) -> list[Mapping[str, Any]]:
    """Return every object in nested lists."""
    if isinstance(rows, Mapping):
        return [rows]
    return [tier for row in rows for tier in _tiers_within(row)] if isinstance(rows, list) else []


def _structure(record: Mapping[str, Any]) -> list[list[Mapping[str, Any]]]:
    structure = record.get("energyratestructure")
    if not isinstance(structure, list) or not 0 < len(structure) <= MOST_RATES:
        raise RecordRefused("energyratestructure is missing: it has no price of energy.")
    for place, tiers in enumerate(structure):
        if not isinstance(tiers, list) or not 0 < len(tiers) <= MOST_TIERS:
            raise RecordRefused(f"energyratestructure[{place}] is no list of tiers.")
        if any(not isinstance(tier, Mapping) for tier in tiers):
            raise RecordRefused(f"energyratestructure[{place}]: a tier is no object.")
    return structure


def _schedule(record: Mapping[str, Any], name: str, count: int) -> list[list[int]]:
    rows = record.get(name)
    if not isinstance(rows, list) or len(rows) != 12:
        raise RecordRefused(f"{name} needs 12 months.")
    for month, hours in enumerate(rows, start=1):
        if not isinstance(hours, list) or len(hours) != 24:
            raise RecordRefused(f"{name}, month {month}, needs 24 hours.")
        if any(type(hour) is not int or not 0 <= hour < count for hour in hours):
            raise RecordRefused(f"{name}, month {month}, names a period that energyratestructure does not have.")
    return rows


def _adjustments(record: Mapping[str, Any]) -> list[Decimal]:
    """Return what each month adds to every rate, USD/kWh."""
    name = "fuelAdjustmentsMonthly"
    told = record.get(name) or record.get(name.lower()) or [0] * 12
    if not isinstance(told, list) or len(told) != 12:
        raise RecordRefused(f"{name} needs 12 months.")
    return [_decimal(value, name) for value in told]


Rule = tuple[int, Decimal]  # a period's number, and what the month adds


def _periods(
    structure: Sequence[Sequence[Mapping[str, Any]]], schedules: list[list[list[int]]], adjustments: list[Decimal]
) -> list[dict[str, Any]]:
    """Return each stretch of hours of each kind of day once, with all the months that have it."""
    found: dict[tuple[bool, int, int, Rule], list[int]] = {}
    for is_weekend, schedule in enumerate(schedules):
        for month, hours in enumerate(schedule, start=1):
            for number, run in groupby(range(24), key=hours.__getitem__):
                stretch = list(run)
                rule = (number, adjustments[month - 1])
                found.setdefault((bool(is_weekend), stretch[0], stretch[-1] + 1, rule), []).append(month)
    prices = {rule: _priced(structure[rule[0]], rule) for _, _, _, rule in found}
    return [
        {
            "weekdays": WEEKEND if is_weekend else WEEKDAYS,
            "from": f"{begins:02}:00",
            "to": f"{ends:02}:00",
            **({} if len(months) == 12 else {"months": months}),
            **prices[rule],
        }
        for (is_weekend, begins, ends, rule), months in found.items()
    ]


def _priced(tiers: Sequence[Mapping[str, Any]], rule: Rule) -> dict[str, Any]:
    name = f"energyratestructure[{rule[0]}]"
    rates = [_rates(tier, name, adjustment=rule[1]) for tier in tiers]
    if len(tiers) == 1:
        return rates[0]
    units = {str(tier.get("unit", "kWh")).lower() for tier in tiers}
    per = PER.get(units.pop()) if len(units) == 1 else None
    if per is None:
        raise RecordRefused(f"{name}: its tiers go by another unit than kWh or kWh daily. Not loaded.")
    ends = [_tier_end(tier, name) for tier in tiers[:-1]]
    listed = [{"up_to_wh": end, **rate} for end, rate in zip(ends, rates[:-1], strict=True)]
    return {"tiers": [*listed, rates[-1]], **({} if per == "month" else {"tiers_per": per})}


def _rates(tier: Mapping[str, Any], name: str, *, adjustment: Decimal) -> dict[str, int]:
    rate = _decimal(tier.get("rate", 0), name) + _decimal(tier.get("adj", 0), name) + adjustment
    sell = tier.get("sell")
    return {"rate": _micros(rate), **({} if sell is None else {"export": _micros(_decimal(sell, name))})}


def _tier_end(tier: Mapping[str, Any], name: str) -> int:
    try:
        end = Decimal(str(tier["max"]))
    except (KeyError, InvalidOperation):
        raise RecordRefused(f"{name}: a tier before the last has no max.") from None
    if not end.is_finite() or not 0 < end < ENDLESS:
        raise RecordRefused(f"{name}: a tier before the last has no end.")
    return int((end * 1000).to_integral_value())


def _decimal(value: object, name: str) -> Decimal:
    if isinstance(value, bool) or not isinstance(value, int | float | str | Decimal):
        raise RecordRefused(f"{name}: {value!r} is no number.")
    try:
        number = Decimal(str(value))
    except InvalidOperation:
        raise RecordRefused(f"{name}: {value!r} is no number.") from None
    if not number.is_finite() or not -HIGHEST * 1000 <= number <= HIGHEST * 1000:
        raise RecordRefused(f"{name}: {value} is beyond all reason.")
    return number


def _micros(rate: Decimal) -> int:
    if abs(rate) > HIGHEST:
        raise RecordRefused(f"{rate} USD/kWh is beyond all reason.")
    return int((rate * MICROS).to_integral_value())


def _day(record: Mapping[str, Any], name: str) -> date | None:
    value = record.get(name)
    if value is None or value == "":
        return None
    try:
        return datetime.fromtimestamp(int(value), tz=UTC).date()
    except (TypeError, ValueError, OverflowError, OSError):
        raise RecordRefused(f"{name} is no time in epoch seconds.") from None


def _fixed_charge(record: Mapping[str, Any]) -> str:
    name = "fixedchargefirstmeter"
    charge = record.get(name)
    if charge is None:
        return ""
    return f"{_decimal(charge, name)} {str(record.get('fixedchargeunits', '$/month'))[:20]}"


def _origin(record: Mapping[str, Any]) -> str:
    return str(record.get("source") or record.get("uri") or "")


def _warnings(record: Mapping[str, Any]) -> list[str]:
    told = ["Holidays are not told by the database: add them by hand where the tariff sheet has some."]
    service = str(record.get("servicetype", ""))
    if service and service != "Bundled":
        told.append(f"The service is {service}: the other part of the price is not in it.")
    sector = str(record.get("sector", ""))
    if sector and sector != "Residential":
        told.append(f"The sector is {sector}, not Residential.")
    if _decimal(record.get("minmonthlycharge") or record.get("mincharge") or 0, "mincharge"):
        told.append("It has a least charge, which no plan depends on.")
    if record.get("approved") is False:
        told.append("The record is not approved by the database's editors.")
    return told
