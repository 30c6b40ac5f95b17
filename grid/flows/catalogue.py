"""Utilities, tariffs and programs come from files; loading a file again changes only what the file changed."""

from collections.abc import Mapping
from datetime import date, datetime
from decimal import Decimal, InvalidOperation
from typing import Any
from zoneinfo import available_timezones

from django.db import transaction

from foundation.refusals import Refusal
from grid.flows.tariffs import UnableToSaveTariff, save_tariff
from grid.models import Feed, GridEvent, Program, ProgramTerms, Tariff, Utility
from grid.tariffs import MONTH_KWH
from rewards.flows.earnings import UnableToSaveTerms, save_pay_terms

MICROS = 1_000_000


class UnableToLoad(Refusal):
    """Nothing of the file was loaded."""


def load_catalogue(record: Mapping[str, Any]) -> Utility:
    """Load one utility with its feeds, tariffs and programs, all or nothing, and return the utility.

    Rates in files are strings in currency per kWh ("0.0280"); they are stored exactly. Terms that an event has used
    are never changed: a file that tries is refused, a change of terms is a new version. Raises UnableToLoad with
    what is wrong and where.
    """
    try:
        with transaction.atomic():
            utility = _load_utility(record["utility"])
            for feed in record.get("feeds", []):
                _load_feed(feed)
            for tariff in record.get("tariffs", []):
                _load_tariff(utility, tariff, record.get("calendars", {}))
            for program in record.get("programs", []):
                _load_program(utility, program)
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise UnableToLoad(f"The file lacks something or has it in another form: {error}.", code="malformed") from error
    return utility


def _load_utility(record: Mapping[str, Any]) -> Utility:
    if record["time_zone"] not in available_timezones():
        raise UnableToLoad(f"{record['time_zone']} is no time zone.", code="unknown_time_zone")
    values = {name: record[name] for name in ("name", "country", "region", "currency", "time_zone")}
    values["is_demo"] = bool(record.get("is_demo", False))
    values["two_person_limit_w"] = int(record["two_person_limit_kw"]) * 1000
    return Utility.objects.update_or_create(slug=record["slug"], defaults=values)[0]


def _load_feed(record: Mapping[str, Any]) -> None:
    Feed.objects.update_or_create(
        source=record["source"],
        zone=record["zone"],
        kind=Feed.Kind(record["kind"]),
        defaults={"attribution": record.get("attribution", "")},
    )


def _load_tariff(utility: Utility, record: Mapping[str, Any], calendars: Mapping[str, Any]) -> None:
    values = {
        "name": record["name"],
        "kind": Tariff.Kind(record["kind"]),
        "flat_rate_micros_per_kwh": _micros(record.get("flat", "0")),
        "periods": [_period(period) for period in record.get("periods", [])],
        "price_feed": _feed(record.get("price_feed")),
        "delivery_micros_per_kwh": _micros(record.get("delivery", "0")),
        "export_rate_micros_per_kwh": _micros(record.get("export", "0")),
        "carbon_feed": _feed(record.get("carbon_feed")),
        "holidays": _holidays(record.get("holidays", []), calendars),
        "month_kwh": int(record.get("month_kwh", MONTH_KWH)),
        "fixed_charge": record.get("fixed_charge", ""),
        "valid_from_date": _date(record.get("valid_from_date")),
        "valid_until_date": _date(record.get("valid_until_date")),
        "source": record.get("source", ""),
        "as_of_date": _date(record.get("as_of_date")),
    }
    version = int(record.get("version", 1))
    try:
        save_tariff(utility=utility, slug=record["slug"], version=version, values=values)
    except UnableToSaveTariff as error:
        raise UnableToLoad(error.reason, code=error.reason_code) from error


def _period(record: Mapping[str, Any]) -> dict[str, Any]:
    """Return a period with its rates in micros and its tiers' ends in Wh; what else is wrong is found in parsing."""
    rates = {name: _micros(record[name]) for name in ("rate", "export") if name in record}
    if "tiers" not in record:
        return {**record, **rates}
    tiers = []
    for tier in record["tiers"]:
        found = {name: _micros(tier[name]) for name in ("rate", "export") if name in tier}
        ends = {"up_to_wh": _micros(tier["up_to_kwh"]) // 1000} if "up_to_kwh" in tier else {}
        tiers.append({**{name: tier[name] for name in tier if name != "up_to_kwh"}, **ends, **found})
    return {**record, "tiers": tiers}


def _holidays(told: Any, calendars: Mapping[str, Any]) -> list[str]:
    """Return the dates of a list, or of a calendar of the file by its name."""
    if isinstance(told, str):
        if told not in calendars:
            raise UnableToLoad(f"The file has no calendar {told}.", code="unknown_calendar")
        told = calendars[told]["dates"]
    return list(told)


def _load_program(utility: Utility, record: Mapping[str, Any]) -> None:
    program, _ = Program.objects.update_or_create(
        slug=record["slug"],
        defaults={
            "utility": utility,
            "name": record["name"],
            "summary": record.get("summary", ""),
            "is_open": bool(record.get("is_open", True)),
            "source": record.get("source", ""),
            "as_of_date": _date(record.get("as_of_date")),
        },
    )
    for terms in record["terms"]:
        _load_terms(program, terms)
        _load_pay(program, terms)


def _load_terms(program: Program, record: Mapping[str, Any]) -> None:
    until = record.get("valid_until_at")
    values: dict[str, Any] = {
        "valid_from_at": _instant(record["valid_from_at"]),
        "valid_until_at": None if until is None else _instant(until),
        "reward_micros_per_kwh": _micros(record["reward"]),
        "kinds": [GridEvent.Kind(kind).value for kind in record["kinds"]],
        "minimum_notice_minutes": int(record["minimum_notice_minutes"]),
        "max_event_minutes": int(record["max_event_minutes"]),
    }
    known = ProgramTerms.objects.filter(program=program, version=record["version"]).first()
    if known is None:
        ProgramTerms.objects.create(program=program, version=record["version"], **values)
        return
    if all(getattr(known, name) == value for name, value in values.items()):
        return
    if known.events.exists():
        raise UnableToLoad(
            f"{known} was used by events and stays as it is: add version {known.version + 1} instead.",
            code="terms_in_use",
        )
    for name, value in values.items():
        setattr(known, name, value)
    known.save()


def _load_pay(program: Program, record: Mapping[str, Any]) -> None:
    """Load what the terms pay besides their rate per kWh (`pay`, as docs/earnings.md states the forms)."""
    until, utility = record.get("valid_until_at"), program.utility
    values = {
        "utility": utility.slug,
        "currency": utility.currency,
        "time_zone": utility.time_zone,
        "valid_from_at": _instant(record["valid_from_at"]),
        "valid_until_at": None if until is None else _instant(until),
    }
    try:
        save_pay_terms(program=program.slug, version=record["version"], values=values, forms=record.get("pay", []))
    except UnableToSaveTerms as error:
        raise UnableToLoad(error.reason, code=error.reason_code) from error


def _feed(key: list[str] | None) -> Feed | None:
    if key is None:
        return None
    source, zone, kind = key
    found = Feed.objects.filter(source=source, zone=zone, kind=kind).first()
    if found is None:
        raise UnableToLoad(f"There is no feed {source} {zone} {kind}.", code="unknown_feed")
    return found


def _micros(text: object) -> int:
    try:
        number = Decimal(text) * MICROS if isinstance(text, str) else Decimal("NaN")
    except InvalidOperation:
        number = Decimal("NaN")
    if not number.is_finite() or number != number.to_integral_value():
        raise UnableToLoad(
            f"{text!r} is no rate: write currency per kWh as a string of at most six decimals.", code="bad_rate"
        )
    return int(number)


def _instant(text: str) -> datetime:
    at = datetime.fromisoformat(text)
    if at.tzinfo is None:
        raise UnableToLoad(f"{text} says no time zone.", code="naive_time")
    return at


def _date(text: str | None) -> date | None:
    return None if text is None else date.fromisoformat(text)
