"""GM's whole way against the sandbox: few reads, holds for events above half a battery, freed by the watchdog."""

from datetime import timedelta

import pytest

from accounts.models import User
from tests.vehicles.makers.conftest import MINUTE, World
from vehicles import gateway
from vehicles.automakers.base import HoldEnds
from vehicles.automakers.errors import NotPluggedIn, RateLimited, Rejected, Unreachable
from vehicles.flows.allowing import UnableToCommand
from vehicles.flows.telemetry import latest_reading
from vehicles.models import Command, Vehicle

pytestmark = [pytest.mark.slow, pytest.mark.once, pytest.mark.usefixtures("db")]
BOLT = "7d1f0c5ae2b94c0f8a51e6d3b0974a21"


def take_part(alice: User, evening: World, *, soc_percent: float = 60) -> Vehicle:
    evening.sandbox.control("PATCH", f"cars/{BOLT}", socPercent=soc_percent)
    return evening.take_part(evening.link(alice, "gm", account="gus"))[BOLT]


def test_linked_car_is_read_as_it_is(alice: User, evening: World) -> None:
    car = take_part(alice, evening)

    reading, truth = latest_reading(car), evening.truth(BOLT)
    assert (car.vin, car.make, car.model) == (truth["vin"], "Chevrolet", "Bolt EUV")
    assert (car.can.hold_ends, car.can.min_restart_soc_percent) == (HoldEnds.START_STOP, 50)
    assert {"no_discharge", "events_only"} == set(car.can.refusals)
    assert reading is not None
    assert reading.soc_percent is not None
    assert float(reading.soc_percent) == pytest.approx(truth["socPercent"], abs=0.06)
    assert (reading.is_plugged_in, reading.is_at_home, reading.charge_state) == (True, True, "charging")


def test_car_is_held_and_freed_within_its_ration_of_reads(alice: User, evening: World) -> None:
    car = take_part(alice, evening)

    hold = evening.ask(car, "hold-one")
    evening.pass_by(3 * MINUTE)
    assert evening.truth(BOLT)["stopped"]
    evening.pass_by(40 * MINUTE)

    hold.refresh_from_db()
    assert hold.released_at is not None
    assert evening.truth(BOLT)["state"] == "CHARGING"
    served = evening.sandbox.control("GET", f"cars/{BOLT}/served?since=2026-11-19T02:00:00Z")
    assert len(served) <= 4 + 43 / 30


def test_half_empty_car_is_never_stopped(alice: User, evening: World) -> None:
    car = take_part(alice, evening, soc_percent=48)

    with pytest.raises(UnableToCommand):
        evening.ask(car, "hold-one")
    with pytest.raises(Rejected):
        gateway.call(car, lambda maker, access: maker.hold(access, until=evening.now, key="k"))

    assert not Command.objects.exists()


def test_every_trouble_has_its_own_word(alice: User, evening: World) -> None:
    car = take_part(alice, evening)

    def stop(key: str) -> None:
        gateway.call(car, lambda maker, access: maker.hold(access, until=evening.now, key=key))

    def read_often() -> None:
        for _ in range(5):
            gateway.call(car, lambda maker, access: maker.read_state(access))

    with pytest.raises(RateLimited) as rationed:
        read_often()
    evening.break_car(BOLT, asleep=True)
    with pytest.raises(Unreachable) as asleep:
        stop("one")
    evening.break_car(BOLT, asleep=False)
    evening.sandbox.control("PATCH", f"cars/{BOLT}", action="unplug")
    with pytest.raises(NotPluggedIn):
        stop("two")

    assert (rationed.value.scope, asleep.value.is_asleep) == ("vehicle", True)


def test_cars_own_refusal_is_seen_in_the_commands_fate(alice: User, evening: World) -> None:
    car = take_part(alice, evening)
    evening.break_car(BOLT, stale=True)
    evening.sandbox.control("PATCH", f"cars/{BOLT}", socPercent=45)

    told = gateway.call(car, lambda maker, access: maker.hold(access, until=evening.now, key="k"))
    evening.step(timedelta(minutes=1))
    fate = gateway.call(car, lambda maker, access: maker.command_status(access, told.maker_command_id))

    assert (told.state, fate.state) == ("pending", "failed")
