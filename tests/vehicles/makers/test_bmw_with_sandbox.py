"""BMW's whole way against the sandbox: code, container, readings within the quota, and the stream of a real broker."""

import queue
import ssl
import time
from collections.abc import Iterator
from datetime import datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import paho.mqtt.client as mqtt
import pytest
import requests
from paho.mqtt.enums import CallbackAPIVersion

from accounts.models import User
from foundation import clock
from foundation.clock import Anchor, write_anchor
from tests.factories import vehicles as make
from tests.sandbox_owner import OwnerBrowser
from tests.sandbox_process import SandboxProcess
from vehicles import gateway
from vehicles.automakers.errors import NotSupported, TokenRejected
from vehicles.automakers.push import Push, StreamPlan
from vehicles.flows.commands import UnableToCommand, request_command
from vehicles.flows.device_codes import begin_device_link, poll_attempt
from vehicles.flows.links import choose_vehicles
from vehicles.flows.places import set_home_from_vehicle
from vehicles.flows.pushes import apply_pushes
from vehicles.flows.telemetry import latest_reading, read_vehicle
from vehicles.models import ChargeReading, LinkAttempt, Vehicle, VehicleLink

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("db")]
EVENING = datetime.fromisoformat("2026-11-19T02:00:00+00:00")  # Wednesday 21:00 in New York
ACCOUNT, I4 = "frank@bmw.sandbox", "WBA73AW02RFP00001"


class World:
    """Platform and sandbox under one clock that stands still; time passes in their database alone."""

    def __init__(self, sandbox: SandboxProcess) -> None:
        self.sandbox = sandbox
        self.now = EVENING

    def control(self, **changes: Any) -> dict[str, Any]:
        """Call the control API of what is BMW's alone."""
        reply = requests.patch(f"{self.sandbox.url}/bmw/control", json=changes, timeout=10)
        reply.raise_for_status()
        answer: dict[str, Any] = reply.json()
        return answer

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
    write_anchor(tmp_path / "clock.json", Anchor(simulated_at=EVENING, wall_at=clock.wall(), rate=0))
    sandbox.control("PUT", "clock", simulated_at=EVENING.isoformat(), rate=0)
    found = World(sandbox)
    if not sandbox.control("PATCH", f"cars/{I4}", socPercent=50)["pluggedIn"]:
        found.move(action="plug_in")
    found.control(silent=False, sendsTwice=False, requestsToday=0)
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


class Listener:
    """What a stream plan leads to: messages as the adapter reads them, and when the broker hangs up."""

    def __init__(self, plan: StreamPlan) -> None:
        self.pushes: queue.Queue[Push] = queue.Queue()
        self.words: queue.Queue[str] = queue.Queue()
        self.client = mqtt.Client(CallbackAPIVersion.VERSION2, reconnect_on_failure=False)
        self.client.tls_set_context(ssl.create_default_context(cafile=plan.ca_file))
        self.client.username_pw_set(plan.username, plan.password)
        self.client.on_connect = lambda _c, _u, _f, reason, _p: self.words.put(str(reason))
        self.client.on_disconnect = lambda _c, _u, _f, _reason, _p: self.words.put("dropped")
        self.client.on_subscribe = lambda _c, _u, _m, _r, _p: self.words.put("subscribed")
        self.client.on_message = lambda _c, _u, item: self._read(item.topic, bytes(item.payload))
        self.client.connect(plan.host, plan.port)
        self.client.loop_start()
        self.is_in = self.words.get(timeout=10) == "Success"
        if self.is_in:
            self.client.subscribe([(topic, 1) for topic in plan.topics])
            assert self.words.get(timeout=10) == "subscribed"

    def _read(self, topic: str, payload: bytes) -> None:
        for push in gateway.adapter("bmw").read_message(topic, payload):
            self.pushes.put(push)

    def next(self, soc_percent: int) -> Push:
        """Return the next push that finds the i4 at this charge."""
        while True:
            push = self.pushes.get(timeout=10)
            soc = push.state.soc_percent if push.state is not None and push.external_id == I4 else None
            if soc is not None and soc.value == soc_percent:
                return push

    def stop(self) -> None:
        """Hang up."""
        self.client.disconnect()
        self.client.loop_stop()


def listen(link: VehicleLink) -> Listener:
    """Connect as the plan says, again where the broker has not heard of a new id_token yet."""
    for _ in range(20):
        found = Listener(gateway.adapter("bmw").open_stream(link.account))
        if found.is_in:
            return found
        found.stop()
        time.sleep(0.1)
    raise AssertionError("the broker lets nobody in")


def test_stream_brings_readings_once_and_asks_nothing_of_the_quota(alice: User, world: World) -> None:
    car = link_i4(alice, world)
    read_vehicle(vehicle=car, now=world.now)
    before = world.control()["requestsToday"][ACCOUNT]
    listener = listen(car.link)
    world.control(sendsTwice=True)
    world.sandbox.control("PUT", "clock", simulated_at=EVENING.replace(minute=5).isoformat(), rate=0)
    world.move(socPercent=47)
    first, second = listener.next(47), listener.next(47)
    listener.stop()

    applied = [
        apply_pushes(maker="bmw", pushes=[push], source="stream", now=world.now, link=car.link)
        for push in (first, second)
    ]

    assert applied == [1, 0]
    reading = latest_reading(car)
    assert reading is not None
    assert (reading.soc_percent, reading.source) == (Decimal(47), "stream")
    assert (reading.is_plugged_in, reading.charge_state) == (True, "charging")  # as they were: they did not change
    assert ChargeReading.objects.filter(vehicle=car).count() == 2
    assert world.control()["requestsToday"][ACCOUNT] == before


def test_stream_ends_with_its_id_token_and_goes_on_with_the_next(alice: User, world: World) -> None:
    link = link_account(alice, world)
    listener = listen(link)

    world.control(expireIdTokens=True)

    assert listener.words.get(timeout=10) == "dropped"
    listener.stop()
    assert not Listener(gateway.adapter("bmw").open_stream(link.account)).is_in
    gateway.refresh_grant(link)
    listen(link).stop()


def test_stream_is_not_opened_with_an_id_token_that_ran_out(alice: User, world: World) -> None:
    link = link_account(alice, world)
    plan = gateway.adapter("bmw").open_stream(link.account)
    assert 3500 < (plan.expires_at - clock.wall()).total_seconds() <= 3600

    link.extras = link.extras | {"id_token": "e30.eyJleHAiOjE3MDAwMDAwMDB9.c2ln"}
    with pytest.raises(TokenRejected):
        gateway.adapter("bmw").open_stream(link.account)
