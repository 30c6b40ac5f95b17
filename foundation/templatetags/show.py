"""How values look on pages: every amount, unit, date and time is written by `foundation.formats` for the reader."""

from datetime import date, datetime, time, timedelta
from decimal import Decimal
from functools import lru_cache
from typing import Any

from django import template
from django.template.loader import get_template
from django.utils.html import format_html
from django.utils.safestring import SafeString, mark_safe
from django.utils.translation import gettext

from foundation import formats
from foundation.formats import Reader, reader_in

register = template.Library()

FRESH_FOR = timedelta(minutes=30)  # an older value is marked, because the platform itself no longer acts on it


def reader_of(context: template.Context) -> Reader:
    """Return for whom the page is written: the active language, and the country of the person looking."""
    user = getattr(context.get("request"), "user", None)
    return reader_in(getattr(user, "country", "US"))


def locale_for(country: str) -> str:
    """Return the active language in a country as browsers name it ("fr-CA"): the locale of charts' numbers."""
    return reader_in(country).tag


@register.simple_tag(takes_context=True)
def money(context: template.Context, minor: int, currency: str) -> str:
    """Show an amount of minor units: 1234 USD is "$12.34"."""
    return formats.money(minor, currency, reader=reader_of(context))


@register.simple_tag(takes_context=True)
def rate(context: template.Context, micros: int, currency: str) -> str:
    """Show a rate of micro-currency per kWh: 2,000,000 is "$2.00 per kWh", 284,000 is "28.4¢ per kWh"."""
    return formats.rate(micros, currency, reader=reader_of(context))


@register.simple_tag(takes_context=True)
def energy(context: template.Context, wh: int | None) -> str:
    """Show watt-hours as kWh with two digits: 7420 is "7.42 kWh"."""
    return formats.energy(wh, reader=reader_of(context))


@register.simple_tag(takes_context=True)
def power(context: template.Context, w: int | None) -> str:
    """Show watts as kW: 9600 is "9.6 kW", -7200 is "−7.2 kW"."""
    return formats.power(w, reader=reader_of(context))


@register.simple_tag(takes_context=True)
def kilograms(context: template.Context, grams: int | None) -> str:
    """Show grams as kilograms: 7420 is "7.4 kg", -300 is "−0.3 kg"."""
    return formats.kilograms(grams, reader=reader_of(context))


@register.simple_tag(takes_context=True)
def number(context: template.Context, value: Decimal | float, digits: int = 2) -> str:
    """Show a number with at most `digits` decimals, as the reader writes it."""
    return formats.number(value, reader=reader_of(context), digits=digits)


@register.simple_tag(takes_context=True)
def percent(context: template.Context, value: Decimal | float | None) -> str:
    """Show a percentage in whole percent; None is "not known"."""
    return formats.percent(value, reader=reader_of(context))


@register.simple_tag(takes_context=True)
def age(context: template.Context, observed: datetime | None, now: datetime) -> SafeString:
    """Show how old a value is, in words, and mark it when it is too old to be acted on."""
    if observed is None:
        return format_html('<span class="age age-old">{}</span>', gettext("never read"))
    old = now - observed
    return format_html(
        '<time class="{}" datetime="{}">{}</time>',
        "age age-old" if old > FRESH_FOR else "age",
        observed.isoformat(timespec="seconds"),
        formats.age(old, reader=reader_of(context)),
    )


@register.simple_tag(takes_context=True)
def clock(context: template.Context, at: datetime | None) -> SafeString:
    """Show a time of day in the page's zone: "5:05 PM"."""
    return _time(at, formats.time_of_day(at, reader=reader_of(context))) if at else SafeString(formats.NOT_THERE)


@register.simple_tag(takes_context=True)
def hour(context: template.Context, at: time) -> str:
    """Show a time of day that belongs to no date: "6:00 PM", "18:00"."""
    return formats.time_of_day(at, reader=reader_of(context))


@register.simple_tag(takes_context=True)
def day(context: template.Context, at: datetime | None, now: datetime | None = None) -> SafeString:
    """Show a day in the page's zone: "today", "tomorrow", "yesterday", else "Wed, Nov 18"."""
    return _time(at, formats.day(at, reader=reader_of(context), now=now)) if at else SafeString(formats.NOT_THERE)


@register.simple_tag(takes_context=True)
def moment(context: template.Context, at: datetime | None, now: datetime | None = None) -> SafeString:
    """Show day and time in the page's zone: "tomorrow, 7:30 AM"."""
    return _time(at, formats.moment(at, reader=reader_of(context), now=now)) if at else SafeString(formats.NOT_THERE)


@register.simple_tag(takes_context=True)
def full_date(context: template.Context, on: datetime | date) -> str:
    """Show a date with its year in full: "November 18, 2026"."""
    return formats.full_date(on, reader=reader_of(context))


@register.simple_tag(takes_context=True)
def month(context: template.Context, on: datetime | date) -> str:
    """Show a month with its year: "November 2026"."""
    return formats.month(on, reader=reader_of(context))


@register.simple_tag(takes_context=True)
def short_month(context: template.Context, on: datetime | date) -> str:
    """Show a month's short name: "Nov"."""
    return formats.short_month(on, reader=reader_of(context))


def _time(at: datetime, words: str) -> SafeString:
    return format_html('<time datetime="{}">{}</time>', at.isoformat(timespec="seconds"), words)


@register.simple_tag(takes_context=True)
def spoken(context: template.Context, text: str) -> str:
    """Show a sentence whose times are written "18:00" with times as the reader writes them: "6:00 PM"."""
    return formats.spoken(str(text), reader=reader_of(context))


@register.simple_tag
@lru_cache(maxsize=64)
def icon(name: str) -> SafeString:
    """Draw one of our own icons; it is decoration, so screen readers skip it."""
    return mark_safe(get_template(f"components/icons/{name}.svg").render())  # noqa: S308 - our own file


@register.filter
def is_old(observed: datetime | None, now: datetime) -> bool:
    """Tell whether a value is too old to be acted on, so that it can be shown as what was last seen."""
    return observed is None or now - observed > FRESH_FOR


@register.filter
def size(value: int) -> int:
    """Return a value without its sign, where words already say which way it goes."""
    return abs(value)


@register.filter
def has_errors(form: Any) -> bool:
    """Tell whether a bound form was refused, so that the page can say so at its top."""
    return bool(form and form.is_bound and form.errors)
