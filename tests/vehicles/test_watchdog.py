"""The watchdog as a process of its own: frees held cars with nothing else alive, and outlives database trouble."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from django.conf import settings
from django.core.management import call_command
from django.db import OperationalError, connection

from accounts.models import User
from foundation import clock
from tests.factories import vehicles as make
from tests.vehicles.maker_double import MakerDouble
from vehicles.management.commands import watchdog
from vehicles.models import Command

pytestmark = pytest.mark.once

ROOT = Path(__file__).resolve().parent.parent.parent
SECOND = timedelta(seconds=1)
ENVIRONMENT = {
    "authorize_url": "FORD_AUTHORIZE_URL",
    "token_url": "FORD_TOKEN_URL",
    "api_base": "FORD_API_BASE",
    "partner_api_base": "FORD_PARTNER_API_BASE",
    "client_id": "FORD_CLIENT_ID",
    "client_secret": "FORD_CLIENT_SECRET",
    "application_id": "FORD_APPLICATION_ID",
}


def database_url() -> str:
    """The test database, for a process of its own."""
    values = connection.settings_dict
    if connection.vendor == "sqlite":
        return f"sqlite:///{values['NAME']}"
    return f"postgres://{values['USER']}:{values['PASSWORD']}@{values['HOST']}:{values['PORT']}/{values['NAME']}"


@contextmanager
def watchdogs(count: int) -> Iterator[list[subprocess.Popen[bytes]]]:
    """Run watchdogs with the suite's keys and database, no broker in reach."""
    environment = {
        **os.environ,
        "DATABASE_URL": database_url(),
        "SECRET_KEY": settings.SECRET_KEY,
        "FIELD_ENCRYPTION_KEYS": ",".join(settings.FIELD_ENCRYPTION_KEYS),
        "FIELD_HASH_KEY": settings.FIELD_HASH_KEY,
        "HEADLESS_JWT_PRIVATE_KEY": settings.HEADLESS_JWT_PRIVATE_KEY,
        "CELERY_BROKER_URL": "redis://127.0.0.1:1/0",
        "DJANGO_SETTINGS_MODULE": "chargescape.settings",
        **{ENVIRONMENT[name]: value for name, value in settings.AUTOMAKERS["ford"].items() if name in ENVIRONMENT},
    }
    command = [sys.executable, "manage.py", "watchdog"]
    running = [subprocess.Popen(command, cwd=ROOT, env=environment) for _ in range(count)]
    try:
        yield running
    finally:
        for process in running:
            process.send_signal(signal.SIGTERM)
        codes = [process.wait(60) for process in running]
    assert codes == [0] * count


def wait_until(condition: Callable[[], Any], *, seconds: float = 180) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "it did not happen in time"
        time.sleep(0.1)


@pytest.mark.slow
@pytest.mark.django_db(transaction=True)
def test_two_watchdogs_free_a_held_car_when_all_else_is_dead(alice: User, maker: MakerDouble) -> None:
    now = clock.now()
    car = make.ready_car(alice, now=now, can=make.START_STOP)
    hold = make.command(car, now=now, state=Command.State.CONFIRMED, ends_at=now + 8 * SECOND)
    maker.is_charging[car.external_id] = False
    maker.script["startCharge"] = [503]

    with watchdogs(2):
        wait_until(lambda: Command.objects.filter(pk=hold.pk, released_at__isnull=False).exists())

    hold.refresh_from_db()
    resume = Command.objects.get(kind=Command.Kind.RESUME)
    assert maker.is_charging[car.external_id]
    assert resume.state == Command.State.CONFIRMED
    assert resume.sent_at is not None
    assert resume.sent_at >= now + 8 * SECOND
    assert maker.counts["startCharge"] == 2  # one refused, one taken


@pytest.mark.usefixtures("db")
def test_one_round_is_enough_for_one_release(alice: User, maker: MakerDouble) -> None:
    now = clock.now()
    car = make.ready_car(alice, now=now, can=make.START_STOP)
    make.command(car, now=now, ends_at=now - SECOND)

    call_command("watchdog", "--once")
    call_command("watchdog", "--once")

    assert maker.counts["startCharge"] == 1


def test_database_trouble_ends_no_watchdog(monkeypatch: pytest.MonkeyPatch) -> None:
    rounds = []

    def broken(*, now: object, workers: int) -> int:
        rounds.append((now, workers))
        raise (OperationalError if len(rounds) < 3 else RuntimeError)

    monkeypatch.setattr(watchdog, "release_expired_holds", broken)
    monkeypatch.setattr("vehicles.management.commands.watchdog.connection.close", lambda: None)
    monkeypatch.setattr(watchdog, "close_old_connections", lambda: None)

    for _ in range(4):
        watchdog.Command()._round()

    assert len(rounds) == 4
