"""The watchdog's own database role: it can free a car, and neither hold one nor see money."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta

import pytest
from django.db import DatabaseError, connection, transaction

from accounts.models import Consent, User
from foundation import clock
from tests.factories import vehicles as make
from tests.vehicles.maker_double import MakerDouble
from vehicles.flows import heartbeats
from vehicles.flows.commands import release_expired_holds
from vehicles.models import ChargeReading, Command, Heartbeat
from vehicles.watchdog_rights import statements

ROLE = "chargescape_watchdog_test"


@contextmanager
def watchdogs_role() -> Iterator[None]:
    """Be the watchdog's role for the block."""
    with connection.cursor() as cursor:
        cursor.execute("SET CONSTRAINTS ALL IMMEDIATE")  # what the test has written so far
        cursor.execute(f"CREATE ROLE {ROLE}")
        for statement in statements(ROLE):
            cursor.execute(statement)
        cursor.execute(f"SET ROLE {ROLE}")
        try:
            yield
        finally:
            cursor.execute("RESET ROLE")


@pytest.mark.django_db
def test_role_frees_a_car_and_can_do_nothing_else(alice: User, maker: MakerDouble) -> None:
    if connection.vendor != "postgresql":
        pytest.skip("roles are PostgreSQL's")
    now = clock.now()
    car = make.ready_car(alice, now=now, can=make.START_STOP)
    hold = make.command(car, now=now, ends_at=now)
    seen = ChargeReading.objects.count()

    with watchdogs_role():
        heartbeats.beat(kind=heartbeats.WATCHDOG, started_at=now)
        heartbeats.beat(kind=heartbeats.WATCHDOG, started_at=now)
        assert release_expired_holds(now=clock.now()) >= 2
        release_expired_holds(now=clock.now() + timedelta(seconds=25))
        for forbidden in (
            "SELECT 1 FROM rewards_transfer",
            "SELECT 1 FROM grid_gridevent",
            "DELETE FROM vehicles_command",
            "UPDATE accounts_user SET is_staff = true",
            "INSERT INTO vehicles_stoporder (reason) VALUES ('x')",
        ):
            with pytest.raises(DatabaseError), transaction.atomic(), connection.cursor() as cursor:
                cursor.execute(forbidden)
        with pytest.raises(DatabaseError), transaction.atomic():
            make.command(car, now=now)

    resume = Command.objects.get(kind=Command.Kind.RESUME)
    assert resume.state in {Command.State.ACCEPTED, Command.State.CONFIRMED}
    assert maker.counts["startCharge"] == 1
    assert ChargeReading.objects.count() >= seen
    assert Heartbeat.objects.count() == 1
    assert Command.objects.filter(pk=hold.pk).exists()
    assert Consent.objects.exists()
