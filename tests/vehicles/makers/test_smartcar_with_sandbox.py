"""Smartcar's whole way against the sandbox: the hosted page, the cache, streamed outcomes, its webhook."""

import threading
from datetime import timedelta

import pytest
import requests

from accounts.models import User
from tests.vehicles.makers.conftest import MINUTE, World, open_ear
from vehicles import gateway
from vehicles.automakers.base import CarAccess
from vehicles.automakers.errors import AuthRevoked, AutomakerError, CommandTimeout, Unreachable
from vehicles.automakers.smartcar import Smartcar
from vehicles.flows.telemetry import latest_reading, read_vehicle
from vehicles.models import Command, Vehicle

pytestmark = [pytest.mark.slow, pytest.mark.once, pytest.mark.usefixtures("db")]
IONIQ, ARIYA = "5ca1ab1e0001400080000000000000a1", "5ca1ab1e0003400080000000000000c1"


def ioniq(owner: User, world: World) -> Vehicle:
    return world.take_part(world.link(owner, "smartcar"))[IONIQ]


def test_connected_car_is_read_with_its_own_times(alice: User, evening: World) -> None:
    car = ioniq(alice, evening)

    reading, truth = latest_reading(car), evening.truth(IONIQ)
    assert (car.make, car.model, car.vin) == ("Hyundai", "IONIQ 5", truth["vin"])
    assert (car.can.hold_ends, car.can.set_limit_percent, car.can.max_discharge_w) == ("start_stop", (50, 100, 1), 0)
    assert reading is not None
    assert reading.soc_percent is not None
    assert float(reading.soc_percent) == pytest.approx(truth["socPercent"], abs=0.06)
    assert (reading.is_plugged_in, reading.is_at_home, reading.charge_state) == (True, True, "charging")


def test_one_token_of_the_app_serves_every_owner(alice: User, bob: User, evening: World) -> None:
    links = [evening.link(alice, "smartcar"), evening.link(bob, "smartcar", account="bob")]

    (first_user, first_token), (second_user, second_token) = (link.access_token.split(" ") for link in links)
    assert (first_user == second_user, first_token == second_token) == (False, True)
    evening.break_maker("smartcar", expireAccessTokens=True)
    for link in links:
        car = link.vehicles.get()
        state = gateway.call(car, lambda maker, access: maker.read_state(access))
        assert state.soc_percent is not None


def test_held_car_is_renewed_and_freed_by_the_watchdog(alice: User, evening: World) -> None:
    car = ioniq(alice, evening)

    hold = evening.ask(car, "hold-one", ends_at=evening.now + 5 * MINUTE)
    evening.pass_by(2 * MINUTE)
    read_vehicle(vehicle=car, now=evening.now)  # as the webhook would have told
    evening.pass_by(MINUTE)
    hold.refresh_from_db()
    assert (hold.state, evening.truth(IONIQ)["stopped"]) == (Command.State.CONFIRMED, True)
    evening.pass_by(6 * MINUTE)

    hold.refresh_from_db()
    assert hold.released_at is not None
    assert evening.truth(IONIQ)["state"] == "CHARGING"


def received(world: World) -> int:
    """Return how many commands the cloud has got for the car."""
    count: int = world.sandbox.control("GET", f"cars/{IONIQ}/commands")["count"]
    return count


def test_slow_command_streams_its_real_outcome(alice: User, evening: World) -> None:
    car = ioniq(alice, evening)
    evening.break_car(IONIQ, commandDelaySeconds=40)
    outcomes: list[str] = []
    maker, access = _open(car)

    def stop() -> None:
        try:
            outcomes.append(maker.hold(access, until=evening.now, key="k").state)
        except AutomakerError as error:
            outcomes.append(f"{type(error).__name__} {error.reason}")

    for trouble, expected in (({}, "accepted"), ({"asleep": True}, "Unreachable VEHICLE_STATE ASLEEP")):
        before = received(evening)
        thread = threading.Thread(target=stop)
        thread.start()
        while received(evening) == before:  # then the 202 is under way, and the connection waits
            assert thread.is_alive(), outcomes
        evening.break_car(IONIQ, commandDelaySeconds=40, **trouble)
        evening.sandbox.control("PUT", "clock", simulated_at=(evening.now + timedelta(minutes=2)).isoformat(), rate=0)
        thread.join(timeout=20)
        assert outcomes.pop() == expected
        evening.break_car(IONIQ, asleep=False)
        evening.sandbox.control("POST", "reset", at=evening.now.isoformat(), socPercent=50)
        evening.break_car(IONIQ, commandDelaySeconds=40)


def test_cut_stream_leaves_the_outcome_open(alice: User, evening: World) -> None:
    maker, access = _open(ioniq(alice, evening))
    evening.break_car(IONIQ, answersLost=True)

    with pytest.raises(CommandTimeout):
        maker.hold(access, until=evening.now, key="k")
    assert evening.truth(IONIQ)["stopped"]  # it was done all the same: only a reading can tell


def test_sleeping_car_and_withdrawn_consent_are_told_apart(alice: User, evening: World) -> None:
    maker, access = _open(ioniq(alice, evening))
    evening.break_car(IONIQ, asleep=True)
    with pytest.raises(Unreachable) as asleep:
        maker.hold(access, until=evening.now, key="k")
    assert asleep.value.is_asleep

    evening.break_maker("smartcar", revokeGrantsOf="alice@smartcar.sandbox")
    with pytest.raises(AuthRevoked):
        maker.read_state(access)


def test_nissan_in_the_us_is_read_only(chloe: User, evening: World) -> None:
    link = evening.link(chloe, "smartcar", account="chloe")

    can = link.vehicles.get().can
    assert (can.can_hold, can.can_start_stop, can.set_limit_percent) == (False, False, None)
    assert "no_commands" in can.refusals
    assert "limit_percent" not in can.reads


def test_unticked_permissions_turn_off_what_they_cover(alice: User, evening: World) -> None:
    link = evening.link(alice, "smartcar", without_scopes=("control_charge", "read_location", "read_vin"))

    car = link.vehicles.get()
    assert (car.can.can_hold, "place" in car.can.reads, car.vin) == (False, False, "")
    assert set(car.can.refusals) == {"charging_scope_missing", "place_scope_missing"}


def test_webhook_is_verified_signed_and_told_apart_from_tests(alice: User, evening: World) -> None:
    evening.link(alice, "smartcar")
    with open_ear("smartcar") as ear:
        evening.break_maker("smartcar", webhooks={"url": ear.url, "testMode": True})
        ear.wait(lambda: ear.answers)
        assert ear.pushes == []
        verified = requests.post(f"{evening.sandbox.url}/smartcar/control/verify", timeout=20).json()

        evening.break_maker("smartcar", webhooks={"url": ear.url})
        evening.sandbox.control("PATCH", f"cars/{IONIQ}", socPercent=64)
        ear.wait(lambda: ear.pushes)

    assert verified["verified"] is True
    (push,) = ear.pushes[-1:]
    assert push.state.soc_percent.value == 64
    assert (push.external_id, push.state.soc_percent.source) == (IONIQ, "webhook")


def _open(car: Vehicle) -> tuple[Smartcar, CarAccess]:
    adapter = gateway.adapter("smartcar")
    assert isinstance(adapter, Smartcar)
    return adapter, gateway.call(car, lambda _maker, access: access)
