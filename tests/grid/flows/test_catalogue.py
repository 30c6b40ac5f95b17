"""Utilities, tariffs and programs from files: exact, whole or not at all, the same when loaded again."""

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from django.core.management import CommandError, call_command

from grid.flows.catalogue import UnableToLoad, load_catalogue
from grid.flows.pricebook import rates_of
from grid.models import Feed, Program, ProgramTerms, Tariff, Utility
from grid.tariffs import rate_at
from tests.factories import grid as make

pytestmark = pytest.mark.django_db


def record(**changes: Any) -> dict[str, Any]:
    """Return a small catalogue; `changes` replace parts, a dotted name inside the first of a list."""
    whole: dict[str, Any] = {
        "utility": {
            "slug": "u",
            "name": "U",
            "country": "US",
            "region": "Texas",
            "currency": "USD",
            "time_zone": "America/Chicago",
            "two_person_limit_kw": 100,
        },
        "feeds": [{"source": "ercot", "zone": "LZ_AEN", "kind": "day_ahead_price"}],
        "tariffs": [{"slug": "t", "name": "T", "kind": "flat", "flat": "0.1234"}],
        "programs": [
            {
                "slug": "p",
                "name": "P",
                "terms": [
                    {
                        "version": 1,
                        "valid_from_at": "2024-05-01T05:00:00+00:00",
                        "reward": "2.00",
                        "kinds": ["hold"],
                        "minimum_notice_minutes": 15,
                        "max_event_minutes": 180,
                    }
                ],
            }
        ],
    }
    for name, value in changes.items():
        part, _, key = name.partition("__")
        if part == "terms":
            whole["programs"][0]["terms"][0][key] = value
        elif part == "utility":
            whole["utility"][key] = value
        else:
            whole[part][0][key] = value
    return whole


def test_rates_are_kept_to_the_millionth() -> None:
    load_catalogue(record())
    assert Tariff.objects.get().flat_rate_micros_per_kwh == 123_400
    assert ProgramTerms.objects.get().reward_micros_per_kwh == 2_000_000
    assert Utility.objects.get().two_person_limit_w == 100_000


def test_loading_again_adds_nothing_and_changes_what_changed() -> None:
    load_catalogue(record())
    load_catalogue(record(tariffs__flat="0.2"))
    counts = [model.objects.count() for model in (Utility, Feed, Tariff, Program, ProgramTerms)]
    assert counts == [1, 1, 1, 1, 1]
    assert Tariff.objects.get().flat_rate_micros_per_kwh == 200_000


def test_terms_that_an_event_used_stay_as_they_are(now: datetime) -> None:
    load_catalogue(record())
    make.event(now=now, of=ProgramTerms.objects.get())
    load_catalogue(record())
    with pytest.raises(UnableToLoad, match="add version 2"):
        load_catalogue(record(terms__reward="3.00"))
    assert ProgramTerms.objects.get().reward_micros_per_kwh == 2_000_000


def test_terms_that_no_event_used_may_still_change() -> None:
    load_catalogue(record())
    load_catalogue(record(terms__reward="3.00"))
    assert ProgramTerms.objects.get().reward_micros_per_kwh == 3_000_000


@pytest.mark.parametrize(
    ("changes", "complaint"),
    [
        ({"utility__time_zone": "Texas"}, "no time zone"),
        ({"tariffs__flat": 0.1234}, "is no rate"),
        ({"tariffs__flat": "0.1234567"}, "is no rate"),
        ({"tariffs__flat": "cheap"}, "is no rate"),
        ({"tariffs__kind": "free"}, "free"),
        ({"tariffs__periods": [{"weekdays": [9], "from": "00:00", "to": "01:00", "rate": "1"}]}, "Tariff t: Period 1"),
        ({"tariffs__price_feed": ["ercot", "LZ_MOON", "day_ahead_price"]}, "There is no feed"),
        ({"terms__kinds": ["levitate"]}, "levitate"),
        ({"terms__valid_from_at": "2024-05-01T05:00:00"}, "says no time zone"),
        ({"programs__terms": None}, "lacks something"),
    ],
)
def test_file_that_makes_no_sense_loads_nothing(changes: dict[str, Any], complaint: str) -> None:
    with pytest.raises(UnableToLoad, match=complaint):
        load_catalogue(record(**changes))
    assert not Utility.objects.exists()


def test_file_without_a_part_is_refused() -> None:
    whole = record()
    del whole["utility"]["currency"]
    with pytest.raises(UnableToLoad, match="currency"):
        load_catalogue(whole)


def test_carried_files_load_twice() -> None:
    for _ in range(2):
        call_command("load_programs", verbosity=0)
    assert set(Program.objects.values_list("slug", flat=True)) == {"evening-relief", "peak-rewards"}
    assert all(Utility.objects.values_list("is_demo", flat=True))
    assert all(source and day for source, day in Tariff.objects.values_list("source", "as_of_date"))


@pytest.mark.parametrize(
    ("local", "rate"),
    [
        ("2026-11-18T03:00-05:00", 28_000),
        ("2026-11-18T23:30-05:00", 28_000),
        ("2026-11-18T16:00-05:00", 284_000),
        ("2026-11-18T20:45-05:00", 284_000),
        ("2026-11-18T21:00-05:00", 122_000),
        ("2026-11-18T07:00-05:00", 122_000),
        ("2026-11-21T17:00-05:00", 76_000),
        ("2026-11-21T23:00-05:00", 28_000),
    ],
)
def test_ultra_low_overnight_is_priced_as_the_energy_board_lists_it(local: str, rate: int) -> None:
    call_command("load_programs", verbosity=0)
    tariff = Tariff.objects.select_related("utility").get(slug="maple-ultra-low-overnight")
    assert rate_at(rates_of(tariff), datetime.fromisoformat(local).astimezone(UTC)) == rate


def test_carried_programs_are_open_for_events_now(now: datetime) -> None:
    call_command("load_programs", verbosity=0)
    for program in Program.objects.all():
        terms = ProgramTerms.in_force(program=program, at=now + timedelta(days=365))
        assert terms is not None
        assert {"hold", "discharge"} <= set(terms.kinds)


def test_command_names_the_file_that_is_wrong(tmp_path: Path) -> None:
    path = tmp_path / "bad.json"
    path.write_text("{")
    with pytest.raises(CommandError, match=r"bad\.json"):
        call_command("load_programs", path)
    path.write_text(json.dumps(record(tariffs__flat="cheap")))
    with pytest.raises(CommandError, match=r"bad\.json: 'cheap' is no rate"):
        call_command("load_programs", path)


@pytest.mark.parametrize(
    ("local", "rate"),
    [
        pytest.param("2026-12-25T17:00-05:00", 76_000, id="Christmas Day, a Friday"),
        pytest.param("2026-12-28T17:00-05:00", 76_000, id="in place of Boxing Day, a Saturday"),
        pytest.param("2026-12-29T17:00-05:00", 284_000, id="the Tuesday after"),
        pytest.param("2026-12-25T23:30-05:00", 28_000, id="the night stays the cheapest"),
        pytest.param("2027-07-01T06:45-04:00", 28_000, id="Canada Day before seven"),
        pytest.param("2027-07-01T07:00-04:00", 76_000, id="Canada Day from seven"),
    ],
)
def test_ontario_holidays_are_billed_as_weekends(local: str, rate: int) -> None:
    call_command("load_programs", verbosity=0)
    tariff = Tariff.objects.select_related("utility").get(slug="maple-ultra-low-overnight")
    assert rate_at(rates_of(tariff), datetime.fromisoformat(local).astimezone(UTC)) == rate


def test_file_has_months_tiers_and_calendars() -> None:
    period = {"weekdays": [0], "months": [1], "from": "00:00", "to": "24:00", "tiers_per": "day"}
    tiers = [{"up_to_kwh": "12.5", "rate": "0.1"}, {"rate": "0.2", "export": "0.05"}]
    whole = record(tariffs__kind="time_of_use", tariffs__periods=[period | {"tiers": tiers}], tariffs__holidays="x")
    with pytest.raises(UnableToLoad, match="no calendar x"):
        load_catalogue(whole)
    load_catalogue(whole | {"calendars": {"x": {"dates": ["2026-12-25"]}}})
    tariff = Tariff.objects.get()
    assert tariff.holidays == ["2026-12-25"]
    assert tariff.periods[0]["tiers"] == [{"up_to_wh": 12_500, "rate": 100_000}, {"rate": 200_000, "export": 50_000}]
