"""The Ford-like dialect: FordConnect's shapes (v3), zone-less UTC timestamps, 202 and a command id.

What a command did is seen in the car's state; its id can be asked about for two minutes and is then forgotten.
"""

from datetime import UTC, datetime, timedelta
from typing import Any

from django.db import transaction
from django.http import HttpRequest, HttpResponseBase, JsonResponse
from django.views.decorators.http import require_POST, require_safe

from sandbox.cars import garage, physics
from sandbox.cars.models import Car, Command
from sandbox.makers.access import Refused, account_cars, consented_car, door
from sandbox.makers.models import Grant
from sandbox.world import clock, config

COMMANDS = ("startCharge", "stopCharge", "wake", "status")
LATENCY = timedelta(seconds=8)  # simulated: cloud to modem to car
COMMAND_ID_LIFE = timedelta(minutes=2)
WORK_OFFSET_DEGREES = 0.09  # where the car stands when it is away
CHARGING_STATUS = {
    "CHARGING": "ChargingAC",
    "DISCHARGING": "Ready",  # these shapes have no word for it; the partner extension has
    "HOLDING": "Ready",
    "COMPLETE": "Charged",
    "UNPLUGGED": "EvseNotDetected",
}


def _check_application(request: HttpRequest, grant: Grant) -> None:  # noqa: ARG001 - a check's signature
    application_id = request.headers.get("Application-Id", "")
    if not application_id or (config.FORD_APPLICATION_ID and application_id != config.FORD_APPLICATION_ID):
        raise Refused(401, "Unknown application")


api = door(check=_check_application)


def write_instant(instant: datetime) -> str:
    """Return Ford's zone-less UTC form."""
    return instant.astimezone(UTC).strftime("%m-%d-%Y %H:%M:%S")


@require_safe
@api
def list_vehicles(request: HttpRequest, grant: Grant) -> HttpResponseBase:  # noqa: ARG001 - a view's signature
    """Return every car of the account; the indicator says for which of them the owner consented."""
    consented = set(grant.cars.values_list("pk", flat=True))
    vehicles = [
        _summary(car) | {"vehicleAuthorizationIndicator": int(car.pk in consented)} for car in account_cars(grant)
    ]
    return JsonResponse({"status": "SUCCESS", "vehicles": vehicles})


def _summary(car: Car) -> dict[str, Any]:
    return {
        "vehicleId": car.vehicle_id,
        "make": "F",
        "modelName": car.model_name,
        "modelYear": car.model_year,
        "trim": car.trim,
        "nickName": car.nick_name,
        "modemEnabled": True,
        "engineType": "BEV",
    }


@require_safe
@api
def show_vehicle(request: HttpRequest, grant: Grant, vehicle_id: str) -> HttpResponseBase:  # noqa: ARG001
    """Return what the cloud knows of one car."""
    car = consented_car(grant, vehicle_id)
    state, spec = garage.served_state(car), car.spec
    timestamp = write_instant(state.as_of)
    soc_percent = round(physics.soc_percent(state, spec), 1)
    garage.note_served(car, state, source="fordconnect", soc_percent=soc_percent, has_meter=False)
    away_degrees = 0.0 if state.is_home else WORK_OFFSET_DEGREES
    vehicle = _summary(car) | {
        "vehicleDetails": {
            "batteryChargeLevel": {
                "value": soc_percent,
                "distanceToEmpty": round(soc_percent / 100 * car.range_km),
                "timestamp": timestamp,
            }
        },
        "vehicleStatus": {
            "chargingStatus": {"value": CHARGING_STATUS[physics.mode(state, spec)], "timestamp": timestamp},
            "plugStatus": {"value": state.is_plugged_in, "timestamp": timestamp},
            "deepSleepInProgress": {"value": car.is_asleep, "timestamp": timestamp},
        },
        "vehicleLocation": {
            "latitude": f"{car.home_latitude + away_degrees:.4f}",
            "longitude": f"{car.home_longitude + away_degrees:.4f}",
            "timestamp": timestamp,
        },
    }
    return JsonResponse({"status": "SUCCESS", "vehicle": vehicle})


@require_safe
@api
def show_vin(request: HttpRequest, grant: Grant, vehicle_id: str) -> HttpResponseBase:  # noqa: ARG001
    """Return the car's VIN."""
    return JsonResponse({"status": "SUCCESS", "vin": consented_car(grant, vehicle_id).vin})


@require_POST
@api
def send_command(request: HttpRequest, grant: Grant, vehicle_id: str, kind: str) -> HttpResponseBase:  # noqa: ARG001
    """Accept a command; the car gets it some seconds later."""
    if kind not in COMMANDS:
        raise Refused(404, "Unknown command")
    with transaction.atomic():
        car = consented_car(grant, vehicle_id)
        command = garage.receive_command(car, kind=kind, now=clock.now(), latency=LATENCY)
    body = {"status": "SUCCESS", "commandStatus": "PENDINGRESPONSE", "commandId": command.command_id}
    return JsonResponse(body, status=202)


@require_safe
@api
def show_command(request: HttpRequest, grant: Grant, vehicle_id: str, command_id: str) -> HttpResponseBase:  # noqa: ARG001
    """Return how a command fares, for as long as its id lives."""
    car = consented_car(grant, vehicle_id)
    command = car.commands.filter(command_id=command_id).first()
    if command is None or clock.now() > command.received_at + COMMAND_ID_LIFE:
        raise Refused(404, "Unknown command id")
    is_open = command.status in {Command.Status.PENDING, Command.Status.LOST}
    word = "PENDINGRESPONSE" if is_open else command.status
    return JsonResponse({"status": "SUCCESS", "commandStatus": word, "commandId": command_id})
