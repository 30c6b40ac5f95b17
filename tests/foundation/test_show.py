"""How values look on pages."""

from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from zoneinfo import ZoneInfo

import pytest
from django.template import Context, Template
from django.utils import timezone

NOW = datetime(2026, 11, 18, 23, 5, tzinfo=UTC)


def show(tag: str, country: str = "US", **values: object) -> str:
    """Render one tag as an owner of `country` in Austin sees it."""
    request = SimpleNamespace(user=SimpleNamespace(country=country))
    context = Context({"request": request, "now": NOW, **values})
    with timezone.override(ZoneInfo("America/Chicago")):
        return Template(f"{{% load show %}}{{% {tag} %}}").render(context).replace("\u202f", " ").replace("\xa0", " ")


@pytest.mark.parametrize(
    ("tag", "shown"),
    [
        ('money 123456 "USD"', "$1,234.56"),
        ('money 0 "USD"', "$0.00"),
        ('money -250 "USD"', "-$2.50"),
        ('rate 2000000 "USD"', "$2.00 per kWh"),
        ('rate 284000 "USD"', "28.4¢ per kWh"),
        ('rate -12000 "USD"', "-1.2¢ per kWh"),
        ("energy 7420", "7.42 kWh"),
        ("energy None", "not known"),
        ("power 9600", "9.6 kW"),
        ("power -7200", "−7.2 kW"),
        ("power -7200|size", "7.2 kW"),
        ("percent 62.4", "62%"),
        ("percent None", "not known"),
        ('spoken "Holds from 18:00 to 00:30, 07:05:09"', "Holds from 6:00 PM to 12:30 AM, 7:05:09 AM"),
        ('spoken "ratio 3:75 stays"', "ratio 3:75 stays"),
    ],
)
def test_values_read_well(tag: str, shown: str) -> None:
    assert show(tag) == shown


def test_canadian_dollars_are_theirs_and_american_ones_marked() -> None:
    assert show('money 500 "CAD"', "CA") == "$5.00"
    assert show('money 500 "USD"', "CA") == "US$5.00"
    assert show('money 500 "CAD"', "US") == "CA$5.00"


@pytest.mark.parametrize(
    ("old", "words", "is_old"),
    [
        (timedelta(seconds=20), "just now", False),
        (timedelta(minutes=12), "12 minutes ago", False),
        (timedelta(minutes=31), "31 minutes ago", True),
        (timedelta(days=4), "4 days ago", True),
    ],
)
def test_age_is_said_and_too_old_is_marked(old: timedelta, words: str, is_old: bool) -> None:  # noqa: FBT001 - a table
    text = show("age observed now", observed=NOW - old)
    assert words in text
    assert ("age-old" in text) == is_old


def test_age_of_what_was_never_read() -> None:
    assert "never read" in show("age observed now", observed=None)


@pytest.mark.parametrize(
    ("at", "words"),
    [
        (NOW, "today, 5:05 PM"),
        (NOW + timedelta(hours=14), "tomorrow, 7:05 AM"),
        (NOW - timedelta(hours=20), "yesterday, 9:05 PM"),
        (NOW + timedelta(days=9), "Fri, Nov 27, 5:05 PM"),
        (NOW + timedelta(days=400), "Dec 23, 2027, 5:05 PM"),
    ],
)
def test_moments_are_local_and_near_days_have_names(at: datetime, words: str) -> None:
    assert f">{words}</time>" in show("moment at now", at=at)


def test_icons_are_silent_for_readers() -> None:
    assert 'aria-hidden="true"' in show('icon "car"')
