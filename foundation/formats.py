"""How values are written for a reader: money, energy, power, percentages, dates and times, by language and country.

The language decides words, separators and clock; the country decides whose dollar needs no mark. Numbers come from
babel, words from the catalogues of the active language. No function asks who is reading: `reader_in` does, once.
"""

import re
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from functools import lru_cache

from babel import Locale, dates, numbers
from babel.dates import format_timedelta
from django.utils import timezone
from django.utils.translation import get_language, gettext

from foundation.money import major_units

# Pages write the same few values again and again; what babel makes of one in a locale never changes.
_remembered = lru_cache(maxsize=8_192)
format_date = _remembered(dates.format_date)
format_skeleton = _remembered(dates.format_skeleton)
format_time = _remembered(dates.format_time)
format_currency = _remembered(numbers.format_currency)
format_decimal = _remembered(numbers.format_decimal)
format_percent = _remembered(numbers.format_percent)

MICROS = 1_000_000
NOT_THERE = "–"

# Babel's locale by language and country. CLDR knows no French of the United States and no Spanish of Canada: the
# nearest of the same continent stands in, with the dollars below.
_LOCALES = {("en", "US"): "en_US", ("en", "CA"): "en_CA", ("fr", "CA"): "fr_CA", ("fr", "US"): "fr_CA"}
_SPANISH = "es_US"
# Where CLDR would write "CAD12.34", or leave open whose dollar "$" is.
_SYMBOLS = {
    ("fr", "US", "CAD"): "$\N{NO-BREAK SPACE}CA",
    ("es", "US", "CAD"): "CA$",
    ("es", "CA", "CAD"): "$",
    ("es", "CA", "USD"): "US$",
}


@dataclass(frozen=True)
class Reader:
    """For whom values are written: the language ("en", "fr", "es") and the country ("US", "CA")."""

    language: str
    country: str

    @property
    def locale(self) -> str:
        """The locale as babel names it: "fr_CA"."""
        return _LOCALES.get((self.language, self.country), _SPANISH)

    @property
    def tag(self) -> str:
        """The locale as browsers name it: "fr-CA"."""
        return self.locale.replace("_", "-")


def reader_in(country: str) -> Reader:
    """Return the reader of the active language in `country`; any other country reads as the United States."""
    return _reader(get_language() or "en", country)


@lru_cache(maxsize=64)
def _reader(language: str, country: str) -> Reader:
    spoken_in = language.partition("-")[0]
    return Reader(spoken_in if spoken_in in {"en", "fr", "es"} else "en", "CA" if country == "CA" else "US")


def money(minor: int, currency: str, *, reader: Reader) -> str:
    """Return an amount of minor units: 1234 CAD is "$12.34" in Canada, "CA$12.34" in the United States."""
    return _currency(major_units(amount_minor=minor, currency=currency), currency, reader)


def _currency(major: Decimal, currency: str, reader: Reader) -> str:
    symbol = _SYMBOLS.get((reader.language, reader.country, currency))
    if symbol is None:
        return format_currency(major, currency, locale=reader.locale)
    pattern = Locale.parse(reader.locale).currency_formats["standard"].pattern.replace("¤", symbol)
    return format_currency(major, currency, format=pattern, locale=reader.locale)


def rate(micros: int, currency: str, *, reader: Reader) -> str:
    """Return a rate of micro-currency per kWh: 2,000,000 is "$2.00 per kWh", 284,000 is "28.4¢ per kWh"."""
    major = Decimal(micros) / MICROS
    price = cents(micros, reader=reader) if abs(major) < 1 else _currency(major, currency, reader)
    return gettext("%(price)s per kWh") % {"price": price}


def cents(micros: int, *, reader: Reader) -> str:
    """Return micro-currency as cents with at most one digit: 284,000 is "28.4¢"."""
    number = format_decimal(Decimal(micros) / MICROS * 100, format="0.#", locale=reader.locale)
    return f"{number}\N{NO-BREAK SPACE}¢" if reader.language == "fr" else f"{number}¢"


def energy(wh: int | None, *, reader: Reader) -> str:
    """Return watt-hours as kWh with two digits: 7420 is "7.42 kWh"."""
    return _unit(wh, "kWh", reader, digits="#,##0.00")


def power(w: int | None, *, reader: Reader) -> str:
    """Return watts as kW with at most one digit: 9600 is "9.6 kW", -7200 is "−7.2 kW"."""
    return _unit(w, "kW", reader, digits="#,##0.#")


def _unit(value: int | None, unit: str, reader: Reader, *, digits: str) -> str:
    if value is None:
        return gettext("not known")
    shown = format_decimal(Decimal(value) / 1000, format=digits, locale=reader.locale)
    return f"{shown.replace('-', '−')}\N{NO-BREAK SPACE}{unit}"


def kilograms(grams: int | None, *, reader: Reader) -> str:
    """Return grams as kilograms, with a digit below ten of them: 7420 is "7.4 kg", -12400 is "−12 kg"."""
    if grams is None:
        return gettext("not known")
    digits = "#,##0.#" if abs(grams) < 10_000 else "#,##0"
    shown = format_decimal(Decimal(grams) / 1000, format=digits, locale=reader.locale)
    return f"{shown.replace('-', '−')}\N{NO-BREAK SPACE}kg"


def number(value: Decimal | float, *, reader: Reader, digits: int = 2, least: int = 0) -> str:
    """Return a number with `least` to `digits` decimals: 1234.5 is "1,234.5", in French "1 234,5"."""
    pattern = "#,##0." + "0" * least + "#" * (digits - least) if digits else "#,##0"
    return format_decimal(Decimal(str(value)), format=pattern, locale=reader.locale)


def typed_number(text: str, *, reader: Reader) -> str:
    """Return a number that somebody typed as machines write it: "9,6" and "9.6" are "9.6", "1 234,5" is "1234.5".

    A lone comma is the decimal sign, except before exactly three digits where the reader's language groups by it.
    """
    bare = re.sub(r"[\s'\N{NO-BREAK SPACE}\N{NARROW NO-BREAK SPACE}]", "", text)
    if "," in bare and "." in bare:
        decimal = max(",", ".", key=bare.rfind)
        return bare.replace("," if decimal == "." else ".", "").replace(",", ".")
    if re.fullmatch(r"-?\d{1,3}(,\d{3})+", bare) and reader.language != "fr":
        return bare.replace(",", "")
    return bare.replace(",", ".")


def input_number(value: Decimal | float | str, *, reader: Reader) -> str:
    """Return a number as a form shows it for changing: no grouping, the reader's decimal sign."""
    return format_decimal(Decimal(str(value)), format="0.###", locale=reader.locale)


def percent(value: Decimal | float | None, *, reader: Reader) -> str:
    """Return a percentage in whole percent, 62.4 is "62%"; None is "not known"."""
    if value is None:
        return gettext("not known")
    return format_percent(Decimal(str(value)) / 100, locale=reader.locale)


def age(old: timedelta, *, reader: Reader) -> str:
    """Return how long ago something was, in words: "12 minutes ago", "just now" within a minute."""
    if old < timedelta(minutes=1):
        return gettext("just now")
    return format_timedelta(-old, locale=reader.locale, threshold=1.2, add_direction=True)


def duration(long: timedelta, *, reader: Reader) -> str:
    """Return how long something takes, in words: "2 hours"."""
    return format_timedelta(long, locale=reader.locale, threshold=1.2)


def time_of_day(at: datetime | time, *, reader: Reader) -> str:
    """Return a time of day: "5:05 PM", in French "17 h 05". An instant is shown in the active time zone.

    In the hour that an autumn night repeats, the time says which of the two it is: "1:30 AM EDT".
    """
    if isinstance(at, datetime):
        local = timezone.localtime(at)
        shown = time_of_day(local.time().replace(second=0, microsecond=0, fold=0), reader=reader)
        if local.replace(fold=0).utcoffset() == local.replace(fold=1).utcoffset():
            return shown
        return f"{shown}\N{NO-BREAK SPACE}{dates.get_timezone_name(local, 'short', locale=reader.locale)}"
    if reader.language == "fr":
        # CLDR writes "07 h 30", which breaks at its spaces; French Canadian usage knows no leading zero.
        seconds = f" min {at.second:02d} s" if at.second else ""
        return f"{at.hour} h {at.minute:02d}{seconds}".replace(" ", "\N{NO-BREAK SPACE}")
    return format_time(at, "medium" if at.second else "short", locale=reader.locale)


def day(at: datetime | date, *, reader: Reader, now: datetime | None = None) -> str:
    """Return a day: "today", "tomorrow", "yesterday", else "Wed, Nov 18", with the year where it is another."""
    on = timezone.localdate(at) if isinstance(at, datetime) else at
    if now is not None:
        ahead = (on - timezone.localdate(now)).days
        if ahead in {-1, 0, 1}:
            return {0: gettext("today"), 1: gettext("tomorrow"), -1: gettext("yesterday")}[ahead]
        if abs(ahead) > 300:
            return format_date(on, "medium", locale=reader.locale)
    return format_skeleton("MMMEd", on, locale=reader.locale)


def moment(at: datetime, *, reader: Reader, now: datetime | None = None) -> str:
    """Return day and time in the active time zone: "tomorrow, 7:30 AM"."""
    parts = {"day": day(at, reader=reader, now=now), "time": time_of_day(at, reader=reader)}
    return gettext("%(day)s, %(time)s") % parts


def full_date(on: datetime | date, *, reader: Reader) -> str:
    """Return a date with its year in full: "November 18, 2026"."""
    return format_date(_date_of(on), "long", locale=reader.locale)


def month(on: datetime | date, *, reader: Reader) -> str:
    """Return a month with its year: "November 2026"."""
    return format_skeleton("yMMMM", _date_of(on), locale=reader.locale)


def short_month(on: datetime | date, *, reader: Reader) -> str:
    """Return a month's short name, for narrow places: "Nov"."""
    return format_date(_date_of(on), "LLL", locale=reader.locale)


def _date_of(on: datetime | date) -> date:
    return timezone.localdate(on) if isinstance(on, datetime) else on


def weekdays(*, reader: Reader) -> list[tuple[int, str]]:
    """Return (number, full name) of the weekdays, Monday 0, in the order in which the reader's calendars have them."""
    locale = Locale.parse(reader.locale)
    order = [(locale.first_week_day + offset) % 7 for offset in range(7)]
    return [(one, locale.days["stand-alone"]["wide"][one]) for one in order]


# A time as sentences carry it; one that is already written for its reader ("6:00 PM") is left as it is.
_TIME_OF_DAY = re.compile(r"\b([01]?\d|2[0-3]):([0-5]\d)(?::([0-5]\d))?\b(?!:\d|\s*[AaPp]\.?\s*[Mm]\b)")


def spoken(text: str, *, reader: Reader) -> str:
    """Return a sentence whose times are written "18:00" with times as the reader writes them: "6:00 PM"."""
    return _TIME_OF_DAY.sub(lambda found: _as_spoken(found, reader), text)


def _as_spoken(found: re.Match[str], reader: Reader) -> str:
    hour, minute, second = (int(part or 0) for part in found.groups())
    return time_of_day(time(hour, minute, second), reader=reader)
