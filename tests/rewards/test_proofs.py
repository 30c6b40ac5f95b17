"""Every kind of damage to the books is found; sound books have no findings."""

import random
from collections.abc import Callable
from datetime import datetime

import pytest
from django.core.management import call_command
from django.db import connection
from django.db.models import F

from accounts.models import User
from rewards import ledger, proofs
from rewards.models import ChainLink, LedgerAccount, Payout, Transfer
from tests.factories.rewards import earn, payout_account
from tests.rewards.counts import count
from tests.rewards.damage import constraints_off, lift_triggers

pytestmark = pytest.mark.django_db

INJECTED = count(full=500, short=25)


@pytest.fixture
def books(alice: User, bob: User, chloe: User, now: datetime) -> list[Transfer]:
    """Three owners' earnings in two currencies, a payout each of every fate, sealed."""
    for number in range(4):
        for owner in (alice, bob, chloe):
            earn(owner, 100 + number, now=now)
    for owner, end in ((alice, ledger.post_pending), (bob, ledger.void), (chloe, None)):
        reservation = ledger.reserve(
            key=f"payout:{owner.pk}",
            debit=ledger.owner_account(owner, owner.currency),
            credit=ledger.account(LedgerAccount.Kind.PAID_OUT, "stripe", owner.currency),
            amount_minor=150,
            label="Payout",
            now=now,
        )
        state = Payout.State.REQUESTED
        if end is not None:
            end(of=reservation, key=f"payout:{owner.pk}:end", now=now)
            state = Payout.State.SENT if end is ledger.post_pending else Payout.State.CANCELLED
        Payout.objects.create(
            account=payout_account(owner, now=now),
            amount_minor=150,
            currency=owner.currency,
            destination="acct",
            reservation=reservation,
            state=state,
            requested_at=now,
        )
    ledger.reverse(of=Transfer.objects.filter(kind="single").earliest("pk"), key="reversal", now=now)
    proofs.seal_transfers(limit=100)
    return list(Transfer.objects.order_by("pk"))


def test_sound_books_have_no_findings(books: list[Transfer]) -> None:
    assert ledger.check() == []


def test_wrong_counter_is_found(books: list[Transfer]) -> None:
    LedgerAccount.objects.filter(kind="owner_payable").update(credits_posted=F("credits_posted") + 1)
    found = ledger.check()
    assert any("does not sum to zero" in finding for finding in found)
    assert sum("counters differ" in finding for finding in found) == 3


def test_wrong_counters_that_cancel_out_are_found(books: list[Transfer]) -> None:
    mine = LedgerAccount.objects.filter(currency="USD")
    mine.update(credits_posted=F("credits_posted") + 5, debits_posted=F("debits_posted") + 5)
    assert any("counters differ" in finding for finding in ledger.check())


def test_overdrawn_owner_is_found(books: list[Transfer]) -> None:
    with constraints_off():
        LedgerAccount.objects.filter(kind="owner_payable", currency="CAD").update(debits_pending=10_000)
        assert any("is overdrawn" in finding for finding in ledger.check())
        LedgerAccount.objects.filter(kind="owner_payable", currency="CAD").update(debits_pending=0)


def test_foreign_currency_is_found(books: list[Transfer]) -> None:
    lift_triggers()
    Transfer.objects.filter(pk=books[0].pk).update(currency="CAD")
    assert any("not in its accounts' currency" in finding for finding in ledger.check())


def test_ending_that_does_not_fit_is_found(books: list[Transfer]) -> None:
    lift_triggers()
    Transfer.objects.filter(kind="void").update(amount_minor=149)
    assert any("does not fit" in finding for finding in ledger.check())


def test_payout_that_contradicts_its_reservation_is_found(books: list[Transfer]) -> None:
    Payout.objects.filter(state=Payout.State.CANCELLED).update(state=Payout.State.PAID)
    assert sum("its reservation contradicts" in finding for finding in ledger.check()) == 1
    Payout.objects.filter(state=Payout.State.REQUESTED).update(amount_minor=151)
    assert sum("its reservation contradicts" in finding for finding in ledger.check()) == 2


@pytest.mark.parametrize(
    "change",
    [
        {"label": "another story"},
        {"key": "another key"},
        {"created_at": datetime.fromisoformat("2020-01-01T00:00:00+00:00")},
    ],
    ids=["label", "key", "date"],
)
def test_rewritten_history_breaks_the_chain(books: list[Transfer], change: dict[str, object]) -> None:
    lift_triggers()
    Transfer.objects.filter(pk=books[3].pk).update(**change)
    assert ledger.check() == [f"the chain breaks at transfer {books[3].pk}"]


def test_removed_link_breaks_the_chain(books: list[Transfer]) -> None:
    lift_triggers()
    ChainLink.objects.filter(transfer=books[3]).delete()
    assert len(ledger.check()) == 1


def test_sealing_twice_seals_once(books: list[Transfer], alice: User, now: datetime) -> None:
    assert ChainLink.objects.count() == len(books)
    assert proofs.seal_transfers(limit=100) == 0
    earn(alice, 5, now=now)
    earn(alice, 6, now=now)
    assert proofs.seal_transfers(limit=1) == 1
    assert proofs.seal_transfers(limit=9) == 1
    assert ledger.check() == []


def test_rival_sealer_cannot_fork_the_chain(books: list[Transfer], alice: User, now: datetime) -> None:
    late = earn(alice, 5, now=now)
    first = ChainLink.objects.earliest("pk")
    lift_triggers()
    forged = ChainLink(transfer=late, previous_hash=first.previous_hash, hash="f" * 64)
    with pytest.raises(Exception, match=r"(?i)unique"):
        forged.save()


def _raise_amount(transfer: Transfer) -> None:
    Transfer.objects.filter(pk=transfer.pk).update(amount_minor=F("amount_minor") + 1)


def _swap_sides(transfer: Transfer) -> None:
    Transfer.objects.filter(pk=transfer.pk).update(debit=transfer.credit, credit=transfer.debit)


def _move_counters(transfer: Transfer) -> None:
    LedgerAccount.objects.filter(pk=transfer.credit_id).update(credits_posted=F("credits_posted") + 7)


def _rename(transfer: Transfer) -> None:
    Transfer.objects.filter(pk=transfer.pk).update(label=F("key"))


def test_every_injected_mismatch_is_found(books: list[Transfer]) -> None:
    lift_triggers()
    assert ledger.check() == []
    kinds: list[Callable[[Transfer], None]] = [_raise_amount, _swap_sides, _move_counters, _rename]
    seed = random.randrange(10**6)  # noqa: S311 - printed, so that a failure can be repeated
    chance = random.Random(seed)  # noqa: S311
    for _ in range(INJECTED):
        with connection.cursor() as cursor:
            cursor.execute("SAVEPOINT injected")
            injure, victim = chance.choice(kinds), chance.choice(books)
            injure(victim)
            assert ledger.check(), f"seed {seed}: {injure.__name__} of transfer {victim.pk} went unnoticed"
            cursor.execute("ROLLBACK TO SAVEPOINT injected")
    assert ledger.check() == []


def test_command_prints_findings_and_fails(books: list[Transfer], capsys: pytest.CaptureFixture[str]) -> None:
    call_command("check_ledger")
    assert "in order" in capsys.readouterr().out
    LedgerAccount.objects.filter(currency="CAD").update(credits_pending=F("credits_pending") + 1)
    with pytest.raises(SystemExit) as stopped:
        call_command("check_ledger")
    assert stopped.value.code == 1
    assert "counters differ" in capsys.readouterr().out
