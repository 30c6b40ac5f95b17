"""Honda's own ways: signed arrays of events, and what becomes of an action."""

import hashlib
import hmac
import json
from dataclasses import replace
from datetime import datetime
from typing import Any

import pytest
import responses

from tests.vehicles.automakers.kits import honda
from tests.vehicles.automakers.kits.base import NOW, OPERATIONS, recording
from vehicles.automakers.base import Account
from vehicles.automakers.errors import AutomakerError, CommandTimeout, NotPluggedIn, Rejected, WebhookRefused
from vehicles.automakers.push import Push

WALL = NOW.replace(year=2031)


def sign(body: bytes, *, secret: str = honda.KIT.credentials["webhook_secret"], at: datetime = WALL) -> dict[str, str]:
    stamp = str(int(at.timestamp()))
    digest = hmac.new(secret.encode(), stamp.encode() + b"." + body, hashlib.sha256).hexdigest()
    return {"x-honda-signature": f"t={stamp},v1={digest}"}


def read(events: Any, **signing: Any) -> list[Push]:
    body = json.dumps(events).encode()
    return list(honda.KIT.adapter().read_webhook(sign(body, **signing), body).pushes)


def test_events_of_one_delivery_are_read_each() -> None:
    pushes = read(recording("honda", "events"))

    told = [(push.event_id, push.kind, push.external_id, push.subject) for push in pushes]
    assert told == [
        ("evt-1", "state", "hnd-2b8c6a10", "acc-7d1f"),
        ("evt-2", "command", "hnd-2b8c6a10", "acc-7d1f"),
        ("evt-3", "car_added", "hnd-c0ffee01", "acc-7d1f"),
        ("evt-4", "car_gone", "hnd-9e4d5501", "acc-7d1f"),
        ("evt-5", "link_revoked", "hnd-2b8c6a10", "acc-7d1f"),
    ]
    state, receipt = pushes[0].state, pushes[1].receipt
    assert state is not None
    assert state.soc_percent is not None
    assert (state.soc_percent.value, state.soc_percent.source) == (62.53, "webhook")
    assert receipt is not None
    assert (receipt.maker_command_id, receipt.state) == ("act-51c0", "failed")


def test_signature_holds_for_these_bytes_this_secret_and_five_minutes_alone() -> None:
    body = b"[]"
    good = sign(body)
    forged = {
        "other bytes": (good, b"[{}]"),
        "other secret": (sign(body, secret="guess"), body),
        "no secret": (sign(body, secret=""), body),
        "too old": (sign(body, at=WALL.replace(hour=22, minute=59)), body),
        "from ahead": (sign(body, at=WALL.replace(hour=23, minute=11)), body),
        "no time": ({"x-honda-signature": good["x-honda-signature"].partition(",")[2]}, body),
        "no signature": ({}, body),
    }
    assert list(honda.KIT.adapter().read_webhook(good, body).pushes) == []

    for what, (headers, raw) in forged.items():
        with pytest.raises(WebhookRefused):
            pytest.fail(f"taken: {what} {honda.KIT.adapter().read_webhook(headers, raw)}")


def test_both_secrets_are_taken_while_one_replaces_the_other() -> None:
    credentials = honda.KIT.credentials | {"webhook_secret": "new-one,webhook-secret"}
    adapter = replace(honda.KIT, credentials=credentials).adapter()

    for secret in ("new-one", "webhook-secret"):
        assert list(adapter.read_webhook(sign(b"[]", secret=secret), b"[]").pushes) == []


@pytest.mark.parametrize("body", [b"{}", b"<html>", b"\xff", b"null"])
def test_signed_nonsense_is_refused(body: bytes) -> None:
    with pytest.raises(WebhookRefused):
        honda.KIT.adapter().read_webhook(sign(body), body)


def test_events_that_say_nothing_sound_are_left_out() -> None:
    assert (
        read([1, None, {}, {"id": "e", "type": "vehicle.state", "state": {"battery": 7}}, {"type": "vehicle.gone"}])
        == []
    )


@pytest.mark.parametrize(
    ("reason", "outcome"),
    [
        ("NO_RESPONSE", CommandTimeout),
        ("NOT_PLUGGED_IN", NotPluggedIn),
        ("CONFLICT", Rejected),
        ("FAILED_PRECONDITION", Rejected),
        (None, Rejected),
        ("UNNECESSARY", "noop"),
    ],
)
def test_action_that_fails_at_once_says_why(
    door: responses.RequestsMock, reason: str | None, outcome: str | type[AutomakerError]
) -> None:
    method, url, file = honda.KIT.asks["act"]
    door.add(method, url, json=recording("honda", file) | {"state": "FAILED", "failureReason": reason}, status=202)

    if isinstance(outcome, str):
        assert OPERATIONS["hold"](honda.KIT.adapter(), honda.KIT.car()).state == outcome
        return
    with pytest.raises(AutomakerError) as caught:
        OPERATIONS["hold"](honda.KIT.adapter(), honda.KIT.car())
    assert type(caught.value) is outcome


@pytest.mark.parametrize(
    ("state", "reason", "word"),
    [
        ("PENDING", None, "pending"),
        ("CONFIRMED", None, "completed"),
        ("CANCELLED", None, "failed"),
        ("FAILED", "CONFLICT", "failed"),
        ("FAILED", "UNNECESSARY", "noop"),
        ("FAILED", "NO_RESPONSE", "pending"),  # the car may have acted: only a reading tells
        ("SOMETHING_NEW", None, "accepted"),
    ],
)
def test_action_is_asked_about(door: responses.RequestsMock, state: str, reason: str | None, word: str) -> None:
    answer = recording("honda", "action") | {"state": state, "failureReason": reason}
    door.add("GET", f"{honda.KIT.asks['act'][1]}/act-51c0", json=answer)

    assert honda.KIT.adapter().command_status(honda.KIT.car(), "act-51c0").state == word


def test_scopes_that_were_not_granted_turn_off_what_they_cover(door: responses.RequestsMock) -> None:
    method, url, file = honda.KIT.asks["capabilities"]
    door.add(method, url, json=recording("honda", file))

    can = honda.KIT.adapter().capabilities(Account("access-one", scopes=("vehicle.state",)), honda.CAR)

    assert (can.can_hold, can.can_discharge, can.can_wake, "place" in can.reads) == (False, False, False, False)
    assert can.refusals == ("place_scope_missing", "charging_scope_missing")
    assert can.pushes == ("webhook",)


def test_token_names_the_account(door: responses.RequestsMock) -> None:
    door.add("POST", honda.KIT.token_url, json=recording("honda", "token"))

    grant = honda.KIT.adapter().refresh("refresh-one")

    assert (grant.subject, grant.scopes[0]) == ("acc-7d1f", "vehicle.state")
