"""The page with the code: goes on by itself, says why it cannot, and is for the session that began alone."""

from datetime import timedelta
from typing import Any

import pytest
import time_machine
from django.test import Client

from accounts.models import User
from tests.vehicles.scripted_maker import WAIT, scripted_maker
from vehicles.automakers.base import LinkKind
from vehicles.automakers.errors import AuthRevoked, LinkPending, UpstreamDown
from vehicles.models import LinkAttempt, VehicleLink

HTMX = {"HX-Request": "true"}


@pytest.fixture
def script(settings: Any, monkeypatch: pytest.MonkeyPatch, at_now: time_machine.Traveller) -> dict[str, Any]:
    """A maker that hands out codes."""
    return scripted_maker(settings, monkeypatch)


@pytest.fixture
def browser(client: Client, alice: User) -> Client:
    """Alice's browser."""
    client.force_login(alice)
    return client


def begin(browser: Client) -> str:
    answer = browser.post("/cars/link/", {"maker": "scripted"})
    assert answer.status_code == 302, answer
    address: str = answer["Location"]
    return address


def test_page_shows_code_address_and_picture(browser: Client, script: dict[str, Any]) -> None:
    script["grants"] = [LinkPending()]
    page = browser.get(begin(browser))
    text = page.content.decode()

    assert "WDJB-MJHT" in text
    assert 'href="https://scripted.test/device"' in text
    assert 'src="data:image/svg+xml;base64,' in text
    assert 'hx-trigger="every 5s"' in text
    assert "I have typed it" in text  # for whoever has no script
    assert "device-code-canary" not in text
    assert "no-store" in page["Cache-Control"]


def test_part_goes_on_by_itself_once_the_code_was_typed(
    browser: Client, script: dict[str, Any], at_now: time_machine.Traveller
) -> None:
    script["grants"] = [LinkPending(interval_seconds=8), "account-one"]
    address = begin(browser)
    at_now.shift(WAIT)

    waiting = browser.get(address, headers=HTMX)
    assert 'hx-trigger="every 8s"' in waiting.content.decode()
    assert "<html" not in waiting.content.decode()
    at_now.shift(timedelta(seconds=9))
    done = browser.get(address, headers=HTMX)

    link = VehicleLink.objects.get()
    assert done["HX-Redirect"] == f"/cars/choose/{link.public_id}/"
    assert "is linked" in browser.get(done["HX-Redirect"]).content.decode()
    assert browser.get(address)["Location"] == f"/cars/choose/{link.public_id}/"  # opened again, it leads on


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (AuthRevoked("access_denied"), "did not allow access"),
        (AuthRevoked("expired_token"), "took longer"),
        (None, "took longer"),
    ],
)
def test_page_says_why_nothing_was_linked_and_offers_to_start_again(
    browser: Client, script: dict[str, Any], at_now: time_machine.Traveller, error: Exception | None, words: str
) -> None:
    script["grants"] = [error or LinkPending()]
    address = begin(browser)
    at_now.shift(WAIT if error else timedelta(minutes=11))

    assert browser.get(address, headers=HTMX)["HX-Redirect"] == address
    text = browser.get(address).content.decode()
    assert words in text
    assert "Start again" in text
    assert "WDJB-MJHT" not in text


def test_another_session_of_the_owner_is_sent_to_start_its_own(
    browser: Client, script: dict[str, Any], alice: User
) -> None:
    address = begin(browser)
    other = Client()
    other.force_login(alice)

    assert "another session" in other.get(address, follow=True).content.decode()
    assert "WDJB-MJHT" not in other.get(address, follow=True).content.decode()


def test_strangers_do_not_find_the_code(browser: Client, script: dict[str, Any], charlie: User) -> None:
    address = begin(browser)
    stranger = Client()
    assert stranger.get(address)["Location"].startswith("/account/login/")
    stranger.force_login(charlie)
    assert stranger.get(address).status_code == 404
    assert not LinkAttempt.objects.get().is_over


def test_maker_that_does_not_answer_is_said_so(browser: Client, script: dict[str, Any]) -> None:
    script["start"] = UpstreamDown("HTTP 503")
    text = browser.post("/cars/link/", {"maker": "scripted"}, follow=True).content.decode()
    assert "does not answer as it should" in text


def test_account_whose_cars_come_later_is_linked(
    browser: Client, script: dict[str, Any], at_now: time_machine.Traveller
) -> None:
    script["cars"] = UpstreamDown("HTTP 503")
    address = begin(browser)
    at_now.shift(WAIT)

    assert "lists its cars later" in browser.get(address, follow=True).content.decode()


def test_hosted_page_comes_back_with_the_account(
    browser: Client, settings: Any, monkeypatch: pytest.MonkeyPatch, bob: User
) -> None:
    scripted_maker(settings, monkeypatch, LinkKind.HOSTED_PAGE)

    def link(who: Client, **params: str) -> str:
        state = who.post("/cars/link/", {"maker": "scripted"})["Location"].split("state=")[1]
        back = {"state": state, **params}
        text: str = who.get("/cars/link/callback/scripted/", back, follow=True).content.decode()
        return text

    assert "sent no permission back" in link(browser)
    assert "is linked" in link(browser, user_id="account-one")
    other = Client()
    other.force_login(bob)
    # The account's name travels through the browser: knowing it must not open another owner's cars.
    assert "linked by somebody else" in link(other, user_id="account-one")
    assert VehicleLink.objects.count() == 1
