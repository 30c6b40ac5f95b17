"""Smartcar's webhook: what it says, who may say it, and a challenge that must not sign forgeries."""

import hashlib
import hmac
import json
from dataclasses import replace

import pytest

from tests.vehicles.automakers.kits import smartcar
from tests.vehicles.automakers.kits.base import recording
from vehicles.automakers.errors import WebhookRefused

KIT = smartcar.KIT
TOKEN = KIT.credentials["management_token"]


def sign(body: bytes, *, secret: str = TOKEN) -> dict[str, str]:
    return {"SC-Signature": hmac.new(secret.encode(), body, hashlib.sha256).hexdigest()}


def test_event_is_read_with_the_cars_own_time() -> None:
    body = json.dumps(recording("smartcar", "event")).encode()

    (push,) = KIT.adapter().read_webhook(sign(body), body).pushes

    assert (push.kind, push.external_id, push.subject) == ("state", smartcar.CAR, "user-1")
    assert push.state is not None
    assert push.state.soc_percent is not None
    assert push.state.soc_percent.source == "webhook"
    assert push.state.soc_percent.observed_at.isoformat() == "2026-11-18T23:03:20+00:00"
    assert push.state.charge_state is not None
    assert push.state.charge_state.value == "unplugged"


def test_test_events_say_nothing() -> None:
    event = recording("smartcar", "event")
    event["meta"]["mode"] = "TEST"
    body = json.dumps(event).encode()

    assert list(KIT.adapter().read_webhook(sign(body), body).pushes) == []


@pytest.mark.parametrize(
    ("code", "state", "kind"),
    [
        ("AUTHENTICATION_FAILED", "ERROR", "link_revoked"),
        ("VEHICLE_MISSING", "ERROR", "car_gone"),
        ("AUTHENTICATION_FAILED", "RESOLVED", None),
        ("ASLEEP", "ERROR", None),
    ],
)
def test_errors_that_end_a_connection_are_told(code: str, state: str, kind: str | None) -> None:
    event = recording("smartcar", "event") | {"eventType": "VEHICLE_ERROR"}
    event["data"]["errors"] = [{"type": "CONNECTED_SERVICES_ACCOUNT", "code": code, "state": state}]
    body = json.dumps(event).encode()

    assert [push.kind for push in KIT.adapter().read_webhook(sign(body), body).pushes] == ([kind] if kind else [])


def test_forged_event_is_refused() -> None:
    body = json.dumps(recording("smartcar", "event")).encode()
    for headers in ({}, sign(body, secret="guess"), sign(body, secret=""), sign(body + b" "), {"sc-signature": "é"}):
        with pytest.raises(WebhookRefused):
            KIT.adapter().read_webhook(headers, body)


def test_challenge_is_answered_but_nothing_that_could_be_an_event() -> None:
    challenge = {"eventType": "VERIFY", "eventId": "e", "data": {"challenge": "5a8e5e38-1e12"}}
    expected = hmac.new(TOKEN.encode(), b"5a8e5e38-1e12", hashlib.sha256).hexdigest()
    assert KIT.adapter().read_webhook({}, json.dumps(challenge).encode()).reply == {"challenge": expected}

    event = json.dumps(recording("smartcar", "event"))
    for forged in (event, "x" * 129, "", None, 7, {"a": 1}, "[]", '"'):
        challenge["data"] = {"challenge": forged}  # its answer would be the signature of whatever is asked
        with pytest.raises(WebhookRefused):
            KIT.adapter().read_webhook({}, json.dumps(challenge).encode())


def test_nobody_listens_without_a_management_token() -> None:
    adapter = replace(KIT, credentials=KIT.credentials | {"management_token": ""}).adapter()
    body = json.dumps(recording("smartcar", "event")).encode()

    with pytest.raises(WebhookRefused):
        adapter.read_webhook(sign(body, secret=""), body)
    with pytest.raises(WebhookRefused):
        adapter.read_webhook({}, b'{"eventType": "VERIFY", "data": {"challenge": "abc"}}')
