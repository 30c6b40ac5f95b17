"""The suite bites: bugs that others shipped, planted here, are each caught by the tests that guard against them."""

import uuid
from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import pytest
from django.db import connection
from hypothesis.errors import HypothesisException

from accounts.models import User
from rewards import functions, ledger, writing
from rewards.flows import banking, sending, webhooks
from rewards.flows.payouts import pay_now
from rewards.models import Payout, Transfer
from tests.factories.rewards import earn
from tests.rewards import test_banking, test_sending, test_webhooks
from tests.rewards.conftest import StripeWorld
from tests.rewards.histories import SEARCH, play_histories
from tests.rewards.test_ledger_races import test_exactly_as_much_is_reserved_as_there_is as race_for_the_last_cent

pytestmark = pytest.mark.slow

CAUGHT = (AssertionError, ledger.LedgerError, HypothesisException)


@pytest.fixture
def payout(world: StripeWorld, alice: User, now: datetime) -> Payout:
    world.set_up(alice, now=now)
    earn(alice, 250, now=now)
    return pay_now(owner=alice, currency="USD", now=now)


@pytest.mark.django_db
def test_a_fresh_key_per_try_is_caught(
    world: StripeWorld, payout: Payout, now: datetime, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Payout, "idempotency_key", property(lambda _: str(uuid.uuid4())))
    with pytest.raises(AssertionError):
        test_sending.late_answer(world, payout, now, monkeypatch)


@pytest.mark.django_db
def test_repeating_under_a_forgotten_key_is_caught(
    world: StripeWorld, payout: Payout, now: datetime, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sending, "_key_is_young", lambda _: True)
    monkeypatch.setattr(sending, "_look_up", sending._send)
    with pytest.raises(AssertionError):
        test_sending.old_key(world, payout, now, monkeypatch)


def plant_in_function(right: str, wrong: str) -> None:
    """Plant a bug in the function that writes a row on PostgreSQL."""
    if connection.vendor == "postgresql":
        assert right in functions.WRITE_TRANSFER
        with connection.cursor() as cursor:
            cursor.execute(functions.WRITE_TRANSFER.replace(right, wrong))


@pytest.fixture
def mended() -> Iterator[None]:
    """Put the right function back, where no rollback does."""
    yield
    with connection.cursor() as cursor:
        for statement in functions.install_sql(connection.vendor):
            cursor.execute(statement)


@pytest.mark.django_db
def test_a_missing_dedupe_is_caught(monkeypatch: pytest.MonkeyPatch) -> None:
    insert = writing.insert

    def insert_anew(rows: Sequence[Any], *, now: datetime) -> list[Transfer]:
        fresh = [replace(row, key=f"{row.key}:{uuid.uuid4()}") for row in rows]
        made = insert(fresh, now=now)
        for transfer, row in zip(made, rows, strict=True):
            transfer.key = row.key
        return made

    monkeypatch.setattr(writing, "insert", insert_anew)
    with pytest.raises(CAUGHT):
        play_histories(settings=SEARCH)


@pytest.mark.django_db
def test_an_ending_that_forgets_the_other_side_is_caught(monkeypatch: pytest.MonkeyPatch) -> None:
    add = writing.add

    def add_lopsided(row: Any, moves: Any) -> None:
        add(row, moves)
        if row.kind == Transfer.Kind.VOID:
            moves[row.credit_id].credits_pending += row.amount_minor

    monkeypatch.setattr(writing, "add", add_lopsided)
    plant_in_function("credits_pending = credits_pending + reserved", "credits_pending = credits_pending")
    with pytest.raises(CAUGHT):
        play_histories(settings=SEARCH)


UNLOCKED_CHECK = """
    SELECT debits_pending INTO new_id FROM rewards_ledgeraccount WHERE id = debit_id AND (
        kind <> 'owner_payable' OR credits_posted >= debits_posted + debits_pending + posted + reserved);
    IF NOT FOUND THEN new_id := -1; RETURN; END IF;
    PERFORM pg_sleep(0.1);
"""
# The unlocked balance check: what another writer did in between is lost.
READ_COMPUTE_SAVE = UNLOCKED_CHECK + functions.DEBIT.split("WHERE")[0].replace(
    "debits_pending = debits_pending", "debits_pending = new_id"
)
READ_COMPUTE_SAVE += "WHERE id = debit_id;"
# Expressions after an unlocked check: no update is lost, and the last cent is spent twice.
EXPRESSION_AFTER_CHECK = READ_COMPUTE_SAVE.replace("debits_pending = new_id", "debits_pending = debits_pending")


@pytest.mark.django_db(transaction=True)
@pytest.mark.usefixtures("mended")
@pytest.mark.parametrize("planted", [READ_COMPUTE_SAVE, EXPRESSION_AFTER_CHECK], ids=["read-save", "F-after-check"])
def test_a_balance_check_outside_the_lock_is_caught(alice: User, now: datetime, planted: str) -> None:
    if connection.vendor == "sqlite":
        pytest.skip("SQLite lets one writer in at a time, so there is no race to lose")
    plant_in_function(functions.DEBIT, planted)
    with pytest.raises(AssertionError):
        race_for_the_last_cent(alice, now)


@pytest.mark.django_db
def test_sending_again_after_a_bank_failure_is_caught(
    world: StripeWorld, alice: User, now: datetime, monkeypatch: pytest.MonkeyPatch
) -> None:
    apply = banking._apply

    def apply_and_send_again(payout: Payout, *args: Any, **kwargs: Any) -> bool:
        changed = apply(payout, *args, **kwargs)
        failed = Payout.objects.filter(pk=payout.pk, state=Payout.State.BANK_FAILED)
        failed.update(state=Payout.State.REQUESTED, attempt=2, first_sent_at=None, external_id="")
        return changed

    monkeypatch.setattr(banking, "_apply", apply_and_send_again)
    with pytest.raises(AssertionError):
        test_banking.test_bank_that_refuses_keeps_the_money_at_the_processor(world, alice, now)


@pytest.mark.django_db
def test_believing_late_news_of_the_bank_is_caught(
    world: StripeWorld, alice: User, now: datetime, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(banking, "_may_become", lambda payout, *_: payout.state in Payout.FOLLOWED_STATES)
    monkeypatch.setattr(banking, "_is_applied", lambda _: False)
    with pytest.raises(AssertionError):
        test_banking.test_mended_bank_details_bring_the_money_without_a_second_transfer(world, alice, now)


@pytest.mark.django_db
def test_believing_a_messages_body_is_caught(
    world: StripeWorld, alice: User, now: datetime, monkeypatch: pytest.MonkeyPatch
) -> None:
    def believe(event: Any, processor: Any, *, now: datetime) -> None:
        state = Payout.State.BANK_FAILED if event.kind == "payout.failed" else Payout.State.PAID
        Payout.objects.filter(destination=event.account_external_id).update(state=state)

    monkeypatch.setattr(webhooks, "_apply_bank_payout", believe)
    world.set_up(alice, now=now)
    earn(alice, 250, now=now)
    sent = pay_now(owner=alice, currency="USD", now=now)
    test_sending.send(now)
    world.set_clock(now + timedelta(hours=2))
    sent.refresh_from_db()
    with pytest.raises(AssertionError):
        test_webhooks.test_bank_payment_is_read_anew_not_believed(world, sent, now)
