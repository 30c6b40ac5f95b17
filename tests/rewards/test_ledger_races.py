"""Writers at the same time: nothing is lost, doubled or overdrawn, and nobody meets a deadlock."""

import random
from datetime import datetime

import pytest

from accounts.models import User
from rewards import ledger, proofs
from rewards.flows.payouts import pay_now, request_due_payouts
from rewards.models import ChainLink, LedgerAccount, Payout, Transfer
from rewards.refusals import UnableToPayOut
from tests.factories.rewards import earn, payout_account, utility_receivable
from tests.rewards.counts import count
from tests.rewards.racing import race

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.slow]

RUNNERS = 8
ROUNDS = count(full=250, short=6)


def paid_out() -> LedgerAccount:
    return ledger.account(LedgerAccount.Kind.PAID_OUT, "stripe", "USD")


def race_for_the_last_slots(owner: User, now: datetime) -> list[object]:
    """Let each of ten slots be asked for by four threads, twice under the same key, where ten of twenty can be had."""
    account, out = ledger.owner_account(owner, "USD"), paid_out()
    earn(owner, 1000, now=now)

    def attempt(number: int) -> Transfer:
        key = f"slot:{number // 2}"
        return ledger.reserve(key=key, debit=account, credit=out, amount_minor=100, label="", now=now)

    return race(attempt, runners=40)


def test_exactly_as_much_is_reserved_as_there_is(alice: User, now: datetime) -> None:
    outcomes = race_for_the_last_slots(alice, now)
    reserved = {outcome.key for outcome in outcomes if isinstance(outcome, Transfer)}
    refused = [outcome for outcome in outcomes if not isinstance(outcome, Transfer)]
    assert len(reserved) == 10
    assert all(isinstance(outcome, ledger.Overdrawn) for outcome in refused), refused
    assert len(refused) == 20
    assert Transfer.objects.filter(kind="pending").count() == 10
    assert ledger.owner_balance(alice, "USD") == ledger.Balance(0, 1000, 1000)
    assert ledger.check() == []


def test_one_key_is_posted_once_by_many(alice: User, now: datetime) -> None:
    ledger.owner_account(alice, "USD")
    outcomes = race(lambda _: earn(alice, 70, now=now, key="settlement:1"), runners=RUNNERS)
    assert {outcome.pk for outcome in outcomes} == {Transfer.objects.get().pk}
    assert ledger.owner_balance(alice, "USD").posted_minor == 70


def test_reservation_is_ended_once_by_many(alice: User, now: datetime) -> None:
    earn(alice, 500, now=now)
    pending = ledger.reserve(
        key="p", debit=ledger.owner_account(alice, "USD"), credit=paid_out(), amount_minor=500, label="", now=now
    )

    def attempt(number: int) -> Transfer:
        if number % 2:
            return ledger.void(of=pending, key="p:void", now=now)
        return ledger.post_pending(of=pending, key="p:post", now=now)

    outcomes = race(attempt, runners=RUNNERS)
    assert {type(outcome) for outcome in outcomes} == {Transfer, ledger.AlreadyEnded}
    assert len({outcome.pk for outcome in outcomes if isinstance(outcome, Transfer)}) == 1
    assert ledger.check() == []


def test_batches_in_any_order_do_not_deadlock(alice: User, bob: User, now: datetime) -> None:
    accounts = [ledger.owner_account(alice, "USD"), ledger.owner_account(bob, "USD")]
    receivable = utility_receivable()

    def attempt(number: int) -> int:
        chance = random.Random(number)  # noqa: S311 - repeatable shuffles
        for turn in range(ROUNDS):
            entries = [
                ledger.Entry(f"e:{turn}:{index}", receivable, accounts[index % 2], 10 + index) for index in range(6)
            ]
            chance.shuffle(entries)
            ledger.post_many(entries, now=now)
        return turn

    outcomes = race(attempt, runners=RUNNERS)
    assert not [outcome for outcome in outcomes if isinstance(outcome, Exception)], outcomes
    assert Transfer.objects.count() == 6 * ROUNDS
    assert ledger.check() == []


def test_every_read_balances_while_others_write(alice: User, now: datetime) -> None:
    account, out = ledger.owner_account(alice, "USD"), paid_out()
    earn(alice, 100, now=now)
    findings: list[str] = []

    def attempt(number: int) -> None:
        for turn in range(ROUNDS * 2):
            if number == 0:
                findings.extend(ledger.check())
                findings.extend("negative" for _ in range(ledger.owner_balance(alice, "USD").available_minor < 0))
                continue
            key = f"{number}:{turn}"
            earn(alice, 30, now=now, key=f"earn:{key}")
            try:
                held = ledger.reserve(key=key, debit=account, credit=out, amount_minor=90, label="", now=now)
            except ledger.Overdrawn:
                continue
            end = ledger.void if turn % 2 else ledger.post_pending
            end(of=held, key=f"{key}:end", now=now)

    outcomes = race(attempt, runners=4)
    assert outcomes == [None] * 4
    assert findings == []
    assert ledger.check() == []


def test_opening_one_account_at_once_opens_one(alice: User) -> None:
    outcomes = race(lambda _: ledger.owner_account(alice, "CAD").pk, runners=RUNNERS)
    assert len(set(outcomes)) == 1


def test_pay_now_pressed_many_times_pays_once(alice: User, now: datetime) -> None:
    payout_account(alice, now=now)
    earn(alice, 250, now=now)
    outcomes = race(lambda _: pay_now(owner=alice, currency="USD", now=now), runners=RUNNERS)
    refused = [outcome for outcome in outcomes if not isinstance(outcome, Payout)]
    assert len(refused) == RUNNERS - 1
    assert all(isinstance(outcome, UnableToPayOut) for outcome in refused), refused
    assert ledger.check() == []


def test_payday_swept_by_many_pays_once(alice: User, bob: User, now: datetime) -> None:
    for owner in (alice, bob):
        payout_account(owner, now=now)
        earn(owner, 250, now=now)
    outcomes = race(lambda _: request_due_payouts(now=now, limit=10), runners=RUNNERS)
    assert sum(outcomes) == 2
    assert Payout.objects.count() == 2
    assert ledger.check() == []


def test_chain_sealed_by_many_is_one_chain(alice: User, now: datetime) -> None:
    for _ in range(20):
        earn(alice, 1, now=now)
    race(lambda _: proofs.seal_transfers(limit=7), runners=RUNNERS)
    while proofs.seal_transfers(limit=7):
        pass
    assert ChainLink.objects.count() == 20
    assert ledger.check() == []
