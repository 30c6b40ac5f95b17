"""The watchdog's own database role: all of its round works under it, and nothing else does."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import datetime, timedelta

import pytest
import responses
import time_machine
from django.db import DatabaseError, connection, transaction

from accounts.flows.consents import revoke_consent
from accounts.models import Consent, Notice, User
from foundation import clock
from tests.factories import vehicles as make
from tests.vehicles.flows.test_chargers import BoxDouble
from tests.vehicles.flows.test_chargers import box as box  # noqa: PLC0414 - a fixture
from tests.vehicles.maker_double import MakerDouble
from vehicles.flows import heartbeats, waking
from vehicles.flows.commands import release_expired_holds
from vehicles.models import (
    ChargeOverride,
    ChargePreference,
    ChargeReading,
    Command,
    Heartbeat,
    HomeCharger,
    PlugSession,
    StopOrder,
    SwitchLimit,
    Vehicle,
    VehicleLink,
)
from vehicles.watchdog_rights import CHANGES, READS, statements

ROLE = "chargescape_watchdog_test"
SECOND = timedelta(seconds=1)
MINUTE = timedelta(minutes=1)

FORBIDDEN = (
    "SELECT password FROM accounts_user",
    "SELECT id FROM accounts_user",
    "SELECT email FROM accounts_user",
    "UPDATE accounts_user SET is_staff = true",
    "SELECT text_sha256 FROM accounts_consent",
    "UPDATE accounts_consent SET revoked_at = NULL",
    "INSERT INTO accounts_consent (purpose) VALUES ('x')",
    "SELECT params FROM accounts_notice",
    "SELECT 1 FROM accounts_noticedelivery",
    "SELECT 1 FROM accounts_pushdevice",
    "SELECT 1 FROM django_session",
    "SELECT 1 FROM mfa_authenticator",
    "SELECT 1 FROM grid_site",
    "SELECT 1 FROM grid_gridevent",
    "SELECT 1 FROM rewards_transfer",
    "SELECT 1 FROM rewards_payoutaccount",
    "SELECT 1 FROM vehicles_linkattempt",
    "SELECT set_at FROM vehicles_homeplace",
    "UPDATE vehicles_homeplace SET radius_m = 1",
    "SELECT reason FROM vehicles_stoporder",
    "UPDATE vehicles_stoporder SET lifted_at = now()",
    "INSERT INTO vehicles_stoporder (reason) VALUES ('x')",
    "UPDATE vehicles_switchlimit SET limit_w = 0",
    "UPDATE vehicles_makerswitch SET is_on = true",
    "UPDATE vehicles_vehicle SET owner_id = 1",
    "UPDATE vehicles_vehiclelink SET owner_id = 1",
    "UPDATE vehicles_chargepreference SET reserve_soc_percent = 0",
    "UPDATE vehicles_chargereading SET soc_percent = 1",
    "DELETE FROM vehicles_command",
    "TRUNCATE vehicles_command",
)


@contextmanager
def as_watchdog() -> Iterator[None]:
    """Be the watchdog's role for the block; a refused statement ends the test, as every later one fails too."""
    with connection.cursor() as cursor:
        cursor.execute("SET CONSTRAINTS ALL IMMEDIATE")  # what the test has written so far
        cursor.execute(f"SET ROLE {ROLE}")
        try:
            yield
        finally:
            cursor.execute("RESET ROLE")


@pytest.fixture
def _role(db: None) -> None:
    if connection.vendor != "postgresql":
        pytest.skip("roles are PostgreSQL's")
    with connection.cursor() as cursor:
        cursor.execute(f"CREATE ROLE {ROLE}")
        for statement in (*statements(ROLE), *statements(ROLE)):  # again after each release
            cursor.execute(statement)


def watch(time: time_machine.Traveller, *, seconds: int = 30) -> None:
    """Let the watchdog work for a while, under its role."""
    with as_watchdog():
        for _ in range(0, seconds, 10):
            time.shift(10 * SECOND)
            heartbeats.beat(kind=heartbeats.WATCHDOG, started_at=clock.wall())
            release_expired_holds(now=clock.now())


def is_freed(car: Vehicle) -> bool:
    held = Command.objects.open_holds().filter(vehicle=car).exists()
    return not held and Command.objects.filter(
        vehicle=car, kind=Command.Kind.RESUME, state__in=(Command.State.CONFIRMED, Command.State.NOOP)
    ).exists()  # fmt: skip


@pytest.mark.usefixtures("_role")
def test_whole_round_works_under_the_role(
    *, alice: User, bob: User, chloe: User, maker: MakerDouble, at_now: time_machine.Traveller, now: datetime
) -> None:
    ended, plain = (make.ready_car(alice, now=now, can=make.START_STOP) for _ in range(2))
    stale = make.link(bob, access_expires_at=now)  # a grant that must be renewed first
    refused = make.ready_car(bob, now=now, can=make.START_STOP, of=stale)
    dead = make.ready_car(chloe, now=now, can=make.START_STOP, of=make.link(chloe, access_token="", refresh_token="x"))
    SwitchLimit.objects.create(group="lone-star", limit_w=100_000)
    make.command(ended, now=now, ends_at=now, switch_group="lone-star", charge_w=11_300)
    for car in (plain, refused, dead):
        make.command(car, now=now)
    for user in (bob, chloe):
        revoke_consent(user=user, purpose=Consent.Purpose.GRID_PARTICIPATION, now=now)
    maker.script["startCharge"] = [500, 429]

    watch(at_now, seconds=60)
    assert is_freed(ended)
    assert not is_freed(plain)  # its hold still runs
    StopOrder.objects.create(reason="drill", made_at=now, made_by=alice)
    watch(at_now, seconds=120)
    Command.objects.filter(vehicle=dead, kind=Command.Kind.RESUME).update(attempts=9, retry_at=None)
    watch(at_now, seconds=150)

    assert is_freed(plain)
    assert is_freed(refused)
    assert maker.tokens == 1
    assert VehicleLink.objects.get(pk=dead.link_id).state == VehicleLink.State.NEEDS_RELINK
    assert set(Notice.objects.values_list("kind", flat=True)) == {"link_needs_relink", "release_failing"}
    assert Heartbeat.objects.count() == 1


@pytest.mark.usefixtures("_role")
def test_wall_box_and_plug_are_followed_under_the_role(
    alice: User, box: BoxDouble, door: responses.RequestsMock, at_now: time_machine.Traveller, now: datetime
) -> None:
    own = replace(make.START_STOP, permits_discharge=True)
    car = make.ready_car(alice, now=now, can=make.TIMED, own_capabilities=own.as_json())
    link = make.link(alice, maker="homebox", scopes=["box.read", "box.control"])
    charger = HomeCharger.objects.create(
        link=link, external_id="box-one", external_id_hash="x", serves=car, state=HomeCharger.State.ACTIVE,
        is_used=True, capabilities=make.TIMED.as_json(), created_at=now, observed_at=now,
    )  # fmt: skip
    ChargeOverride.objects.create(
        vehicle=car, kind=ChargeOverride.Kind.CHARGE_NOW, starts_at=now - MINUTE, ends_at=now + 60 * MINUTE
    )
    PlugSession.objects.create(
        vehicle=car, plugged_in_at=now - 60 * MINUTE, soc_percent=50, limit_percent=90, is_at_home=False
    )
    make.command(car, now=now, via_charger=charger, ended_by=Command.EndedBy.CAR)
    box.is_connected = False
    at = "11-18-2026 23:05:30"
    status = {"plugStatus": {"value": False, "timestamp": at}, "chargingStatus": {"value": "NotReady", "timestamp": at}}
    door.get(f"https://maker.test/ford/api/fordconnect/v3/vehicles/{car.external_id}", json={"vehicle": {
        "vehicleDetails": {"batteryChargeLevel": {"value": 61, "timestamp": at}}, "vehicleStatus": status,
        "vehicleLocation": {"latitude": "30.2672", "longitude": "-97.7431", "timestamp": at},
    }})  # fmt: skip
    version = ChargePreference.objects.get(vehicle=car).version

    watch(at_now, seconds=60)

    car.refresh_from_db()
    assert is_freed(car)
    assert car.own_capabilities == {}
    assert ChargePreference.objects.get(vehicle=car).version > version
    assert ChargeOverride.objects.get().cancelled_at is not None
    assert ChargeReading.objects.first().is_plugged_in is False  # type: ignore[union-attr]
    with as_watchdog():
        sleeper = replace(make.START_STOP, can_wake=True)
        car.capabilities = sleeper.as_json()
        assert waking.wake_for_release(vehicle=car, release="one", now=now) is not None


@pytest.mark.usefixtures("_role")
def test_role_is_refused_everything_else() -> None:
    with as_watchdog(), connection.cursor() as cursor:
        for forbidden in FORBIDDEN:
            with pytest.raises(DatabaseError, match="permission denied"), transaction.atomic():
                cursor.execute(forbidden)


@pytest.mark.usefixtures("_role")
def test_role_can_add_no_hold(alice: User, now: datetime) -> None:
    car = make.ready_car(alice, now=now, can=make.START_STOP)
    with as_watchdog(), pytest.raises(DatabaseError, match="row-level security"), transaction.atomic():
        make.command(car, now=now)


@pytest.mark.django_db
def test_every_table_and_column_named_is_there() -> None:
    with connection.cursor() as cursor:
        for table, columns in (*READS.items(), *CHANGES.items()):
            known = {column.name for column in connection.introspection.get_table_description(cursor, table)}
            assert known.issuperset(columns), table
            assert known, table
