"""What a person can do to a car from outside: pull its plug, drive it away, break its cloud."""

from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from django.db import transaction

from sandbox.cars import garage, physics
from sandbox.cars.models import Car
from sandbox.cars.physics import CarState
from sandbox.cars.schedules import DailyWindow
from sandbox.cars.trips import make_trip, trip_on

SHORT_ABSENCE = timedelta(hours=3)
OUTING_KM = 12.0
USUAL_WINDOW = DailyWindow(1 * 60, 5 * 60)  # 01:00 to 05:00, as people set it for a night tariff


class ImpossibleNow(Exception):
    """The world does not allow this at the moment; the message says why."""


def act(vehicle_id: str, action: str, *, now: datetime) -> Car:
    """Do one of ACTIONS to the car; raises ImpossibleNow, Car.DoesNotExist."""
    if action not in ACTIONS:
        raise ImpossibleNow(f"action must be one of {', '.join(ACTIONS)}")
    return _change(vehicle_id, now=now, change=lambda car: ACTIONS[action](car, car.state))


def set_soc(vehicle_id: str, soc_percent: float, *, now: datetime) -> Car:
    """Put the battery at `soc_percent`; the meters stay, for this energy came through no plug."""
    return _change(
        vehicle_id,
        now=now,
        change=lambda car: replace(
            physics.wake(car.state), energy_wh=min(max(soc_percent, 0.0), 100.0) / 100 * car.spec.battery_wh
        ),
    )


def set_limit(vehicle_id: str, limit_percent: float, *, now: datetime) -> Car:
    """Set the car's own charge limit, as its driver would on the dashboard."""
    return _change(vehicle_id, now=now, change=lambda car: physics.set_limit(car.state, limit_percent))


def set_window(vehicle_id: str, window: DailyWindow | None, *, now: datetime) -> Car:
    """Set the owner's own charging window in the car, or none."""
    return _change(vehicle_id, now=now, change=lambda car: replace(car.state, window=window))


def set_faults(vehicle_id: str, faults: dict[str, Any], *, now: datetime) -> Car:
    """Switch faults on and off; `faults` maps FAULTS' names to values."""

    def change(car: Car) -> CarState:
        for name, value in faults.items():
            if FAULTS[name]:
                setattr(car, FAULTS[name], value)
        garage.freeze_served(car)
        state = replace(car.state, is_limit_ignored=faults.get("limitIgnored", car.state.is_limit_ignored))
        if "foreignSchedule" in faults:
            state = replace(state, window=(state.window or USUAL_WINDOW) if faults["foreignSchedule"] else None)
        return state

    return _change(vehicle_id, now=now, change=change)


# The control API's names and the columns behind them; those without one live in the state, where the physics is.
FAULTS = {
    "asleep": "is_put_to_sleep",
    "stale": "has_stale_values",
    "commandDelaySeconds": "command_delay_seconds",
    "commandsLost": "loses_commands",
    "commandsRefused": "refuses_commands",
    "answersLost": "loses_answers",
    "limitIgnored": "",
    "foreignSchedule": "",
    "sold": "is_sold",
    "apiDown": "is_api_down",
    "rateLimited": "is_rate_limited",
}


def read_faults(car: Car) -> dict[str, Any]:
    """Return the faults switched on or off, under the control API's names."""
    values = {name: getattr(car, column) for name, column in FAULTS.items() if column}
    state = car.state
    return values | {"limitIgnored": state.is_limit_ignored, "foreignSchedule": state.window is not None}


def _change(vehicle_id: str, *, now: datetime, change: Callable[[Car], CarState]) -> Car:
    with transaction.atomic():
        car = garage.look_at(vehicle_id, now=now)
        car.state = change(car)
        car.save()
        return car


def _plug_in(car: Car, state: CarState) -> CarState:  # noqa: ARG001 - all actions share one signature
    if not state.is_home:
        raise ImpossibleNow("the car is away from its plug")
    return state if state.is_plugged_in else physics.plug_in(state)


def _unplug(car: Car, state: CarState) -> CarState:  # noqa: ARG001
    if not state.is_plugged_in:
        raise ImpossibleNow("the car is not plugged in")
    return physics.unplug(state)


def _leave(car: Car, state: CarState) -> CarState:
    """Leave now, back with today's scheduled return where there is one still to come, else after a short absence."""
    if not state.is_home:
        raise ImpossibleNow("the car is already away")
    spec = car.spec
    today = state.as_of.astimezone(ZoneInfo(spec.time_zone)).date()
    scheduled = trip_on(today, seed=spec.seed, time_zone=spec.time_zone, source=spec.trips)
    home_at = state.as_of + SHORT_ABSENCE
    if scheduled is not None and scheduled.home_at > home_at:
        home_at = scheduled.home_at
    return physics.leave(state, make_trip(state.as_of, home_at, one_way_km=OUTING_KM))


def _come_home(car: Car, state: CarState) -> CarState:  # noqa: ARG001
    if state.is_home:
        raise ImpossibleNow("the car is at home")
    return physics.come_home(state)


ACTIONS: dict[str, Callable[[Car, CarState], CarState]] = {
    "plug_in": _plug_in,
    "unplug": _unplug,
    "leave": _leave,
    "come_home": _come_home,
}
