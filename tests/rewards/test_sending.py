"""Payouts reach the processor exactly once, whatever goes wrong on the way."""

import time
from datetime import datetime, timedelta
from typing import Any

import pytest
from django.db import transaction
from pytest_django import Settings

from accounts.models import Notice, User
from foundation import clock
from rewards import gateway, ledger
from rewards.flows import sending
from rewards.flows.payouts import pay_now, resolve_unknown_payouts, send_due_payouts
from rewards.flows.sending import KEY_LIFE, adopt_transfer, look_up_frozen_payout
from rewards.gateway import open_processor
from rewards.models import Payout, PayoutAccount
from rewards.processors import stripe as stripe_processor
from rewards.processors.base import SentTransfer
from rewards.refusals import UnableToPayOut
from tests.factories.rewards import earn, payout_account
from tests.rewards.conftest import TRIES, StripeWorld

pytestmark = pytest.mark.django_db

State = Payout.State


@pytest.fixture
def payout(world: StripeWorld, alice: User, now: datetime) -> Payout:
    """Alice has earned 2.50 and asked for it."""
    world.set_up(alice, now=now)
    earn(alice, 250, now=now)
    return pay_now(owner=alice, currency="USD", now=now)


def send(now: datetime) -> int:
    return send_due_payouts(now=now, limit=10)


def resolve(now: datetime) -> int:
    """Run the look-up as if its time had come and every lease had lapsed."""
    Payout.objects.update(retry_at=None)
    Payout.objects.filter(lease_until__isnull=False).update(lease_until=clock.wall() - timedelta(seconds=1))
    return resolve_unknown_payouts(now=now, limit=10)


def state(payout: Payout) -> str:
    payout.refresh_from_db()
    return payout.state


def age(payout: Payout, by: timedelta) -> None:
    Payout.objects.filter(pk=payout.pk).update(first_sent_at=clock.wall() - by)


def test_payout_is_sent_once_and_posted(world: StripeWorld, payout: Payout, alice: User, now: datetime) -> None:
    assert send(now) == 1
    assert send(now) == 0
    assert state(payout) == State.SENT
    (transfer,) = world.transfers(payout.public_id)
    assert (transfer["id"], transfer["amount"], transfer["currency"]) == (payout.external_id, 250, "usd")
    assert transfer["destination"] == payout.destination
    assert ledger.owner_balance(alice, "USD") == ledger.Balance(0, 0, 0)
    assert ledger.check() == []
    assert Notice.objects.get(user=alice, kind="payout_sent").params == {"amount_minor": 250, "currency": "USD"}


@pytest.mark.parametrize("fault", ["cut", "short", "truncated", "server_error_after"])
def test_payout_whose_answer_was_lost_is_found_again(
    world: StripeWorld, payout: Payout, now: datetime, fault: str
) -> None:
    world.fault(fault)
    assert send(now) == 0
    assert state(payout) == State.UNKNOWN
    assert resolve(now) == 1
    assert state(payout) == State.SENT
    assert len(world.transfers(payout.public_id)) == 1
    assert ledger.check() == []


@pytest.mark.parametrize(("fault", "count"), [("rate_limited", 1), ("conflict", TRIES)])
def test_payout_that_was_turned_away_is_repeated_under_the_same_key(
    world: StripeWorld, payout: Payout, now: datetime, fault: str, count: int
) -> None:
    world.fault(fault, count=count)
    send(now)
    assert state(payout) == State.UNKNOWN
    resolve(now)
    assert (state(payout), payout.attempt) == (State.SENT, 1)
    assert len(world.transfers(payout.public_id)) == 1


def test_payout_with_a_remembered_500_gets_a_new_key_only_after_two_witnesses(
    world: StripeWorld, payout: Payout, now: datetime
) -> None:
    world.fault("server_error", count=1)
    send(now)
    for _ in range(3):  # the key replays its 500, and nothing else is tried while it is young
        resolve(now)
        assert (state(payout), payout.attempt) == (State.UNKNOWN, 1)
    age(payout, KEY_LIFE)
    resolve(now)
    assert (state(payout), payout.empty_lookups) == (State.UNKNOWN, 1)
    resolve(now)
    assert (state(payout), payout.attempt) == (State.REQUESTED, 2)
    assert send(now) == 1
    assert len(world.transfers(payout.public_id)) == 1


def late_answer(world: StripeWorld, payout: Payout, now: datetime, monkeypatch: pytest.MonkeyPatch) -> None:
    """Look a payout up while the processor is still at work on it: nothing is found, and yet it will be carried out."""
    monkeypatch.setattr(gateway, "TIMEOUT_SECONDS", (1.0, 0.3))
    monkeypatch.setattr(stripe_processor, "TIMEOUT_SECONDS", (1.0, 0.3))
    world.fault("slow", count=1, seconds=1.5)
    started = time.monotonic()
    send(now)
    assert state(payout) == State.UNKNOWN
    resolve(now)
    # Until whatever was asked for has happened; on a busy machine a look-up, too, may take longer than it may.
    while time.monotonic() < started + (2.5 if state(payout) != State.UNKNOWN else 30):
        time.sleep(0.2)
        resolve(now)
    assert len(world.transfers(payout.public_id)) == 1
    assert state(payout) == State.SENT


@pytest.mark.slow
def test_payout_still_being_worked_on_is_not_paid_again(
    world: StripeWorld, payout: Payout, now: datetime, monkeypatch: pytest.MonkeyPatch
) -> None:
    late_answer(world, payout, now, monkeypatch)


def old_key(world: StripeWorld, payout: Payout, now: datetime, monkeypatch: pytest.MonkeyPatch) -> None:
    """Resolve a payout after the processor has forgotten its key: repeating it now would pay twice."""
    monkeypatch.setattr(stripe_processor, "NETWORK_RETRIES", 0)  # the SDK repeats at once, when no key is old yet
    world.control("PUT", "knobs", key_lifetime_seconds=0)
    world.fault("cut", count=1)
    send(now)
    age(payout, KEY_LIFE)
    world.fault("server_error", operation="transfers.list")
    resolve(now)
    assert state(payout) == State.UNKNOWN
    world.lift_faults()
    assert len(world.transfers(payout.public_id)) == 1
    resolve(now)
    assert state(payout) == State.SENT
    assert len(world.transfers(payout.public_id)) == 1


def test_payout_is_never_repeated_once_its_key_is_old(
    world: StripeWorld, payout: Payout, now: datetime, monkeypatch: pytest.MonkeyPatch
) -> None:
    old_key(world, payout, now, monkeypatch)


def test_sender_that_died_before_the_call_is_replaced(world: StripeWorld, payout: Payout, now: datetime) -> None:
    at = clock.wall()
    assert payout.claim(at=at, until=at + timedelta(seconds=90))
    assert send(now) == 0
    assert resolve_unknown_payouts(now=now, limit=10) == 0  # its lease has not lapsed yet
    assert resolve(now) == 1
    assert len(world.transfers(payout.public_id)) == 1


def test_claim_is_won_once(payout: Payout) -> None:
    at, rival = clock.wall(), Payout.objects.get(pk=payout.pk)
    assert payout.claim(at=at, until=at + timedelta(seconds=90))
    assert not rival.claim(at=at, until=at + timedelta(seconds=90))


@pytest.mark.django_db(transaction=True)
def test_claim_refuses_a_caller_who_would_delay_its_commit(payout: Payout) -> None:
    at = clock.wall()
    with pytest.raises(RuntimeError), transaction.atomic():
        payout.claim(at=at, until=at + timedelta(seconds=90))


def test_declined_payout_gives_the_money_back(world: StripeWorld, payout: Payout, alice: User, now: datetime) -> None:
    world.control("POST", f"accounts/{payout.destination}/capability", status="restricted")
    assert send(now) == 0
    assert state(payout) == State.CANCELLED
    assert payout.failure
    assert ledger.owner_balance(alice, "USD").available_minor == 250
    assert world.transfers(payout.public_id) == []
    assert ledger.check() == []
    assert Notice.objects.filter(user=alice, kind="payout_cancelled").count() == 1
    assert PayoutAccount.objects.get(owner=alice).refresh_at <= clock.wall()  # type: ignore[operator]


def test_decline_is_not_believed_while_a_look_up_fails(world: StripeWorld, payout: Payout, now: datetime) -> None:
    world.control("POST", f"accounts/{payout.destination}/capability", status="restricted")
    world.fault("server_error", operation="transfers.list")
    send(now)
    assert state(payout) == State.UNKNOWN
    resolve(now)
    assert state(payout) == State.CANCELLED


def test_decline_after_a_lost_success_adopts_the_success(world: StripeWorld, payout: Payout, now: datetime) -> None:
    world.fault("cut")
    send(now)
    Payout.objects.filter(pk=payout.pk).update(attempt=2, state=State.REQUESTED, retry_at=None)
    world.control("POST", f"accounts/{payout.destination}/capability", status="restricted")
    assert send(now) == 1
    assert state(payout) == State.SENT
    assert len(world.transfers(payout.public_id)) == 1


def test_empty_platform_balance_delays_the_payout(
    world: StripeWorld, payout: Payout, alice: User, now: datetime
) -> None:
    world.fault("insufficient", count=1)
    send(now)
    assert (state(payout), payout.attempt) == (State.REQUESTED, 2)
    assert ledger.owner_balance(alice, "USD").pending_minor == 250
    assert send(now) == 0  # not before its time
    Payout.objects.update(retry_at=None)
    assert send(now) == 1
    assert len(world.transfers(payout.public_id)) == 1


def test_refused_api_key_moves_nothing(world: StripeWorld, payout: Payout, now: datetime, settings: Settings) -> None:
    right, settings.STRIPE_API_KEY = settings.STRIPE_API_KEY, "sk_test_wrong"
    send(now)
    assert state(payout) == State.UNKNOWN
    settings.STRIPE_API_KEY = right
    assert resolve(now) == 1


def test_key_used_for_another_order_freezes_the_payout(world: StripeWorld, payout: Payout, now: datetime) -> None:
    world.fault("cut")
    send(now)
    world.control("PUT", "knobs", key_lifetime_seconds=86_400)
    Payout.objects.filter(pk=payout.pk).update(destination=world.set_up_stranger(now=now), state=State.REQUESTED)
    Payout.objects.update(retry_at=None)
    send(now)
    assert state(payout) == State.FROZEN
    assert ledger.check() == []


def test_several_transfers_freeze_the_payout(world: StripeWorld, payout: Payout, now: datetime) -> None:
    world.fault("cut")
    send(now)
    world.create_transfer(amount=250, destination=payout.destination, group=payout.public_id)
    resolve(now)
    assert state(payout) == State.FROZEN
    assert send(now) + resolve(now) == 0


def test_frozen_payout_can_be_looked_up_again_by_a_person(world: StripeWorld, payout: Payout, now: datetime) -> None:
    with pytest.raises(UnableToPayOut):
        look_up_frozen_payout(payout=payout)
    world.fault("cut")
    send(now)
    Payout.objects.filter(pk=payout.pk).update(state=State.FROZEN)
    look_up_frozen_payout(payout=payout)
    assert resolve(now) == 1


@pytest.mark.parametrize("change", [{"amount_minor": 251}, {"currency": "CAD"}, {"destination": "acct_other"}])
def test_transfer_that_differs_from_the_order_freezes_the_payout(
    payout: Payout, now: datetime, change: dict[str, Any]
) -> None:
    order = {
        "amount_minor": 250,
        "currency": "USD",
        "destination": payout.destination,
        "group": str(payout.public_id),
        **change,
    }
    sent = SentTransfer(external_id="tr_1", reversed_minor=0, payment_id="py_1", **order)
    assert not adopt_transfer(payout=payout, sent=sent, now=now)
    assert state(payout) == State.FROZEN
    assert ledger.check() == []


def test_second_transfer_of_a_sent_payout_is_flagged(world: StripeWorld, payout: Payout, now: datetime) -> None:
    send(now)
    twin = SentTransfer("tr_twin", 250, 0, "USD", payout.destination, str(payout.public_id), "py_twin")
    assert not adopt_transfer(payout=payout, sent=twin, now=now)
    assert state(payout) == State.SENT
    assert "tr_twin" in payout.failure


def test_sender_that_lost_its_lease_changes_nothing(world: StripeWorld, payout: Payout, now: datetime) -> None:
    at = clock.wall()
    assert payout.claim(at=at, until=at + timedelta(seconds=90))
    Payout.objects.filter(pk=payout.pk).update(lease_until=at + timedelta(seconds=180))  # another sweep took over
    world.control("POST", f"accounts/{payout.destination}/capability", status="restricted")
    assert not sending._send(payout, open_processor(), now=now)
    assert state(payout) == State.SENDING
    assert ledger.check() == []


def test_one_broken_payout_does_not_hold_up_the_others(
    world: StripeWorld, payout: Payout, bob: User, now: datetime
) -> None:
    other = payout_account(bob, now=now, external_id="acct_unknown_there")
    earn(bob, 100, now=now)
    doomed = pay_now(owner=bob, currency="USD", now=now)
    Payout.objects.filter(pk=doomed.pk).update(requested_at=now - timedelta(days=1))
    assert send(now) == 1
    assert (state(payout), state(doomed)) == (State.SENT, State.CANCELLED)
    assert other.payouts.get() == doomed
