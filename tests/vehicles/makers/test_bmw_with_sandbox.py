"""BMW's whole way against the sandbox: code, container, readings within the quota, and the stream of a real broker."""

import time
from collections.abc import Callable, Iterator
from datetime import datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
import requests

from accounts.models import User
from foundation import clock
from foundation.clock import Anchor, write_anchor
from tests.factories import vehicles as make
from tests.sandbox_owner import OwnerBrowser
from tests.sandbox_process import SandboxProcess
from vehicles import gateway
from vehicles.automakers.errors import NotSupported, TokenRejected
from vehicles.flows.commands import UnableToCommand, request_command
from vehicles.flows.device_codes import begin_device_link, poll_attempt
from vehicles.flows.links import choose_vehicles
from vehicles.flows.places import set_home_from_vehicle
from vehicles.flows.telemetry import latest_reading, read_vehicle
from vehicles.models import ChargeReading, LinkAttempt, Vehicle, VehicleLink
from vehicles.streams import Listener

pytestmark = [pytest.mark.slow, pytest.mark.once, pytest.mark.usefixtures("db")]
EVENING = datetime.fromisoformat("2026-11-19T02:00:00+00:00")  # Wednesday 21:00 in New York
ACCOUNT, I4 = "frank@bmw.sandbox", "WBA73AW02RFP00001"


class World:
    """Platform and sandbox under one clock that stands still; time passes in their database alone."""

    def __init__(self, sandbox: SandboxProcess, anchor_file: Path) -> None:
        self.sandbox = sandbox
        self.anchor_file = anchor_file
        self.now = EVENING
        self.set_clock(EVENING)

    def control(self, **changes: Any) -> dict[str, Any]:
        """Call the control API of what is BMW's alone."""
        reply = requests.patch(f"{self.sandbox.url}/bmw/control", json=changes, timeout=30)
        reply.raise_for_status()
        answer: dict[str, Any] = reply.json()
        return answer

    def set_clock(self, at: datetime) -> None:
        """Put both clocks."""
        self.sandbox.control("PUT", "clock", simulated_at=at.isoformat(), rate=0)
        write_anchor(self.anchor_file, Anchor(simulated_at=at, wall_at=clock.wall(), rate=0))

    def move(self, **changes: Any) -> None:
        """Change the car's truth."""
        self.sandbox.control("PATCH", f"cars/{I4}", **changes)


@pytest.fixture
def world(sandbox: SandboxProcess, settings: Any, tmp_path: Path) -> Iterator[World]:
    base = f"{sandbox.url}/bmw"
    settings.CLOCK_ANCHOR_FILE = str(tmp_path / "clock.json")
    settings.AUTOMAKERS = {
        "bmw": {
            "device_code_url": f"{base}/gcdm/oauth/device/code",
            "token_url": f"{base}/gcdm/oauth/token",
            "api_base": f"{base}/cardata",
            "stream_host": "localhost",
            "stream_port": str(sandbox.stream_port),
            "stream_ca_file": sandbox.stream_ca_file,
            "client_id": "chargescape-bmw",
            "client_secret": "",
        }
    }
    found = World(sandbox, tmp_path / "clock.json")
    if not sandbox.control("PATCH", f"cars/{I4}", socPercent=50)["pluggedIn"]:
        found.move(action="plug_in")
    found.control(silent=False, sendsTwice=False, requestsToday=0, deleteContainers=True)
    yield found
    sandbox.control("DELETE", "clock")


def link_account(owner: User, world: World) -> VehicleLink:
    """Show a code, have the owner type it at BMW, and let the platform ask until it is linked."""
    make.consents(owner, now=world.now)
    attempt = begin_device_link(owner=owner, maker="bmw", session_key="session", now=world.now)
    OwnerBrowser(ACCOUNT).pair(attempt.verification_url, attempt.user_code)
    LinkAttempt.objects.filter(pk=attempt.pk).update(poll_at=clock.wall())
    attempt = poll_attempt(attempt=LinkAttempt.objects.get(pk=attempt.pk), now=world.now)
    assert attempt.link is not None, attempt.failure
    return attempt.link


def link_i4(owner: User, world: World) -> Vehicle:
    """Link and choose the i4, at home."""
    link = link_account(owner, world)
    wanted = link.vehicles.get(model="i4")
    (car,) = choose_vehicles(link=link, vehicle_ids=[wanted.public_id], now=world.now)
    set_home_from_vehicle(vehicle=car, now=world.now)
    return car


def test_owner_types_a_code_and_the_car_is_read(alice: User, world: World) -> None:
    car = link_i4(alice, world)

    assert (car.make, car.model, car.trim, car.model_year, car.vin) == ("BMW", "i4", "eDrive40", 2024, I4)
    assert set(car.can.refusals) == {"no_commands", "no_discharge"}
    assert car.can.pushes == ("stream",)
    assert car.link.extras["container_id"]
    reading = read_vehicle(vehicle=car, now=world.now)
    assert reading is not None
    assert (reading.soc_percent, reading.limit_percent) == (Decimal(50), Decimal(90))
    assert (reading.is_plugged_in, reading.is_at_home, reading.charge_state) == (True, True, "charging")
    assert reading.power_w == pytest.approx(9600, abs=5)


def test_car_that_takes_no_command_is_sent_none(alice: User, world: World) -> None:
    car = link_i4(alice, world)
    read_vehicle(vehicle=car, now=world.now)

    with pytest.raises(UnableToCommand):
        request_command(
            vehicle=car,
            key="hold-one",
            kind="hold",
            ends_at=world.now.replace(minute=15),
            departure_at=world.now.replace(hour=12),
            now=world.now,
        )
    with pytest.raises(NotSupported):
        gateway.call(car, lambda maker, access: maker.resume(access, key="k"))
    assert world.sandbox.control("GET", f"cars/{I4}/commands")["count"] == 0


def test_deleted_container_is_made_anew_without_a_word(alice: User, world: World) -> None:
    car = link_i4(alice, world)
    world.control(deleteContainers=True)

    assert read_vehicle(vehicle=car, now=world.now) is not None


def test_used_up_quota_keeps_the_link_quiet_until_midnight(alice: User, world: World) -> None:
    car = link_i4(alice, world)
    world.control(requestsToday=50)

    read_vehicle(vehicle=car, now=world.now)

    link = VehicleLink.objects.get(pk=car.link_id)
    assert link.state == VehicleLink.State.ACTIVE
    assert link.quiet_until is not None
    assert (link.quiet_until.hour, link.quiet_until.minute, link.quiet_until > clock.wall()) == (0, 0, True)


@pytest.fixture
def listener() -> Iterator[Listener]:
    """What `manage.py listen` runs."""
    found = Listener()
    yield found
    found.close()


def until(listener: Listener, is_so: Callable[[], bool]) -> None:
    """Let the listener work until something is so."""
    for _ in range(600):
        if is_so():
            return
        listener.tick()
        listener.take_messages(seconds=0.05)
    raise AssertionError("it did not come about")


def is_listening(listener: Listener) -> bool:
    """Say whether the account's stream is open."""
    return any(line.is_up for line in listener.lines.values())


def streamed(car: Vehicle) -> list[Decimal | None]:
    """Return the charges that the stream brought."""
    rows = ChargeReading.objects.filter(vehicle=car, source="stream").order_by("observed_at")
    return list(rows.values_list("soc_percent", flat=True))


def test_stream_brings_each_value_once_and_asks_nothing_of_the_quota(
    alice: User, world: World, listener: Listener
) -> None:
    world.move(action="unplug")  # so that nothing changes but what is changed here
    car = link_i4(alice, world)
    read_vehicle(vehicle=car, now=world.now)
    before = world.control()["requestsToday"][ACCOUNT]
    until(listener, lambda: is_listening(listener))
    world.control(sendsTwice=True)
    world.set_clock(EVENING.replace(minute=5))

    world.move(socPercent=47)
    until(listener, lambda: 47 in streamed(car))

    reading = latest_reading(car)
    assert reading is not None
    assert (reading.soc_percent, reading.is_plugged_in, reading.charge_state) == (Decimal(47), False, "unplugged")
    kept = ChargeReading.objects.filter(vehicle=car).count()
    time.sleep(0.5)
    listener.take_messages(seconds=0.1)
    assert ChargeReading.objects.filter(vehicle=car).count() == kept  # what came twice is kept once
    assert world.control()["requestsToday"][ACCOUNT] == before


def test_stream_ends_with_its_id_token_and_goes_on_with_the_next(alice: User, world: World, listener: Listener) -> None:
    world.move(action="unplug")
    car = link_i4(alice, world)
    first = car.link.extras["id_token"]
    until(listener, lambda: is_listening(listener))

    world.control(expireIdTokens=True)
    until(listener, lambda: any(line.failures for line in listener.lines.values()))
    for line in listener.lines.values():
        line.retry_at = None  # as if the pause were over
    until(listener, lambda: VehicleLink.objects.get(pk=car.link_id).extras["id_token"] != first)
    until(listener, lambda: is_listening(listener))
    world.set_clock(EVENING.replace(minute=10))
    world.move(socPercent=46)
    until(listener, lambda: 46 in streamed(car))


def test_stream_is_not_opened_with_an_id_token_that_ran_out(alice: User, world: World) -> None:
    link = link_account(alice, world)
    plan = gateway.adapter("bmw").open_stream(link.account)
    assert 3500 < (plan.expires_at - clock.wall()).total_seconds() <= 3600

    link.extras = link.extras | {"id_token": "e30.eyJleHAiOjE3MDAwMDAwMDB9.c2ln"}
    with pytest.raises(TokenRejected):
        gateway.adapter("bmw").open_stream(link.account)
