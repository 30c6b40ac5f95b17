"""Pages of cars: linking, choosing, wishes, the owner's word."""

import re
from datetime import datetime, time
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from django.test import Client

from accounts.models import User
from tests.page_world import World, build_world, stop_clock
from vehicles.models import ChargeOverride, ChargePreference, LinkAttempt, Vehicle, VehicleLink
from vehicles.views_links import IN_WELCOME

WISHES = {
    "target_soc_percent": "90",
    "minimum_soc_percent": "25",
    "reserve_soc_percent": "40",
    "is_v2g_allowed": "on",
    "leaves_0": "06:45",
    "leaves_6": "",
}


@pytest.fixture
def world(alice: User, client: Client, settings: Any, tmp_path: Path, now: datetime) -> World:
    """Alice with a car that takes part, signed in, on a clock that stands."""
    stop_clock(settings, tmp_path, now)
    settings.AUTOMAKERS = {"ford": {**settings.AUTOMAKERS["ford"], "client_id": "c", "client_secret": "s"}}
    client.force_login(alice)
    return build_world(alice, now=now)


def of(world: World, page: str) -> str:
    """Return the address of one of the car's pages."""
    return f"/cars/{world.vehicle.public_id}/{page}"


def test_link_sends_the_browser_to_the_maker_with_a_one_time_state(world: World, client: Client, settings: Any) -> None:
    answer = client.post("/cars/link/", {"maker": "ford"})
    target = urlsplit(answer["Location"])
    query = parse_qs(target.query)
    assert target.netloc == urlsplit(settings.AUTOMAKERS["ford"]["authorize_url"]).netloc
    assert query["redirect_uri"] == ["http://localhost:8000/cars/link/callback/ford/"]
    assert query["code_challenge_method"] == ["S256"]
    assert LinkAttempt.objects.get(kind="redirect").owner == world.owner


def test_the_makers_address_may_be_the_target_of_our_form(world: World, client: Client) -> None:
    # A browser that follows a form's redirect asks the policy again, and would stop there.
    policy = client.get("/cars/link/")["Content-Security-Policy"]
    assert re.search(r"form-action [^;]*https://fordconnect\.cv\.ford\.com", policy)


def test_only_makers_that_are_set_up_are_offered(world: World, client: Client, settings: Any) -> None:
    assert "Link another Ford account" in client.get("/cars/link/").content.decode()
    settings.AUTOMAKERS["ford"]["client_id"] = ""
    assert "No automaker can be linked" in client.get("/cars/link/").content.decode()
    answer = client.post("/cars/link/", {"maker": "ford"}, follow=True)
    assert "cannot be linked here yet" in answer.content.decode()


@pytest.mark.parametrize(
    ("query", "words"),
    [
        ("", "was not started here"),
        ("?state=forged&code=x", "was not started here"),
        ("?error=access_denied", "was not started here"),
    ],
)
def test_callback_with_a_wrong_state_links_nothing(world: World, client: Client, query: str, words: str) -> None:
    answer = client.get(f"/cars/link/callback/ford/{query}", follow=True)
    assert words in answer.content.decode()
    assert VehicleLink.objects.count() == 1


def test_denied_consent_is_told_and_links_nothing(world: World, client: Client) -> None:
    state = parse_qs(urlsplit(client.post("/cars/link/", {"maker": "ford"})["Location"]).query)["state"][0]
    answer = client.get(f"/cars/link/callback/ford/?error=access_denied&state={state}", follow=True)
    assert "You did not allow access" in answer.content.decode()
    assert VehicleLink.objects.count() == 1


def test_denied_consent_in_the_welcome_leads_back_to_its_step(world: World, client: Client) -> None:
    welcome = client.session
    welcome[IN_WELCOME] = True
    welcome.save()
    state = parse_qs(urlsplit(client.post("/cars/link/", {"maker": "ford"})["Location"]).query)["state"][0]
    assert client.get(f"/cars/link/callback/ford/?error=access_denied&state={state}")["Location"] == "/welcome/car/"


def test_chosen_cars_take_part_and_lead_to_their_wishes(world: World, client: Client) -> None:
    ChargePreference.objects.filter(vehicle=world.vehicle).delete()
    Vehicle.objects.filter(pk=world.vehicle.pk).update(state="offered", is_controlling=False)
    address = f"/cars/choose/{world.vehicle.link.public_id}/"
    assert "Blue Lightning" in client.get(address).content.decode()
    assert "no car is chosen yet" in client.get("/cars/").content.decode()
    answer = client.post(address, {"vehicles": [str(world.vehicle.public_id)]})
    assert answer["Location"] == of(world, "preferences/")
    world.vehicle.refresh_from_db()
    assert world.vehicle.state == "active"


def test_cars_of_another_link_cannot_be_chosen(world: World, client: Client, bob: User, now: datetime) -> None:
    other = build_world(bob, now=now)
    Vehicle.objects.filter(pk=other.vehicle.pk).update(state="offered")
    client.post(f"/cars/choose/{world.vehicle.link.public_id}/", {"vehicles": [str(other.vehicle.public_id)]})
    other.vehicle.refresh_from_db()
    assert other.vehicle.state == "offered"


def test_wishes_are_saved_with_a_departure_a_weekday(world: World, client: Client) -> None:
    assert client.post(of(world, "preferences/"), WISHES)["Location"] == of(world, "")
    preference = ChargePreference.objects.get(vehicle=world.vehicle)
    assert (preference.target_soc_percent, preference.reserve_soc_percent) == (90, 40)
    assert [(row.weekday, row.leaves_at_local) for row in preference.departures.all()] == [(0, time(6, 45))]


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"reserve_soc_percent": "95"}, "target cannot be below the reserve"),
        ({"minimum_soc_percent": "60"}, "reserve cannot be below"),
        ({"target_soc_percent": "120"}, "less than or equal to 100"),
        ({"leaves_0": "25:00"}, "Enter a valid time"),
        ({"target_soc_percent": ""}, "required"),
    ],
)
def test_wishes_that_contradict_themselves_are_shown_where(
    world: World, client: Client, change: dict[str, str], words: str
) -> None:
    answer = client.post(of(world, "preferences/"), {**WISHES, **change})
    assert answer.status_code == 200
    assert words in answer.content.decode()
    assert 'aria-invalid="true"' in answer.content.decode()
    assert ChargePreference.objects.get(vehicle=world.vehicle).target_soc_percent == 80


def test_a_car_that_cannot_give_back_needs_no_reserve(world: World, client: Client) -> None:
    can = {**world.vehicle.capabilities, "max_discharge_w": 0}
    Vehicle.objects.filter(pk=world.vehicle.pk).update(capabilities=can, max_discharge_w=0)
    assert "cannot give energy back through its maker" in client.get(of(world, "preferences/")).content.decode()
    wishes = {**WISHES, "minimum_soc_percent": "50", "reserve_soc_percent": "30"}
    del wishes["is_v2g_allowed"]
    assert client.post(of(world, "preferences/"), wishes).status_code == 302
    assert ChargePreference.objects.get(vehicle=world.vehicle).reserve_soc_percent == 50


def test_charge_now_counts_and_can_be_taken_back(world: World, client: Client) -> None:
    back = client.post(of(world, "charge-now/"), {"next": "dashboard"})["Location"]
    assert back == f"/tonight/?car={world.vehicle.public_id}"
    override = ChargeOverride.objects.get(kind="charge_now")
    assert "Charging now, by your word" in client.get("/tonight/").content.decode()
    client.post(f"/overrides/{override.public_id}/cancel/")
    override.refresh_from_db()
    assert override.cancelled_at is not None


def test_pause_holds_until_it_is_lifted(world: World, client: Client) -> None:
    client.post(of(world, "pause/"), {"paused": "yes"})
    assert ChargePreference.objects.get(vehicle=world.vehicle).is_paused
    assert "Take part again" in client.get(of(world, "")).content.decode()
    client.post(of(world, "pause/"), {"paused": "no"})
    assert not ChargePreference.objects.get(vehicle=world.vehicle).is_paused


def test_home_here_says_why_it_cannot(world: World, client: Client) -> None:
    answer = client.post(of(world, "home-here/"), follow=True)
    assert 'class="note note-error"' in answer.content.decode()


def test_a_broken_link_asks_to_be_linked_again(world: World, client: Client) -> None:
    VehicleLink.objects.update(state="needs_relink")
    for address in ("/cars/", "/tonight/", of(world, "")):
        assert "Link again" in client.get(address).content.decode()


def test_a_car_that_left_has_no_page(world: World, client: Client) -> None:
    Vehicle.objects.update(state="unlinked")
    assert client.get(of(world, "")).status_code == 404
    assert client.get(of(world, "preferences/")).status_code == 404
