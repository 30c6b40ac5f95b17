"""A program's terms as its owners read them, and what changes from one version to the next."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import time, timedelta
from typing import Any

from babel import dates
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from foundation import formats
from foundation.formats import Reader
from foundation.words import Words
from grid.models import GridEvent, ProgramTerms
from rewards import wording
from rewards.models import PayTerms

LABELS: dict[str, Words] = {
    "rate": _("Pays for what is delivered in events"),
    "kinds": _("May ask your car to"),
    "length": _("An event lasts at most"),
    "notice": _("You hear of it at least this long before"),
    "season": _("Months"),
    "windows": _("Hours"),
    "per_season": _("Events a season, at most"),
    "hours_per_season": _("Hours a season, at most"),
    "per_day": _("Events a day, at most"),
    "control": _("Cars left alone by lot, to measure by"),
    "beside": _("Goes beside"),
    "objection": _("Credits wait this long for the utility's objection"),
}
# What each form of pay promises; the conditions of monthly and seasonal pay make sentences of their own.
FORMS: dict[str, Words] = {
    "enrollment_bonus": _("{amount} once, after {days} days"),
    "monthly": _("{amount} a month"),
    "monthly max_opt_outs": _("{amount} a month with at most {most} events left out"),
    "monthly min_joined_percent": _("{amount} a month with at least {percent} of the events joined"),
    "per_event": _("{amount} for each event in which enough is delivered"),
    "seasonal_capacity": _("{amount} a season for each kW delivered on average"),
    "season_bonus": _("{amount} a season"),
    "season_bonus max_opt_outs": _("{amount} a season with at most {most} events left out"),
    "season_bonus min_joined_percent": _("{amount} a season with at least {percent} of the events joined"),
    "pool": _("{amount} a month, shared by what each car delivered"),
    "charging_rate": _("{rate} charged at home in these hours: {hours}"),
    "charging_share": _("{amount} a month with at least {percent} charged at home in these hours: {hours}"),
}
CONDITIONS = ("max_opt_outs", "min_joined_percent")


@dataclass(frozen=True)
class Line:
    """One thing that the terms say."""

    key: str
    label: str
    value: str

    @property
    def is_pay(self) -> bool:
        """Whether it says what the program pays."""
        return self.key == "rate" or self.key not in LABELS


@dataclass(frozen=True)
class Change:
    """One thing that a version says otherwise than the one before; "" where it said nothing, or says nothing."""

    label: str
    before: str
    after: str


def described(terms: ProgramTerms, pay: PayTerms | None, *, reader: Reader, beside: Sequence[str] = ()) -> list[Line]:
    """Return what the terms say, line by line; what they leave open has no line.

    `beside` are the names of the programs with which they go.
    """
    values = [*_values(terms, reader), ("beside", ", ".join(beside))]
    lines = [Line(key, str(LABELS[key]), value) for key, value in values if value]
    counted: dict[str, int] = {}
    for form in pay.forms if pay else []:
        counted[form["form"]] = counted.get(form["form"], 0) + 1
        key = f"{form['form']} {counted[form['form']]}"
        text = promised(form, terms.program.utility.currency, reader=reader)
        lines.append(Line(key, str(wording.FORMS[form["form"]]), text))
    return lines


def changes(before: Iterable[Line], after: Iterable[Line]) -> list[Change]:
    """Return what differs between the lines of two versions, in the order of the new one, then what is gone."""
    old, new = {line.key: line for line in before}, {line.key: line for line in after}
    found = [
        Change(line.label, old[key].value if key in old else "", line.value)
        for key, line in new.items()
        if key not in old or old[key].value != line.value
    ]
    return [*found, *(Change(line.label, line.value, "") for key, line in old.items() if key not in new)]


def promised(form: Mapping[str, Any], currency: str, *, reader: Reader) -> str:
    """Return what one form of pay promises, in a sentence without an end."""
    name = form["form"]
    condition = next((one for one in CONDITIONS if one in form), None)
    text = FORMS[f"{name} {condition}" if condition and f"{name} {condition}" in FORMS else name]
    shown = {
        "amount": formats.money(_amount(form), currency, reader=reader),
        "days": form.get("after_days", 0),
        "most": form.get("max_opt_outs", 0),
        "percent": formats.percent(form.get("min_joined_percent", form.get("min_percent", 0)), reader=reader),
        "rate": formats.rate(form.get("micros_per_kwh", 0), currency, reader=reader),
        "hours": windows_text(form.get("windows", []), reader=reader),
    }
    told = str(text).format(**shown)
    if "months" in form and len(set(form["months"])) < 12:
        told = gettext("{what} ({months})").format(what=told, months=months_text(form["months"], reader=reader))
    if "most_minor" in form:
        most = formats.money(form["most_minor"], currency, reader=reader)
        told = gettext("{what}, at most {most}").format(what=told, most=most)
    return told


def windows_text(windows: Sequence[Mapping[str, Any]], *, reader: Reader) -> str:
    """Return windows as "Mon–Fri 4:00 PM–9:00 PM, ..."."""
    return ", ".join(_window(one, reader) for one in windows)


def months_text(months: Iterable[int], *, reader: Reader) -> str:
    """Return months as "May, Jun, Jul"."""
    names = dates.get_month_names("abbreviated", "stand-alone", locale=reader.locale)
    return ", ".join(names[month] for month in sorted(months))


def _amount(form: Mapping[str, Any]) -> int:
    return int(next((form[name] for name in ("amount_minor", "minor_per_kw", "pool_minor") if name in form), 0))


def _values(terms: ProgramTerms, reader: Reader) -> list[tuple[str, str]]:
    rate, currency = terms.reward_micros_per_kwh, terms.program.utility.currency
    minutes = terms.max_minutes_per_season
    return [
        ("rate", formats.rate(rate, currency, reader=reader) if rate else ""),
        ("kinds", ", ".join(str(GridEvent.Kind(kind).label) for kind in terms.kinds)),
        ("length", _long(terms.max_event_minutes, reader) if terms.kinds else ""),
        ("notice", _long(terms.minimum_notice_minutes, reader)),
        ("season", months_text(terms.season_months, reader=reader)),
        ("windows", windows_text(terms.windows, reader=reader)),
        ("per_season", _count(terms.max_events_per_season)),
        ("hours_per_season", "" if minutes is None else formats.number(minutes / 60, reader=reader)),
        ("per_day", _count(terms.max_events_per_day)),
        ("control", formats.percent(terms.control_share_percent, reader=reader) if terms.control_share_percent else ""),
        ("objection", _long(60 * terms.objection_hours, reader)),
    ]


def _long(minutes: int, reader: Reader) -> str:
    return formats.duration(timedelta(minutes=minutes), reader=reader) if minutes else ""


def _count(value: int | None) -> str:
    return "" if value is None else str(value)


def _window(window: Mapping[str, Any], reader: Reader) -> str:
    begins, ends = (
        formats.time_of_day(time(int(text[:2]) % 24, int(text[3:])), reader=reader)
        for text in (window["from"], window["to"])
    )
    names, weekdays = dates.get_day_names("abbreviated", locale=reader.locale), sorted(window["weekdays"])
    if len(weekdays) == 7:
        return f"{begins}–{ends}"
    is_run = len(weekdays) > 1 and weekdays == list(range(weekdays[0], weekdays[-1] + 1))
    shown = f"{names[weekdays[0]]}–{names[weekdays[-1]]}" if is_run else ", ".join(names[day] for day in weekdays)
    return f"{shown} {begins}–{ends}"
