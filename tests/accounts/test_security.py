"""One page for how and where an owner is signed in; sessions end one by one; receipts show the words agreed to."""

from datetime import datetime

import pytest
from allauth.account.models import EmailAddress
from allauth.mfa.models import Authenticator
from allauth.usersessions.models import UserSession
from django.test import Client

from accounts.devices import device_name
from accounts.flows.consents import grant_consent, revoke_consent
from accounts.flows.notice_settings import SESSION_DEVICE
from accounts.models import PushDevice, User

pytestmark = pytest.mark.django_db

FIREFOX = "Mozilla/5.0 (Windows NT 10.0; rv:140.0) Gecko/20100101 Firefox/140.0"


def signed_in(user: User, agent: str) -> Client:
    """Return a browser in which the user has signed in."""
    browser = Client(headers={"user-agent": agent})
    browser.force_login(user)
    browser.get("/security/")
    session = UserSession.objects.filter(session_key=browser.session.session_key)
    if not session.exists():
        UserSession.objects.create(
            user=user, ip="203.0.113.9", user_agent=agent, session_key=browser.session.session_key
        )
    return browser


def test_owner_sees_and_ends_what_is_signed_in(alice: User, charlie: User) -> None:
    here, there = signed_in(alice, FIREFOX), signed_in(alice, "ChargeScape/1.0 (iPhone)")
    stranger = signed_in(charlie, FIREFOX)
    text = here.get("/security/").content.decode()
    assert "Firefox on Windows" in text
    assert "This device" in text
    assert text.count('name="session"') == 3

    of_there = UserSession.objects.get(session_key=there.session.session_key)
    stranger.post("/security/sign-out/", {"session": of_there.pk})
    assert there.get("/security/").status_code == 200
    here.post("/security/sign-out/", {"session": of_there.pk})
    assert there.get("/security/").status_code == 302
    assert "signed in there any more" in here.post(
        "/security/sign-out/", {"session": "9" * 40}, follow=True
    ).content.decode()  # fmt: skip

    other = signed_in(alice, FIREFOX)
    here.post("/security/sign-out/", {"session": "others"})
    assert (other.get("/security/").status_code, here.get("/security/").status_code) == (302, 200)
    mine = UserSession.objects.get(session_key=here.session.session_key)
    assert here.post("/security/sign-out/", {"session": mine.pk})["Location"] == "/"
    assert here.get("/security/").status_code == 302


def test_browser_that_was_signed_out_from_afar_is_told_nothing_any_more(alice: User, now: datetime) -> None:
    def subscribed(name: str) -> tuple[Client, PushDevice]:
        browser = signed_in(alice, FIREFOX)
        device = PushDevice.objects.create(user=alice, endpoint=name, endpoint_hash=name, created_at=now)
        session = browser.session
        session[SESSION_DEVICE] = str(device.public_id)
        session.save()
        return browser, device

    here, mine = subscribed("here")
    subscribed("lost phone")
    here.post("/security/sign-out/", {"session": "others"})
    assert list(PushDevice.objects.filter(user=alice)) == [mine]

    subscribed("office")
    new = "a-new-secret-9931"
    here.post("/account/password/change/", {"oldpassword": "charge-the-grid", "password1": new, "password2": new})
    alice.refresh_from_db()
    assert alice.check_password(new)
    assert list(PushDevice.objects.filter(user=alice)) == [mine]


def test_account_is_not_moved_to_another_address_by_whoever_finds_a_browser_open(alice: User, client: Client) -> None:
    client.force_login(alice)
    asked = client.post("/account/email/", {"email": "thief@example.org", "action_add": ""})
    assert asked["Location"].startswith("/account/reauthenticate/")
    assert not EmailAddress.objects.filter(email="thief@example.org").exists()


@pytest.mark.parametrize("path", ["/account/email/", "/account/2fa/", "/account/reauthenticate/"])
def test_the_way_back_shows_nothing_after_signing_out(alice: User, client: Client, path: str) -> None:
    client.force_login(alice)
    assert "no-store" in client.get(path)["Cache-Control"]


def test_page_tells_which_factors_are_on(alice: User, client: Client) -> None:
    client.force_login(alice)
    assert "Recovery codes" not in client.get("/security/").content.decode()
    Authenticator.objects.create(user=alice, type="totp", data={"secret": "x"})
    text = client.get("/security/").content.decode()
    assert "Switch off" in text
    assert "Make codes" in text


@pytest.mark.parametrize(
    ("agent", "name"),
    [
        (FIREFOX, "Firefox on Windows"),
        ("Mozilla/5.0 (Linux; Android 15) AppleWebKit/537.36 Chrome/142.0 Mobile Safari/537.36", "Chrome on Android"),
        (
            "Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/605.1.15 Version/18 Safari/605.1",
            "Safari on Mac",
        ),
        ("okhttp/4.12", "okhttp"),
        ("", "An unknown device"),
    ],
)
def test_device_is_named_as_its_owner_knows_it(agent: str, name: str) -> None:
    assert device_name(agent) == name


def test_receipt_shows_the_very_words_and_their_end(alice: User, charlie: User, client: Client, now: datetime) -> None:
    receipt = grant_consent(user=alice, purpose="data_use", now=now)
    client.force_login(alice)
    text = client.get(f"/consents/{receipt.public_id}/").content.decode()
    assert "In force" in text
    assert receipt.text_sha256 in text
    assert "never where" in text
    revoke_consent(user=alice, purpose="data_use", now=now)
    receipt.text_sha256 = "0" * 64
    receipt.save()
    text = client.get(f"/consents/{receipt.public_id}/").content.decode()
    assert "Taken back" in text
    assert "replaced by a newer version" in text
    client.force_login(charlie)
    assert client.get(f"/consents/{receipt.public_id}/").status_code == 404
