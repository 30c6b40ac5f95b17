"""Each sweep of the timetable runs, twice, on an installation with and without payments."""

import logging
from collections.abc import Callable

import pytest
from django.db.models import F

from accounts.models import User
from chargescape.celery import TICKS, app
from foundation import clock
from rewards import tasks
from rewards.models import ChainLink, LedgerAccount, Payout
from tests.factories.rewards import earn
from tests.rewards.conftest import StripeWorld

pytestmark = pytest.mark.django_db

SWEEPS: list[Callable[[], None]] = [
    tasks.request_due_payouts,
    tasks.send_due_payouts,
    tasks.resolve_unknown_payouts,
    tasks.follow_bank_payouts,
    tasks.apply_due_webhooks,
    tasks.refresh_due_accounts,
    tasks.reconcile_due,
    tasks.seal_transfers,
    tasks.check_ledger,
]


def test_every_sweep_is_in_the_timetable() -> None:
    mine = {name for name in TICKS if name.startswith("rewards.")}
    assert mine == {name for name in app.tasks if name.startswith("rewards.")}
    assert len(mine) == len(SWEEPS)


def test_sweeps_run_without_payments_configured(alice: User) -> None:
    earn(alice, 250, now=clock.now())
    for sweep in SWEEPS * 2:
        sweep()
    assert ChainLink.objects.count() == 1


def test_sweeps_pay_an_owner_once(world: StripeWorld, alice: User) -> None:
    now = clock.now()
    world.set_clock(now)
    account = world.set_up(alice, now=now)
    type(account).objects.update(next_payout_at=now)
    earn(alice, 250, now=now)
    for sweep in SWEEPS * 2:
        sweep()
    payout = Payout.objects.get()
    assert payout.state == Payout.State.SENT
    assert len(world.transfers(payout.public_id)) == 1


def test_check_reports_findings_as_errors(alice: User, caplog: pytest.LogCaptureFixture) -> None:
    earn(alice, 250, now=clock.now())
    LedgerAccount.objects.filter(owner=alice).update(credits_posted=F("credits_posted") + 1)
    tasks.check_ledger()
    assert [record for record in caplog.records if record.levelno == logging.ERROR]
