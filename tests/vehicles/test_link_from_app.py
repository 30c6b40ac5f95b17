"""Linking from an app: a ticket opens the maker in the system browser, only the app's own session ends the link."""

from datetime import datetime, timedelta
from typing import Any
from urllib.parse import parse_qs, urlsplit

import environ
import pytest
import responses
import time_machine
from allauth.account.models import EmailAddress
from django.core.exceptions import ImproperlyConfigured
from django.db import connection
from django.test import Client

from accounts.models import User
from chargescape.makers import read_return_urls
from foundation.fields import keyed_hash
from tests.vehicles.automakers.kits.base import recording
from tests.vehicles.automakers.kits.ford import CAR
from tests.vehicles.conftest import BASE
from tests.vehicles.scripted_maker import WAIT, scripted_maker
from vehicles.automakers.base import LinkKind
from vehicles.automakers.errors import LinkPending
from vehicles.models import LinkAttempt, VehicleLink

APP_LINK = "https://app.chargescape.example/linked"
API = "/api/v1"


@pytest.fixture(autouse=True)
def _allowed(settings: Any) -> None:
    settings.LINK_RETURN_URLS = [APP_LINK, "https://other.chargescape.example/back"]


@pytest.fixture
def ford(door: responses.RequestsMock) -> responses.RequestsMock:
    """A Ford account with one shared car."""
    cars = recording("ford", "vehicles")
    cars["vehicles"] = [row for row in cars["vehicles"] if row["vehicleId"] == CAR]
    door.add("POST", f"{BASE}/ford/oauth2/token", json=recording("ford", "token"))
    door.add("GET", f"{BASE}/ford/api/fordconnect/v3/vehicles", json=cars)
    door.add("GET", f"{BASE}/ford/api/fordconnect/v3/vehicles/{CAR}/vin", json=recording("ford", "vin"))
    door.add("GET", f"{BASE}/ford/partner/v1/vehicles/{CAR}/capabilities", status=404)
    return door


class App:
    """An app with a signed-in owner; it speaks with a session token or a JWT and keeps no cookie."""

    def __init__(self, owner: User, *, by: str = "jwt") -> None:
        EmailAddress.objects.get_or_create(user=owner, email=owner.email, verified=True, primary=True)
        self.client = Client()
        login = self.client.post(
            "/_allauth/app/v1/auth/login",
            {"email": owner.email, "password": "charge-the-grid"},
            content_type="application/json",
        ).json()["meta"]
        self.client.cookies.clear()
        token = {"X-Session-Token": login["session_token"]}
        self.headers = {"Authorization": f"Bearer {login['access_token']}"} if by == "jwt" else token

    def post(self, path: str, body: dict[str, Any] | None = None) -> Any:
        return self.client.post(f"{API}/{path}", body or {}, content_type="application/json", headers=self.headers)

    def get(self, path: str) -> Any:
        return self.client.get(f"{API}/{path}", headers=self.headers)


def begin(app: App, **body: str) -> dict[str, Any]:
    answer = app.post("links/", {"maker": "ford", **body})
    assert answer.status_code == 201, answer.json()
    begun: dict[str, Any] = answer.json()
    return begun


def sign_in_at_maker(browser: Client, url: str, **back: str) -> Any:
    """Open the ticket and come back from the maker; returns what the browser is answered."""
    opened = browser.get(url)
    assert opened.status_code == 302, opened.content
    state = parse_qs(urlsplit(opened["Location"]).query)["state"][0]
    return browser.get("/cars/link/callback/ford/", {"state": state, **(back or {"code": "the-code"})})


def proof_in(answer: Any) -> dict[str, str]:
    assert answer.status_code == 302
    assert answer["Location"].split("?")[0] == APP_LINK
    return {name: values[0] for name, values in parse_qs(urlsplit(answer["Location"]).query).items()}


@pytest.mark.parametrize("by", ["jwt", "session token"])
def test_owner_links_from_an_app_without_being_signed_in_at_the_browser(
    alice: User, ford: responses.RequestsMock, by: str
) -> None:
    app, browser = App(alice, by=by), Client()
    begun = begin(app, return_url=APP_LINK)
    assert (begun["kind"], begun["state"], begun["link"]) == ("redirect", "waiting", None)

    back = proof_in(sign_in_at_maker(browser, begun["url"]))
    assert back["attempt"] == begun["id"]
    assert not VehicleLink.objects.exists()  # only the session that began may end it
    assert "_auth_user_id" not in browser.session
    done = app.post(f"link-attempts/{begun['id']}/complete/", {"proof": back["proof"]})

    assert done.status_code == 200, done.json()
    assert VehicleLink.objects.get().owner == alice
    assert app.get(f"link-attempts/{begun['id']}/").json()["link"] == done.json()["id"]
    again = app.post(f"link-attempts/{begun['id']}/complete/", {"proof": back["proof"]})
    assert (again.status_code, again.json()["code"]) == (409, "link_state_used")


def test_return_needs_no_naming_where_the_list_has_a_first(alice: User) -> None:
    begin(App(alice))
    assert LinkAttempt.objects.get().return_url == APP_LINK


def test_secrets_of_a_ticket_are_kept_as_hashes_or_encrypted(alice: User, ford: responses.RequestsMock) -> None:
    app, browser = App(alice), Client()
    begun = begin(app)
    secret = parse_qs(urlsplit(begun["url"]).query)["ticket"][0]
    proof = proof_in(sign_in_at_maker(browser, begun["url"], code="code-canary"))["proof"]

    with connection.cursor() as cursor:
        cursor.execute("SELECT * FROM vehicles_linkattempt")
        dump = repr(cursor.fetchall())
    assert [canary for canary in (secret, proof, "code-canary") if canary in dump] == []
    assert keyed_hash(secret) in dump


def test_ticket_opens_once_and_for_ten_minutes(alice: User, at_now: time_machine.Traveller) -> None:
    app = App(alice)
    once, late = begin(app), begin(app)
    assert Client().get(once["url"]).status_code == 302
    at_now.shift(timedelta(minutes=10, seconds=1))

    for url, words in ((once["url"], "used already"), (late["url"], "longer than it may")):
        answer = Client().get(url)
        assert answer.status_code == 410
        assert words in answer.content.decode()
    assert Client().get("/cars/link/open/?ticket=made-up").status_code == 410
    assert Client().get("/cars/link/open/").status_code == 410


@pytest.mark.parametrize(
    "url",
    ["https://evil.example/linked", "chargescape://linked", f"{APP_LINK}?next=https://evil.example", f"{APP_LINK}/x"],
)
def test_only_listed_https_links_are_returned_to(alice: User, url: str) -> None:
    answer = App(alice).post("links/", {"maker": "ford", "return_url": url})

    assert (answer.status_code, answer.json()["code"]) == (409, "return_url_not_allowed")
    assert list(answer.json()["errors"]) == ["return_url"]


@pytest.mark.parametrize("url", ["chargescape://linked", "http://app.example/linked", f"{APP_LINK}?a=b", "linked", ""])
def test_installation_with_another_kind_of_return_refuses_to_start(monkeypatch: pytest.MonkeyPatch, url: str) -> None:
    monkeypatch.setenv("LINK_RETURN_URLS", f"{APP_LINK},http://localhost:9000/back")
    assert read_return_urls(environ.Env()) == [APP_LINK, "http://localhost:9000/back"]
    monkeypatch.setenv("LINK_RETURN_URLS", f"{APP_LINK},{url or '//'}")
    with pytest.raises(ImproperlyConfigured):
        read_return_urls(environ.Env())


def test_another_browser_brings_nothing_back(alice: User, ford: responses.RequestsMock) -> None:
    begun = begin(App(alice))
    opened = Client().get(begun["url"])
    state = parse_qs(urlsplit(opened["Location"]).query)["state"][0]

    answer = Client().get("/cars/link/callback/ford/", {"state": state, "code": "the-code"})

    assert answer.status_code == 410
    assert "another session" in answer.content.decode()
    assert LinkAttempt.objects.get().answer == ""


def test_owner_talked_into_a_strangers_ticket_gives_the_stranger_nothing(
    alice: User, charlie: User, ford: responses.RequestsMock
) -> None:
    stranger, victim = App(charlie), App(alice)
    begun = begin(stranger)
    back = proof_in(sign_in_at_maker(Client(), begun["url"]))  # on the victim's device, so the app there gets it

    assert victim.post(f"link-attempts/{begun['id']}/complete/", {"proof": back["proof"]}).status_code == 404
    guess = stranger.post(f"link-attempts/{begun['id']}/complete/", {"proof": "guessed"})
    assert (guess.status_code, guess.json()["code"]) == (409, "link_state_unknown")
    assert not VehicleLink.objects.exists()


def test_another_session_of_the_same_owner_does_not_find_it(alice: User, ford: responses.RequestsMock) -> None:
    begun = begin(App(alice))
    back = proof_in(sign_in_at_maker(Client(), begun["url"]))

    other = App(alice)

    assert other.get(f"link-attempts/{begun['id']}/").status_code == 404
    assert other.post(f"link-attempts/{begun['id']}/complete/", {"proof": back["proof"]}).status_code == 404


def test_denied_at_the_maker_is_said_in_the_app(alice: User, ford: responses.RequestsMock) -> None:
    app = App(alice)
    begun = begin(app)
    back = proof_in(sign_in_at_maker(Client(), begun["url"], error="access_denied"))

    answer = app.post(f"link-attempts/{begun['id']}/complete/", {"proof": back["proof"]})

    assert (answer.status_code, answer.json()["code"]) == (409, "link_denied")
    shown = app.get(f"link-attempts/{begun['id']}/").json()
    assert (shown["state"], "did not allow" in shown["detail"]) == ("refused", True)


def test_state_of_a_ticket_cannot_be_completed_on_the_web(alice: User, ford: responses.RequestsMock) -> None:
    begun = begin(App(alice))
    opened = Client().get(begun["url"])
    state = parse_qs(urlsplit(opened["Location"]).query)["state"][0]
    web = Client()
    web.force_login(alice)

    assert web.get("/cars/link/callback/ford/", {"state": state, "code": "the-code"}).status_code == 410
    assert not VehicleLink.objects.exists()


def test_app_shows_a_code_and_asks_until_it_was_typed(
    alice: User, settings: Any, monkeypatch: pytest.MonkeyPatch, at_now: time_machine.Traveller
) -> None:
    script = scripted_maker(settings, monkeypatch)
    script["grants"] = [LinkPending(), "account-one"]
    app = App(alice)
    begun = app.post("links/", {"maker": "scripted"}).json()
    assert (begun["kind"], begun["user_code"], begun["url"]) == ("device_code", "WDJB-MJHT", "")
    assert (begun["verification_url"], begun["interval_seconds"]) == ("https://scripted.test/device", 5)
    assert "device-code-canary" not in str(begun)

    states = []
    for _ in range(4):
        states.append(app.get(f"link-attempts/{begun['id']}/").json()["state"])
        at_now.shift(WAIT)

    assert states == ["waiting", "waiting", "linked", "linked"]


def test_hosted_page_is_opened_by_ticket_too(
    alice: User, settings: Any, monkeypatch: pytest.MonkeyPatch, now: datetime
) -> None:
    scripted_maker(settings, monkeypatch, LinkKind.HOSTED_PAGE)
    app, browser = App(alice), Client()
    begun = app.post("links/", {"maker": "scripted"}).json()
    opened = browser.get(begun["url"])
    state = parse_qs(urlsplit(opened["Location"]).query)["state"][0]

    back = browser.get("/cars/link/callback/scripted/", {"state": state, "user_id": "account-one"})
    done = app.post(f"link-attempts/{begun['id']}/complete/", {"proof": proof_in(back)["proof"]})

    assert (begun["kind"], done.status_code) == ("hosted_page", 200)


def test_anonymous_callers_begin_nothing(db: None) -> None:
    for path in ("links/", "link-attempts/7f9f0f0e-4c4b-4a57-8f0b-0a4f8f4a3c11/complete/"):
        assert Client().post(f"{API}/{path}", {}, content_type="application/json").status_code in {401, 403}
