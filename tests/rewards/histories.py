"""Random histories of a ledger, held against a model of a few lines; used by the histories' test and the mutants'."""

from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import cycle
from typing import Any

from django.db import connection, transaction
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    Bundle,
    RuleBasedStateMachine,
    consumes,
    invariant,
    multiple,
    rule,
    run_state_machine_as_test,
)

from accounts.models import User
from rewards import ledger
from rewards.models import LedgerAccount, Transfer
from tests.rewards.counts import IS_FULL, count

NOW = datetime(2026, 11, 18, 23, 5, tzinfo=UTC)
CURRENCIES = ("USD", "CAD")
OWNERS = (0, 1)
SETTINGS = settings(
    max_examples=count(full=10_000, short=8),
    stateful_step_count=30 if IS_FULL else 20,
    deadline=None,
    print_blob=True,
    suppress_health_check=list(HealthCheck),
)
SEARCH = settings(  # for planted bugs: found in the same place each time
    SETTINGS, max_examples=200, phases=[Phase.generate], derandomize=True, database=None, print_blob=False
)

owners = st.sampled_from(OWNERS)
currencies = st.sampled_from(CURRENCIES)
amounts = st.integers(min_value=1, max_value=300)


OPENING_MINOR = 400  # so that there is something to spend from the start
COUNTERS = """
SELECT COALESCE(part_of_id, id), CAST(SUM(credits_posted - debits_posted) AS bigint),
    CAST(SUM(debits_pending) AS bigint), CAST(SUM(credits_pending) AS bigint)
FROM rewards_ledgeraccount GROUP BY 1
"""


@dataclass
class Books:
    """The accounts of all histories, opened once; each history starts from here and is rolled back to here."""

    owners: list[User]
    accounts: dict[tuple[int, str], LedgerAccount]
    utility: dict[str, LedgerAccount]
    out: dict[str, LedgerAccount]


def open_books() -> Books:
    """Open two owners' accounts in both currencies, each with something in it."""
    people = [User.objects.create_user(f"{owner}@example.org") for owner in OWNERS]
    books = Books(
        people,
        {
            (owner, currency): ledger.owner_account(people[owner], currency)
            for owner in OWNERS
            for currency in CURRENCIES
        },
        {currency: ledger.account(LedgerAccount.Kind.UTILITY_RECEIVABLE, "u", currency) for currency in CURRENCIES},
        {currency: ledger.account(LedgerAccount.Kind.PAID_OUT, "p", currency) for currency in CURRENCIES},
    )
    for (owner, currency), account in books.accounts.items():
        ledger.post(
            key=f"s{owner}{currency}",
            debit=books.utility[currency],
            credit=account,
            amount_minor=OPENING_MINOR,
            label="e",
            now=NOW,
        )
    return books


def play_histories(*, settings: settings) -> None:
    """Play as many histories as the settings say; raises where the books disagree with the model."""
    opened = open_books()

    class Histories(LedgerHistories):
        books = opened

    run_state_machine_as_test(Histories, settings=settings)


class LedgerHistories(RuleBasedStateMachine):
    """Earnings, reservations, endings, reversals, repeats and contradictions, in two currencies."""

    pending = Bundle("pending")
    posted = Bundle("posted")
    books: Books

    def __init__(self) -> None:
        super().__init__()
        books = self.books
        self.open_transaction = transaction.atomic()
        self.open_transaction.__enter__()
        self.owners, self.accounts, self.utility, self.out = books.owners, books.accounts, books.utility, books.out
        self.keys = 0
        self.available = dict.fromkeys(self.accounts, OPENING_MINOR)
        self.reserved = dict.fromkeys(self.accounts, 0)
        self.paid = dict.fromkeys(CURRENCIES, 0)
        self.asked = cycle(self.accounts)
        self.written: list[tuple[Any, dict[str, Any], Transfer]] = []

    def teardown(self) -> None:
        try:
            for owner, currency in self.accounts:
                self.owner_is_told_what_the_model_says(owner, currency)
        finally:
            transaction.set_rollback(True)
            self.open_transaction.__exit__(None, None, None)

    def key(self) -> str:
        self.keys += 1
        return f"k{self.keys}"

    def write(self, call: Any, **arguments: Any) -> Transfer:
        transfer: Transfer = call(**arguments, now=NOW)
        self.written.append((call, arguments, transfer))
        return transfer

    @rule(target=posted, owner=owners, currency=currencies, amount=amounts)
    def earn(self, owner: int, currency: str, amount: int) -> tuple[Transfer, int]:
        debit, credit = self.utility[currency], self.accounts[owner, currency]
        made = self.write(ledger.post, key=self.key(), debit=debit, credit=credit, amount_minor=amount, label="e")
        self.available[owner, currency] += amount
        return made, owner

    @rule(target=posted, currency=currencies, shares=st.lists(st.tuples(owners, amounts), min_size=1, max_size=5))
    def earn_in_a_batch(self, currency: str, shares: list[tuple[int, int]]) -> Any:
        entries = [
            ledger.Entry(self.key(), self.utility[currency], self.accounts[owner, currency], amount)
            for owner, amount in shares
        ]
        made = ledger.post_many(entries, now=NOW)
        for owner, amount in shares:
            self.available[owner, currency] += amount
        return multiple(*((transfer, owner) for transfer, (owner, _) in zip(made, shares, strict=True)))

    @rule(target=pending, owner=owners, currency=currencies, percent=st.integers(min_value=1, max_value=110))
    def reserve(self, owner: int, currency: str, percent: int) -> Any:
        amount = 1 + self.available[owner, currency] * percent // 100
        arguments = {
            "key": self.key(),
            "debit": self.accounts[owner, currency],
            "credit": self.out[currency],
            "amount_minor": amount,
            "label": "p",
        }
        if amount > self.available[owner, currency]:
            self.refused(ledger.Overdrawn, ledger.reserve, **arguments)
            return multiple()
        made = self.write(ledger.reserve, **arguments)
        self.available[owner, currency] -= amount
        self.reserved[owner, currency] += amount
        return made, owner

    @rule(target=posted, held=consumes(pending))
    def pay(self, held: tuple[Transfer, int]) -> Any:
        transfer, owner = held
        self.write(ledger.post_pending, of=transfer, key=self.key())
        self.reserved[owner, transfer.currency] -= transfer.amount_minor
        self.paid[transfer.currency] += transfer.amount_minor
        self.refused(ledger.AlreadyEnded, ledger.void, of=transfer, key=self.key())
        return multiple()

    @rule(held=consumes(pending))
    def give_back(self, held: tuple[Transfer, int]) -> None:
        transfer, owner = held
        self.write(ledger.void, of=transfer, key=self.key())
        self.reserved[owner, transfer.currency] -= transfer.amount_minor
        self.available[owner, transfer.currency] += transfer.amount_minor
        self.refused(ledger.AlreadyEnded, ledger.post_pending, of=transfer, key=self.key())

    @rule(earned=consumes(posted))
    def reverse(self, earned: tuple[Transfer, int]) -> None:
        transfer, owner = earned
        if transfer.amount_minor > self.available[owner, transfer.currency]:
            self.refused(ledger.Overdrawn, ledger.reverse, of=transfer, key=self.key())
            return
        self.write(ledger.reverse, of=transfer, key=self.key())
        self.available[owner, transfer.currency] -= transfer.amount_minor

    @rule(pick=st.integers(min_value=0))
    def repeat(self, pick: int) -> None:
        if not self.written:
            return
        call, arguments, first = self.written[pick % len(self.written)]
        assert call(**arguments, now=NOW) == first

    @rule(pick=st.integers(min_value=0), amount=amounts)
    def contradict(self, pick: int, amount: int) -> None:
        if not self.written:
            return
        first = self.written[pick % len(self.written)][2]
        other = amount + 1000  # no transfer is as large
        debit, credit = self.utility[first.currency], self.accounts[0, first.currency]
        self.refused(
            ledger.LedgerConflict,
            ledger.post,
            key=first.key,
            debit=debit,
            credit=credit,
            amount_minor=other,
            label="e",
        )

    @invariant()
    def books_balance_and_agree_with_the_model(self) -> None:
        with connection.cursor() as cursor:
            cursor.execute(COUNTERS)
            seen = {pk: (posted, leaving, coming) for pk, posted, leaving, coming in cursor.fetchall()}
        for currency in CURRENCIES:
            mine = [(owner, currency) for owner in OWNERS]
            for one in mine:
                assert seen[self.accounts[one].pk] == (self.available[one] + self.reserved[one], self.reserved[one], 0)
                assert self.available[one] >= 0
            reserved, paid = sum(self.reserved[one] for one in mine), self.paid[currency]
            owed = sum(self.available[one] for one in mine) + reserved + paid
            assert seen[self.out[currency].pk] == (paid, 0, reserved)
            assert seen[self.utility[currency].pk] == (-owed, 0, 0)
        self.owner_is_told_what_the_model_says(*next(self.asked))
        assert ledger.check() == []

    def owner_is_told_what_the_model_says(self, owner: int, currency: str) -> None:
        available, reserved = self.available[owner, currency], self.reserved[owner, currency]
        told = ledger.owner_balance(self.owners[owner], currency)
        assert told == ledger.Balance(available, reserved, available + reserved)
        assert ledger.balance(self.out[currency]).posted_minor == self.paid[currency]

    @staticmethod
    def refused(error: type[Exception], call: Any, **arguments: Any) -> None:
        try:
            call(**arguments, now=NOW)
        except error:
            return
        raise AssertionError(f"{call.__name__} was not refused")
