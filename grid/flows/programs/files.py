"""Programs and their terms from files; docs/programs.md states every field."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from foundation.windows import parse_windows
from grid.flows.programs.file_values import UnableToLoad, check_names, day, instant, micros
from grid.models import GridEvent, Program, ProgramTerms, ShareRule, Utility
from grid.rules.eligibility import parse_rules
from grid.rules.seasons import parse_months
from rewards.flows.earnings import UnableToSaveTerms, save_pay_terms

PROGRAM_NAMES = (
    "slug", "name", "summary", "status", "status_note", "is_served", "groups", "source", "as_of_date", "terms",
)  # fmt: skip
SCOPES = ("car", "site")
MOST_MINUTES = 366 * 24 * 60


@dataclass
class Loading:
    """One file on its way in: when, and what it changes, told to whoever loads it."""

    now: datetime
    notes: list[str] = field(default_factory=list)


def load_program(utility: Utility, record: Mapping[str, Any], loading: Loading) -> Program:
    """Load one program with its terms; raises UnableToLoad, ValueError, KeyError or TypeError for what is wrong."""
    check_names(record, PROGRAM_NAMES, where=f"Program {record.get('slug')}")
    values = {
        "utility": utility,
        "name": record["name"],
        "summary": record.get("summary", ""),
        "status": Program.Status(record.get("status", "open")),
        "status_note": record.get("status_note", ""),
        "is_served": _flag(record.get("is_served", True)),
        "groups": _names(record.get("groups", [])),
        "source": record.get("source", ""),
        "as_of_date": day(record.get("as_of_date")),
    }
    known = Program.objects.filter(slug=record["slug"]).first()
    if known is not None and known.utility_id != utility.pk:
        raise UnableToLoad(f"Program {known.slug} is of {known.utility}.", code="program_of_another")
    program, is_new = Program.objects.update_or_create(slug=record["slug"], defaults=values)
    changed = [] if known is None else [name for name in values if getattr(known, name) != getattr(program, name)]
    if is_new or changed:
        loading.notes.append(f"{program.slug}: {'new' if is_new else 'changed ' + ', '.join(changed)}")
    versions = set() if is_new else set(program.terms.values_list("version", flat=True))
    for terms in record["terms"]:
        _load_terms(program, terms, versions, loading)
        _load_pay(program, terms)
    return program


def _load_terms(program: Program, record: Mapping[str, Any], versions: set[int], loading: Loading) -> None:
    """Load one version; `versions` are those that owners may know already."""
    check_names(record, (*READERS, *_NEEDED, "version", "valid_until_at", "pay"), where=f"Terms of {program.slug}")
    version = record["version"]
    if type(version) is not int or version < 1:
        raise UnableToLoad(f"{program.slug}: a version is a whole number from 1.", code="bad_version")
    values = _terms_values(program, record)
    known = ProgramTerms.objects.filter(program=program, version=version).first()
    if known is None:
        if versions:
            _check_notice(program, version, values["valid_from_at"], loading.now)
        ProgramTerms.objects.create(program=program, version=version, **values)
        loading.notes.append(f"{program.slug}: new terms v{version}, valid from {values['valid_from_at'].isoformat()}")
        return
    changed = [name for name, value in values.items() if getattr(known, name) != value]
    if not changed:
        return
    if known.events.exists():
        raise UnableToLoad(
            f"{known} was used by events and stays as it is: add version {known.version + 1} instead.",
            code="terms_in_use",
        )
    if known.change_notice_days and program.enrollments.filter(ended_at__isnull=True).exists():
        raise UnableToLoad(
            f"Owners joined {program.slug} on terms that change with notice: add version {known.version + 1} instead.",
            code="terms_in_use",
        )
    for name in changed:
        setattr(known, name, values[name])
    known.save()
    loading.notes.append(f"{program.slug}: terms v{version} changed in {', '.join(changed)}")


def _check_notice(program: Program, version: int, valid_from_at: datetime, now: datetime) -> None:
    """Refuse a version that comes sooner than the terms before it promised owners."""
    before = ProgramTerms.objects.filter(program=program, version__lt=version).order_by("-version").first()
    days = before.change_notice_days if before else 0
    earliest_at = now + timedelta(days=days)
    if days and valid_from_at < earliest_at:
        raise UnableToLoad(
            f"{program.slug} v{version}: owners were promised {days} days' notice of a change, so it is valid from "
            f"{earliest_at.astimezone(program.utility.zone):%Y-%m-%d %H:%M %Z} at the earliest.",
            code="notice_too_short",
        )


def _terms_values(program: Program, record: Mapping[str, Any]) -> dict[str, Any]:
    where = f"{program.slug} v{record['version']}"
    until = record.get("valid_until_at")
    values: dict[str, Any] = {"valid_until_at": None if until is None else instant(until)}
    for name, read in _NEEDED.items():
        if name not in record:
            raise UnableToLoad(f"{where} needs `{name}`.", code="name_missing")
        values["reward_micros_per_kwh" if name == "reward" else name] = _read(where, name, read, record[name])
    for name, (read, usual) in READERS.items():
        values[name] = _read(where, name, read, record[name]) if name in record else usual
    is_confirmed = values["eligibility"].get("agreement", {}).get("is_confirmed_by_utility")
    if is_confirmed and not values["needs_confirmation"]:
        raise UnableToLoad(
            f"{where}: only the utility can confirm the agreement; set `needs_confirmation`.", code="nobody_confirms"
        )
    return values


def _read(where: str, name: str, read: Callable[[Any], Any], value: Any) -> Any:
    try:
        return read(value)
    except (TypeError, ValueError) as error:
        if isinstance(error, UnableToLoad):
            raise
        raise UnableToLoad(f"{where}, `{name}`: {error}.", code="malformed") from error


def _load_pay(program: Program, record: Mapping[str, Any]) -> None:
    """Load what the terms pay besides their rate per kWh (`pay`, as docs/earnings.md states the forms)."""
    until, utility = record.get("valid_until_at"), program.utility
    values = {
        "utility": utility.slug,
        "currency": utility.currency,
        "time_zone": utility.time_zone,
        "valid_from_at": instant(record["valid_from_at"]),
        "valid_until_at": None if until is None else instant(until),
    }
    try:
        save_pay_terms(program=program.slug, version=record["version"], values=values, forms=record.get("pay", []))
    except UnableToSaveTerms as error:
        raise UnableToLoad(error.reason, code=error.reason_code) from error


def _kinds(value: object) -> list[str]:
    if not isinstance(value, list):
        raise ValueError("a list of kinds of event")  # noqa: TRY004 - what a file says, not what code passes
    return [GridEvent.Kind(kind).value for kind in value]


def _count(value: object) -> int:
    if type(value) is not int or not 0 <= value <= MOST_MINUTES:
        raise ValueError("a whole number of at least 0")
    return value


def _cap(value: object) -> int | None:
    return None if value is None else _count(value)


def _share(value: object) -> int:
    if _count(value) > 50:
        raise ValueError("at most 50")
    return _count(value)


def _flag(value: object) -> bool:
    if not isinstance(value, bool):
        raise ValueError("true or false")  # noqa: TRY004 - what a file says, not what code passes
    return value


def _name(value: object) -> str:
    if not isinstance(value, str) or not value:
        raise ValueError("a name")
    return value


def _names(value: object) -> list[str]:
    if not isinstance(value, list):
        raise ValueError("a list of names")  # noqa: TRY004 - what a file says, not what code passes
    return [_name(one) for one in value]


def _windows(value: object) -> object:
    parse_windows(value)
    return value


def _excludes(value: object) -> object:
    if not isinstance(value, list) or not all(isinstance(rule, dict) for rule in value):
        raise ValueError("a list of rules")
    for rule in value:
        if set(rule) != {"program", "scope"} or rule["scope"] not in SCOPES or not isinstance(rule["program"], str):
            raise ValueError('each rule is {"program": slug or group, "scope": "car" or "site"}')
    return value


_NEEDED: dict[str, Callable[[Any], Any]] = {
    "valid_from_at": instant,
    "reward": micros,
    "kinds": _kinds,
    "minimum_notice_minutes": _count,
    "max_event_minutes": _count,
}
# How each is read, and what it is where a file says nothing.
READERS: dict[str, tuple[Callable[[Any], Any], Any]] = {
    "settles": (lambda value: ProgramTerms.Settles(value).value, "car"),
    "baseline_method": (_name, "uncontrolled-at-plug-in"),
    "baseline_version": (_count, 1),
    "group_method": (_name, "sum-of-cars"),
    "group_method_version": (_count, 1),
    "fallback_method": (lambda value: _name(value) if value else "", ""),
    "fallback_method_version": (_count, 1),
    "share_rule": (lambda value: ShareRule(value).value, "by_commitment"),
    "has_penalty": (_flag, False),
    "control_share_percent": (_share, 0),
    "objection_hours": (_count, 0),
    "season_months": (parse_months, []),
    "windows": (_windows, []),
    "max_events_per_season": (_cap, None),
    "max_minutes_per_season": (_cap, None),
    "max_events_per_day": (_cap, None),
    "change_notice_days": (_count, 0),
    "eligibility": (parse_rules, {}),
    "excludes": (_excludes, []),
    "goes_with": (_names, []),
    "needs_confirmation": (_flag, False),
}
