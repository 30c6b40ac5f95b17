"""A worker killed anywhere on a payout's way loses nothing and pays nothing twice."""

import json
import os
import random
import subprocess
import sys
from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from django.conf import settings as configured
from django.db import connection
from pytest_django import Settings

from accounts.models import User
from foundation import clock
from rewards import ledger
from rewards.flows.banking import follow_bank_payouts
from rewards.flows.payouts import request_due_payouts, resolve_unknown_payouts, send_due_payouts
from rewards.models import Payout, PayoutAccount
from tests.factories.rewards import earn
from tests.rewards.conftest import StripeWorld
from tests.rewards.counts import count

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.slow]

ROOT = Path(__file__).resolve().parents[2]
KILLS = count(full=1000, short=8)  # of a worker with one thread, and as many of one with three
FAULTS = ["cut", "truncated", "server_error_after", "server_error", "rate_limited", "conflict"]
State = Payout.State


class Workers:
    """Starts workers that die on demand."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self.process = process

    def run(self, *, now: datetime, senders: int, die_at: int = 0) -> dict[str, Any]:
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        order = {"die_at": die_at, "senders": senders, "now": now.isoformat()}
        self.process.stdin.write(json.dumps(order) + "\n")
        self.process.stdin.flush()
        answer: dict[str, Any] = json.loads(self.process.stdout.readline())
        assert answer["died"] or answer["exit"] == 0, answer
        return answer


def database_url() -> str:
    where = connection.settings_dict
    if connection.vendor == "sqlite":
        return f"sqlite:///{where['NAME']}"
    return f"postgres://{where['USER']}@{where['HOST']}:{where['PORT']}/{where['NAME']}"


@pytest.fixture
def workers(world: StripeWorld, settings: Settings) -> Iterator[Workers]:
    environment = {
        **os.environ,
        "DJANGO_SETTINGS_MODULE": "chargescape.settings",
        "DATABASE_URL": database_url(),
        "SECRET_KEY": configured.SECRET_KEY,
        "FIELD_ENCRYPTION_KEYS": ",".join(configured.FIELD_ENCRYPTION_KEYS),
        "FIELD_HASH_KEY": configured.FIELD_HASH_KEY,
        "STRIPE_API_BASE": settings.STRIPE_API_BASE,
        "STRIPE_API_KEY": settings.STRIPE_API_KEY,
        "LOG_LEVEL": "CRITICAL",
    }
    process = subprocess.Popen(
        [sys.executable, "-m", "tests.rewards.crash_driver"],
        cwd=ROOT,
        env=environment,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    yield Workers(process)
    process.communicate(timeout=60)


def recover(now: datetime) -> None:
    """Let time pass and other workers sweep until nothing is left to do, and once more, which must change nothing."""
    was_quiet = False
    for _ in range(8):
        Payout.objects.update(retry_at=None)
        Payout.objects.filter(lease_until__isnull=False).update(lease_until=clock.wall())
        for sweep in (request_due_payouts, send_due_payouts, resolve_unknown_payouts):
            sweep(now=now, limit=10)
        is_quiet = not (
            Payout.objects.filter(state__in=Payout.OPEN_STATES).exists()
            or PayoutAccount.objects.filter(next_payout_at__lte=now).exists()
        )
        if is_quiet and was_quiet:
            break
        was_quiet = is_quiet
        Payout.objects.filter(first_sent_at__isnull=False, state=State.UNKNOWN).update(
            first_sent_at=clock.wall() - timedelta(hours=24)
        )
    Payout.objects.filter(state=State.SENT).update(retry_at=clock.wall())
    follow_bank_payouts(now=now, limit=10)


def owe(owner: User, amount_minor: int, now: datetime) -> None:
    """Bring the owner's payday here, with this much to pay."""
    earn(owner, amount_minor, now=now)
    PayoutAccount.objects.filter(owner=owner).update(next_payout_at=now)


def assert_paid_once(world: StripeWorld, owner: User, amount_minor: int) -> None:
    payout = Payout.objects.filter(account__owner=owner).latest("pk")
    (transfer,) = world.transfers(payout.public_id)
    assert (transfer["amount"], transfer["id"]) == (amount_minor, payout.external_id)
    assert payout.state in {State.SENT, State.PAID}
    assert ledger.owner_balance(owner, "USD") == ledger.Balance(0, 0, 0)


@pytest.fixture
def cast(alice: User, bob: User, charlie: User) -> list[User]:
    return [alice, bob, charlie]


@pytest.mark.parametrize(
    "senders",
    [pytest.param(1, id="one-thread"), pytest.param(3, id="three-threads", marks=pytest.mark.once)],
)
def test_worker_killed_anywhere_pays_once(
    world: StripeWorld, workers: Workers, cast: list[User], now: datetime, senders: int
) -> None:
    crew = cast[:senders]
    accounts = [world.set_up(owner, now=now) for owner in crew]

    def everybody_is_owed(amount_minor: int) -> None:
        for owner in crew:
            owe(owner, amount_minor, now)

    def everybody_is_paid_once(amount_minor: int) -> None:
        for owner in crew:
            assert_paid_once(world, owner, amount_minor)
        assert ledger.check() == []

    everybody_is_owed(200)
    boundaries = workers.run(now=now, senders=senders)["passed"]
    everybody_is_paid_once(200)
    assert boundaries > 30 * senders
    seed = random.randrange(10**6)  # noqa: S311 - printed, so that a failure can be repeated
    chance = random.Random(seed)  # noqa: S311
    first = chance.randrange(boundaries)
    for kill in range(KILLS):
        # Every boundary has its turn, in even steps from a random start, half of them with the processor failing too.
        die_at = 1 + (first + kill * boundaries // min(KILLS, boundaries)) % boundaries
        fault = chance.choice(FAULTS) if kill % 2 else ""
        if fault:
            world.fault(fault, count=chance.randint(1, 3))
        everybody_is_owed(200 + kill)
        answer = workers.run(now=now, senders=senders, die_at=die_at)
        world.lift_faults()
        recover(now)
        told = f"seed {seed}, kill {kill} at boundary {die_at} with {fault or 'no'} fault: {answer}"
        try:
            everybody_is_paid_once(200 + kill)
        except AssertionError as failed:
            raise AssertionError(told) from failed
    for account in accounts:
        assert world.sent_to(account.external_id) == 200 + sum(200 + kill for kill in range(KILLS))
