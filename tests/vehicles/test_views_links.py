"""Pages of links: the code to type, how accounts fare, what cars can do and how to mend what they cannot."""

from datetime import datetime, timedelta
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
import time_machine
from django.conf import settings
from django.test import Client

from accounts.models import User
from tests.factories import vehicles as make
from tests.vehicles.scripted_maker import WAIT, ref, scripted_maker
from vehicles.automakers.base import Capabilities, LinkKind
from vehicles.automakers.errors import AuthRevoked, LinkPending, UpstreamDown
from vehicles.models import HomeCharger, LinkAttempt, Vehicle, VehicleLink

HTMX = {"HX-Request": "true"}


@pytest.fixture
def script(settings: Any, monkeypatch: pytest.MonkeyPatch, at_now: time_machine.Traveller) -> dict[str, Any]:
    """A maker that hands out codes."""
    return scripted_maker(settings, monkeypatch)


@pytest.fixture
def web(client: Client, alice: User) -> Client:
    """Alice's browser."""
    client.force_login(alice)
    return client


def begin(web: Client) -> str:
    answer = web.post("/cars/link/", {"maker": "scripted"})
    assert answer.status_code == 302, answer
    address: str = answer["Location"]
    return address


def test_page_shows_code_address_and_picture(web: Client, script: dict[str, Any]) -> None:
    script["grants"] = [LinkPending()]
    page = web.get(begin(web))
    text = page.content.decode()

    assert "WDJB-MJHT" in text
    assert 'href="https://scripted.test/device"' in text
    assert 'src="data:image/svg+xml;base64,' in text
    assert 'hx-trigger="every 5s"' in text
    assert "I have typed it" in text  # for whoever has no script
    assert "device-code-canary" not in text
    assert "no-store" in page["Cache-Control"]


def test_part_goes_on_by_itself_once_the_code_was_typed(
    web: Client, script: dict[str, Any], at_now: time_machine.Traveller
) -> None:
    script["grants"] = [LinkPending(interval_seconds=8), "account-one"]
    address = begin(web)
    at_now.shift(WAIT)

    waiting = web.get(address, headers=HTMX)
    assert 'hx-trigger="every 8s"' in waiting.content.decode()
    assert "<html" not in waiting.content.decode()
    at_now.shift(timedelta(seconds=9))
    done = web.get(address, headers=HTMX)

    link = VehicleLink.objects.get()
    assert done["HX-Redirect"] == f"/cars/choose/{link.public_id}/"
    assert "is linked" in web.get(done["HX-Redirect"]).content.decode()
    assert web.get(address)["Location"] == f"/cars/choose/{link.public_id}/"  # opened again, it leads on


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (AuthRevoked("access_denied"), "did not allow access"),
        (AuthRevoked("expired_token"), "took longer"),
        (None, "took longer"),
    ],
)
def test_page_says_why_nothing_was_linked_and_offers_to_start_again(
    web: Client, script: dict[str, Any], at_now: time_machine.Traveller, error: Exception | None, words: str
) -> None:
    script["grants"] = [error or LinkPending()]
    address = begin(web)
    at_now.shift(WAIT if error else timedelta(minutes=11))

    assert web.get(address, headers=HTMX)["HX-Redirect"] == address
    text = web.get(address).content.decode()
    assert words in text
    assert "Start again" in text
    assert "WDJB-MJHT" not in text


def test_another_session_of_the_owner_is_sent_to_start_its_own(
    web: Client, script: dict[str, Any], alice: User
) -> None:
    address = begin(web)
    other = Client()
    other.force_login(alice)

    assert "another session" in other.get(address, follow=True).content.decode()
    assert "WDJB-MJHT" not in other.get(address, follow=True).content.decode()


def test_strangers_do_not_find_the_code(web: Client, script: dict[str, Any], charlie: User) -> None:
    address = begin(web)
    stranger = Client()
    assert stranger.get(address)["Location"].startswith("/account/login/")
    stranger.force_login(charlie)
    assert stranger.get(address).status_code == 404
    assert not LinkAttempt.objects.get().is_over


def test_maker_that_does_not_answer_is_said_so(web: Client, script: dict[str, Any]) -> None:
    script["start"] = UpstreamDown("HTTP 503")
    text = web.post("/cars/link/", {"maker": "scripted"}, follow=True).content.decode()
    assert "does not answer as it should" in text


def test_account_whose_cars_come_later_is_linked(
    web: Client, script: dict[str, Any], at_now: time_machine.Traveller
) -> None:
    script["cars"] = UpstreamDown("HTTP 503")
    address = begin(web)
    at_now.shift(WAIT)

    assert "lists its cars later" in web.get(address, follow=True).content.decode()


def test_wall_box_is_linked_without_a_car_to_choose(
    web: Client, script: dict[str, Any], at_now: time_machine.Traveller
) -> None:
    script["cars"] = [ref("box-one", "", is_charger=True)]
    address = begin(web)
    at_now.shift(WAIT)

    answer = web.get(address, follow=True)

    assert answer.redirect_chain[-1][0] == "/cars/"
    assert "which car it serves" in answer.content.decode()
    assert "1 wall box ·" in answer.content.decode()
    assert HomeCharger.objects.get().state == "offered"
    assert not Vehicle.objects.exists()


def test_hosted_page_comes_back_with_the_account(
    web: Client, settings: Any, monkeypatch: pytest.MonkeyPatch, bob: User
) -> None:
    scripted_maker(settings, monkeypatch, LinkKind.HOSTED_PAGE)

    def link(who: Client, **params: str) -> str:
        state = who.post("/cars/link/", {"maker": "scripted"})["Location"].split("state=")[1]
        back = {"state": state, **params}
        text: str = who.get("/cars/link/callback/scripted/", back, follow=True).content.decode()
        return text

    assert "sent no permission back" in link(web)
    assert "is linked" in link(web, user_id="account-one")
    other = Client()
    other.force_login(bob)
    # The account's name travels through the web: knowing it must not open another owner's cars.
    assert "linked by somebody else" in link(other, user_id="account-one")
    assert VehicleLink.objects.count() == 1


@pytest.fixture
def car(alice: User, at_now: time_machine.Traveller, now: datetime) -> Vehicle:
    """Alice's car that takes part."""
    return make.ready_car(alice, now=now)


def text_of(web: Client, address: str) -> str:
    text: str = web.get(address).content.decode()
    return text


def test_accounts_are_listed_with_state_age_and_next_step(web: Client, car: Vehicle) -> None:
    text = text_of(web, "/cars/")
    assert "Linked accounts" in text
    assert "Working" in text
    assert "2 minutes ago" in text

    VehicleLink.objects.update(state="needs_relink", state_reason="login_required")
    text = text_of(web, "/cars/")
    assert "wants you to sign in again" in text
    assert text.count("Link again") == 1

    VehicleLink.objects.update(state="active")
    Vehicle.objects.update(read_failure="car_asleep")
    assert "The car is asleep" in text_of(web, "/cars/")


def test_cars_that_came_later_are_offered_beside_the_account(web: Client, car: Vehicle, now: datetime) -> None:
    make.vehicle(car.link, now=now, state=Vehicle.State.OFFERED, is_controlling=False)
    text = text_of(web, "/cars/")
    assert "1 more car can take part" in text
    assert f"/cars/choose/{car.link.public_id}/" in text


def test_car_page_says_what_it_can_and_cannot_and_how_to_mend_it(web: Client, car: Vehicle) -> None:
    address = f"/cars/{car.public_id}/"
    assert "We can pause its charging" in text_of(web, address)
    assert "Link again" not in text_of(web, address)
    Vehicle.objects.update(capabilities=Capabilities(refusals=("charging_scope_missing",)).as_json())

    text = text_of(web, address)

    assert "You did not allow us to steer charging" in text
    assert "Link again" in text


def test_choosing_says_what_each_car_can_and_asks_for_missing_permissions(
    web: Client, car: Vehicle, bob: User, now: datetime
) -> None:
    can = Capabilities(hold_ends="timed", refusals=("place_scope_missing",))
    hers = make.ready_car(bob, now=now)
    shared: dict[str, Any] = {"state": Vehicle.State.OFFERED, "is_controlling": False, "can": can, "vin": hers.vin}
    make.vehicle(car.link, now=now, **shared)

    text = text_of(web, f"/cars/choose/{car.link.public_id}/")

    assert "We can pause its charging" in text
    assert "cannot tell whether it is at home" in text.replace("&#x27;", "'")
    assert "Link again and allow it" in text
    assert "Somebody else's link steers this car" in text.replace("&#x27;", "'")


def test_watched_car_is_steered_once_nobody_else_does(web: Client, car: Vehicle, bob: User, now: datetime) -> None:
    Vehicle.objects.filter(pk=car.pk).update(is_controlling=False)
    hers = make.ready_car(bob, now=now, vin=car.vin)
    assert "Another account steers this car" in text_of(web, f"/cars/{car.public_id}/")

    refused = web.post(f"/cars/{car.public_id}/control/", follow=True).content.decode()
    assert "still steered from another account" in refused
    Vehicle.objects.filter(pk=hers.pk).update(is_controlling=False)
    assert "is steered from here now" in web.post(f"/cars/{car.public_id}/control/", follow=True).content.decode()
    car.refresh_from_db()
    assert car.is_controlling


def test_guessed_battery_is_asked_for_and_corrected(web: Client, car: Vehicle) -> None:
    Vehicle.objects.update(has_assumed_specs=True)
    assert "We guessed its battery" in text_of(web, f"/cars/{car.public_id}/")
    address = f"/cars/{car.public_id}/specs/"
    assert 'value="123"' in text_of(web, address)

    wrong = web.post(address, {"capacity_kwh": "1", "max_charge_kw": "11.5"})
    assert "A battery holds 5 to 300 kWh" in wrong.content.decode()
    assert "required" in web.post(address, {}).content.decode()
    saved = web.post(address, {"capacity_kwh": "98.3", "max_charge_kw": "11.5"}, follow=True)

    assert "The next plan counts with it" in saved.content.decode()
    car.refresh_from_db()
    assert (car.capacity_wh, car.max_charge_w, car.has_assumed_specs) == (98_300, 11_500, False)


def test_account_at_a_maker_is_no_way_in(client: Client, ford_grant: dict[str, str], alice: User) -> None:
    """Allauth signs people in; coming back from a maker with a good permission signs nobody in and links nothing."""
    answer = client.get("/cars/link/callback/ford/", ford_grant)
    assert answer["Location"].startswith("/account/login/")
    assert "_auth_user_id" not in client.session
    assert not VehicleLink.objects.exists()
    assert "allauth.socialaccount" not in settings.INSTALLED_APPS
    for path in ("/account/3rdparty/", "/account/social/connections/", "/account/ford/login/"):
        assert client.get(path).status_code == 404


@pytest.fixture
def ford_grant(alice: User, at_now: time_machine.Traveller) -> dict[str, str]:
    """What Ford sends back to Alice, who has signed out meanwhile."""
    web = Client()
    web.force_login(alice)
    sent = web.post("/cars/link/", {"maker": "ford"})["Location"]
    return {"state": parse_qs(urlsplit(sent).query)["state"][0], "code": "the-code"}
