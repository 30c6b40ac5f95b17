"""Pages of the grid room: home, programs, events, earnings."""

from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
from django.test import Client

from accounts.models import User
from foundation.money import reward_minor
from grid.models import Enrollment, GridEvent, Settlement, Site
from journey.web import Page
from tests.factories import grid
from tests.page_world import World, build_world, stop_clock
from vehicles.models import HomePlace, Vehicle


@pytest.fixture
def world(alice: User, client: Client, settings: Any, tmp_path: Path, now: datetime) -> World:
    """Alice with everything, signed in, on a clock that stands."""
    stop_clock(settings, tmp_path, now)
    client.force_login(alice)
    return build_world(alice, now=now)


def home_form(**changes: str) -> dict[str, str]:
    """Return a home as the form sends it."""
    wanted = {
        "tariff": str(grid.tariff().pk),
        "address": "1 Elm Street",
        "postal_code_prefix": "78704-1234",
        "time_zone": "America/Chicago",
        "evse_max_charge_kw": "11.5",
    }
    return wanted | changes


def test_home_is_saved_in_watts_with_the_area_alone(charlie: User, client: Client) -> None:
    client.force_login(charlie)
    assert client.post("/home/?welcome", home_form())["Location"] == "/welcome/"
    home = Site.objects.get(owner=charlie)
    assert (home.evse_max_charge_w, home.postal_code_prefix) == (11_500, "78704")
    charlie.refresh_from_db()
    assert charlie.time_zone == "America/Chicago"  # the first home sets the zone in which pages speak
    assert "11.5" in client.get("/home/").content.decode()


def test_what_an_app_said_to_the_watt_can_be_saved_as_the_page_shows_it(world: World, client: Client) -> None:
    User.objects.update(language="fr-ca")
    Site.objects.update(evse_max_charge_w=7_680, postal_code_prefix="78704")
    Vehicle.objects.update(capacity_wh=64_250, max_charge_w=7_040)
    for path in ("/home/", f"/cars/{world.vehicle.public_id}/specs/"):
        (form,) = [one for one in Page(path, 200, client.get(path).content.decode()).forms() if not one.action]
        assert client.post(path, form.fields).status_code == 302, path
    assert Site.objects.get().evse_max_charge_w == 7_680
    assert Vehicle.objects.values_list("capacity_wh", "max_charge_w").get() == (64_250, 7_040)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"postal_code_prefix": "M5V"}, "Enter a ZIP code"),
        ({"has_export_permission": "on"}, "needs a charger that can"),
        ({"has_export_permission": "on", "is_evse_bidirectional": "on"}, "power that your agreement allows"),
        ({"evse_max_charge_kw": "40"}, "less than or equal to 25"),
        ({"tariff": "999999"}, "Select a valid choice"),
    ],
)
def test_home_that_cannot_be_is_refused_at_its_field(
    charlie: User, client: Client, changes: dict[str, str], words: str
) -> None:
    client.force_login(charlie)
    text = client.post("/home/", home_form(**changes)).content.decode()
    assert words in text
    assert 'aria-invalid="true"' in text
    assert not Site.objects.exists()


def test_only_utilities_of_the_owners_country_are_offered(chloe: User, client: Client) -> None:
    grid.tariff(name="Texan rate")
    grid.tariff(grid.utility("trillium", country="CA"), slug="ontario", name="Ontarian rate")
    client.force_login(chloe)
    text = client.get("/home/").content.decode()
    assert "Ontarian rate" in text
    assert "Texan rate" not in text


def test_car_leaves_its_program_and_joins_again(world: World, client: Client) -> None:
    page = f"/cars/{world.vehicle.public_id}/"
    client.post(f"{page}withdraw/")
    assert not Enrollment.objects.filter(ended_at__isnull=True).exists()
    assert "See which programs it may join" in client.get(page).content.decode()
    text = client.get(f"{page}program/").content.decode()
    assert "Join Evening Relief" in text
    assert "$2.00 per kWh" in text
    client.post(f"{page}enroll/", {"program": "evening-relief"})
    assert Enrollment.objects.filter(ended_at__isnull=True).exists()
    assert client.post(f"{page}enroll/", {"program": "no-such-program"}).status_code == 404


def test_a_program_that_cannot_be_joined_says_why(world: World, client: Client) -> None:
    page = f"/cars/{world.vehicle.public_id}/"
    client.post(f"{page}withdraw/")
    HomePlace.objects.all().delete()
    text = client.get(f"{page}program/").content.decode()
    assert "We do not know yet where home is" in text
    assert "My car is at home now" in text
    assert "Join Evening Relief" not in text


def test_car_page_shows_commands_as_separate_facts(world: World, client: Client) -> None:
    text = client.get(f"/cars/{world.vehicle.public_id}/record/").content.decode()
    part = client.get(f"/cars/{world.vehicle.public_id}/record/", headers={"HX-Request": "true"}).content.decode()
    assert "<html" not in part
    for fact in ("planned", "sent", "accepted", "seen in the car"):
        assert fact in text


def test_event_can_be_left_out_at_no_other_cost(world: World, client: Client) -> None:
    page = f"/events/{world.coming.public_id}/"
    assert "no penalty" in client.get(page).content.decode()
    answer = client.post(f"{page}opt-out/", follow=True)
    assert "Left out" in answer.content.decode()
    world.coming.refresh_from_db()
    assert world.coming.state == "opted_out"


def test_an_event_that_is_over_cannot_be_left_out(world: World, client: Client) -> None:
    answer = client.post(f"/events/{world.past.public_id}/opt-out/", follow=True)
    assert "over" in answer.content.decode()
    world.past.refresh_from_db()
    assert world.past.state == "in"


def test_a_cancelled_event_says_so(world: World, client: Client, now: datetime) -> None:
    GridEvent.objects.filter(pk=world.coming.event_id).update(state="cancelled", cancelled_at=now)
    assert "called this event off" in client.get(f"/events/{world.coming.public_id}/").content.decode()


def test_earning_shows_every_step_and_the_same_cents(world: World, client: Client) -> None:
    settlement = world.settlement
    assert settlement.credited_wh > 0
    due = reward_minor(energy_wh=settlement.credited_wh, rate_micros_per_kwh=2_000_000, currency="USD")
    text = client.get(f"/earnings/{settlement.public_id}/").content.decode()
    assert f"${due / 100:.2f}" in text
    for number in (f"{settlement.baseline_wh:,}", f"{settlement.delivered_wh:,}"):
        assert number in text
    assert 'data-kind="settlement"' in text


def test_earnings_sum_up_by_month(world: World, client: Client) -> None:
    text = client.get("/earnings/").content.decode()
    assert "November 2026" in text
    assert text.count(f"${world.settlement.amount_minor / 100:.2f}") >= 2


def test_a_corrected_earning_counts_once(world: World, client: Client) -> None:
    first = world.settlement
    values = {field.name: getattr(first, field.name) for field in Settlement._meta.concrete_fields}
    for name in ("id", "public_id"):
        del values[name]
    Settlement.objects.create(**values | {"revision": 2, "amount_minor": 43_210, "posted_at": None})
    text = client.get("/earnings/").content.decode()
    assert f"/earnings/{first.public_id}/" not in text
    assert "$432.10" in text
    assert "Corrections" in client.get(f"/earnings/{first.public_id}/").content.decode()
