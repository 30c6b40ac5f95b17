"""Utilities, tariffs and programs come from files; loading a file again changes only what the file changed."""

from collections.abc import Mapping
from datetime import date, datetime
from typing import Any
from zoneinfo import available_timezones

from django.db import transaction

from grid.flows.prices.tariffs import UnableToSaveTariff, save_tariff
from grid.flows.programs.file_values import UnableToLoad, day, micros
from grid.flows.programs.files import Loading, load_program
from grid.models import Feed, Tariff, Utility
from grid.rules.tariffs import MONTH_KWH

__all__ = ["UnableToLoad", "load_catalogue", "try_catalogue"]


def load_catalogue(record: Mapping[str, Any], *, now: datetime) -> Utility:
    """Load one utility with its feeds, tariffs and programs, all or nothing, and return the utility.

    Rates in files are strings in currency per kWh ("0.0280"); they are stored exactly. Terms that an event has used
    are never changed: a file that tries is refused, a change of terms is a new version, and one with less notice than
    owners were promised is refused too. Raises UnableToLoad with what is wrong and where.
    """
    return _load(record, Loading(now))


def try_catalogue(record: Mapping[str, Any], *, now: datetime) -> list[str]:
    """Return what loading the file would change, a line each; nothing is changed. Raises UnableToLoad likewise."""
    loading = Loading(now)
    try:
        with transaction.atomic():
            _load(record, loading)
            raise _TriedOut
    except _TriedOut:
        return loading.notes


class _TriedOut(Exception):
    """Takes back what was loaded for a try."""


def _load(record: Mapping[str, Any], loading: Loading) -> Utility:
    try:
        with transaction.atomic():
            utility = _load_utility(record["utility"], loading, record.get("calendars", {}))
            for feed in record.get("feeds", []):
                _load_feed(feed)
            for tariff in record.get("tariffs", []):
                _load_tariff(utility, tariff, record.get("calendars", {}))
            for program in record.get("programs", []):
                load_program(utility, program, loading)
    except UnableToLoad:
        raise
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise UnableToLoad(f"The file lacks something or has it in another form: {error}.", code="malformed") from error
    return utility


def _load_utility(record: Mapping[str, Any], loading: Loading, calendars: Mapping[str, Any]) -> Utility:
    if record["time_zone"] not in available_timezones():
        raise UnableToLoad(f"{record['time_zone']} is no time zone.", code="unknown_time_zone")
    values = {name: record[name] for name in ("name", "country", "region", "currency", "time_zone")}
    if "holidays" in record:  # a file that names none leaves those that an admin typed
        values["holidays"] = [date.fromisoformat(one).isoformat() for one in _holidays(record["holidays"], calendars)]
    values["is_demo"] = bool(record.get("is_demo", False))
    values["two_person_limit_w"] = int(record["two_person_limit_kw"]) * 1000
    utility, is_new = Utility.objects.update_or_create(slug=record["slug"], defaults=values)
    if is_new:
        loading.notes.append(f"{utility.slug}: new utility")
    return utility


def _load_feed(record: Mapping[str, Any]) -> None:
    """Load a feed; whether it is fetched is up to admins once it is there, a file says it the first time alone."""
    told = {"attribution": record.get("attribution", "")}
    Feed.objects.update_or_create(
        source=record["source"],
        zone=record["zone"],
        kind=Feed.Kind(record["kind"]),
        defaults=told,
        create_defaults=told | {"is_active": bool(record.get("is_active", True))},
    )


def _load_tariff(utility: Utility, record: Mapping[str, Any], calendars: Mapping[str, Any]) -> None:
    values = {
        "name": record["name"],
        "kind": Tariff.Kind(record["kind"]),
        "flat_rate_micros_per_kwh": micros(record.get("flat", "0")),
        "periods": [_period(period) for period in record.get("periods", [])],
        "price_feed": _feed(record.get("price_feed")),
        "delivery_micros_per_kwh": micros(record.get("delivery", "0")),
        "export_rate_micros_per_kwh": micros(record.get("export", "0")),
        "carbon_feed": _feed(record.get("carbon_feed")),
        "holidays": _holidays(record.get("holidays", []), calendars),
        "month_kwh": int(record.get("month_kwh", MONTH_KWH)),
        "fixed_charge": record.get("fixed_charge", ""),
        "valid_from_date": day(record.get("valid_from_date")),
        "valid_until_date": day(record.get("valid_until_date")),
        "source": record.get("source", ""),
        "as_of_date": day(record.get("as_of_date")),
    }
    version = int(record.get("version", 1))
    try:
        save_tariff(utility=utility, slug=record["slug"], version=version, values=values)
    except UnableToSaveTariff as error:
        raise UnableToLoad(error.reason, code=error.reason_code) from error


def _period(record: Mapping[str, Any]) -> dict[str, Any]:
    """Return a period with its rates in micros and its tiers' ends in Wh; what else is wrong is found in parsing."""
    rates = {name: micros(record[name]) for name in ("rate", "export") if name in record}
    if "tiers" not in record:
        return {**record, **rates}
    tiers = []
    for tier in record["tiers"]:
        found = {name: micros(tier[name]) for name in ("rate", "export") if name in tier}
        ends = {"up_to_wh": micros(tier["up_to_kwh"]) // 1000} if "up_to_kwh" in tier else {}
        tiers.append({**{name: tier[name] for name in tier if name != "up_to_kwh"}, **ends, **found})
    return {**record, "tiers": tiers}


def _holidays(told: Any, calendars: Mapping[str, Any]) -> list[str]:
    """Return the dates of a list, or of a calendar of the file by its name."""
    if isinstance(told, str):
        if told not in calendars:
            raise UnableToLoad(f"The file has no calendar {told}.", code="unknown_calendar")
        told = calendars[told]["dates"]
    return list(told)


def _feed(key: list[str] | None) -> Feed | None:
    if key is None:
        return None
    source, zone, kind = key
    found = Feed.objects.filter(source=source, zone=zone, kind=kind).first()
    if found is None:
        raise UnableToLoad(f"There is no feed {source} {zone} {kind}.", code="unknown_feed")
    return found
