"""How values are written for readers of three languages in two countries."""

from datetime import UTC, datetime, time, timedelta
from typing import Any

import pytest
from django import forms
from django.utils import translation

from foundation import formats
from foundation.formats import Reader, reader_in
from foundation.forms import LocalDecimalField

NOW = datetime(2026, 11, 18, 23, 5, tzinfo=UTC)
QUEBEC, TEXAS, MIAMI, MONTREAL = Reader("fr", "CA"), Reader("en", "US"), Reader("es", "US"), Reader("es", "CA")


def plain(text: str) -> str:
    """Return a text with common spaces for its no-break ones."""
    return text.replace("\N{NARROW NO-BREAK SPACE}", " ").replace("\N{NO-BREAK SPACE}", " ")


@pytest.mark.parametrize(
    ("reader", "currency", "written"),
    [
        (QUEBEC, "CAD", "1 234,56 $"),
        (QUEBEC, "USD", "1 234,56 $ US"),
        (Reader("en", "CA"), "CAD", "$1,234.56"),
        (Reader("en", "CA"), "USD", "US$1,234.56"),
        (TEXAS, "CAD", "CA$1,234.56"),
        (Reader("fr", "US"), "CAD", "1 234,56 $ CA"),
        (MIAMI, "USD", "$1,234.56"),
        (MIAMI, "CAD", "CA$1,234.56"),
        (MONTREAL, "CAD", "$1,234.56"),
        (MONTREAL, "USD", "US$1,234.56"),
    ],
)
def test_everybody_sees_whose_dollar_it_is(reader: Reader, currency: str, written: str) -> None:
    assert plain(formats.money(123456, currency, reader=reader)) == written


@pytest.mark.parametrize(
    ("reader", "written"),
    [
        (QUEBEC, ["7,42 kWh", "−7,2 kW", "62 %", "28,4 ¢", "17 h 05", "18 novembre 2026", "novembre 2026"]),
        (TEXAS, ["7.42 kWh", "−7.2 kW", "62%", "28.4¢", "5:05 PM", "November 18, 2026", "November 2026"]),
        (MIAMI, ["7.42 kWh", "−7.2 kW", "62%", "28.4¢", "5:05 p.m.", "18 de noviembre de 2026", "noviembre de 2026"]),
    ],
)
def test_values_are_written_as_the_language_has_them(reader: Reader, written: list[str]) -> None:
    values = [
        formats.energy(7420, reader=reader),
        formats.power(-7200, reader=reader),
        formats.percent(62.4, reader=reader),
        formats.cents(284_000, reader=reader),
        formats.time_of_day(time(17, 5), reader=reader),
        formats.full_date(NOW, reader=reader),
        formats.month(NOW, reader=reader),
    ]
    assert [plain(value) for value in values] == written


def test_sentences_and_ages_speak_the_language() -> None:
    assert plain(formats.spoken("De 18:00 à 00:30", reader=QUEBEC)) == "De 18 h 00 à 0 h 30"
    assert plain(formats.spoken("until 6:00 PM or 6:00 p. m.", reader=TEXAS)) == "until 6:00 PM or 6:00 p. m."
    assert formats.age(timedelta(minutes=12), reader=QUEBEC) == "il y a 12 minutes"
    assert formats.age(timedelta(minutes=12), reader=MIAMI) == "hace 12 minutos"


def test_week_starts_as_calendars_have_it() -> None:
    assert formats.weekdays(reader=QUEBEC)[0] == (6, "dimanche")
    assert [number for number, _name in formats.weekdays(reader=TEXAS)] == [6, 0, 1, 2, 3, 4, 5]


@pytest.mark.parametrize(("language", "tag"), [("en", "en-US"), ("fr-ca", "fr-CA"), ("es", "es-US"), ("de", "en-US")])
def test_reader_follows_the_active_language(language: str, tag: str) -> None:
    with translation.override(language):
        assert reader_in("US").tag == tag


class _Form(forms.Form):
    power_kw = LocalDecimalField(max_value=2000, decimal_places=1)


@pytest.mark.parametrize(
    ("language", "typed", "meant"),
    [
        ("fr-ca", "9,6", "9.6"),
        ("fr-ca", "9.6", "9.6"),
        ("fr-ca", "1 234,5", "1234.5"),
        ("en", "9,6", "9.6"),
        ("en", "1,234.5", "1234.5"),
        ("en", "1,234", "1234"),
        ("es", "9.6", "9.6"),
    ],
)
def test_numbers_are_taken_as_people_type_them(language: str, typed: str, meant: str) -> None:
    with translation.override(language):
        form = _Form({"power_kw": typed})
        assert form.is_valid(), form.errors
        assert str(form.cleaned_data["power_kw"]) == meant


@pytest.mark.parametrize("typed", ["nine", "9,6,6", "1,2345", "1.234.5", "--1", "9,66"])
def test_what_is_no_number_is_refused_and_kept_for_correction(typed: str) -> None:
    with translation.override("fr-ca"):
        form = _Form({"power_kw": typed})
        assert not form.is_valid()
        assert 'value="' in str(form["power_kw"])


@pytest.mark.parametrize(("language", "shown"), [("en", "7.7"), ("fr-ca", "7,7"), ("es", "7.7")])
def test_fields_show_numbers_in_the_language(language: str, shown: str) -> None:
    initial: dict[str, Any] = {"power_kw": "7.7"}
    with translation.override(language):
        assert f'value="{shown}"' in str(_Form(initial=initial)["power_kw"])
