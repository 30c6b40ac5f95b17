"""The whole way against a real OAuth server and cars with physics: link, read, hold, discharge, release, unlink."""

import logging
from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest

from accounts.models import Notice, User
from foundation import clock
from foundation.clock import Anchor, write_anchor
from tests.factories import vehicles as make
from tests.sandbox_owner import OwnerBrowser
from tests.sandbox_process import (
    APPLICATION_ID,
    CLIENT_ID,
    CLIENT_SECRET,
    REDIRECT_URI,
    SandboxProcess,
    start_sandbox,
)
from vehicles.flows.commands import (
    confirm_commands,
    release_expired_holds,
    renew_hold,
    request_command,
    send_due_commands,
)
from vehicles.flows.links import UnableToLink, begin_link, choose_vehicles, complete_link, revoke_link
from vehicles.flows.places import set_home_from_vehicle
from vehicles.flows.preferences import charge_now
from vehicles.flows.telemetry import latest_reading, read_due_vehicles
from vehicles.models import ChargePreference, Command, PlugSession, Vehicle, VehicleLink

pytestmark = [pytest.mark.slow, pytest.mark.once, pytest.mark.usefixtures("db")]
MINUTE = timedelta(minutes=1)
EVENING = datetime.fromisoformat("2026-11-19T02:00:00+00:00")  # Wednesday 20:00 in Austin
ACCOUNT = "alice@ford.sandbox"


@pytest.fixture(scope="module")
def process(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SandboxProcess]:
    sandbox = start_sandbox(tmp_path_factory)
    yield sandbox
    sandbox.stop()


class World:
    """Platform and sandbox under one clock that stands still until moved."""

    def __init__(self, sandbox: SandboxProcess, anchor_file: Path) -> None:
        self.sandbox = sandbox
        self.anchor_file = anchor_file
        sandbox.control("POST", "reset", at=EVENING.isoformat(), socPercent=50)
        self.set(EVENING)

    def set(self, at: datetime) -> None:
        """Put both clocks."""
        self.sandbox.control("PUT", "clock", simulated_at=at.isoformat(), rate=0)
        write_anchor(self.anchor_file, Anchor(simulated_at=at, wall_at=clock.wall(), rate=0))
        self.now = at

    def pass_by(self, span: timedelta, *, with_celery: bool = True) -> None:
        """Let time pass in half minutes with the sweeps ticking; without Celery only the watchdog works."""
        end = self.now + span
        while self.now < end:
            self.set(self.now + MINUTE / 2)
            release_expired_holds(now=self.now)
            if with_celery:
                send_due_commands(now=self.now, limit=20)
                confirm_commands(now=self.now, limit=20)
                read_due_vehicles(now=self.now, limit=20)

    def truth(self, car: Vehicle) -> dict[str, Any]:
        """What the car really does."""
        found: dict[str, Any] = self.sandbox.control("GET", f"cars/{car.external_id}")
        return found


@pytest.fixture
def world(process: SandboxProcess, settings: Any, tmp_path: Path) -> World:
    settings.CLOCK_ANCHOR_FILE = str(tmp_path / "clock.json")
    base = process.url
    settings.AUTOMAKERS = {
        "ford": {
            "authorize_url": f"{base}/ford/oauth2/authorize",
            "token_url": f"{base}/ford/oauth2/token",
            "revoke_url": f"{base}/ford/oauth2/revoke",
            "api_base": f"{base}/ford/api/fordconnect/v3",
            "partner_api_base": f"{base}/ford/partner/v1",
            "application_id": APPLICATION_ID,
            "client_id": CLIENT_ID,
            "client_secret": CLIENT_SECRET,
        }
    }
    return World(process, tmp_path / "clock.json")


def begin(owner: User, world: World) -> str:
    return begin_link(owner=owner, maker="ford", session_key="session", redirect_uri=REDIRECT_URI, now=world.now)


def complete(owner: User, callback: str, world: World) -> VehicleLink:
    params = {name: values[0] for name, values in parse_qs(urlsplit(callback).query).items()}
    return complete_link(
        owner=owner, maker="ford", session_key="session", params=params, redirect_uri=REDIRECT_URI, now=world.now
    )


def link_cars(owner: User, world: World) -> dict[str, Vehicle]:
    """Link, choose both cars, tell home; returns the cars by model."""
    make.consents(owner, now=world.now)
    link = complete(owner, OwnerBrowser(ACCOUNT).allow(begin(owner, world)), world)
    offered = list(link.vehicles.values_list("public_id", flat=True))
    cars = {car.model: car for car in choose_vehicles(link=link, vehicle_ids=offered, now=world.now)}
    set_home_from_vehicle(vehicle=next(iter(cars.values())), now=world.now)
    read_due_vehicles(now=world.now, limit=10)
    return cars


def ask(car: Vehicle, world: World, key: str, **fields: Any) -> Command:
    values: dict[str, Any] = {
        "kind": "hold",
        "ends_at": world.now + 15 * MINUTE,
        "departure_at": world.now + timedelta(hours=11.5),
    }
    return request_command(vehicle=car, key=key, now=world.now, **(values | fields))


def test_linked_cars_are_read_as_they_are(alice: User, world: World) -> None:
    cars = link_cars(alice, world)

    truck, sedan = cars["F-150 Lightning"], cars["Mustang Mach-E"]
    assert (truck.can.can_discharge, sedan.can.hold_ends) == (True, "start_stop")
    assert truck.vin == world.truth(truck)["vin"]
    for car in (truck, sedan):
        reading, truth = latest_reading(car), world.truth(car)
        assert reading is not None
        assert reading.soc_percent is not None
        assert float(reading.soc_percent) == pytest.approx(truth["socPercent"], abs=0.06)
        assert (reading.is_plugged_in, reading.is_at_home, reading.charge_state) == (True, True, "charging")
        assert PlugSession.objects.filter(vehicle=car, unplugged_at=None, is_at_home=True).count() == 1


def test_timed_car_holds_and_gives_back_and_ends_by_itself(alice: User, world: World) -> None:
    truck = link_cars(alice, world)["F-150 Lightning"]
    ChargePreference.objects.filter(vehicle=truck).update(is_v2g_allowed=True)

    hold = ask(truck, world, "hold-one")
    world.pass_by(2 * MINUTE)
    hold.refresh_from_db()
    assert (hold.state, world.truth(truck)["state"]) == (Command.State.CONFIRMED, "HOLDING")

    before = world.truth(truck)["exportedWh"]
    discharge = ask(truck, world, "discharge-one", kind="discharge", power_w=-6000, floor_soc_percent=30)
    world.pass_by(10 * MINUTE)
    discharge.refresh_from_db()
    assert (discharge.state, world.truth(truck)["state"]) == (Command.State.CONFIRMED, "DISCHARGING")
    world.pass_by(20 * MINUTE)

    discharge.refresh_from_db()
    assert discharge.released_at == discharge.ends_at
    assert world.truth(truck)["exportedWh"] - before == pytest.approx(1500, abs=60)
    assert world.truth(truck)["state"] == "CHARGING"
    assert not Command.objects.filter(kind="resume").exists()


def test_start_stop_car_is_held_renewed_and_freed_by_the_watchdog_alone(alice: User, world: World) -> None:
    sedan = link_cars(alice, world)["Mustang Mach-E"]
    hold = ask(sedan, world, "hold-one", ends_at=world.now + 5 * MINUTE)
    world.pass_by(3 * MINUTE)
    renew_hold(command=hold, ends_at=world.now + 10 * MINUTE, now=world.now)
    world.pass_by(8 * MINUTE)
    assert world.truth(sedan)["stopped"]

    world.pass_by(5 * MINUTE, with_celery=False)

    hold.refresh_from_db()
    assert hold.released_at is not None
    assert world.truth(sedan)["state"] == "CHARGING"
    assert Command.objects.get(kind="resume").state == Command.State.CONFIRMED


@pytest.mark.parametrize("model", ["F-150 Lightning", "Mustang Mach-E"])
def test_charge_now_frees_the_car_at_once(alice: User, world: World, model: str) -> None:
    car = link_cars(alice, world)[model]
    ask(car, world, "hold-one")
    world.pass_by(2 * MINUTE)
    assert world.truth(car)["state"] == "HOLDING"

    charge_now(vehicle=car, now=world.now)
    world.pass_by(MINUTE)

    assert world.truth(car)["state"] == "CHARGING"


def test_lost_command_is_never_repeated_and_lost_release_is(alice: User, world: World) -> None:
    sedan = link_cars(alice, world)["Mustang Mach-E"]
    world.sandbox.control("PATCH", f"cars/{sedan.external_id}", faults={"commandsLost": True})
    hold = ask(sedan, world, "hold-one", ends_at=world.now + 5 * MINUTE)
    world.pass_by(7 * MINUTE)
    world.sandbox.control("PATCH", f"cars/{sedan.external_id}", faults={"commandsLost": False})

    world.pass_by(6 * MINUTE)

    hold.refresh_from_db()
    assert hold.attempts == 1
    assert hold.released_at is not None
    assert world.truth(sedan)["state"] == "CHARGING"


def test_expired_tokens_are_refreshed_and_rotated(alice: User, world: World) -> None:
    truck = link_cars(alice, world)["F-150 Lightning"]
    before = VehicleLink.objects.get()
    world.sandbox.control("PATCH", "makers/ford", expireAccessTokens=True)

    world.pass_by(31 * MINUTE)

    after = VehicleLink.objects.get()
    assert (after.state, after.refresh_token == before.refresh_token) == (VehicleLink.State.ACTIVE, False)
    reading = latest_reading(truck)
    assert reading is not None
    assert reading.observed_at > EVENING


def test_owner_who_takes_consent_back_at_the_maker_is_asked_to_link_again(alice: User, world: World) -> None:
    truck = link_cars(alice, world)["F-150 Lightning"]
    world.sandbox.control("PATCH", "makers/ford", revokeGrantsOf=ACCOUNT)
    for _ in range(2):
        Vehicle.objects.update(next_read_at=world.now)
        VehicleLink.objects.filter(auth_failed_at__isnull=False).update(
            quiet_until=None, auth_failed_at=clock.wall() - timedelta(seconds=21)
        )
        read_due_vehicles(now=world.now, limit=10)
    assert VehicleLink.objects.get().state == VehicleLink.State.NEEDS_RELINK
    assert Notice.objects.filter(user=alice, kind="link_needs_relink").count() == 1

    complete(alice, OwnerBrowser(ACCOUNT).allow(begin(alice, world)), world)
    world.pass_by(2 * MINUTE)

    truck.refresh_from_db()
    assert VehicleLink.objects.get().state == VehicleLink.State.ACTIVE
    assert (truck.state, truck.read_failure) == (Vehicle.State.ACTIVE, "")


def test_denied_and_replayed_returns_link_nothing(alice: User, world: World) -> None:
    with pytest.raises(UnableToLink) as denied:
        complete(alice, OwnerBrowser(ACCOUNT).deny(begin(alice, world)), world)
    callback = OwnerBrowser(ACCOUNT).allow(begin(alice, world))
    complete(alice, callback, world)
    with pytest.raises(UnableToLink) as replayed:
        complete(alice, callback, world)
    foreign_code = parse_qs(urlsplit(OwnerBrowser(ACCOUNT).allow(begin(alice, world))).query)["code"][0]
    state = parse_qs(urlsplit(begin(alice, world)).query)["state"][0]
    with pytest.raises(UnableToLink) as injected:  # a code begun with another verifier
        complete(alice, f"{REDIRECT_URI}?code={foreign_code}&state={state}", world)

    codes = [caught.value.reason_code for caught in (denied, replayed, injected)]
    assert codes == ["link_denied", "link_state_used", "link_code_refused"]


def test_only_ticked_cars_are_offered(alice: User, world: World) -> None:
    browser = OwnerBrowser(ACCOUNT)
    sedan = "dfdd5800544ca750061800f671470817"

    link = complete(alice, browser.allow(begin(alice, world), [sedan]), world)

    assert [car.external_id for car in link.vehicles.all()] == [sedan]


def test_unlinking_takes_the_grant_back_at_the_maker(alice: User, world: World) -> None:
    sedan = link_cars(alice, world)["Mustang Mach-E"]
    given = _live_grants(world)
    ask(sedan, world, "hold-one")
    world.pass_by(2 * MINUTE)

    link = revoke_link(link=sedan.link, now=world.now)
    assert link.state == VehicleLink.State.LEAVING
    world.pass_by(2 * MINUTE)
    revoke_link(link=link, now=world.now)

    assert world.truth(sedan)["state"] == "CHARGING"
    assert VehicleLink.objects.get().state == VehicleLink.State.REVOKED
    assert _live_grants(world) == given - 1


def _live_grants(world: World) -> int:
    grants = world.sandbox.control("GET", "makers/ford")["grants"]
    return sum(grant["account"] == ACCOUNT and grant["revokedAt"] is None for grant in grants)


def test_no_token_vin_or_place_is_logged(alice: User, world: World, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    truck = link_cars(alice, world)["F-150 Lightning"]
    first = VehicleLink.objects.get()
    world.sandbox.control("PATCH", "makers/ford", expireAccessTokens=True)
    ask(truck, world, "hold-one")
    world.sandbox.control("PATCH", f"cars/{truck.external_id}", faults={"apiDown": True})
    world.pass_by(2 * MINUTE)
    world.sandbox.control("PATCH", f"cars/{truck.external_id}", faults={"apiDown": False})
    world.pass_by(20 * MINUTE)
    second = VehicleLink.objects.get()

    canaries = {CLIENT_SECRET, "30.26", "97.74", *Vehicle.objects.values_list("vin", flat=True)}
    canaries |= {value for row in (first, second) for value in (row.access_token, row.refresh_token)}
    assert len(canaries) == 9
    assert [canary for canary in canaries if canary in caplog.text] == []
