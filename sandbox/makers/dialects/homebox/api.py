"""The wall box maker's cloud, by our partner contract (docs/partners/homebox.md): setpoints that end by themselves."""

from datetime import datetime
from typing import Any

from django.db import transaction
from django.http import HttpRequest, HttpResponseBase, JsonResponse
from django.views.decorators.http import require_http_methods, require_safe

from sandbox.cars import garage, physics
from sandbox.makers import boxes
from sandbox.makers.access import Refused, door, refuse_outage
from sandbox.makers.models import Box, Grant
from sandbox.world import clock
from sandbox.world.bodies import BadBody, read_instant, read_number, read_object

MAX_KEY_LENGTH = 255
api = door()


def write_instant(instant: datetime) -> str:
    """Return RFC 3339 in UTC."""
    return instant.isoformat().replace("+00:00", "Z")


@require_safe
@api
def list_boxes(request: HttpRequest, grant: Grant) -> HttpResponseBase:  # noqa: ARG001 - a view's signature
    """Return the boxes that the owner shared."""
    return JsonResponse({"boxes": [_describe(box) for box in grant.boxes.all()[:20]]})


@require_safe
@api
def show_box(request: HttpRequest, grant: Grant, box_id: str) -> HttpResponseBase:  # noqa: ARG001
    """Return what the box is."""
    box = _shared_box(grant, box_id)
    ability = {"maxChargeKw": box.max_charge_w / 1000, "maxDischargeKw": box.max_discharge_w / 1000}
    return JsonResponse(_describe(box) | ability | {"plug": box.plug})


@require_safe
@api
def show_state(request: HttpRequest, grant: Grant, box_id: str) -> HttpResponseBase:  # noqa: ARG001
    """Return whether a car is there, what it does, and the meters; `powerKw` < 0 while it gives back."""
    box = _shared_box(grant, box_id)
    now = clock.now()
    seen = boxes.look_at(box, now=now)
    car: dict[str, Any] = {"connected": False}
    power_kw, setpoint = 0.0, None
    if seen.car is not None and seen.state is not None:
        spec = seen.car.spec
        soc_percent = round(physics.soc_percent(seen.state, spec), 1)
        car = {"connected": True, "socPercent": soc_percent, "limitPercent": seen.state.limit_percent}
        power_kw = round(physics.power_w(seen.state, spec) / 1000, 3)
        setpoint = seen.state.setpoint
        garage.note_served(seen.car, seen.state, source="homebox", soc_percent=soc_percent, has_meter=True)
    return JsonResponse(
        {
            "boxId": box.box_id,
            "mode": boxes.mode(seen),
            "powerKw": power_kw,
            "car": car,
            "setpoint": setpoint
            and {
                "powerKw": setpoint.power_w / 1000,
                "until": write_instant(setpoint.until),
                "minSocPercent": setpoint.floor_percent,
            },
            "meter": {"importedWh": int(seen.imported_wh), "exportedWh": int(seen.exported_wh)},
            "location": {"latitude": box.latitude, "longitude": box.longitude},
            "observedAt": write_instant(seen.state.as_of if seen.state else now),
        }
    )


@require_http_methods(["PUT", "DELETE"])
@api
def change_setpoint(request: HttpRequest, grant: Grant, box_id: str) -> HttpResponseBase:
    """Set the box's power until a time (PUT), or let the car at it charge again (DELETE)."""
    key = request.headers.get("Idempotency-Key", "")
    if not 0 < len(key) <= MAX_KEY_LENGTH:
        raise Refused(400, f"Idempotency-Key must have 1 to {MAX_KEY_LENGTH} characters")
    with transaction.atomic():
        box = _shared_box(grant, box_id)
        seen = boxes.look_at(box, now=clock.now())
        if seen.car is None:
            raise Refused(409, "No car is plugged in at the box")
        kind, body = "resume", {}
        if request.method == "PUT":
            kind, body = "setpoint", _read_setpoint(request, box)
            is_replay = seen.car.commands.filter(idempotency_key=key).exists()
            if not is_replay and datetime.fromisoformat(body["until"]) <= clock.now():
                raise Refused(400, "until lies in the past")
        if seen.car.is_asleep:  # a box that changes the current wakes the car at it
            garage.receive_command(seen.car, kind="wake", now=clock.now())
        try:
            command = garage.receive_command(seen.car, kind=kind, now=clock.now(), body=body, idempotency_key=key)
        except garage.KeyReused as error:
            raise Refused(422, "Idempotency-Key was used for another order") from error
    return JsonResponse({"commandId": command.command_id, "status": "ACCEPTED"}, status=202)


def _describe(box: Box) -> dict[str, Any]:
    return {"id": box.box_id, "name": box.name, "make": box.make, "model": box.model_name, "serial": box.serial}


def _shared_box(grant: Grant, box_id: str) -> Box:
    box = Box.objects.filter(box_id=box_id).select_related("guest").first()
    if box is None or box.owner_id != grant.owner_id:
        raise Refused(404, "Box not found")
    if not grant.boxes.filter(pk=box.pk).exists():
        raise Refused(403, "Box not shared by its owner")
    if box.is_offline:
        raise Refused(503, "The box is offline")
    if box.guest is not None:
        refuse_outage(box.guest)
    return box


def _read_setpoint(request: HttpRequest, box: Box) -> dict[str, Any]:
    try:
        body = read_object(request)
        return {
            "powerKw": read_number(body, "powerKw", least=-box.max_discharge_w / 1000, most=0),
            "until": read_instant(body, "until").isoformat(),
            "minSocPercent": read_number(body, "minSocPercent", least=0, most=100, default=0),
        }
    except BadBody as error:
        raise Refused(400, str(error)) from error
