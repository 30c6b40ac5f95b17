"""What the Tesla-like dialect takes: commands through the signing proxy, answered 200 with what the car made of them.

A car that refuses, or has nothing to do, says `result: false` and a reason; a car that sleeps cannot be told anything.
"""

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from django.db import transaction
from django.http import HttpRequest, HttpResponseBase, JsonResponse
from django.views.decorators.http import require_POST

from sandbox.cars import garage, physics
from sandbox.cars.models import Car
from sandbox.cars.schedules import next_at
from sandbox.makers.access import Refused
from sandbox.makers.dialects.tesla.reads import summary
from sandbox.makers.dialects.tesla.wire import ASLEEP, COMMANDS, DATA, api, billed, find_car, need_scope
from sandbox.makers.models import Grant
from sandbox.world import clock
from sandbox.world.bodies import BadBody, read_flag, read_number, read_object

WAKING = timedelta(seconds=10)  # simulated
NO_KEY = "vehicle rejected request: your public key has not been paired with the vehicle"
NEAR_DEGREES = 0.005  # a schedule counts where the car then stands, within some hundred metres
DAYS = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")
# What a command becomes at the car: its kind and order, or why there is nothing to do.
Wanted = tuple[str, dict[str, Any]] | str


@require_POST
@billed("commands")
@api
def refuse_unsigned(request: HttpRequest, grant: Grant, tag: str, name: str) -> HttpResponseBase:  # noqa: ARG001
    """Refuse a command that no proxy signed."""
    raise Refused(403, "Tesla Vehicle Command Protocol required, please refer to the documentation")


@require_POST
@billed("wakes")
@api
def wake_up(request: HttpRequest, grant: Grant, tag: str) -> HttpResponseBase:
    """Wake a car; it takes some seconds."""
    need_scope(request, *COMMANDS, DATA)
    with transaction.atomic():
        car = find_car(grant, tag)
        answer = summary(car)
        garage.receive_command(car, kind="wake", now=clock.now(), latency=WAKING if car.is_asleep else timedelta(0))
    return JsonResponse({"response": answer})


@require_POST
@billed("commands")
@api
def send_command(request: HttpRequest, grant: Grant, tag: str, name: str) -> HttpResponseBase:
    """Tell the car and return what it made of it."""
    need_scope(request, *COMMANDS)
    if name not in TOLD:
        raise Refused(400, "invalid_command")
    with transaction.atomic():
        car = find_car(grant, tag)
        if car.is_asleep:
            raise Refused(408, ASLEEP)
        if car.refuses_commands:
            raise Refused(500, NO_KEY)
        try:
            wanted = TOLD[name](car, read_object(request))
        except BadBody as error:
            raise Refused(400, "invalid_field", code=str(error)) from error
        if isinstance(wanted, str):
            refusal = {
                "result": False,
                "string": f"car could not execute command: {wanted}",
            }  # as Tesla's proxy words it
            return JsonResponse({"response": refusal, "error": "", "error_description": ""})
        kind, body = wanted
        garage.receive_command(car, kind=kind, body=body, now=clock.now())
    return JsonResponse({"response": {"result": True, "reason": ""}})


def _start(car: Car, body: dict[str, Any]) -> Wanted:  # noqa: ARG001 - all commands share one signature
    nothing = {"UNPLUGGED": "disconnected", "COMPLETE": "complete", "CHARGING": "is_charging"}
    return nothing.get(physics.mode(car.state, car.spec), ("startCharge", {}))


def _stop(car: Car, body: dict[str, Any]) -> Wanted:  # noqa: ARG001
    mode = physics.mode(car.state, car.spec)
    if mode == "UNPLUGGED":
        return "disconnected"
    return ("stopCharge", {}) if mode == "CHARGING" else "not_charging"


def _set_limit(car: Car, body: dict[str, Any]) -> Wanted:
    percent = read_number(body, "percent", least=50, most=100)
    return "already_set" if percent == car.state.limit_percent else ("setLimit", {"percent": percent})


def _add_schedule(car: Car, body: dict[str, Any]) -> Wanted:
    """Keep a one-time start; this car's pretend firmware knows no other kind."""
    latitude = read_number(body, "lat", least=-90, most=90)
    longitude = read_number(body, "lon", least=-180, most=180)
    if not read_flag(body, "enabled") or not read_flag(body, "start_enabled") or read_flag(body, "end_enabled"):
        return "unsupported_schedule"
    if body.get("one_time") is not True:
        return "unsupported_schedule"
    minute = int(read_number(body, "start_time", least=0, most=24 * 60 - 1))
    at = _first_day(minute, str(body.get("days_of_week", "")), after=car.state.as_of, time_zone=car.spec.time_zone)
    off = max(abs(latitude - car.home_latitude), abs(longitude - car.home_longitude))
    schedule_id = int(read_number(body, "id", least=1, most=2**53, default=int(car.state.as_of.timestamp())))
    return "keepStart", {"id": schedule_id, "at": at.isoformat(), "isHere": off <= NEAR_DEGREES}


def _first_day(minute: int, days_of_week: str, *, after: datetime, time_zone: str) -> datetime:
    words = {word.strip().lower() for word in days_of_week.split(",")}
    if not words <= {*DAYS, "all", "weekdays"}:
        raise BadBody("days_of_week takes day names, All or Weekdays")
    chosen = {day for day in DAYS if day in words or "all" in words or ("weekdays" in words and day in DAYS[:5])}
    at = next_at(minute, after=after, time_zone=time_zone)
    while at.astimezone(ZoneInfo(time_zone)).strftime("%A").lower() not in chosen:
        at = next_at(minute, after=at, time_zone=time_zone)
    return at


def _remove_schedule(car: Car, body: dict[str, Any]) -> Wanted:
    schedule_id = int(read_number(body, "id", least=1, most=2**53))
    is_there = any(planned.schedule_id == schedule_id for planned in car.state.starts)
    return ("dropStart", {"id": schedule_id}) if is_there else "not_found"


TOLD: dict[str, Callable[[Car, dict[str, Any]], Wanted]] = {
    "charge_start": _start,
    "charge_stop": _stop,
    "set_charge_limit": _set_limit,
    "add_charge_schedule": _add_schedule,
    "remove_charge_schedule": _remove_schedule,
}
