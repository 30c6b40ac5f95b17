"""Somebody else's schedule: noticed over two readings, named, and not fought with."""

from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

import pytest

from tests.factories import vehicles as make
from vehicles.automakers.base import ChargeState, Observed, VehicleState
from vehicles.flows import foreign, releases
from vehicles.flows.telemetry import record_state
from vehicles.models import Command, ForeignSign, Vehicle

MINUTE = timedelta(minutes=1)


def sees(car: Vehicle, at: datetime, charge_state: str, *, soc: float = 60, plugged: bool = True) -> None:
    """Let the car say what it does at its home plug."""
    values = {"soc_percent": soc, "limit_percent": 90.0, "is_plugged_in": plugged, "charge_state": charge_state}
    state = VehicleState(**{name: Observed(value, at, at) for name, value in values.items()})  # type: ignore[arg-type]
    record_state(vehicle=car, state=state, now=at)


def test_stop_that_nobody_here_asked_for_is_named_after_a_second_reading(timed_car: Vehicle, now: datetime) -> None:
    sees(timed_car, now, ChargeState.CHARGING)
    sees(timed_car, now + 55 * MINUTE, ChargeState.PLUGGED_IDLE)
    assert foreign.open_sign(timed_car) is None
    sees(timed_car, now + 70 * MINUTE, ChargeState.PLUGGED_IDLE)

    sign = foreign.open_sign(timed_car)
    assert sign is not None
    assert (sign.kind, sign.readings) == (ForeignSign.Kind.STOPPED, 2)
    told = foreign.describe(sign, ZoneInfo("America/Chicago"))
    assert told.startswith("Your car follows a schedule that is not ours: it stopped charging at 6:00\u202fPM")


def test_car_that_goes_on_charging_clears_the_suspicion(timed_car: Vehicle, now: datetime) -> None:
    for minute, state in ((0, "charging"), (15, "plugged_idle"), (30, "plugged_idle"), (45, "charging")):
        sees(timed_car, now + minute * MINUTE, state)

    assert foreign.open_sign(timed_car) is None
    assert ForeignSign.objects.get().over_at == now + 45 * MINUTE


def test_car_that_does_not_begin_at_the_plug_is_noticed(timed_car: Vehicle, now: datetime) -> None:
    sees(timed_car, now, ChargeState.UNPLUGGED, plugged=False)
    sees(timed_car, now + 10 * MINUTE, ChargeState.PLUGGED_IDLE)
    sees(timed_car, now + 25 * MINUTE, ChargeState.PLUGGED_IDLE)

    sign = foreign.open_sign(timed_car)
    assert sign is not None
    assert sign.kind == ForeignSign.Kind.WAITED


@pytest.mark.parametrize("soc", [88, 90])
def test_full_car_that_stops_is_no_sign(timed_car: Vehicle, now: datetime, soc: float) -> None:
    sees(timed_car, now, ChargeState.CHARGING, soc=soc)
    sees(timed_car, now + 15 * MINUTE, ChargeState.PLUGGED_IDLE, soc=soc)

    assert not ForeignSign.objects.exists()


@pytest.mark.parametrize("is_over", [False, True])
def test_our_own_hold_is_no_sign_not_even_just_after_it(*, timed_car: Vehicle, now: datetime, is_over: bool) -> None:
    sees(timed_car, now, ChargeState.CHARGING)
    make.command(timed_car, now=now + 5 * MINUTE, released_at=now + 12 * MINUTE if is_over else None)
    sees(timed_car, now + 15 * MINUTE, ChargeState.PLUGGED_IDLE)
    sees(timed_car, now + 30 * MINUTE, ChargeState.PLUGGED_IDLE)

    assert not ForeignSign.objects.exists()


def test_car_that_starts_against_a_confirmed_hold_is_noticed_and_given_up(timed_car: Vehicle, now: datetime) -> None:
    for number in range(2):
        make.command(
            timed_car, now=now, state=Command.State.CONFIRMED, ends_at=now + 60 * MINUTE, created_at=now + 11 * MINUTE
        )
        at = now + (10 + number * 5) * MINUTE
        sees(timed_car, at, ChargeState.CHARGING)

    sign = foreign.open_sign(timed_car)
    assert sign is not None
    assert sign.kind == ForeignSign.Kind.STARTED
    assert foreign.has_given_up(sign=sign, now=now + 20 * MINUTE)


def test_car_is_started_against_others_twice_a_night(timed_car: Vehicle, now: datetime) -> None:
    sees(timed_car, now, ChargeState.CHARGING)
    told = []
    for minute in range(15, 8 * 60, 15):
        sees(timed_car, now + minute * MINUTE, ChargeState.PLUGGED_IDLE)
        sign = foreign.open_sign(timed_car)
        if sign and foreign.start_anyway(vehicle=timed_car, sign=sign, now=now + minute * MINUTE):
            told.append(minute)
            Command.objects.filter(reason=releases.AGAINST_OTHERS).update(state=Command.State.TIMED_OUT)

    assert len(told) == releases.MOST_CORRECTIONS
    assert told[1] - told[0] >= 30
    later = now + timedelta(hours=26)
    sign = foreign.open_sign(timed_car)
    assert sign is not None
    assert foreign.start_anyway(vehicle=timed_car, sign=sign, now=later) is not None
