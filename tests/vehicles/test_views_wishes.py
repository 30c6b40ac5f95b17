"""Single dates and pauses on the web: said, refused at the field, taken back, put back."""

from datetime import UTC, date, datetime, time
from pathlib import Path
from typing import Any

import pytest
from django.test import Client

from accounts.models import User
from tests.page_world import World, build_world, stop_clock
from vehicles.models import ChargeOverride, ChargePreference, DatedDeparture


@pytest.fixture
def world(alice: User, client: Client, settings: Any, tmp_path: Path, now: datetime) -> World:
    """Alice with everything, signed in, on a clock that stands."""
    stop_clock(settings, tmp_path, now)
    client.force_login(alice)
    return build_world(alice, now=now)


def of(world: World, action: str = "") -> str:
    return f"/cars/{world.vehicle.public_id}/{action}"


def test_an_early_friday_is_said_shown_and_taken_back(world: World, client: Client) -> None:
    friday = {"kind": "leaves", "first_date": "2026-11-20", "leaves_at_local": "05:00"}
    shown = client.post(of(world, "dates/"), friday, follow=True).content.decode()
    assert "November 20, 2026" in shown
    assert "Leaves at" in shown
    row = DatedDeparture.objects.get(first_date=date(2026, 11, 20))
    assert (row.last_date, row.leaves_at_local) == (date(2026, 11, 20), time(5))
    assert "November 20, 2026" in client.get(of(world)).content.decode()

    again = client.post(f"/cars/dates/{row.public_id}/remove/", follow=True).content.decode()

    assert not DatedDeparture.objects.filter(pk=row.pk).exists()
    assert 'value="2026-11-20"' in again  # ready to be put back
    assert 'value="05:00"' in again


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"first_date": "2026-11-01"}, "That day is over"),
        ({"first_date": "2026-12-18"}, "already said something"),
        ({"kind": "leaves"}, "Say when the car leaves"),
        ({"first_date": ""}, "This field is required"),
        ({"kind": "flies"}, "Select a valid choice"),
    ],
)
def test_a_date_that_cannot_be_is_refused_at_its_field(
    world: World, client: Client, changes: dict[str, str], words: str
) -> None:
    wish = {"kind": "stays", "first_date": "2026-12-25", "last_date": "", "leaves_at_local": ""}
    text = client.post(of(world, "dates/"), wish | changes).content.decode()
    assert words in text
    assert DatedDeparture.objects.count() == 1


def test_a_stranger_cannot_take_a_date_back(world: World, client: Client, charlie: User) -> None:
    client.force_login(charlie)
    row = DatedDeparture.objects.get()
    assert client.post(f"/cars/dates/{row.public_id}/remove/").status_code == 404
    assert client.post(of(world, "dates/"), {"kind": "stays", "first_date": "2026-12-25"}).status_code == 404


def test_a_pause_until_a_day_ends_by_itself_and_can_be_taken_back(world: World, client: Client) -> None:
    client.post(f"/overrides/{world.override.public_id}/cancel/")
    until = {"paused": "until", "until_date": "2026-11-29", "until_time": "09:30", "next": "dashboard"}
    text = client.post(of(world, "pause/"), until, follow=True).content.decode()

    pause = ChargeOverride.objects.get(cancelled_at=None)
    assert pause.ends_at == datetime(2026, 11, 29, 15, 30, tzinfo=UTC)
    assert "Left alone, by your word" in text
    assert "Back to the plan" in text
    assert not ChargePreference.objects.get(vehicle=world.vehicle).is_paused


@pytest.mark.parametrize(
    ("until", "words"),
    [
        ({"until_date": "", "until_time": "09:30"}, "Choose the day and the time"),
        ({"until_date": "2026-11-17", "until_time": "09:30"}, "still to come"),
        ({"until_date": "2027-11-17", "until_time": "09:30"}, "within 90 days"),
    ],
)
def test_a_pause_that_cannot_be_says_why(world: World, client: Client, until: dict[str, str], words: str) -> None:
    answer = client.post(of(world, "pause/"), {"paused": "until", **until}, follow=True)
    assert words in answer.content.decode()
    assert ChargeOverride.objects.get(cancelled_at=None) == world.override
