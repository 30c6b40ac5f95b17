"""The five steps: each says why it is asked, is kept, can be put off where that is sensible, and leads on."""

from datetime import datetime, time
from pathlib import Path
from typing import Any

import pytest
from django.test import Client

from accounts.models import Consent, User
from grid.models import Enrollment
from tests.factories import grid, nights
from tests.page_world import stop_clock
from vehicles.models import Departure, Vehicle

YOU = {"name": "Charlie", "country": "CA", "time_zone": "America/Toronto"}


@pytest.fixture
def web(client: Client, charlie: User, settings: Any, tmp_path: Path, now: datetime) -> Client:
    """The browser of somebody who has just signed up."""
    stop_clock(settings, tmp_path, now)
    client.force_login(charlie)
    return client


def text_of(web: Client, path: str) -> str:
    return web.get(path).content.decode()


def test_every_step_says_why_it_is_asked_and_where_one_is(web: Client) -> None:
    for number, key in enumerate(("you", "car", "home", "wishes", "payouts"), start=1):
        text = text_of(web, f"/welcome/{key}/")
        assert "Why we ask." in text, key
        assert f"Step {number} of 5" in text, key
        assert text.count('aria-current="step"') == 1, key
    assert web.get("/welcome/elsewhere/").status_code == 404


def test_who_agrees_to_both_goes_on_to_the_car(web: Client, charlie: User) -> None:
    agreed = {"agree_data_use": "on", "agree_grid_participation": "on"}
    assert web.post("/welcome/you/", {**YOU, **agreed})["Location"] == "/welcome/car/"
    charlie.refresh_from_db()
    assert (charlie.country, charlie.time_zone, charlie.currency) == ("CA", "America/Toronto", "CAD")
    assert Consent.objects.filter(user=charlie, revoked_at=None).count() == 2
    assert "1 of 5 done" in text_of(web, "/welcome/")
    assert text_of(web, "/welcome/you/").count("See the receipt") == 2


def test_who_agrees_to_one_alone_stays_and_loses_nothing(web: Client, charlie: User) -> None:
    text = web.post("/welcome/you/", {**YOU, "agree_data_use": "on"}).content.decode()
    assert "Without both agreements" in text
    assert 'name="agree_grid_participation"' in text
    assert 'name="agree_data_use"' not in text
    assert Consent.objects.get(user=charlie).purpose == "data_use"


def test_only_optional_steps_can_be_put_off_and_are_found_again(web: Client) -> None:
    assert web.post("/welcome/home/later/").status_code == 404
    assert web.post("/welcome/payouts/later/")["Location"] == "/welcome/you/"
    text = text_of(web, "/welcome/")
    assert "Put off" in text
    assert 'href="/welcome/payouts/"' in text


def test_wishes_are_kept_for_every_car_and_the_program_is_joined(web: Client, charlie: User, now: datetime) -> None:
    enrolled = nights.plugged_car(charlie, now=now)
    Enrollment.objects.all().delete()
    program = enrolled.program
    assert program.name in text_of(web, "/welcome/wishes/")
    wishes = {
        "leaves_at": "06:15", "weekdays": ["0", "6"], "target_soc_percent": "90", "minimum_soc_percent": "40",
        "program": program.slug,
    }  # fmt: skip

    answer = web.post("/welcome/wishes/", wishes)

    assert answer["Location"] == "/welcome/payouts/"
    rows = Departure.objects.filter(preference__vehicle=enrolled.vehicle)
    assert {row.weekday: row.leaves_at_local for row in rows} == {0: time(6, 15), 6: time(6, 15)}
    preference = Vehicle.objects.get().preference
    assert (preference.target_soc_percent, preference.minimum_soc_percent, preference.reserve_soc_percent) == (
        90,
        40,
        40,
    )
    assert Enrollment.objects.get(ended_at=None).program == program


def test_wishes_that_contradict_each_other_are_refused(web: Client, charlie: User, now: datetime) -> None:
    nights.plugged_car(charlie, now=now)
    wishes = {"leaves_at": "", "target_soc_percent": "30", "minimum_soc_percent": "60"}
    text = web.post("/welcome/wishes/", wishes).content.decode()
    assert "The target cannot be below the reserve" in text


def test_who_has_no_car_is_led_to_link_one(web: Client) -> None:
    assert "Link a car first" in text_of(web, "/welcome/wishes/")
    assert grid.tariff() is not None
    assert 'href="/home/?welcome"' in text_of(web, "/welcome/home/")
