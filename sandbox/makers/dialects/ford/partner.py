"""Our own partner extension of the Ford-like dialect: orders that end by themselves, discharge, AC-side meters.

No public vehicle API offers these; only some cars have them, the others answer 404.
"""

from datetime import datetime
from typing import Any

from django.db import transaction
from django.http import HttpRequest, HttpResponseBase, JsonResponse
from django.views.decorators.http import require_http_methods, require_safe

from sandbox.cars import garage, physics
from sandbox.cars.models import Car
from sandbox.makers.access import Refused, consented_car
from sandbox.makers.dialects.ford.api import api
from sandbox.makers.models import Grant
from sandbox.world import clock
from sandbox.world.bodies import BadBody, read_instant, read_number, read_object

MAX_KEY_LENGTH = 255


def write_instant(instant: datetime) -> str:
    """Return RFC 3339 in UTC."""
    return instant.isoformat().replace("+00:00", "Z")


def _extended_car(grant: Grant, vehicle_id: str) -> Car:
    car = consented_car(grant, vehicle_id)
    if not car.has_partner_extension:
        raise Refused(404, "This vehicle has no partner extension")
    return car


@require_safe
@api
def show_capabilities(request: HttpRequest, grant: Grant, vehicle_id: str) -> HttpResponseBase:  # noqa: ARG001
    """Return what the extension can do with this car."""
    spec = _extended_car(grant, vehicle_id).spec
    return JsonResponse({"holdEnds": "timed", "maxDischargeKw": spec.max_discharge_w / 1000, "meter": True})


@require_safe
@api
def show_telemetry(request: HttpRequest, grant: Grant, vehicle_id: str) -> HttpResponseBase:  # noqa: ARG001
    """Return SoC, power and the AC-side meters; `powerKw` < 0 while discharging."""
    car = _extended_car(grant, vehicle_id)
    state, spec = garage.served_state(car), car.spec
    soc_percent = round(physics.soc_percent(state, spec), 2)
    garage.note_served(car, state, source="partner", soc_percent=soc_percent, has_meter=True)
    return JsonResponse(
        {
            "socPercent": soc_percent,
            "limitPercent": state.limit_percent,
            "powerKw": round(physics.power_w(state, spec) / 1000, 3),
            "pluggedIn": state.is_plugged_in,
            "state": physics.mode(state, spec),
            "meter": {"importedWh": int(state.imported_wh), "exportedWh": int(state.exported_wh)},
            "observedAt": write_instant(state.as_of),
        }
    )


@require_http_methods(["POST", "DELETE"])
@api
def change_setpoint(request: HttpRequest, grant: Grant, vehicle_id: str) -> HttpResponseBase:
    """Order a timed hold or discharge (POST), or let the car charge again at once (DELETE)."""
    key = request.headers.get("Idempotency-Key")
    if key is not None and not 0 < len(key) <= MAX_KEY_LENGTH:
        raise Refused(400, f"Idempotency-Key must have 1 to {MAX_KEY_LENGTH} characters")
    with transaction.atomic():
        car = _extended_car(grant, vehicle_id)
        is_replay = key is not None and car.commands.filter(idempotency_key=key).exists()
        kind, body = "resume", {}
        if request.method == "POST":
            kind, body = "setpoint", _read_setpoint(request, car)
            if not is_replay:
                _refuse_impossible(car, body)
        try:
            command = garage.receive_command(car, kind=kind, now=clock.now(), body=body, idempotency_key=key)
        except garage.KeyReused as error:
            raise Refused(422, "Idempotency-Key was used for another order") from error
    return JsonResponse({"commandId": command.command_id, "status": "ACCEPTED"}, status=202)


def _read_setpoint(request: HttpRequest, car: Car) -> dict[str, Any]:
    try:
        body = read_object(request)
        return {
            "powerKw": read_number(body, "powerKw", least=-car.spec.max_discharge_w / 1000, most=0),
            "until": read_instant(body, "until").isoformat(),
            "minSocPercent": read_number(body, "minSocPercent", least=0, most=100, default=0),
        }
    except BadBody as error:
        raise Refused(400, str(error)) from error


def _refuse_impossible(car: Car, body: dict[str, Any]) -> None:
    if datetime.fromisoformat(body["until"]) <= clock.now():
        raise Refused(400, "until lies in the past")
    if not car.state.is_plugged_in:
        raise Refused(409, "Vehicle is not plugged in")
