"""Tesla's whole way against the sandbox: partial scopes, a start stored in the car, sleep, tokens that serve once."""

from datetime import datetime, timedelta

import pytest

from accounts.models import User
from tests.vehicles.makers.conftest import MINUTE, World
from vehicles import gateway
from vehicles.automakers.base import HoldEnds
from vehicles.automakers.errors import Unreachable
from vehicles.flows import foreign
from vehicles.flows.commands import renew_hold
from vehicles.flows.telemetry import latest_reading
from vehicles.models import Command, ForeignSign, Vehicle, VehicleLink

pytestmark = [pytest.mark.slow, pytest.mark.once, pytest.mark.usefixtures("db")]
MODEL_3 = "5YJ3E1EA0RF000004"
CAR_ID = "1492931520111004"


def take_part(alice: User, evening: World) -> Vehicle:
    return evening.take_part(evening.link(alice, "tesla"))[MODEL_3]


def test_linked_car_is_read_as_it_is(alice: User, evening: World) -> None:
    car = take_part(alice, evening)

    reading, truth = latest_reading(car), evening.truth(CAR_ID)
    assert (car.vin, car.make, car.model, car.model_year) == (truth["vin"], "Tesla", "Model 3", 2024)
    assert (car.can.hold_ends, car.can.can_discharge, car.can.set_limit_percent) == (
        HoldEnds.SCHEDULE,
        False,
        (50, 100, 1),
    )
    assert reading is not None
    assert reading.soc_percent is not None
    assert float(reading.soc_percent) == pytest.approx(truth["socPercent"], abs=0.5)
    assert (reading.is_plugged_in, reading.is_at_home, reading.charge_state) == (True, True, "charging")
    assert reading.power_w == pytest.approx(truth["powerW"], abs=240)


def test_hold_leaves_a_start_in_the_car_that_ends_it_when_we_fall_silent(alice: User, evening: World) -> None:
    car = take_part(alice, evening)

    hold = evening.ask(car, "hold-one")
    evening.pass_by(3 * MINUTE)
    hold.refresh_from_db()
    held = evening.truth(CAR_ID)

    assert (hold.state, held["state"]) == (Command.State.CONFIRMED, "HOLDING")
    assert hold.backstop_at is not None
    starts = [datetime.fromisoformat(row["at"]) for row in held["starts"]]
    assert starts == [hold.backstop_at.replace(second=0, microsecond=0)]
    evening.step(hold.backstop_at - evening.now + MINUTE)  # nobody of ours does anything until then
    woken = evening.truth(CAR_ID)
    assert (woken["state"], woken["starts"]) == ("CHARGING", [])


def test_renewed_hold_keeps_one_start_and_release_takes_it_out(alice: User, evening: World) -> None:
    car = take_part(alice, evening)
    hold = evening.ask(car, "hold-one")
    evening.pass_by(5 * MINUTE)
    hold.refresh_from_db()
    renew_hold(command=hold, ends_at=evening.now + 10 * MINUTE, now=evening.now)
    evening.pass_by(9 * MINUTE)
    assert evening.truth(CAR_ID)["state"] == "HOLDING"
    assert len(evening.truth(CAR_ID)["starts"]) == 1

    evening.pass_by(4 * MINUTE)

    hold.refresh_from_db()
    freed = evening.truth(CAR_ID)
    assert (hold.released_at is not None, freed["state"], freed["starts"]) == (True, "CHARGING", [])


def test_second_hold_replaces_the_first_ones_start(alice: User, evening: World) -> None:
    car = take_part(alice, evening)
    evening.ask(car, "hold-one")
    evening.pass_by(2 * MINUTE)

    evening.ask(car, "hold-two", departure_at=evening.now + timedelta(hours=8))
    evening.pass_by(2 * MINUTE)

    newest = Command.objects.get(key="hold-two")
    assert newest.backstop_at is not None
    starts = [datetime.fromisoformat(row["at"]) for row in evening.truth(CAR_ID)["starts"]]
    assert starts == [newest.backstop_at.replace(second=0, microsecond=0)]
    assert Command.objects.open_holds().filter(vehicle=car).count() == 1


def test_owner_who_hides_the_place_is_never_held(alice: User, evening: World) -> None:
    link = evening.link(alice, "tesla", without_scopes=("vehicle_location",))

    can = Vehicle.objects.get(link=link).can

    assert "vehicle_location" not in link.scopes
    assert (can.hold_ends, "place" in can.reads) == (HoldEnds.NONE, False)
    assert set(can.refusals) == {"no_discharge", "place_scope_missing"}


def test_sleeping_car_says_so_and_is_woken_only_when_told(alice: User, evening: World) -> None:
    car = take_part(alice, evening)
    evening.break_car(CAR_ID, asleep=True)

    with pytest.raises(Unreachable) as caught:
        gateway.call(car, lambda maker, access: maker.read_state(access))
    assert caught.value.is_asleep
    assert evening.truth(CAR_ID)["asleep"]

    gateway.call(car, lambda maker, access: maker.wake(access))
    evening.step(timedelta(seconds=11))
    state = gateway.call(car, lambda maker, access: maker.read_state(access))
    assert state.is_asleep is not None
    assert state.is_asleep.value is False


def test_owner_who_has_not_added_our_key_is_told(alice: User, evening: World) -> None:
    car = take_part(alice, evening)
    evening.break_car(CAR_ID, commandsRefused=True)

    hold = evening.ask(car, "hold-one")
    evening.pass_by(2 * MINUTE)

    hold.refresh_from_db()
    assert (hold.state, hold.failure, hold.attempts) == (Command.State.REJECTED, "key_missing", 1)
    assert evening.truth(CAR_ID)["state"] == "CHARGING"


def test_refresh_token_is_spent_once_and_its_successor_kept(alice: User, evening: World) -> None:
    take_part(alice, evening)
    first = VehicleLink.objects.get()
    evening.break_maker("tesla", expireAccessTokens=True)

    evening.pass_by(20 * MINUTE)

    second = VehicleLink.objects.get()
    assert second.state == VehicleLink.State.ACTIVE
    assert (first.refresh_token == second.refresh_token, first.access_token == second.access_token) == (False, False)


def test_limit_goes_to_the_car(alice: User, evening: World) -> None:
    car = take_part(alice, evening)

    for expected in ("accepted", "noop"):
        receipt = gateway.call(car, lambda maker, access: maker.set_limit(access, percent=70, key="k"))
        assert receipt.state == expected

    assert evening.truth(CAR_ID)["limitPercent"] == 70


def test_owners_own_window_is_noticed_and_named(alice: User, evening: World) -> None:
    car = take_part(alice, evening)
    evening.break_car(CAR_ID, foreignSchedule=True)  # it may charge from 01:00 to 05:00 alone; it is 20:00

    evening.pass_by(35 * MINUTE)

    sign = foreign.open_sign(car)
    assert sign is not None
    assert sign.kind == ForeignSign.Kind.STOPPED
    assert evening.truth(CAR_ID)["waiting"]
