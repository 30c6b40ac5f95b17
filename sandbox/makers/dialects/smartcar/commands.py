"""Smartcar's commands: a quick one answers 200, a slow one 202 and streams its outcome once it is known."""

import time
from collections.abc import Iterator
from typing import Any

from django.db import transaction
from django.http import HttpRequest, HttpResponseBase, JsonResponse, StreamingHttpResponse
from django.views.decorators.http import require_POST

from sandbox.cars import garage, physics
from sandbox.cars.models import Car, Command
from sandbox.makers.access import Refused
from sandbox.makers.dialects.smartcar.api import connected_car, describe_car
from sandbox.makers.dialects.smartcar.errors import SUPPORT, Failure, answer_failure, api
from sandbox.makers.models import Grant
from sandbox.world import clock
from sandbox.world.bodies import BadBody, read_number, read_object

LONGEST_WAIT_SECONDS = 60.0  # real; the thing itself holds on for five minutes
PAUSE_SECONDS = 0.2
KINDS = {"start": "startCharge", "stop": "stopCharge", "set-limit": "setLimit"}
START_ONLY = {"NISSAN"}
STATES = {"asleep": "ASLEEP", "not plugged in": "CHARGING_PLUG_NOT_CONNECTED", "battery too low": "UNKNOWN"}


@require_POST
@api
def send_command(request: HttpRequest, grants: list[Grant], vehicle_id: str, name: str) -> HttpResponseBase:
    """Carry out a command, and tell its real outcome on the same connection."""
    if name not in KINDS:
        raise Failure(404, "RESOURCE_NOT_FOUND", "PATH")
    with transaction.atomic():
        grant, car = connected_car(grants, vehicle_id)
        if "control_charge" not in grant.permissions:
            raise Refused(403, "Not permitted")
        _refuse_impossible(car, name)
        body = {"percent": _read_percent(request)} if name == "set-limit" else {}
        command = garage.receive_command(car, kind=KINDS[name], now=clock.now(), body=body)
    if car.loses_answers:
        return StreamingHttpResponse(_cut(), status=202, content_type="application/json")
    if command.status == Command.Status.PENDING:
        return StreamingHttpResponse(_wait(vehicle_id, command), status=202, content_type="application/json")
    failure = _failure(command)
    return answer_failure(failure) if failure else JsonResponse(_success(command))


def _refuse_impossible(car: Car, name: str) -> None:
    if name == "stop" and describe_car(car)["make"] in START_ONLY:
        raise Failure(501, "COMPATIBILITY", "VEHICLE_NOT_CAPABLE", resolution=SUPPORT)
    state = garage.served_state(car)
    mode = physics.mode(state, car.spec)
    words = {
        "start": {"CHARGING": "CHARGING_IN_PROGRESS", "COMPLETE": "FULLY_CHARGED"},
        "stop": {"HOLDING": "NOT_CHARGING", "COMPLETE": "NOT_CHARGING"},
    }
    if word := words.get(name, {}).get(mode):
        raise Failure(409, "VEHICLE_STATE", word)


def _read_percent(request: HttpRequest) -> float:
    try:
        attributes = read_object(request).get("data", {}).get("attributes", {})
        return read_number(attributes, "percent", least=50, most=100)
    except (BadBody, AttributeError) as error:
        raise Failure(400, "VALIDATION", "INVALID_INPUT_FORMAT", resolution=SUPPORT) from error


def _success(command: Command) -> dict[str, Any]:
    return {"data": {"id": command.command_id, "type": "command", "attributes": {"status": "SUCCESS"}}}


def _failure(command: Command) -> Failure | None:
    if command.status == Command.Status.COMPLETED:
        return None
    if command.status == Command.Status.FAILED:
        return Failure(409, "VEHICLE_STATE", STATES.get(command.reason, "UNKNOWN"))
    return Failure(502, "UPSTREAM", "NO_RESPONSE")


def _wait(vehicle_id: str, command: Command) -> Iterator[bytes]:
    """Yield blanks until the car has the command, then the outcome, which may differ from the 202 sent before."""
    give_up_at = time.monotonic() + LONGEST_WAIT_SECONDS
    while command.status == Command.Status.PENDING and time.monotonic() < give_up_at:
        yield b" "
        time.sleep(PAUSE_SECONDS)
        garage.look_at(vehicle_id, now=clock.now())
        command.refresh_from_db()
    failure = _failure(command)
    yield JsonResponse(failure.as_json() if failure else _success(command)).content


def _cut() -> Iterator[bytes]:
    """Break the connection in the middle of the answer."""
    yield b" "
    raise ConnectionAbortedError("the answer is lost")
