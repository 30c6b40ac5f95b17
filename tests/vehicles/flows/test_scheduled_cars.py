"""Cars that keep a schedule and a limit of ours: backstops before holds, one limit instead of many holds, few wakes."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import responses
import time_machine

from accounts.models import User
from foundation import clock
from tests.factories import vehicles as make
from tests.vehicles.flows.night import MINUTE, Night
from tests.vehicles.tesla_double import CREDENTIALS, SCHEDULED, TeslaDouble
from vehicles.flows import limits, waking
from vehicles.flows.allowing import UnableToCommand
from vehicles.flows.cars import let_go
from vehicles.flows.commands import renew_hold, request_command, send_due_commands
from vehicles.flows.telemetry import latest_reading, read_vehicle
from vehicles.models import ChargeLimit, ChargePreference, ChargeReading, Command, HomePlace, Vehicle

pytestmark = pytest.mark.once

DEPARTURE = datetime(2026, 11, 19, 13, 30, tzinfo=UTC)  # 07:30 in Austin


@pytest.fixture
def tesla(settings: Any, door: responses.RequestsMock) -> TeslaDouble:
    settings.AUTOMAKERS = {"tesla": CREDENTIALS}
    return TeslaDouble(door)


@pytest.fixture
def night(at_now: time_machine.Traveller) -> Night:
    return Night(at_now)


@pytest.fixture
def car(alice: User, night: Night, tesla: TeslaDouble) -> Vehicle:
    """A car in Austin that keeps schedules and limits, at its plug with 60 %."""
    link = make.link(alice, maker="tesla", access_expires_at=night.now + timedelta(days=1))
    return make.ready_car(alice, now=night.now, can=SCHEDULED, of=link)


def hold(car: Vehicle, now: datetime, **fields: Any) -> Command:
    wanted: dict[str, Any] = {
        "key": "one",
        "ends_at": now + 15 * MINUTE,
        "departure_at": DEPARTURE,
        "zone": "America/Chicago",
    }
    return request_command(vehicle=car, kind=Command.Kind.HOLD, now=now, **(wanted | fields))


def keep(car: Vehicle, now: datetime, *, is_wide: bool = False) -> Command | None:
    reading = latest_reading(car)
    assert reading is not None
    preference = ChargePreference.objects.get(vehicle=car)
    return limits.keep_limit(vehicle=car, preference=preference, reading=reading, is_wide=is_wide, now=now)


def test_schedule_that_fills_the_car_in_time_is_stored_before_it_is_held(
    car: Vehicle, tesla: TeslaDouble, night: Night
) -> None:
    command = hold(car, night.now)

    send_due_commands(now=night.now, limit=10)

    command.refresh_from_db()
    assert (command.state, command.ended_by) == (Command.State.ACCEPTED, Command.EndedBy.WATCHDOG)
    # 20 % of 123 kWh at 11.3 kW take 2 h 26 min; a quarter of an hour and half an hour are kept before 07:30.
    assert command.backstop_at is not None
    assert timedelta(hours=3) < DEPARTURE - command.backstop_at < timedelta(hours=3, minutes=15)
    schedule = tesla.bodies["add_charge_schedule"]
    local = command.backstop_at.astimezone(car.owner.zone)
    assert schedule["start_time"] == local.hour * 60 + local.minute
    assert (schedule["lat"], schedule["lon"]) == (30.2672, -97.7431)
    assert not tesla.is_charging


@pytest.mark.parametrize(("lacking", "code"), [("departure", "no_departure"), ("home", "home_place_missing")])
def test_car_without_a_place_or_departure_for_its_schedule_is_not_held(
    car: Vehicle, tesla: TeslaDouble, night: Night, lacking: str, code: str
) -> None:
    if lacking == "home":
        HomePlace.objects.all().delete()
    with pytest.raises(UnableToCommand) as refused:
        hold(car, night.now, departure_at=None if lacking == "departure" else DEPARTURE)

    assert refused.value.reason_code == code
    assert sum(tesla.counts.values()) == 0


def test_home_that_was_forgotten_before_sending_keeps_the_hold_back(
    car: Vehicle, tesla: TeslaDouble, night: Night
) -> None:
    command = hold(car, night.now)
    HomePlace.objects.all().delete()

    send_due_commands(now=night.now, limit=10)

    command.refresh_from_db()
    assert (command.state, command.failure) == (Command.State.REJECTED, "home_place_missing")
    assert tesla.counts["charge_stop"] == 0


def test_hold_is_renewed_without_a_call_until_the_schedule_would_be_too_late(
    car: Vehicle, tesla: TeslaDouble, night: Night
) -> None:
    first = hold(car, night.now)
    night.pass_by(2 * MINUTE)
    renew_hold(command=first, ends_at=night.now + 15 * MINUTE, now=night.now)
    with pytest.raises(UnableToCommand) as refused:
        renew_hold(
            command=first,
            ends_at=night.now + 15 * MINUTE,
            departure_at=DEPARTURE - timedelta(hours=1),
            now=night.now,
        )
    second = hold(car, night.now, key="two", departure_at=DEPARTURE - timedelta(hours=1))
    night.pass_by(2 * MINUTE)

    assert refused.value.reason_code == "backstop_moved"
    first.refresh_from_db()
    second.refresh_from_db()
    assert first.released_at is not None
    assert second.state == Command.State.CONFIRMED
    assert (tesla.counts["charge_stop"], tesla.counts["add_charge_schedule"]) == (2, 2)


def test_watchdog_starts_the_car_at_the_end_of_its_hold(car: Vehicle, tesla: TeslaDouble, night: Night) -> None:
    command = hold(car, night.now)
    night.pass_by(MINUTE)
    night.pass_by(20 * MINUTE, with_celery=False)

    command.refresh_from_db()
    assert command.released_at is not None
    assert tesla.is_charging
    assert tesla.counts["remove_charge_schedule"] == 1


def test_hold_of_a_car_that_does_not_charge_is_no_failure(car: Vehicle, tesla: TeslaDouble, night: Night) -> None:
    tesla.refuses = {"charge_stop": "not_charging"}
    command = hold(car, night.now)

    send_due_commands(now=night.now, limit=10)

    command.refresh_from_db()
    assert (command.state, command.failure) == (Command.State.NOOP, "")
    assert command.released_at is None  # it may begin to charge yet, so the hold is ended at its time all the same


def test_release_of_a_sleeping_car_wakes_it_and_then_starts_it(car: Vehicle, tesla: TeslaDouble, night: Night) -> None:
    hold(car, night.now)
    night.pass_by(2 * MINUTE)
    tesla.is_asleep = True

    night.pass_by(20 * MINUTE, with_celery=False)

    assert tesla.is_charging
    assert tesla.counts["wake_up"] == 1


def test_car_is_woken_twice_for_one_event_and_no_more(car: Vehicle, tesla: TeslaDouble, night: Night) -> None:
    for minute in range(0, 60, 5):
        tesla.is_asleep = True
        waking.wake_for_event(vehicle=car, event="7", now=night.now + minute * MINUTE)
        send_due_commands(now=night.now + minute * MINUTE, limit=10)

    assert tesla.counts["wake_up"] == 2
    assert waking.wake_for_event(vehicle=car, event="8", now=night.now + 90 * MINUTE) is not None


def test_wake_counts_as_done_once_the_car_says_something(car: Vehicle, tesla: TeslaDouble, night: Night) -> None:
    tesla.is_asleep = True
    command = waking.wake_for_event(vehicle=car, event="7", now=night.now)
    night.pass_by(2 * MINUTE)

    assert command is not None
    command.refresh_from_db()
    assert command.state == Command.State.CONFIRMED


def test_car_that_cannot_be_woken_is_let_sleep(alice: User, now: datetime, at_now: object) -> None:
    car = make.ready_car(alice, now=now, can=replace(SCHEDULED, can_wake=False))

    assert waking.wake_for_event(vehicle=car, event="7", now=now) is None


def test_limit_goes_to_the_target_once_and_is_read_back(car: Vehicle, tesla: TeslaDouble, night: Night) -> None:
    read_vehicle(vehicle=car, now=night.now)
    command = keep(car, night.now)
    assert command is not None
    assert keep(car, night.now) is None
    night.pass_by(2 * MINUTE)
    for _ in range(20):
        read_vehicle(vehicle=car, now=night.now)
        assert keep(car, night.now) is None
        night.pass_by(MINUTE)

    command.refresh_from_db()
    assert (command.state, command.limit_percent) == (Command.State.CONFIRMED, 80)
    assert (tesla.counts["set_charge_limit"], tesla.limit_percent) == (1, 80)
    assert ChargeLimit.objects.get().before_percent == 90


def test_limit_that_the_car_ignores_is_asked_for_a_few_times_only(
    car: Vehicle, tesla: TeslaDouble, night: Night
) -> None:
    tesla.ignores_limits = True
    read_vehicle(vehicle=car, now=night.now)
    keep(car, night.now)
    for _ in range(10):
        night.pass_by(20 * MINUTE, step=MINUTE)
        keep(car, night.now)

    assert 2 <= tesla.counts["set_charge_limit"] <= 5


def test_limit_is_widened_for_charge_now_and_lowered_again(car: Vehicle, tesla: TeslaDouble, night: Night) -> None:
    seen = []
    for is_wide in (False, True, False):
        read_vehicle(vehicle=car, now=night.now)
        keep(car, night.now, is_wide=is_wide)
        night.pass_by(2 * MINUTE)
        seen.append(tesla.limit_percent)

    assert seen == [80, 90, 80]


@pytest.mark.parametrize(
    ("wishes", "steps", "expected"),
    [
        ({"target_soc_percent": 80}, (50, 100, 1), 80),
        ({"target_soc_percent": 82}, (50, 100, 5), 85),
        ({"target_soc_percent": 30}, (50, 100, 1), 50),
        ({"target_soc_percent": 100}, (50, 95, 10), 95),
    ],
)
def test_limit_is_never_below_what_the_owner_needs(
    wishes: dict[str, int], steps: tuple[int, int, int], expected: int
) -> None:
    preference = ChargePreference(minimum_soc_percent=20, reserve_soc_percent=30, **wishes)

    assert limits.wanted_percent(replace(SCHEDULED, set_limit_percent=steps), preference) == expected
    assert limits.wanted_percent(make.START_STOP, preference) is None


def test_car_that_leaves_gets_its_own_limit_back(car: Vehicle, tesla: TeslaDouble, night: Night) -> None:
    read_vehicle(vehicle=car, now=night.now)
    keep(car, night.now)
    night.pass_by(2 * MINUTE)
    let_go(car, now=night.now)
    night.pass_by(2 * MINUTE)

    assert tesla.limit_percent == 90
    assert not ChargeLimit.objects.exists()


def test_limit_that_the_owner_changed_in_the_car_is_left_alone_on_leaving(
    car: Vehicle, tesla: TeslaDouble, night: Night
) -> None:
    read_vehicle(vehicle=car, now=night.now)
    keep(car, night.now)
    night.pass_by(2 * MINUTE)
    tesla.limit_percent = 70
    read_vehicle(vehicle=car, now=night.now + MINUTE)
    let_go(car, now=night.now)
    night.pass_by(2 * MINUTE)

    assert tesla.limit_percent == 70


def test_stay_is_judged_by_the_limit_the_car_would_have_had(car: Vehicle, tesla: TeslaDouble, night: Night) -> None:
    read_vehicle(vehicle=car, now=night.now)
    keep(car, night.now)
    night.pass_by(2 * MINUTE)
    make.reading(car, at=night.now + MINUTE, is_plugged_in=False, charge_state="unplugged")
    car.plug_sessions.all().delete()
    night.pass_by(3 * MINUTE)
    read_vehicle(vehicle=car, now=night.now)

    reading = ChargeReading.objects.first()
    assert reading is not None
    assert reading.limit_percent == 80
    assert car.plug_sessions.get().limit_percent == 90


def test_sleeping_car_with_a_schedule_stays_held(car: Vehicle, tesla: TeslaDouble, night: Night) -> None:
    command = hold(car, night.now)
    night.pass_by(2 * MINUTE)
    tesla.is_asleep = True
    for _ in range(8):
        night.pass_by(10 * MINUTE, step=MINUTE)
        renew_hold(command=command, ends_at=clock.now() + 15 * MINUTE, now=clock.now())

    assert tesla.counts["charge_start"] == 0
    assert tesla.counts["wake_up"] == 0
    assert tesla.counts["read"] <= 8  # looked at now and then, though every look is billed
