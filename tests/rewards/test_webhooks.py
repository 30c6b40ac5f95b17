"""Pushed messages: forged ones are refused, true ones end in the processor's own state, in whatever order they come."""

import json
import random
import time
import uuid
from datetime import datetime, timedelta
from typing import Any

import pytest
from django.test import RequestFactory
from pytest_django import Settings
from stripe import WebhookSignature

from accounts.models import User
from foundation import clock
from rewards import ledger
from rewards.flows.payouts import pay_now, send_due_payouts
from rewards.flows.webhooks import MOST_ATTEMPTS, apply_due_webhooks, receive_webhook
from rewards.models import Payout, PayoutAccount, WebhookEvent
from rewards.refusals import UnableToReceive
from rewards.webhooks import stripe_webhook
from tests.factories.rewards import earn
from tests.rewards.conftest import StripeWorld
from tests.sandbox_process import STRIPE_WEBHOOK_SECRET

pytestmark = pytest.mark.django_db

State = Payout.State


def snapshot(kind: str, object_id: str, *, account: str = "", event_id: str = "", **extra: Any) -> bytes:
    """Return a v1 event's body; its object says nothing true but its id."""
    body = {
        "id": event_id or f"evt_{uuid.uuid4().hex}",
        "object": "event",
        "type": kind,
        "data": {"object": {"id": object_id, "status": "paid", "amount": 1}},
        **extra,
    }
    if account:
        body["account"] = account
    return json.dumps(body).encode()


def thin(kind: str, object_id: str) -> bytes:
    return json.dumps(
        {
            "id": f"evt_{uuid.uuid4().hex}",
            "object": "v2.core.event",
            "type": kind,
            "context": None,
            "related_object": {"id": object_id, "type": "v2.core.account", "url": f"/v2/core/accounts/{object_id}"},
        }
    ).encode()


def sign(body: bytes, *, secret: str = STRIPE_WEBHOOK_SECRET, age_seconds: int = 0) -> str:
    signed: str = WebhookSignature.generate_signature_header(body.decode(), secret, int(time.time()) - age_seconds)
    return signed


def push(body: bytes, now: datetime) -> WebhookEvent:
    return receive_webhook(raw_body=body, signature=sign(body), now=now)


@pytest.fixture
def sent(world: StripeWorld, alice: User, now: datetime) -> Payout:
    """Alice's 2.50, sent, and arrived at her bank as far as the processor knows."""
    world.set_up(alice, now=now)
    earn(alice, 250, now=now)
    payout = pay_now(owner=alice, currency="USD", now=now)
    send_due_payouts(now=now, limit=10)
    world.set_clock(now + timedelta(hours=2))
    payout.refresh_from_db()
    return payout


def test_message_is_kept_once_byte_by_byte(world: StripeWorld, now: datetime) -> None:
    body = snapshot("payout.paid", "po_1", account="acct_1") + b"\n "
    first, again = push(body, now), push(body, now)
    assert first == again
    kept = WebhookEvent.objects.get()
    assert kept.body.encode() == body
    assert (kept.kind, kept.object_external_id, kept.account_external_id) == ("payout.paid", "po_1", "acct_1")


@pytest.mark.parametrize(
    ("change", "signing"),
    [
        pytest.param(b"", {"secret": "whsec_other"}, id="another secret"),
        pytest.param(b" ", {}, id="one byte more"),
        pytest.param(b"", {"age_seconds": 301}, id="too old"),
        pytest.param(b"", {"age_seconds": -310}, id="from the future"),
    ],
)
def test_forged_message_is_refused(world: StripeWorld, now: datetime, change: bytes, signing: dict[str, Any]) -> None:
    body = snapshot("payout.paid", "po_1")
    signature = sign(body, **signing)
    with pytest.raises(UnableToReceive):
        receive_webhook(raw_body=body + change, signature=signature, now=now)
    assert not WebhookEvent.objects.exists()


@pytest.mark.parametrize("signature", ["", "t=1", "v1=abc", "t=x,v1=abc", ",,,", "t=1,v1=abc,v1=def"])
def test_broken_signature_is_refused(world: StripeWorld, now: datetime, signature: str) -> None:
    with pytest.raises(UnableToReceive):
        receive_webhook(raw_body=snapshot("payout.paid", "po_1"), signature=signature, now=now)


@pytest.mark.parametrize(
    "body",
    [b"", b"[]", b"null", b"{}", b'{"object": "event"}', b'{"id": "x", "object": "charge", "type": "y"}', b"\xff\xfe"],
)
def test_signed_nonsense_is_refused(world: StripeWorld, now: datetime, body: bytes) -> None:
    signature = sign(body) if body != b"\xff\xfe" else sign(b"{}")
    with pytest.raises(UnableToReceive):
        receive_webhook(raw_body=body, signature=signature, now=now)
    assert not WebhookEvent.objects.exists()


def test_overlong_names_are_refused(world: StripeWorld, now: datetime) -> None:
    for body in (
        snapshot("payout.paid", "po_1", event_id="e" * 81),
        snapshot("k" * 121, "po_1"),
        snapshot("payout.paid", "p" * 81),
        snapshot("payout.paid", "po_1", account="a" * 65),
    ):
        with pytest.raises(UnableToReceive):
            push(body, now)


def test_each_endpoint_signs_with_its_own_secret(world: StripeWorld, now: datetime, settings: Settings) -> None:
    settings.STRIPE_WEBHOOK_SECRET = "whsec_platform, whsec_connect"
    body = snapshot("payout.paid", "po_1")
    receive_webhook(raw_body=body, signature=sign(body, secret="whsec_connect"), now=now)
    assert WebhookEvent.objects.count() == 1


def test_installation_without_a_secret_takes_no_message(world: StripeWorld, now: datetime, settings: Settings) -> None:
    settings.STRIPE_WEBHOOK_SECRET = ""
    body = snapshot("payout.paid", "po_1")
    with pytest.raises(UnableToReceive):
        receive_webhook(raw_body=body, signature=sign(body, secret=""), now=now)


def test_view_keeps_signed_messages_and_refuses_others(world: StripeWorld, rf: RequestFactory) -> None:
    body = snapshot("payout.paid", "po_1")

    def post(**headers: str) -> int:
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        request = rf.post("/webhooks/stripe/", body, content_type="application/json", headers=named)
        return stripe_webhook(request).status_code

    assert post(stripe_signature=sign(body)) == 200
    assert post(stripe_signature=sign(body)) == 200
    assert WebhookEvent.objects.count() == 1
    assert post(stripe_signature=sign(body, secret="whsec_other")) == 400
    assert post() == 400
    assert stripe_webhook(rf.get("/webhooks/stripe/")).status_code == 405
    assert WebhookEvent.objects.count() == 1


def test_bank_payment_is_read_anew_not_believed(world: StripeWorld, sent: Payout, now: datetime) -> None:
    (bank,) = world.bank_payouts(sent.destination)
    push(snapshot("payout.failed", bank["id"], account=sent.destination), now)
    assert apply_due_webhooks(now=now, limit=10) == 1
    assert apply_due_webhooks(now=now, limit=10) == 0
    sent.refresh_from_db()
    assert sent.state == State.PAID


def test_message_ahead_of_the_recorded_transfer_is_matched(world: StripeWorld, alice: User, now: datetime) -> None:
    world.set_up(alice, now=now)
    earn(alice, 250, now=now)
    payout = pay_now(owner=alice, currency="USD", now=now)
    world.fault("cut")
    send_due_payouts(now=now, limit=10)
    (transfer,) = world.transfers(payout.public_id)
    push(snapshot("transfer.created", transfer["id"]), now)
    assert apply_due_webhooks(now=now, limit=10) == 1
    payout.refresh_from_db()
    assert (payout.state, payout.external_id) == (State.SENT, transfer["id"])
    assert ledger.check() == []


def test_account_messages_refresh_the_account(world: StripeWorld, alice: User, now: datetime) -> None:
    account = world.set_up(alice, now=now)
    events = [
        ("restricted", thin("v2.core.account[configuration.recipient].capability_status_updated", account.external_id)),
        ("active", snapshot("account.updated", account.external_id, account=account.external_id)),
        ("restricted", thin("v2.core.account[requirements].updated", account.external_id)),
    ]
    for status, body in events:
        world.control("POST", f"accounts/{account.external_id}/capability", status=status)
        push(body, now)
        assert apply_due_webhooks(now=now, limit=10) == 1
        account.refresh_from_db()
        assert account.state == status


@pytest.mark.parametrize(
    "body",
    [
        snapshot("payout.paid", "po_unknown", account="acct_unknown"),
        snapshot("payout.paid", "po_ours"),
        snapshot("transfer.created", "tr_unknown"),
        snapshot("account.updated", "acct_unknown", account="acct_unknown"),
        snapshot("customer.created", "cus_1"),
    ],
    ids=["bank payment elsewhere", "our own bank payment", "unknown transfer", "unknown account", "unknown kind"],
)
def test_messages_about_others_change_nothing(world: StripeWorld, sent: Payout, now: datetime, body: bytes) -> None:
    push(body, now)
    assert apply_due_webhooks(now=now, limit=10) == 1
    sent.refresh_from_db()
    assert sent.state == State.SENT


def test_message_that_fails_is_tried_again(world: StripeWorld, sent: Payout, now: datetime) -> None:
    (bank,) = world.bank_payouts(sent.destination)
    push(snapshot("payout.paid", bank["id"], account=sent.destination), now)
    world.fault("server_error", operation="payouts.retrieve")
    assert apply_due_webhooks(now=now, limit=10) == 0
    event = WebhookEvent.objects.get()
    assert event.failure
    assert event.due_at > clock.wall()  # type: ignore[operator]
    WebhookEvent.objects.update(due_at=clock.wall())
    assert apply_due_webhooks(now=now, limit=10) == 1
    sent.refresh_from_db()
    assert sent.state == State.PAID


def test_message_is_given_up_in_the_end(world: StripeWorld, now: datetime) -> None:
    push(snapshot("payout.paid", "po_1"), now)
    WebhookEvent.objects.update(attempts=MOST_ATTEMPTS)
    assert apply_due_webhooks(now=now, limit=10) == 0


def test_shuffled_tripled_and_forged_messages_end_as_once_in_order(
    world: StripeWorld, alice: User, bob: User, now: datetime
) -> None:
    payouts, bodies = [], []
    for owner, amount_minor in ((alice, 250), (bob, 400)):
        account = world.set_up(owner, now=now)
        earn(owner, amount_minor, now=now)
        payouts.append(pay_now(owner=owner, currency="USD", now=now))
        send_due_payouts(now=now, limit=10)
        world.set_clock(now + timedelta(hours=2))
        (transfer,) = world.transfers(payouts[-1].public_id)
        (bank,) = world.bank_payouts(account.external_id)
        if owner == bob:
            world.control("POST", f"payouts/{bank['id']}/fail", code="account_closed")
        kinds = ("payout.created", "payout.paid", "payout.failed", "payout.updated")
        bodies += [snapshot(kind, bank["id"], account=account.external_id) for kind in kinds]
        bodies.append(snapshot("transfer.created", transfer["id"]))
        bodies.append(snapshot("account.updated", account.external_id, account=account.external_id))
        world.set_clock(now)
    chosen = bodies * 3
    random.Random(5).shuffle(chosen)  # noqa: S311 - a seed repeats the order
    world.set_clock(now + timedelta(hours=2))
    for number, body in enumerate(chosen):
        push(body, now)
        if number % 4 == 0:
            with pytest.raises(UnableToReceive):
                receive_webhook(raw_body=body.replace(b"evt_", b"evl_"), signature=sign(body), now=now)
        if number % 5 == 0:
            apply_due_webhooks(now=now, limit=3)
    while apply_due_webhooks(now=now, limit=50):
        pass
    for payout in payouts:
        payout.refresh_from_db()
    assert [payout.state for payout in payouts] == [State.PAID, State.BANK_FAILED]
    assert WebhookEvent.objects.count() == len(bodies)
    assert not WebhookEvent.objects.filter(applied_at__isnull=True).exists()
    assert PayoutAccount.objects.filter(state=PayoutAccount.State.ACTIVE).count() == 2
    assert ledger.check() == []
