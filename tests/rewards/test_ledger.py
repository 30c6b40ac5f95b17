"""The ledger's rules, one by one."""

from datetime import datetime

import pytest
from django.db import connection, transaction
from pytest_django import DjangoAssertNumQueries

from accounts.models import User
from rewards import ledger, writing
from rewards.functions import PARTS
from rewards.models import LedgerAccount, Transfer
from tests.factories.rewards import earn, utility_receivable

pytestmark = pytest.mark.django_db


def paid_out(currency: str = "USD") -> LedgerAccount:
    return ledger.account(LedgerAccount.Kind.PAID_OUT, "stripe", currency)


def reserve(owner: User, amount_minor: int, *, now: datetime, key: str = "payout:1") -> Transfer:
    return ledger.reserve(
        key=key,
        debit=ledger.owner_account(owner, "USD"),
        credit=paid_out(),
        amount_minor=amount_minor,
        label="Payout",
        now=now,
    )


def test_post_moves_both_accounts(alice: User, now: datetime) -> None:
    earn(alice, 250, now=now)
    assert ledger.owner_balance(alice, "USD") == ledger.Balance(available_minor=250, pending_minor=0, posted_minor=250)
    assert ledger.balance(utility_receivable()).posted_minor == -250
    assert ledger.check() == []


def test_owner_without_money_has_zeros(alice: User) -> None:
    assert ledger.owner_balance(alice, "USD") == ledger.Balance(0, 0, 0)


def test_same_key_and_content_is_posted_once(alice: User, now: datetime) -> None:
    first = earn(alice, 250, now=now, key="settlement:1")
    again = earn(alice, 250, now=now, key="settlement:1")
    assert again == first
    assert ledger.owner_balance(alice, "USD").posted_minor == 250


def test_same_key_with_other_content_is_refused(alice: User, bob: User, now: datetime) -> None:
    earn(alice, 250, now=now, key="settlement:1")
    with pytest.raises(ledger.LedgerConflict):
        earn(alice, 251, now=now, key="settlement:1")
    with pytest.raises(ledger.LedgerConflict):
        earn(bob, 250, now=now, key="settlement:1")
    assert ledger.owner_balance(bob, "USD").posted_minor == 0


@pytest.mark.parametrize("amount_minor", [0, -1])
def test_amounts_below_one_are_refused(alice: User, now: datetime, amount_minor: int) -> None:
    with pytest.raises(ValueError, match="at least 1"):
        earn(alice, amount_minor, now=now)


def test_currencies_never_mix(alice: User, now: datetime) -> None:
    with pytest.raises(ledger.CurrencyMismatch):
        ledger.post(
            key="k",
            debit=utility_receivable("CAD"),
            credit=ledger.owner_account(alice, "USD"),
            amount_minor=1,
            label="",
            now=now,
        )


def test_reservation_takes_the_money_out_of_reach(alice: User, now: datetime) -> None:
    earn(alice, 250, now=now)
    reserve(alice, 200, now=now)
    assert ledger.owner_balance(alice, "USD") == ledger.Balance(available_minor=50, pending_minor=200, posted_minor=250)
    with pytest.raises(ledger.Overdrawn):
        reserve(alice, 51, now=now, key="payout:2")
    assert ledger.check() == []


def test_repeated_reservation_of_everything_is_no_overdraft(alice: User, now: datetime) -> None:
    earn(alice, 250, now=now)
    assert reserve(alice, 250, now=now) == reserve(alice, 250, now=now)


def test_posting_a_reservation_pays_it_out(alice: User, now: datetime) -> None:
    earn(alice, 250, now=now)
    pending = reserve(alice, 200, now=now)
    posted = ledger.post_pending(of=pending, key="payout:1:post", now=now)
    assert ledger.post_pending(of=pending, key="payout:1:post", now=now) == posted
    assert ledger.owner_balance(alice, "USD") == ledger.Balance(available_minor=50, pending_minor=0, posted_minor=50)
    assert ledger.balance(paid_out()).posted_minor == 200
    assert ledger.check() == []


def test_voiding_a_reservation_gives_it_back(alice: User, now: datetime) -> None:
    earn(alice, 250, now=now)
    pending = reserve(alice, 200, now=now)
    ledger.void(of=pending, key="payout:1:void", now=now)
    assert ledger.owner_balance(alice, "USD").available_minor == 250
    assert ledger.check() == []


def test_reservation_ends_once(alice: User, now: datetime) -> None:
    earn(alice, 500, now=now)
    pending = reserve(alice, 200, now=now)
    reserve(alice, 200, now=now, key="payout:2")  # so that the pending counters alone would allow a second ending
    ledger.post_pending(of=pending, key="payout:1:post", now=now)
    with pytest.raises(ledger.AlreadyEnded):
        ledger.void(of=pending, key="payout:1:void", now=now)
    with pytest.raises(ledger.AlreadyEnded):
        ledger.post_pending(of=pending, key="another key", now=now)
    assert ledger.check() == []


def test_reversal_takes_a_credit_back_unless_spent(alice: User, now: datetime) -> None:
    first, second = earn(alice, 250, now=now), earn(alice, 100, now=now)
    ledger.reverse(of=first, key="reversal:1", now=now)
    assert ledger.owner_balance(alice, "USD").posted_minor == 100
    reserve(alice, 50, now=now)
    with pytest.raises(ledger.Overdrawn):
        ledger.reverse(of=second, key="reversal:2", now=now)
    assert ledger.check() == []


def test_only_what_fits_can_be_ended(alice: User, now: datetime) -> None:
    single = earn(alice, 250, now=now)
    pending = reserve(alice, 50, now=now)
    with pytest.raises(ledger.NotEndable):
        ledger.void(of=single, key="k", now=now)
    with pytest.raises(ledger.NotEndable):
        ledger.reverse(of=pending, key="k", now=now)


def test_batch_is_all_or_nothing(alice: User, bob: User, now: datetime) -> None:
    earn(alice, 10, now=now)
    entries = [
        ledger.Entry("good", utility_receivable(), ledger.owner_account(bob, "USD"), 5),
        ledger.Entry("bad", ledger.owner_account(alice, "USD"), utility_receivable(), 11),
    ]
    with pytest.raises(ledger.Overdrawn):
        ledger.post_many(entries, now=now)
    assert ledger.owner_balance(bob, "USD").posted_minor == 0


def test_batch_moves_each_account_once(
    alice: User, bob: User, now: datetime, django_assert_max_num_queries: DjangoAssertNumQueries
) -> None:
    owners = [ledger.owner_account(alice, "USD"), ledger.owner_account(bob, "USD")]
    entries = [ledger.Entry(f"e{i}", utility_receivable(), owners[i % 2], 1 + i) for i in range(20)]
    with django_assert_max_num_queries(6):  # savepoint, three accounts, one insert, release
        posted = ledger.post_many(entries, now=now)
    assert [transfer.key for transfer in posted] == [entry.key for entry in entries]
    assert ledger.check() == []


def test_batch_half_known_posts_the_rest(alice: User, now: datetime) -> None:
    owner = ledger.owner_account(alice, "USD")
    entries = [ledger.Entry(f"e{i}", utility_receivable(), owner, 10) for i in range(4)]
    ledger.post_many(entries[1:3], now=now)
    assert len(ledger.post_many(entries, now=now)) == 4
    assert ledger.owner_balance(alice, "USD").posted_minor == 40


def test_batch_contradicting_itself_is_refused(alice: User, now: datetime) -> None:
    owner = ledger.owner_account(alice, "USD")
    with pytest.raises(ledger.LedgerConflict):
        ledger.post_many([ledger.Entry("e", utility_receivable(), owner, amount) for amount in (1, 2)], now=now)


def test_refused_write_leaves_the_callers_transaction_usable(alice: User, now: datetime) -> None:
    with transaction.atomic():
        earn(alice, 10, now=now)
        with pytest.raises(ledger.Overdrawn):
            reserve(alice, 11, now=now)
        reserve(alice, 10, now=now, key="payout:2")
    assert ledger.owner_balance(alice, "USD").pending_minor == 10


def test_busy_account_counts_its_parts_as_one(alice: User, now: datetime) -> None:
    singly = earn(alice, 250, now=now, key="settlement:1")
    whole, owner = utility_receivable(), ledger.owner_account(alice, "USD")
    ledger.post_many([ledger.Entry(f"e{i}", whole, owner, 10) for i in range(2)], now=now)
    assert ledger.balance(whole).posted_minor == -270
    assert singly.debit.whole_id == whole.pk
    if connection.vendor == "postgresql":
        assert singly.debit_id != whole.pk
        assert whole.parts.count() == PARTS
    assert ledger.check() == []


def test_repeat_by_a_writer_of_another_part_is_the_same_transfer(
    alice: User, now: datetime, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = earn(alice, 250, now=now, key="settlement:1")
    monkeypatch.setattr(writing, "insert", writing.insert_many)  # writes to the whole account
    assert earn(alice, 250, now=now, key="settlement:1") == first
    with pytest.raises(ledger.LedgerConflict):
        earn(alice, 251, now=now, key="settlement:1")


def test_transfer_to_the_same_account_is_refused(now: datetime) -> None:
    whole = utility_receivable()
    with pytest.raises(ValueError, match="same account"):
        ledger.post(key="k", debit=whole, credit=whole, amount_minor=1, label="", now=now)


def test_two_currencies_are_never_netted(chloe: User, now: datetime) -> None:
    earn(chloe, 250, now=now, currency="CAD")
    earn(chloe, 100, now=now, currency="USD")
    assert ledger.owner_balance(chloe, "CAD").available_minor == 250
    assert ledger.owner_balance(chloe, "USD").available_minor == 100
