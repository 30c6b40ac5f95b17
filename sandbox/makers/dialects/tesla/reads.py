"""What the Tesla-like dialect tells about cars: the list, their state of sleep, and the data of those awake.

Asking a car for its data keeps it awake, as owners of such cars know; one that sleeps answers 408 until woken.
"""

from typing import Any

from django.db import transaction
from django.http import HttpRequest, HttpResponseBase, JsonResponse
from django.views.decorators.http import require_safe

from sandbox.cars import garage, physics
from sandbox.cars.models import Car
from sandbox.cars.physics import CarSpec, CarState
from sandbox.cars.schedules import minute_of
from sandbox.makers.access import Refused
from sandbox.makers.dialects.tesla.wire import (
    ASLEEP,
    DATA,
    PLACE,
    api,
    billed,
    find_car,
    granted_scopes,
    need_scope,
    shared_cars,
)
from sandbox.makers.models import Grant
from sandbox.world import clock, config

KM_PER_MILE = 1.609344
VOLTS = 240
AWAY_DEGREES = 0.09  # where the car stands when it is away
WINDOW_ID = 1  # the owner's own schedule among those that the car keeps
EVERY_DAY = 127
ENDPOINTS = {"charge_state", "drive_state", "location_data", "charge_schedule_data"}
CHARGING_STATES = {
    "CHARGING": "Charging",
    "DISCHARGING": "Stopped",
    "HOLDING": "Stopped",
    "COMPLETE": "Complete",
    "UNPLUGGED": "Disconnected",
}


@require_safe
@billed("data")
@api
def show_region(request: HttpRequest, grant: Grant) -> HttpResponseBase:  # noqa: ARG001 - a view's signature
    """Return where the account's cars are served."""
    base = f"{config.PUBLIC_URL}/{grant.maker.slug}"
    return JsonResponse({"response": {"region": "na", "fleet_api_base_url": base}})


@require_safe
@billed("data")
@api
def list_vehicles(request: HttpRequest, grant: Grant) -> HttpResponseBase:
    """Return the account's cars, whether or not they sleep."""
    need_scope(request, DATA)
    cars = [garage.look_at(car.vehicle_id, now=clock.now()) for car in shared_cars(grant)]
    return JsonResponse({"response": [summary(car) for car in cars], "count": len(cars)})


@require_safe
@billed("data")
@api
def show_vehicle(request: HttpRequest, grant: Grant, tag: str) -> HttpResponseBase:
    """Return one car's line of the list."""
    need_scope(request, DATA)
    return JsonResponse({"response": summary(find_car(grant, tag))})


def summary(car: Car) -> dict[str, Any]:
    """Return what is known of a car without asking it."""
    return {
        "id": int(car.vehicle_id),
        "vehicle_id": int(car.vehicle_id) % 10**10,
        "vin": car.vin,
        "display_name": car.nick_name,
        "access_type": "OWNER",
        "state": "asleep" if car.is_asleep else "online",
        "in_service": False,
        "calendar_enabled": True,
        "api_version": 86,
    }


@require_safe
@billed("data")
@api
def show_data(request: HttpRequest, grant: Grant, tag: str) -> HttpResponseBase:
    """Return what the car says to the `endpoints` asked for; its place needs a scope of its own."""
    need_scope(request, DATA)
    asked = set(request.GET.get("endpoints", "charge_state;drive_state").split(";")) & ENDPOINTS
    with transaction.atomic():
        car = find_car(grant, tag)
        if car.is_asleep:
            raise Refused(408, ASLEEP)
        car.state = physics.wake(car.state)
        car.save(update_fields=["record"])
    state = garage.served_state(car)
    soc_percent = round(physics.soc_percent(state, car.spec))
    garage.note_served(car, state, source="fleet_api", soc_percent=soc_percent, has_meter=False)
    has_place = "location_data" in asked and PLACE in granted_scopes(request)
    answers: dict[str, dict[str, Any]] = {
        "charge_state": _charge_state(car, state, car.spec),
        "drive_state": _drive_state(car, state, has_place=has_place),
        "charge_schedule_data": {"charge_schedules": _schedules(car, state, car.spec)},
    }
    shown = asked | ({"drive_state"} if has_place else set())  # the place comes inside drive_state
    return JsonResponse({"response": summary(car) | {name: answers[name] for name in answers if name in shown}})


def _charge_state(car: Car, state: CarState, spec: CarSpec) -> dict[str, Any]:
    power_w = physics.power_w(state, spec)
    soc_percent = physics.soc_percent(state, spec)
    return {
        "battery_level": round(soc_percent),
        "usable_battery_level": round(soc_percent),
        "battery_range": round(soc_percent / 100 * car.range_km / KM_PER_MILE, 2),
        "charge_limit_soc": round(state.limit_percent),
        "charge_limit_soc_min": 50,
        "charge_limit_soc_max": 100,
        "charging_state": CHARGING_STATES[physics.mode(state, spec)],
        "charger_power": int(power_w / 1000),
        "charger_voltage": VOLTS if power_w else 0,
        "charger_actual_current": round(power_w / VOLTS),
        "charger_phases": 1 if power_w else None,
        "fast_charger_present": False,
        "conn_charge_cable": "SAE" if state.is_plugged_in else "<invalid>",
        "charge_port_latch": "Engaged" if state.is_plugged_in else "Disengaged",
        "scheduled_charging_mode": "StartAt" if state.starts or state.window else "Off",
        "scheduled_charging_pending": physics.is_waiting(state, spec),
        "timestamp": _millis(state),
    }


def _drive_state(car: Car, state: CarState, *, has_place: bool) -> dict[str, Any]:
    answer: dict[str, Any] = {"shift_state": None, "speed": None, "power": 0, "timestamp": _millis(state)}
    if not has_place:
        return answer
    away = 0.0 if state.is_home else AWAY_DEGREES
    place = {"latitude": round(car.home_latitude + away, 6), "longitude": round(car.home_longitude + away, 6)}
    return answer | place | {"gps_as_of": _millis(state) // 1000, "native_location_supported": 1}


def _schedules(car: Car, state: CarState, spec: CarSpec) -> list[dict[str, Any]]:
    common = {"latitude": car.home_latitude, "longitude": car.home_longitude, "enabled": True, "start_enabled": True}
    rows = [
        common
        | {
            "id": planned.schedule_id,
            "days_of_week": EVERY_DAY,
            "start_time": minute_of(planned.at, time_zone=spec.time_zone),
            "end_enabled": False,
            "end_time": 0,
            "one_time": True,
        }
        for planned in state.starts
    ]
    if state.window is not None:
        window = {"start_time": state.window.start_minute, "end_time": state.window.stop_minute, "end_enabled": True}
        rows.append(common | window | {"id": WINDOW_ID, "days_of_week": EVERY_DAY, "one_time": False})
    return rows


def _millis(state: CarState) -> int:
    return int(state.as_of.timestamp() * 1000)
