"""Pushes: to browsers' own services alone, readable by the browser alone, and never again to one that has gone."""

import base64
import json
from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, utils
from cryptography.hazmat.primitives.hashes import SHA256

from accounts import push_services
from accounts.flows.delivering import send_due_pushes
from accounts.flows.notice_settings import UnableToSubscribe, forget_endpoint, subscribe_device
from accounts.flows.notices import notify
from accounts.flows.routing import route_due_notices
from accounts.models import NoticeDelivery, PushDevice, User
from foundation import clock
from tests.accounts.push_server import Browser, PushServer, push_server

pytestmark = pytest.mark.django_db

FCM = "https://fcm.googleapis.com/fcm/send/abc"


@pytest.fixture
def service(settings: Any) -> Iterator[PushServer]:
    """A push service that this installation is told of."""
    with push_server() as server:
        settings.PUSH_EXTRA_ORIGINS = [server.origin]
        yield server


def browser_of(user: User, service: PushServer, name: str = "one") -> Browser:
    browser = Browser(f"{service.origin}/push/{name}")
    subscribe_device(user=user, endpoint=browser.endpoint, **browser.keys)
    return browser


def tell(user: User, now: datetime, key: str = "k", **params: Any) -> None:
    at_risk = {
        "vehicle": "Blue Lightning",
        "vehicle_id": "4f9f1c4e-6c43-4f68-9c2c-111111111111",
        "departure_at": (now + timedelta(hours=2)).isoformat(),
        "ready_percent": 62,
        "wanted_percent": 80,
    }
    notify(user=user, kind="departure_at_risk", key=key, params=at_risk | params, now=now)
    route_due_notices(now=now, limit=10)


def test_browser_reads_what_it_is_sent_and_nobody_else(alice: User, now: datetime, service: PushServer) -> None:
    browser = browser_of(alice, service)
    tell(alice, now)
    assert [send_due_pushes(now=now, limit=10) for _ in range(2)] == [1, 0]
    [(path, headers, body)] = service.received
    message = browser.read(body)
    assert path == "/push/one"
    assert message["title"].startswith("Blue Lightning may not be ready by Wed, Nov 18")
    assert "62%" in message["body"]
    assert [action["title"] for action in message["actions"]] == ["Charge now"]
    assert set(message) == {"title", "body", "url", "tag", "lang", "actions"}
    assert b"Lightning" not in body
    assert (headers["ttl"], headers["urgency"], headers["content-encoding"]) == ("7200", "high", "aes128gcm")
    assert headers["topic"] == message["tag"]
    assert not {"Alice", alice.email} & set(json.dumps(message).split('"'))


def test_service_can_tell_who_sends(alice: User, now: datetime, service: PushServer) -> None:
    browser_of(alice, service)
    tell(alice, now)
    send_due_pushes(now=now, limit=10)
    authorization = service.received[0][1]["authorization"]
    token, key = (part.strip()[2:] for part in authorization.removeprefix("vapid ").split(","))
    assert key == push_services.public_key()
    head, claims, signature = token.split(".")
    raw = base64.urlsafe_b64decode(signature + "==")
    der = utils.encode_dss_signature(int.from_bytes(raw[:32], "big"), int.from_bytes(raw[32:], "big"))
    point = ec.EllipticCurvePublicKey.from_encoded_point(ec.SECP256R1(), base64.urlsafe_b64decode(key + "=="))
    point.verify(der, f"{head}.{claims}".encode(), ec.ECDSA(SHA256()))  # raises where it was not signed by the key
    told = json.loads(base64.urlsafe_b64decode(claims + "=="))
    assert (told["aud"], told["sub"]) == (service.origin, "mailto:hello@chargescape.example")


def test_every_browser_is_told_once_each(alice: User, bob: User, now: datetime, service: PushServer) -> None:
    for user, name in ((alice, "phone"), (alice, "desk"), (bob, "other")):
        browser_of(user, service, name)
    tell(alice, now)
    assert send_due_pushes(now=now, limit=1) == 1
    assert send_due_pushes(now=now, limit=5) == 1
    assert sorted(path for path, _, _ in service.received) == ["/push/desk", "/push/phone"]


@pytest.mark.parametrize("status", [404, 410])
def test_browser_that_has_gone_is_forgotten(alice: User, now: datetime, service: PushServer, status: int) -> None:
    browser_of(alice, service)
    tell(alice, now)
    service.status = status
    assert send_due_pushes(now=now, limit=10) == 0
    assert not PushDevice.objects.exists()
    assert not NoticeDelivery.objects.filter(channel="push").exists()


def test_busy_service_is_asked_again_when_it_says_so(alice: User, now: datetime, service: PushServer) -> None:
    browser_of(alice, service)
    tell(alice, now)
    service.status, service.headers = 429, {"Retry-After": "120"}
    began = clock.wall()
    assert [send_due_pushes(now=now, limit=10) for _ in range(2)] == [0, 0]
    delivery = NoticeDelivery.objects.get(channel="push")
    assert delivery.retry_at is not None
    assert delivery.retry_at >= began + timedelta(seconds=120)
    assert len(service.received) == 1
    service.status = 201
    NoticeDelivery.objects.update(retry_at=None)
    assert send_due_pushes(now=now, limit=10) == 1


def test_service_that_never_takes_it_is_given_up(alice: User, now: datetime, service: PushServer) -> None:
    browser_of(alice, service)
    tell(alice, now)
    service.status = 500
    for _ in range(9):
        send_due_pushes(now=now, limit=10)
        NoticeDelivery.objects.update(retry_at=None)
    assert NoticeDelivery.objects.get(channel="push").state == "failed"
    assert len(service.received) == 7
    service.status = 413
    tell(alice, now, "too large")
    send_due_pushes(now=now, limit=10)
    assert NoticeDelivery.objects.filter(channel="push", state="failed").count() == 2


def test_no_push_follows_a_redirect(alice: User, now: datetime, service: PushServer) -> None:
    browser_of(alice, service)
    tell(alice, now)
    service.status, service.headers = 307, {"Location": f"{service.origin}/elsewhere"}
    assert send_due_pushes(now=now, limit=10) == 0
    assert [path for path, _, _ in service.received] == ["/push/one"]


def test_push_waits_while_there_is_no_key(alice: User, now: datetime, service: PushServer, settings: Any) -> None:
    browser_of(alice, service)
    tell(alice, now)
    settings.VAPID_PRIVATE_KEY = ""
    assert send_due_pushes(now=now, limit=10) == 0
    assert push_services.public_key() == ""


def test_a_service_that_is_known_no_more_is_not_written_to(
    alice: User, now: datetime, service: PushServer, settings: Any
) -> None:
    browser_of(alice, service)
    tell(alice, now)
    settings.PUSH_EXTRA_ORIGINS = []
    assert send_due_pushes(now=now, limit=10) == 0
    assert service.received == []


@pytest.mark.parametrize(
    "endpoint",
    [
        FCM,
        "https://updates.push.services.mozilla.com/wpush/v2/abc",
        "https://web.push.apple.com/QGx",
        "https://wns2-by3p.notify.windows.com/w/?token=abc",
    ],
)
def test_browsers_own_services_are_known(endpoint: str) -> None:
    assert push_services.is_known(endpoint)


@pytest.mark.parametrize(
    "endpoint",
    [
        "http://fcm.googleapis.com/fcm/send/abc",
        "https://fcm.googleapis.com:8443/x",
        "https://fcm.googleapis.com/",
        "https://fcm.googleapis.com.evil.example/x",
        "https://evil.example/fcm.googleapis.com",
        "https://fcm.googleapis.com@127.0.0.1/x",
        "https://127.0.0.1/x",
        "https://169.254.169.254/latest",
        "https://notify.windows.com.evil.example/x",
        "https://evilnotify.windows.com/x",
        "https://push.apple.com\\@evil.example/x",
        "https://fcm.googleapis.com/a b",
        "https://fcm.googleapis.com/a\x00b",
        "https://fcm.googleapis.com:x/a",
        "file:///etc/passwd",
        "javascript:alert(1)",
        "",
    ],
)
def test_nothing_else_is(alice: User, endpoint: str) -> None:
    browser = Browser(endpoint)
    with pytest.raises(UnableToSubscribe) as refusal:
        subscribe_device(user=alice, endpoint=endpoint, **browser.keys)
    assert refusal.value.reason_code == "unknown_service"
    assert not PushDevice.objects.exists()


@pytest.mark.parametrize(
    ("keys", "code"),
    [
        ({"p256dh": ""}, "bad_key"),
        ({"p256dh": "A" * 87}, "bad_key"),
        ({"p256dh": "!!!"}, "bad_key"),
        ({"auth": "abc"}, "bad_secret"),
        ({"auth": "é" * 22}, "bad_secret"),
    ],
)
def test_keys_that_are_none_are_refused(alice: User, keys: dict[str, str], code: str) -> None:
    with pytest.raises(UnableToSubscribe) as refusal:
        subscribe_device(user=alice, endpoint=FCM, **(Browser(FCM).keys | keys))
    assert refusal.value.reason_code == code


def test_endpoint_is_kept_encrypted_and_belongs_to_one(alice: User, bob: User) -> None:
    for user in (alice, bob):
        subscribe_device(user=user, endpoint=FCM, **Browser(FCM).keys)
    device = PushDevice.objects.get()  # who uses the browser now is told, and nobody else
    assert (device.user, device.endpoint) == (bob, FCM)
    raw = PushDevice.objects.extra(select={"raw": "endpoint"}).values_list("raw", flat=True)[0]
    assert "googleapis" not in raw
    assert not forget_endpoint(user=alice, endpoint=FCM)
    assert forget_endpoint(user=bob, endpoint=FCM)


def test_an_owner_has_no_end_of_browsers(alice: User) -> None:
    for number in range(12):
        subscribe_device(user=alice, endpoint=f"{FCM}{number}", **Browser(FCM).keys)
    assert PushDevice.objects.count() == 10
    assert f"{FCM}11" in {device.endpoint for device in PushDevice.objects.all()}
