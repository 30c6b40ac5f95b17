"""How values look: money, energy, power, percentages, ages and local times. Templates format nothing by themselves."""

import re
from datetime import datetime, time, timedelta
from decimal import Decimal
from typing import Any

from babel.dates import format_date, format_skeleton, format_time, format_timedelta
from babel.numbers import format_currency, format_decimal, format_percent
from django import template
from django.template.loader import get_template
from django.utils import timezone
from django.utils.html import format_html
from django.utils.safestring import SafeString, mark_safe

from foundation.money import major_units

register = template.Library()

MICROS = 1_000_000
FRESH_FOR = timedelta(minutes=30)  # an older value is marked, because the platform itself no longer acts on it


def locale_of(context: template.Context) -> str:
    """Return the babel locale of the person looking: the country decides between American and Canadian habits."""
    user = getattr(context.get("request"), "user", None)
    return locale_for(getattr(user, "country", "US")).replace("-", "_")


def locale_for(country: str) -> str:
    """Return the locale of a country's owners as browsers name it ("en-CA")."""
    return "en-CA" if country == "CA" else "en-US"


@register.simple_tag(takes_context=True)
def money(context: template.Context, minor: int, currency: str) -> str:
    """Show an amount of minor units: 1234 USD is "$12.34"."""
    return format_currency(major_units(amount_minor=minor, currency=currency), currency, locale=locale_of(context))


@register.simple_tag(takes_context=True)
def rate(context: template.Context, micros: int, currency: str) -> str:
    """Show a rate of micro-currency per kWh: 2,000,000 is "$2.00 per kWh", 284,000 is "28.4¢ per kWh"."""
    major = Decimal(micros) / MICROS
    if abs(major) < 1:
        cents = format_decimal(major * 100, format="0.#", locale=locale_of(context))
        return f"{cents}¢ per kWh"
    return f"{format_currency(major, currency, locale=locale_of(context))} per kWh"


@register.simple_tag(takes_context=True)
def energy(context: template.Context, wh: int | None) -> str:
    """Show watt-hours as kWh with two digits: 7420 is "7.42 kWh"."""
    return _unit(wh, "kWh", locale_of(context), digits="#,##0.00")


@register.simple_tag(takes_context=True)
def power(context: template.Context, w: int | None) -> str:
    """Show watts as kW: 9600 is "9.6 kW", -7200 is "−7.2 kW"."""
    return _unit(w, "kW", locale_of(context), digits="#,##0.#")


def _unit(value: int | None, unit: str, locale: str, *, digits: str) -> str:
    if value is None:
        return "not known"
    shown = format_decimal(Decimal(value) / 1000, format=digits, locale=locale)
    return f"{shown.replace('-', '−')}\N{NO-BREAK SPACE}{unit}"


@register.simple_tag(takes_context=True)
def percent(context: template.Context, value: Decimal | float | None) -> str:
    """Show a percentage in whole percent; None is "not known"."""
    if value is None:
        return "not known"
    return format_percent(Decimal(str(value)) / 100, locale=locale_of(context))


@register.simple_tag(takes_context=True)
def age(context: template.Context, observed: datetime | None, now: datetime) -> SafeString:
    """Show how old a value is, in words, and mark it when it is too old to be acted on."""
    if observed is None:
        return format_html('<span class="age age-old">{}</span>', "never read")
    old = now - observed
    if old < timedelta(minutes=1):
        words = "just now"
    else:
        words = f"{format_timedelta(old, locale=locale_of(context), threshold=1.2)} ago"
    return format_html(
        '<time class="{}" datetime="{}">{}</time>',
        "age age-old" if old > FRESH_FOR else "age",
        observed.isoformat(timespec="seconds"),
        words,
    )


@register.simple_tag(takes_context=True)
def clock(context: template.Context, at: datetime | None) -> SafeString:
    """Show a time of day in the page's zone: "5:05 PM"."""
    if at is None:
        return SafeString("–")
    local = timezone.localtime(at)
    return _time(at, format_time(local, "short", tzinfo=local.tzinfo, locale=locale_of(context)))


@register.simple_tag(takes_context=True)
def day(context: template.Context, at: datetime | None, now: datetime | None = None) -> SafeString:
    """Show a day in the page's zone: "today", "tomorrow", "yesterday", else "Wed, Nov 18"."""
    if at is None:
        return SafeString("–")
    return _time(at, _day_words(at, now, locale_of(context)))


@register.simple_tag(takes_context=True)
def moment(context: template.Context, at: datetime | None, now: datetime | None = None) -> SafeString:
    """Show day and time in the page's zone: "tomorrow, 7:30 AM"."""
    if at is None:
        return SafeString("–")
    locale = locale_of(context)
    local = timezone.localtime(at)
    words = f"{_day_words(at, now, locale)}, {format_time(local, 'short', tzinfo=local.tzinfo, locale=locale)}"
    return _time(at, words)


def _day_words(at: datetime, now: datetime | None, locale: str) -> str:
    date = timezone.localdate(at)
    if now is not None:
        ahead = (date - timezone.localdate(now)).days
        if ahead in _NEAR_DAYS:
            return _NEAR_DAYS[ahead]
        if abs(ahead) > 300:  # another year has to be said
            return format_date(date, "medium", locale=locale)
    return format_skeleton("MMMEd", timezone.localtime(at), locale=locale)


_NEAR_DAYS = {0: "today", 1: "tomorrow", -1: "yesterday"}


def _time(at: datetime, words: str) -> SafeString:
    return format_html('<time datetime="{}">{}</time>', at.isoformat(timespec="seconds"), words)


@register.simple_tag(takes_context=True)
def spoken(context: template.Context, text: str) -> str:
    """Show a sentence whose times are written "18:00" with times as the reader writes them: "6:00 PM"."""
    locale = locale_of(context)
    return _TIME_OF_DAY.sub(lambda found: _as_spoken(found, locale), text)


_TIME_OF_DAY = re.compile(r"\b([01]?\d|2[0-3]):([0-5]\d)(?::([0-5]\d))?\b")


def _as_spoken(found: re.Match[str], locale: str) -> str:
    hour, minute, second = (int(part or 0) for part in found.groups())
    return format_time(time(hour, minute, second), "medium" if found[3] else "short", locale=locale)


@register.simple_tag
def icon(name: str) -> SafeString:
    """Draw one of our own icons; it is decoration, so screen readers skip it."""
    return mark_safe(get_template(f"components/icons/{name}.svg").render())  # noqa: S308 - our own file


@register.filter
def size(value: int) -> int:
    """Return a power without its sign, where words already say which way it flows."""
    return abs(value)


@register.filter
def has_errors(form: Any) -> bool:
    """Tell whether a bound form was refused, so that the page can say so at its top."""
    return bool(form and form.is_bound and form.errors)
