"""The GM-like dialect: a partner contract of our own, with what is documented of GM cars behind it.

Reads are rationed; start and stop are all a car can be told, and it refuses both below half a battery; after some idle
days its modem sleeps until it is driven, and nothing wakes it.
"""

from datetime import timedelta
from typing import Any

from django.db import transaction
from django.http import HttpRequest, HttpResponseBase, JsonResponse
from django.views.decorators.http import require_POST, require_safe

from sandbox.cars import garage, physics
from sandbox.cars.models import Car, Command
from sandbox.makers.access import Refused, account_cars, consented_car, door
from sandbox.makers.dialects.gm.ration import draw_read
from sandbox.makers.models import Grant
from sandbox.makers.tokens import scopes_of
from sandbox.world import clock
from sandbox.world.bodies import BadBody, read_object

READ, CONTROL = "vehicle.read", "vehicle.charge"
LATENCY = timedelta(seconds=20)  # simulated: cloud to modem to car
AWAY_DEGREES = 0.09
MAX_KEY_LENGTH = 255
KINDS = {"START_CHARGING": "startCharge", "STOP_CHARGING": "stopCharge"}
STATUS = {
    "CHARGING": "CHARGING",
    "DISCHARGING": "NOT_CHARGING",
    "HOLDING": "NOT_CHARGING",
    "COMPLETE": "FULLY_CHARGED",
    "UNPLUGGED": "NOT_CONNECTED",
}
OUTCOMES = {
    Command.Status.PENDING: "PENDING",
    Command.Status.LOST: "PENDING",
    Command.Status.COMPLETED: "SUCCEEDED",
    Command.Status.FAILED: "FAILED",
}

api = door()


def _need_scope(request: HttpRequest, scope: str) -> None:
    if scope not in scopes_of(request.headers.get("Authorization", "").partition(" ")[2]):
        raise Refused(403, "The owner did not allow this")


@require_safe
@api
def list_vehicles(request: HttpRequest, grant: Grant) -> HttpResponseBase:
    """Return the account's cars; those the owner did not share come without a VIN."""
    _need_scope(request, READ)
    shared = set(grant.cars.values_list("pk", flat=True))
    return JsonResponse({"vehicles": [_summary(car, is_shared=car.pk in shared) for car in account_cars(grant)]})


def _summary(car: Car, *, is_shared: bool) -> dict[str, Any]:
    return {
        "vehicleId": car.vehicle_id,
        "vin": car.vin if is_shared else None,
        "shared": is_shared,
        "make": "Chevrolet",
        "model": car.model_name,
        "year": int(car.model_year),
        "trim": car.trim,
        "nickname": car.nick_name,
        "propulsion": "EV",
    }


@require_safe
@api
def show_capabilities(request: HttpRequest, grant: Grant, vehicle_id: str) -> HttpResponseBase:
    """Return what the car can be told; takes nothing off the ration."""
    _need_scope(request, READ)
    spec = consented_car(grant, vehicle_id).spec
    return JsonResponse({"startStop": True, "minimumStateOfCharge": spec.least_command_soc_percent})


@require_safe
@api
def show_status(request: HttpRequest, grant: Grant, vehicle_id: str) -> HttpResponseBase:
    """Return what the cloud knows of one car, at the price of a read."""
    _need_scope(request, READ)
    with transaction.atomic():
        car = consented_car(grant, vehicle_id)
        draw_read(car, now=clock.now())
    state, spec = garage.served_state(car), car.spec
    soc_percent = round(physics.soc_percent(state, spec), 1)
    garage.note_served(car, state, source="gm", soc_percent=soc_percent, has_meter=False)
    away = 0.0 if state.is_home else AWAY_DEGREES
    return JsonResponse(
        {
            "vehicleId": car.vehicle_id,
            "reportedAt": state.as_of.isoformat(timespec="seconds").replace("+00:00", "Z"),
            "battery": {
                "stateOfCharge": soc_percent,
                "rangeKm": round(soc_percent / 100 * car.range_km),
                "targetChargeLevel": round(state.limit_percent),
            },
            "charging": {"pluggedIn": state.is_plugged_in, "status": STATUS[physics.mode(state, spec)]},
            "location": {"latitude": car.home_latitude + away, "longitude": car.home_longitude + away},
            "asleep": car.is_asleep,
        }
    )


@require_POST
@api
def send_command(request: HttpRequest, grant: Grant, vehicle_id: str) -> HttpResponseBase:
    """Take a start or stop; the car gets it some seconds later, and may refuse it then."""
    _need_scope(request, CONTROL)
    key = request.headers.get("Idempotency-Key")
    if key is not None and not 0 < len(key) <= MAX_KEY_LENGTH:
        raise Refused(400, f"Idempotency-Key must have 1 to {MAX_KEY_LENGTH} characters")
    try:
        kind = KINDS[read_object(request)["type"]]
    except (BadBody, KeyError, TypeError) as error:
        raise Refused(400, f"type must be one of {', '.join(KINDS)}") from error
    with transaction.atomic():
        car = consented_car(grant, vehicle_id)
        is_replay = key is not None and car.commands.filter(idempotency_key=key).exists()
        if not is_replay:
            _refuse_impossible(car)
        try:
            command = garage.receive_command(car, kind=kind, now=clock.now(), latency=LATENCY, idempotency_key=key)
        except garage.KeyReused as error:
            raise Refused(422, "Idempotency-Key was used for another command") from error
    return JsonResponse({"commandId": command.command_id, "status": "PENDING"}, status=202)


def _refuse_impossible(car: Car) -> None:
    """Refuse what the cloud already knows the car will not do."""
    if car.is_asleep:
        raise Refused(408, "Vehicle is asleep until it is next driven")
    state = garage.served_state(car)
    if not state.is_plugged_in:
        raise Refused(409, "Vehicle is not plugged in")
    if physics.soc_percent(state, car.spec) < car.spec.least_command_soc_percent:
        raise Refused(409, f"State of charge is below {car.spec.least_command_soc_percent:g} percent")


@require_safe
@api
def show_command(request: HttpRequest, grant: Grant, vehicle_id: str, command_id: str) -> HttpResponseBase:
    """Return how a command fares."""
    _need_scope(request, READ)
    command = consented_car(grant, vehicle_id).commands.filter(command_id=command_id).first()
    if command is None:
        raise Refused(404, "Unknown command")
    status = OUTCOMES[Command.Status(command.status)]
    return JsonResponse({"commandId": command_id, "status": status, "reason": command.reason})
