"""Utilities, tariffs and programs from files: exact, whole or not at all, the same when loaded again."""

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from django.core.management import CommandError, call_command

from accounts.models import User
from grid.flows.prices.pricebook import rates_of
from grid.flows.programs.catalogue import UnableToLoad, load_catalogue, try_catalogue
from grid.models import Feed, Program, ProgramTerms, Tariff, Utility
from grid.rules.tariffs import rate_at
from tests.factories import grid as make

pytestmark = pytest.mark.django_db

NOW = datetime(2026, 11, 18, 23, tzinfo=UTC)


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
    load_catalogue(record(), now=NOW)
    assert Tariff.objects.get().flat_rate_micros_per_kwh == 123_400
    assert ProgramTerms.objects.get().reward_micros_per_kwh == 2_000_000
    assert Utility.objects.get().two_person_limit_w == 100_000


def test_loading_again_adds_nothing_and_changes_what_changed() -> None:
    load_catalogue(record(), now=NOW)
    load_catalogue(record(tariffs__flat="0.2"), now=NOW)
    counts = [model.objects.count() for model in (Utility, Feed, Tariff, Program, ProgramTerms)]
    assert counts == [1, 1, 1, 1, 1]
    assert Tariff.objects.get().flat_rate_micros_per_kwh == 200_000


def test_terms_that_an_event_used_stay_as_they_are(now: datetime) -> None:
    load_catalogue(record(), now=NOW)
    make.event(now=now, of=ProgramTerms.objects.get())
    load_catalogue(record(), now=NOW)
    with pytest.raises(UnableToLoad, match="add version 2"):
        load_catalogue(record(terms__reward="3.00"), now=NOW)
    assert ProgramTerms.objects.get().reward_micros_per_kwh == 2_000_000


def test_terms_that_no_event_used_may_still_change() -> None:
    load_catalogue(record(), now=NOW)
    load_catalogue(record(terms__reward="3.00"), now=NOW)
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
        load_catalogue(record(**changes), now=NOW)
    assert not Utility.objects.exists()


def test_file_without_a_part_is_refused() -> None:
    whole = record()
    del whole["utility"]["currency"]
    with pytest.raises(UnableToLoad, match="currency"):
        load_catalogue(whole, now=NOW)


def test_carried_files_load_twice() -> None:
    for _ in range(2):
        call_command("load_programs", verbosity=0)
    demo = Program.objects.filter(utility__is_demo=True)
    assert set(demo.values_list("slug", flat=True)) == {"evening-relief", "peak-rewards"}
    real = Program.objects.filter(utility__is_demo=False)
    assert {"elrp-a5", "dsgs-option-3", "smartcharge-new-york", "bge-sunrun-ford-v2g"} <= {one.slug for one in real}
    assert not any(one.is_served for one in real)  # nobody is promised pay that no utility owes us
    assert all(one.source and one.as_of_date for one in real)
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
    for program in Program.objects.filter(utility__is_demo=True):
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
        load_catalogue(whole, now=NOW)
    load_catalogue(whole | {"calendars": {"x": {"dates": ["2026-12-25"]}}}, now=NOW)
    tariff = Tariff.objects.get()
    assert tariff.holidays == ["2026-12-25"]
    assert tariff.periods[0]["tiers"] == [{"up_to_wh": 12_500, "rate": 100_000}, {"rate": 200_000, "export": 50_000}]


@pytest.mark.parametrize(
    ("changes", "complaint"),
    [
        ({"terms__colour": "red"}, "Terms of p knows no `colour`; it may have"),
        ({"programs__colour": "red"}, "Program p knows no `colour`"),
        ({"programs__status": "sleepy"}, "sleepy"),
        ({"terms__version": 0}, "whole number from 1"),
        ({"terms__season_months": [13]}, "p v1, `season_months`: months are"),
        ({"terms__windows": [{"weekdays": [0], "from": "9:00", "to": "10:00"}]}, "`windows`: window 1: from is a time"),
        ({"terms__max_events_per_day": -1}, "`max_events_per_day`: a whole number"),
        ({"terms__max_event_minutes": "90"}, "`max_event_minutes`: a whole number"),
        ({"terms__control_share_percent": 51}, "at most 50"),
        ({"terms__settles": "wishes"}, "wishes"),
        ({"terms__eligibility": {"wheels": 4}}, "`eligibility`: eligibility: there is no rule `wheels`"),
        ({"terms__excludes": [{"program": "x"}]}, "each rule is"),
        ({"terms__excludes": [{"program": "x", "scope": "planet"}]}, "each rule is"),
        ({"terms__needs_confirmation": "yes"}, "true or false"),
        ({"terms__eligibility": {"agreement": {"is_confirmed_by_utility": True}}}, "set `needs_confirmation`"),
    ],
)
def test_terms_that_make_no_sense_say_where(changes: dict[str, Any], complaint: str) -> None:
    with pytest.raises(UnableToLoad, match=complaint):
        load_catalogue(record(**changes), now=NOW)
    assert not Utility.objects.exists()


def test_terms_keep_every_field_of_the_file() -> None:
    told: dict[str, Any] = {
        "settles": "group", "baseline_method": "control-group", "baseline_version": 2, "group_method": "sum-of-cars",
        "group_method_version": 3, "share_rule": "equal", "has_penalty": True, "control_share_percent": 10,
        "objection_hours": 72, "season_months": [5, 6], "max_events_per_season": 35, "max_minutes_per_season": 3600,
        "max_events_per_day": 1, "change_notice_days": 30, "eligibility": {"regions": ["Texas"]},
        "windows": [{"weekdays": [0], "from": "16:00", "to": "21:00"}],
        "excludes": [{"program": "elrp", "scope": "site"}], "needs_confirmation": True,
    }  # fmt: skip
    whole = record(programs__status="pilot", programs__status_note="A trial.", programs__groups=["elrp"])
    whole["programs"][0]["terms"][0] |= told
    load_catalogue(whole, now=NOW)
    terms = ProgramTerms.objects.select_related("program").get()
    assert {name: getattr(terms, name) for name in told} == told
    assert (terms.program.status, terms.program.status_note, terms.program.names) == (
        "pilot",
        "A trial.",
        {"p", "elrp"},
    )


def second(valid_from_at: str, **changes: Any) -> dict[str, Any]:
    """Return the small catalogue with a second version of its terms; the first promises ten days' notice."""
    whole = record(terms__change_notice_days=10)
    first = whole["programs"][0]["terms"][0]
    whole["programs"][0]["terms"].append(first | {"version": 2, "valid_from_at": valid_from_at} | changes)
    return whole


def test_version_sooner_than_owners_were_promised_is_refused() -> None:
    load_catalogue(record(terms__change_notice_days=10), now=NOW)
    with pytest.raises(UnableToLoad, match="10 days' notice of a change, so it is valid from 2026-11-28 17:00 CST"):
        load_catalogue(second("2026-11-28T22:59:00+00:00", change_notice_days=0), now=NOW)
    load_catalogue(second("2026-11-28T23:00:00+00:00"), now=NOW)
    load_catalogue(second("2026-11-28T23:00:00+00:00"), now=NOW + timedelta(days=30))  # known by now
    assert ProgramTerms.objects.count() == 2


def test_program_that_is_new_may_bring_its_history() -> None:
    load_catalogue(second("2025-01-01T00:00:00+00:00"), now=NOW)
    assert ProgramTerms.objects.count() == 2


def test_terms_that_owners_joined_on_change_by_a_new_version(alice: User, now: datetime) -> None:
    load_catalogue(record(terms__change_notice_days=10), now=NOW)
    make.enrollment(alice, now=now, of=Program.objects.get())
    with pytest.raises(UnableToLoad, match="add version 2 instead"):
        load_catalogue(record(terms__change_notice_days=10, terms__reward="1.00"), now=NOW)


def test_trial_says_what_would_change_and_changes_nothing() -> None:
    assert try_catalogue(record(), now=NOW) == [
        "u: new utility",
        "p: new",
        "p: new terms v1, valid from 2024-05-01T05:00:00+00:00",
    ]
    assert not Utility.objects.exists()
    load_catalogue(record(), now=NOW)
    assert try_catalogue(record(), now=NOW) == []
    assert try_catalogue(record(programs__name="Q", terms__reward="3.00"), now=NOW) == [
        "p: changed name",
        "p: terms v1 changed in reward_micros_per_kwh",
    ]


def test_feed_that_admins_switched_off_stays_off() -> None:
    load_catalogue(record(feeds__is_active=False), now=NOW)
    assert not Feed.objects.get().is_active
    Feed.objects.update(is_active=True)
    load_catalogue(record(feeds__is_active=False), now=NOW)
    assert Feed.objects.get().is_active
