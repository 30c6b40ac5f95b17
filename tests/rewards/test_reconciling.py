"""The processor's books against ours: agreement is silent, every injected difference is found and pauses payouts."""

import json
import os
import random
import sqlite3
import uuid
from collections.abc import Callable, Iterator
from contextlib import closing
from datetime import datetime, timedelta
from io import StringIO
from urllib.parse import urlencode

import pytest
import requests
from django.core.management import CommandError, call_command
from django.db import IntegrityError, transaction
from django.test import Client
from pytest_django import Settings

from accounts.models import User
from foundation import clock
from rewards import ledger, tasks
from rewards.flows.pauses import open_findings, pause_payouts, resume_payouts
from rewards.flows.payouts import pay_now, request_due_payouts, resolve_unknown_payouts, send_due_payouts
from rewards.flows.reconciling import AGAIN, EVERY, reconcile_due, reconcile_now
from rewards.models import LedgerAccount, Payout, PayoutAccount, PayoutPause, Reconciliation, ReconciliationFinding
from rewards.models import Transfer as Row
from rewards.refusals import UnableToPayOut
from tests.factories.rewards import earn
from tests.rewards.conftest import StripeWorld, open_world
from tests.rewards.counts import SHARE, count
from tests.rewards.damage import lift_triggers
from tests.sandbox_process import STRIPE_KEY, SandboxProcess, start_sandbox

pytestmark = pytest.mark.django_db

INJECTED = count(full=500, short=45)
SEED = int(os.environ.get("CHARGESCAPE_SEED", "20261123")) + SHARE
Kind = ReconciliationFinding.Kind


class Books:
    """A sandbox of its own, whose database the test may edit behind everybody's back."""

    def __init__(self, world: StripeWorld, owners: list[PayoutAccount], now: datetime) -> None:
        self.world, self.owners, self.now = world, owners, now
        self.path = world.process.log_path.parent / "sandbox.sqlite3"

    def sql(self, statement: str, *values: object) -> list[tuple[object, ...]]:
        with closing(sqlite3.connect(self.path, timeout=20)) as database:
            rows = database.execute(statement, values).fetchall()
            database.commit()
            return rows

    def pay(self, count: int) -> list[Payout]:
        """Carry out `count` payouts, each honestly, and return them."""
        paid: list[Payout] = []
        while len(paid) < count:
            for account in self.owners:
                earn(account.owner, 500 + len(paid), now=self.now)
                paid.append(pay_now(owner=account.owner, currency=account.currency, now=self.now))
            assert send_due_payouts(now=self.now, limit=500) == len(self.owners)
        for payout in paid:
            payout.refresh_from_db()
        return paid[:count]

    def post(self, path: str, **form: object) -> str:
        reply = requests.post(
            f"{self.world.process.url}/stripe{path}",
            data=urlencode(form),
            headers={"Authorization": f"Bearer {STRIPE_KEY}", "Content-Type": "application/x-www-form-urlencoded"},
            timeout=30,
        )
        reply.raise_for_status()
        return str(reply.json()["id"])


@pytest.fixture(scope="module")
def own_sandbox(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SandboxProcess]:
    """A sandbox that no other test's money passes through."""
    process = start_sandbox(tmp_path_factory)
    yield process
    process.stop()


@pytest.fixture
def owners(alice: User, bob: User, chloe: User) -> list[User]:
    """Two currencies."""
    return [alice, bob, chloe]


@pytest.fixture
def books(
    own_sandbox: SandboxProcess,
    settings: Settings,
    monkeypatch: pytest.MonkeyPatch,
    now: datetime,
    owners: list[User],
) -> Iterator[Books]:
    with open_world(own_sandbox, settings, monkeypatch, now) as world:
        books = Books(world, [world.set_up(owner, now=now) for owner in owners], now)
        for table in ("balanceentry", "reversal", "transfer", "payout", "topup"):
            kept = "" if table not in {"balanceentry", "topup"} else " WHERE created_at > '2021-01-01'"
            books.sql(f"DELETE FROM stripe_{table}{kept}")  # the opening balance stays  # noqa: S608
        yield books


def found(books: Books) -> dict[str, str]:
    """Reconcile and return kinds by subject."""
    run = reconcile_now(now=books.now)
    return {finding.subject: finding.kind for finding in run.findings.all()}


# Each injector damages one payout's traces and returns the subject under which it must be found, and as what.
Injector = Callable[[Books, Payout], tuple[str, set[str]]]


def transfer_changed(books: Books, payout: Payout) -> tuple[str, set[str]]:
    books.sql("UPDATE stripe_transfer SET amount = amount + 1 WHERE object_id = ?", payout.external_id)
    return payout.external_id, {Kind.TRANSFER_DIFFERS}


def transfer_gone(books: Books, payout: Payout) -> tuple[str, set[str]]:
    books.sql("DELETE FROM stripe_transfer WHERE object_id = ?", payout.external_id)
    books.sql("DELETE FROM stripe_balanceentry WHERE source = ?", payout.external_id)
    return f"payout:{payout.public_id}", {Kind.TRANSFER_MISSING}


def group_changed(books: Books, payout: Payout) -> tuple[str, set[str]]:
    books.sql(
        "UPDATE stripe_transfer SET transfer_group = ? WHERE object_id = ?", str(uuid.uuid4()), payout.external_id
    )
    return payout.external_id, {Kind.TRANSFER_DIFFERS}


def entry_gone(books: Books, payout: Payout) -> tuple[str, set[str]]:
    books.sql("DELETE FROM stripe_balanceentry WHERE source = ?", payout.external_id)
    return payout.external_id, {Kind.ENTRY_MISSING}


def entry_changed(books: Books, payout: Payout) -> tuple[str, set[str]]:
    [(entry,)] = books.sql("SELECT object_id FROM stripe_balanceentry WHERE source = ?", payout.external_id)
    books.sql("UPDATE stripe_balanceentry SET amount = amount - 1 WHERE object_id = ?", entry)
    return str(entry), {Kind.ENTRY_DIFFERS}


def entry_of_another_kind(books: Books, payout: Payout) -> tuple[str, set[str]]:
    [(entry,)] = books.sql("SELECT object_id FROM stripe_balanceentry WHERE source = ?", payout.external_id)
    books.sql("UPDATE stripe_balanceentry SET kind = 'adjustment' WHERE object_id = ?", entry)
    return str(entry), {Kind.ENTRY_UNKNOWN}


def sent_twice(books: Books, payout: Payout) -> tuple[str, set[str]]:
    second = books.post(
        "/v1/transfers",
        amount=payout.amount_minor,
        currency=payout.currency.lower(),
        destination=payout.destination,
        transfer_group=payout.public_id,
    )
    return second, {Kind.TRANSFER_TWICE}


def sent_for_nothing(books: Books, payout: Payout) -> tuple[str, set[str]]:
    form = {"amount": 77, "currency": payout.currency.lower(), "destination": payout.destination}
    return books.post("/v1/transfers", **form), {Kind.TRANSFER_UNKNOWN}


def taken_back(books: Books, payout: Payout) -> tuple[str, set[str]]:
    books.sql("UPDATE stripe_transfer SET amount_reversed = 3 WHERE object_id = ?", payout.external_id)
    return payout.external_id, {Kind.REVERSAL_DIFFERS}


def taken_back_here(books: Books, payout: Payout) -> tuple[str, set[str]]:
    ledger.reverse(of=payout.reservation.ended_by, key=f"back:{payout.public_id}", now=books.now)
    return payout.external_id, {Kind.REVERSAL_DIFFERS}


def destination_changed_here(books: Books, payout: Payout) -> tuple[str, set[str]]:
    Payout.objects.filter(pk=payout.pk).update(destination="acct_elsewhere")
    return payout.external_id, {Kind.TRANSFER_DIFFERS}


def amount_changed_here(books: Books, payout: Payout) -> tuple[str, set[str]]:
    Payout.objects.filter(pk=payout.pk).update(amount_minor=payout.amount_minor + 5)
    return f"payout:{payout.public_id}", {Kind.LEDGER_DIFFERS}


def state_changed_here(books: Books, payout: Payout) -> tuple[str, set[str]]:
    Payout.objects.filter(pk=payout.pk).update(state=Payout.State.CANCELLED)
    return payout.external_id, {Kind.STATE_DIFFERS}


def id_lost_here(books: Books, payout: Payout) -> tuple[str, set[str]]:
    Payout.objects.filter(pk=payout.pk).update(external_id="")
    return payout.external_id, {Kind.TRANSFER_TWICE}


def posting_changed_here(books: Books, payout: Payout) -> tuple[str, set[str]]:
    Row.objects.filter(of=payout.reservation).update(amount_minor=payout.amount_minor + 1)
    return f"payout:{payout.public_id}", {Kind.LEDGER_DIFFERS}


def ledger_row_of_nothing(books: Books, payout: Payout) -> tuple[str, set[str]]:
    row = ledger.post(
        key=f"stray:{payout.public_id}",
        debit=ledger.account(LedgerAccount.Kind.UTILITY_RECEIVABLE, "austin-power", payout.currency),
        credit=ledger.account(LedgerAccount.Kind.PAID_OUT, "stripe", payout.currency),
        amount_minor=9,
        label="",
        now=books.now,
    )
    return row.key, {Kind.LEDGER_UNKNOWN}


def top_up_changed(books: Books, payout: Payout) -> tuple[str, set[str]]:
    top_up = _booked_top_up(books, payout)
    books.sql("UPDATE stripe_topup SET amount = amount - 1 WHERE object_id = ?", top_up)
    return top_up, {Kind.TOP_UP_DIFFERS}


def top_up_gone(books: Books, payout: Payout) -> tuple[str, set[str]]:
    top_up = _booked_top_up(books, payout)
    books.sql("DELETE FROM stripe_topup WHERE object_id = ?", top_up)
    books.sql("DELETE FROM stripe_balanceentry WHERE source = ?", top_up)
    return top_up, {Kind.TOP_UP_MISSING}


def _booked_top_up(books: Books, payout: Payout) -> str:
    top_up = books.post("/v1/topups", amount=1000, currency=payout.currency.lower(), description="Invoice")
    ledger.post(
        key=f"topup:{top_up}",
        debit=ledger.account(LedgerAccount.Kind.PAID_OUT, "stripe", payout.currency),
        credit=ledger.account(LedgerAccount.Kind.FUNDING, "stripe", payout.currency),
        amount_minor=1000,
        label="",
        now=books.now,
    )
    return top_up


INJECTORS: list[Injector] = [
    transfer_changed,
    transfer_gone,
    group_changed,
    entry_gone,
    entry_changed,
    entry_of_another_kind,
    sent_twice,
    sent_for_nothing,
    taken_back,
    taken_back_here,
    destination_changed_here,
    amount_changed_here,
    state_changed_here,
    id_lost_here,
    posting_changed_here,
    ledger_row_of_nothing,
    top_up_changed,
    top_up_gone,
]


def test_books_that_agree_are_silent_and_stay_so(books: Books) -> None:
    books.pay(6)
    first = reconcile_now(now=books.now)
    assert (first.new_findings, first.top_ups_booked) == (0, 2)  # the opening balances, USD and CAD
    assert first.rows_compared > 12
    second = reconcile_now(now=books.now + EVERY)
    assert (second.new_findings, second.top_ups_booked) == (0, 0)
    assert ledger.check() == []
    assert not PayoutPause.objects.exists()


def test_every_injected_difference_is_found_and_none_is_fixed(books: Books) -> None:
    lift_triggers()
    dice = random.Random(SEED)  # noqa: S311 - a test's dice, repeatable by its seed
    wanted: dict[str, set[str]] = {}
    for number, payout in enumerate(books.pay(INJECTED)):
        injector = INJECTORS[number] if number < len(INJECTORS) else dice.choice(INJECTORS)
        subject, kinds = injector(books, payout)
        wanted[subject] = kinds
    before = _everything(books)
    run = reconcile_now(now=books.now)
    seen: dict[str, set[str]] = {}
    for finding in run.findings.all():
        seen.setdefault(finding.subject, set()).add(finding.kind)
    missed = {subject: kinds for subject, kinds in wanted.items() if not kinds <= seen.get(subject, set())}
    assert len(wanted) == INJECTED
    assert not missed, f"seed {SEED}: {missed}"
    assert PayoutPause.objects.get().reconciliation == run
    assert _everything(books) == before, "a difference is shown, never mended"


def _everything(books: Books) -> str:
    booked = Row.objects.exclude(key__startswith="topup:").order_by("pk").values_list("key", "amount_minor", "kind")
    payouts = Payout.objects.order_by("pk").values_list("state", "amount_minor", "external_id", "destination")
    theirs = books.sql("SELECT object_id, amount, amount_reversed FROM stripe_transfer ORDER BY id")
    return json.dumps([list(booked), list(payouts), theirs], default=str)


@pytest.mark.parametrize("injector", INJECTORS, ids=lambda injector: injector.__name__)
def test_one_difference_alone_is_found(books: Books, injector: Injector) -> None:
    lift_triggers()
    subject, kinds = injector(books, books.pay(3)[1])
    assert found(books)[subject] in kinds


def test_payout_under_way_is_no_difference(books: Books) -> None:
    books.pay(3)
    alice = books.owners[0].owner
    earn(alice, 300, now=books.now)
    payout = pay_now(owner=alice, currency="USD", now=books.now)
    books.world.fault("cut")  # the effect happens, the answer never comes
    send_due_payouts(now=books.now, limit=10)
    payout.refresh_from_db()
    assert payout.state == Payout.State.UNKNOWN
    assert found(books) == {}


def test_pause_keeps_everything_in_until_a_person_resumes(books: Books, ada: User) -> None:
    alice, now = books.owners[0].owner, books.now
    stray = books.post("/v1/transfers", amount=5, currency="usd", destination=books.owners[0].external_id)
    earn(alice, 400, now=now)
    waiting = pay_now(owner=alice, currency="USD", now=now)
    assert found(books) == {stray: Kind.TRANSFER_UNKNOWN}
    PayoutAccount.objects.update(next_payout_at=now)
    with pytest.raises(UnableToPayOut, match="paused"):
        pay_now(owner=books.owners[1].owner, currency="USD", now=now)
    assert request_due_payouts(now=now, limit=10) == 0
    assert send_due_payouts(now=now, limit=10) == 0
    assert books.world.transfers(waiting.public_id) == []
    assert any("payouts are paused" in finding for finding in ledger.check())
    pause, seen = PayoutPause.objects.get(), ReconciliationFinding.objects.latest("pk").pk
    with pytest.raises(UnableToPayOut, match="Write down"):
        resume_payouts(pause=pause, by=ada, note=" ", seen=seen, now=now)
    with pytest.raises(UnableToPayOut, match="meanwhile"):
        resume_payouts(pause=pause, by=ada, note="known", seen=seen - 1, now=now)
    with pytest.raises(UnableToPayOut, match="may not"):
        resume_payouts(pause=pause, by=alice, note="known", seen=seen, now=now)
    resume_payouts(pause=pause, by=ada, note="A test transfer of ours", seen=seen, now=now)
    assert send_due_payouts(now=now, limit=10) == 1
    again = reconcile_now(now=now + EVERY)
    assert again.new_findings == 0, "what was explained pauses nothing again"


def test_pause_lets_unknown_payouts_be_found_but_not_repeated(books: Books) -> None:
    alice, now = books.owners[0].owner, books.now
    earn(alice, 400, now=now)
    payout = pay_now(owner=alice, currency="USD", now=now)
    books.world.fault("server_error")
    send_due_payouts(now=now, limit=10)
    pause_payouts(reason="a test", now=now)
    books.world.lift_faults()
    Payout.objects.update(retry_at=None)
    assert resolve_unknown_payouts(now=now, limit=10) == 0
    payout.refresh_from_db()
    assert payout.state == Payout.State.UNKNOWN
    assert books.world.transfers(payout.public_id) == []


def test_daily_sweep_reconciles_once_a_day_and_asks_again_when_nobody_answers(books: Books) -> None:
    now = books.now
    assert reconcile_due(now=now, limit=1) == 1
    assert reconcile_due(now=now, limit=1) == 0
    books.world.fault("server_error", operation="transfers.list", count=3)
    later = now + EVERY
    assert reconcile_due(now=later, limit=1) == 0
    waiting = Reconciliation.objects.get(finished_at__isnull=True)
    assert waiting.due_at == later + AGAIN
    assert waiting.failure.startswith("ProcessorDown")
    assert reconcile_due(now=later + AGAIN, limit=1) == 1
    assert Reconciliation.objects.get(finished_at__isnull=True).due_at == later + AGAIN + EVERY


def test_command_compares_and_says_what_differs(books: Books) -> None:
    books.world.set_clock(clock.now())
    books.pay(3)
    out = StringIO()
    call_command("check_ledger", stdout=out)
    assert "in order" in out.getvalue()
    books.post("/v1/transfers", amount=5, currency="usd", destination=books.owners[0].external_id)
    with pytest.raises((SystemExit, CommandError)):
        call_command("check_ledger", stdout=out)
    assert "money was sent that no payout asked for" in out.getvalue()
    with pytest.raises((SystemExit, CommandError)):
        call_command("check_ledger", "--books-only", stdout=out)


def test_only_one_pause_is_open_and_nobody_but_a_person_ends_it(now: datetime, db: None) -> None:
    first = pause_payouts(reason="first", now=now)
    assert pause_payouts(reason="second", now=now) == first
    with pytest.raises(IntegrityError), transaction.atomic():
        PayoutPause.objects.create(reason="another", paused_at=now)
    with pytest.raises(IntegrityError), transaction.atomic():
        PayoutPause.objects.update(resumed_at=now + timedelta(hours=1))


def test_nothing_is_compared_where_no_processor_is_configured(now: datetime, db: None) -> None:
    assert reconcile_due(now=now, limit=1) == 0
    tasks.reconcile_due()
    assert not Reconciliation.objects.exists()
    assert open_findings() == []


def test_admin_reads_the_differences_and_resumes_with_a_note(client: Client, ada: User, now: datetime) -> None:
    run = Reconciliation.objects.create(due_at=now, finished_at=now, new_findings=1)
    finding = ReconciliationFinding.objects.create(reconciliation=run, kind=Kind.TRANSFER_UNKNOWN, subject="tr_1")
    pause = pause_payouts(reason="1 row differs", now=now, reconciliation=run)
    client.force_login(ada)
    for name in ("reconciliation", "reconciliationfinding", "payoutpause"):
        assert client.get(f"/admin/rewards/{name}/").status_code == 200
    shown = client.get(f"/admin/rewards/reconciliation/{run.pk}/change/").content.decode()
    assert "tr_1" in shown
    address = f"/admin/rewards/payoutpause/{pause.pk}/resume/"
    assert "tr_1" in client.get(address).content.decode()
    assert "Write down" in client.post(address, {"note": "", "seen": finding.pk}, follow=True).content.decode()
    assert PayoutPause.objects.filter(resumed_at__isnull=True).exists()
    client.post(address, {"note": "Our own test", "seen": finding.pk})
    pause.refresh_from_db()
    finding.refresh_from_db()
    assert (pause.resumed_by, pause.note) == (ada, "Our own test")
    assert finding.accepted_by == ada


def test_stranger_and_looker_cannot_resume(client: Client, bob: User, now: datetime) -> None:
    pause = pause_payouts(reason="a test", now=now)
    bob.is_staff = True
    bob.save()
    client.force_login(bob)
    assert client.get(f"/admin/rewards/payoutpause/{pause.pk}/resume/").status_code == 403
    assert client.post(f"/admin/rewards/payoutpause/{pause.pk}/resume/", {"note": "x"}).status_code == 403
    assert PayoutPause.objects.filter(resumed_at__isnull=True).exists()


def test_processors_fees_are_the_platforms_cost_and_no_owners(books: Books) -> None:
    (payout,) = books.pay(1)
    owed = ledger.owner_balance(payout.account.owner, payout.currency)
    for number, amount in enumerate((-25, 5)):
        books.sql(
            "INSERT INTO stripe_balanceentry (object_id, created_at, available_at, kind, amount, currency, source) "
            "VALUES (?, ?, ?, 'stripe_fee', ?, 'usd', ?)",
            f"txn_fee{number}", books.now.isoformat(), books.now.isoformat(), amount, payout.external_id,
        )  # fmt: skip
    assert [found(books), found(books)] == [{}, {}]

    fees = ledger.account(LedgerAccount.Kind.PROCESSOR_FEES, "stripe", "USD")
    assert ledger.balance(fees).posted_minor == -20
    assert Row.objects.filter(key__startswith="fee:").count() == 2
    assert ledger.owner_balance(payout.account.owner, payout.currency) == owed
    assert ledger.check() == []
