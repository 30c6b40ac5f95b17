"""What an owner sees of their money adds up, line by line."""

from datetime import datetime, timedelta

import pytest
from pytest_django import DjangoAssertNumQueries

from accounts.models import User
from rewards import ledger
from rewards.flows.payouts import pay_now
from rewards.flows.statements import (
    LineKind,
    LineState,
    OwnerTotals,
    StatementLine,
    all_totals,
    owner_currencies,
    owner_totals,
    owner_transfers,
    statement_lines,
)
from rewards.models import Payout, Transfer
from tests.factories.rewards import earn, payout_account

pytestmark = pytest.mark.django_db


def statement(
    owner: User, currency: str = "USD", *, limit: int = 50, before: Transfer | None = None
) -> list[StatementLine]:
    """Return a page of the owner's lines, as the statement's call makes it."""
    rows = owner_transfers(owner, currency)
    return statement_lines(owner, (rows.filter(pk__lt=before.pk) if before else rows)[:limit])


def finish(payout: Payout, state: Payout.State, now: datetime) -> None:
    """Bring a payout to an end as the processor would."""
    end = ledger.void if state == Payout.State.CANCELLED else ledger.post_pending
    end(of=payout.reservation, key=f"{payout.public_id}:end", now=now)
    payout.state = state
    payout.save()


@pytest.fixture
def history(alice: User, now: datetime) -> None:
    """Earned 200, paid out; earned 300, given back by the processor, asked for again; earned 50, of which 20 undone."""
    payout_account(alice, now=now)
    earn(alice, 200, now=now, key="settlement:1")
    finish(pay_now(owner=alice, currency="USD", now=now), Payout.State.PAID, now)
    earn(alice, 300, now=now, key="settlement:2")
    finish(pay_now(owner=alice, currency="USD", now=now), Payout.State.CANCELLED, now)
    pay_now(owner=alice, currency="USD", now=now)
    earn(alice, 50, now=now, key="settlement:3")
    ledger.reverse(of=earn(alice, 20, now=now, key="settlement:4"), key="reversal:4", now=now)


def test_lines_tell_where_the_money_is(alice: User, history: None) -> None:
    lines = statement(alice)
    told = [(line.kind, line.amount_minor, line.available_after_minor, line.state) for line in lines]
    earned, payout = LineKind.EARNED, LineKind.PAYOUT
    assert told == [
        (LineKind.CORRECTED, -20, 50, LineState.AVAILABLE),
        (earned, 20, 70, LineState.AVAILABLE),
        (earned, 50, 50, LineState.AVAILABLE),
        (payout, -300, 0, LineState.PENDING),
        (payout, -300, 300, LineState.CANCELLED),
        (earned, 300, 300, LineState.PENDING),
        (payout, -200, 0, LineState.PAID),
        (earned, 200, 200, LineState.PAID),
    ]
    assert lines[2].key == "settlement:3"
    assert lines[0].available_after_minor == ledger.owner_balance(alice, "USD").available_minor


@pytest.mark.parametrize("size", [1, 2, 3, 5])
def test_pages_read_like_one_statement(alice: User, history: None, size: int) -> None:
    whole, pages = statement(alice), []
    page = statement(alice, limit=size)
    while page:
        pages += page
        page = statement(alice, limit=size, before=page[-1].transfer)
    assert pages == whole


def test_totals_add_up(alice: User, history: None, now: datetime) -> None:
    payday = alice.payout_accounts.get().next_payout_at
    assert owner_totals(alice, "USD") == OwnerTotals("USD", 50, 300, 200, 550, payday)


def test_owner_without_money_sees_zeros(alice: User, now: datetime) -> None:
    assert owner_totals(alice, "USD") == OwnerTotals("USD", 0, 0, 0, 0, None)
    assert statement(alice) == []
    assert owner_currencies(alice) == ["USD"]


def test_paused_owner_has_no_payday(alice: User, now: datetime) -> None:
    payout_account(alice, now=now, is_paused=True, next_payout_at=now + timedelta(days=1))
    assert owner_totals(alice, "USD").next_payout_at is None


def test_currencies_stay_apart(chloe: User, now: datetime) -> None:
    earn(chloe, 250, now=now, currency="CAD")
    earn(chloe, 120, now=now, currency="USD")
    assert owner_currencies(chloe) == ["CAD", "USD"]
    assert [line.amount_minor for line in statement(chloe, "CAD")] == [250]
    assert [(total.currency, total.earned_minor) for total in all_totals(chloe)] == [("CAD", 250), ("USD", 120)]
    mixed = statement_lines(chloe, owner_transfers(chloe))
    assert [(line.currency, line.available_after_minor) for line in mixed] == [("USD", 120), ("CAD", 250)]


def test_others_lines_stay_theirs(alice: User, charlie: User, history: None) -> None:
    assert statement(charlie) == []


def test_statement_takes_few_queries(
    alice: User,
    history: None,
    now: datetime,
    django_assert_max_num_queries: DjangoAssertNumQueries,
) -> None:
    for number in range(30):
        earn(alice, 10 + number, now=now)
    with django_assert_max_num_queries(6):
        statement(alice)
