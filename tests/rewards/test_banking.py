"""Payouts are followed to the bank, and back where the bank refuses them."""

from datetime import datetime, timedelta

import pytest

from accounts.models import Notice, User
from foundation import clock
from rewards import ledger
from rewards.flows.banking import FOLLOWED_FOR, follow_bank_payouts
from rewards.flows.payouts import pay_now, send_due_payouts
from rewards.models import Payout, PayoutAccount
from tests.factories.rewards import earn
from tests.rewards.conftest import BANK_THAT_REFUSES, StripeWorld

pytestmark = pytest.mark.django_db

State = Payout.State
HOUR = timedelta(hours=1)


def pay(world: StripeWorld, owner: User, amount_minor: int, *, now: datetime) -> Payout:
    if not PayoutAccount.objects.filter(owner=owner).exists():
        world.set_up(owner, now=now)
    earn(owner, amount_minor, now=now)
    payout = pay_now(owner=owner, currency=owner.currency, now=now)
    send_due_payouts(now=now, limit=10)
    return payout


def look(now: datetime) -> int:
    Payout.objects.update(retry_at=clock.wall())
    return follow_bank_payouts(now=now, limit=10)


def state(payout: Payout) -> str:
    payout.refresh_from_db()
    return payout.state


def test_payout_arrives(world: StripeWorld, alice: User, now: datetime) -> None:
    payout = pay(world, alice, 250, now=now)
    assert look(now) == 0
    assert state(payout) == State.SENT
    later = now + 2 * HOUR
    world.set_clock(later)
    assert look(later) == 1
    assert look(later) == 0
    assert state(payout) == State.PAID
    assert payout.paid_at == later
    assert ledger.check() == []


def test_payouts_that_travel_together_arrive_together(world: StripeWorld, alice: User, now: datetime) -> None:
    world.control("PUT", "knobs", payout_delay_seconds=60)
    first = pay(world, alice, 250, now=now)
    second = pay(world, alice, 300, now=now)
    world.set_clock(now + HOUR)
    look(now + HOUR)
    assert (state(first), state(second)) == (State.PAID, State.PAID)


def test_only_the_payouts_in_a_bank_payment_change(world: StripeWorld, alice: User, bob: User, now: datetime) -> None:
    arrived = pay(world, alice, 250, now=now)
    world.set_clock(now + 2 * HOUR)
    look(now + 2 * HOUR)
    underway = pay(world, alice, 300, now=now + 2 * HOUR)
    others = pay(world, bob, 100, now=now + 2 * HOUR)
    look(now + 2 * HOUR)
    assert (state(arrived), state(underway), state(others)) == (State.PAID, State.SENT, State.SENT)


def test_bank_that_refuses_keeps_the_money_at_the_processor(world: StripeWorld, alice: User, now: datetime) -> None:
    world.set_up(alice, now=now, account_number=BANK_THAT_REFUSES)
    payout = pay(world, alice, 250, now=now)
    world.set_clock(now + 2 * HOUR)
    assert look(now + 2 * HOUR) == 1
    assert look(now + 2 * HOUR) == 0
    assert (state(payout), payout.failure) == (State.BANK_FAILED, "no_account")
    assert payout.failure_text == "Your bank does not know this account number."
    assert ledger.owner_balance(alice, "USD") == ledger.Balance(0, 0, 0)  # it left the platform for good
    assert send_due_payouts(now=now, limit=10) == 0
    assert len(world.transfers(payout.public_id)) == 1
    assert Notice.objects.filter(user=alice, kind="payout_failed").count() == 1


def test_paid_payout_may_still_come_back(world: StripeWorld, alice: User, now: datetime) -> None:
    payout = pay(world, alice, 250, now=now)
    world.set_clock(now + 2 * HOUR)
    look(now + 2 * HOUR)
    (bank,) = world.bank_payouts(payout.destination)
    world.control("POST", f"payouts/{bank['id']}/fail", code="account_closed")
    assert look(now + 3 * HOUR) == 1
    assert (state(payout), payout.failure, payout.paid_at) == (State.BANK_FAILED, "account_closed", None)


def test_mended_bank_details_bring_the_money_without_a_second_transfer(
    world: StripeWorld, alice: User, now: datetime
) -> None:
    world.set_up(alice, now=now, account_number=BANK_THAT_REFUSES)
    payout = pay(world, alice, 250, now=now)
    world.set_clock(now + 2 * HOUR)
    look(now + 2 * HOUR)
    world.set_up(alice, now=now + 2 * HOUR)
    world.set_clock(now + 4 * HOUR)
    world.bank_payouts(payout.destination)  # the stand-in starts payments when it is asked
    world.set_clock(now + 6 * HOUR)
    assert look(now + 6 * HOUR) == 1
    assert state(payout) == State.PAID
    assert len(world.transfers(payout.public_id)) == 1
    assert look(now + 6 * HOUR) == 0  # the old failure in the list changes nothing


def test_old_payouts_are_followed_no_more(world: StripeWorld, alice: User, now: datetime) -> None:
    payout = pay(world, alice, 250, now=now)
    old = clock.wall() - FOLLOWED_FOR - HOUR
    Payout.objects.update(first_sent_at=old, retry_at=old)
    follow_bank_payouts(now=now, limit=10)
    payout.refresh_from_db()
    assert payout.retry_at is None
    assert follow_bank_payouts(now=now, limit=10) == 0


def test_following_goes_on_past_an_account_that_fails(
    world: StripeWorld, alice: User, bob: User, now: datetime
) -> None:
    broken, fine = pay(world, alice, 250, now=now), pay(world, bob, 100, now=now)
    Payout.objects.filter(pk=broken.pk).update(destination="acct_gone")
    world.set_clock(now + 2 * HOUR)
    assert look(now + 2 * HOUR) == 1
    assert (state(broken), state(fine)) == (State.SENT, State.PAID)
