"""Smartcar's vehicle API, version 3: connections, signals with a status each, JSON:API envelopes."""

from datetime import datetime
from typing import Any

from django.http import HttpRequest, HttpResponse, HttpResponseBase, JsonResponse
from django.views.decorators.http import require_http_methods, require_safe

from sandbox.cars import garage, physics
from sandbox.cars.models import Car
from sandbox.makers.access import Refused, refuse_outage
from sandbox.makers.dialects.smartcar.errors import Failure, api, user_id_of
from sandbox.makers.grants import revoke_grant
from sandbox.makers.models import Grant
from sandbox.world import clock

WORK_OFFSET_DEGREES = 0.09  # where the car stands when it is away
DETAILS = {"CHARGING": "CHARGING", "COMPLETE": "FULLY_CHARGED", "UNPLUGGED": "DISCONNECTED"}
GROUPS = {
    "tractionbattery-stateofcharge": ("StateOfCharge", "TractionBattery", "read_battery"),
    "tractionbattery-range": ("Range", "TractionBattery", "read_battery"),
    "charge-ischarging": ("IsCharging", "Charge", "read_charge"),
    "charge-ischargingcableconnected": ("IsChargingCableConnected", "Charge", "read_charge"),
    "charge-detailedchargingstatus": ("DetailedChargingStatus", "Charge", "read_charge"),
    "charge-chargelimits": ("ChargeLimits", "Charge", "read_charge"),
    "charge-wattage": ("Wattage", "Charge", "read_charge"),
    "location-preciselocation": ("PreciseLocation", "Location", "read_location"),
    "connectivitystatus-isasleep": ("IsAsleep", "ConnectivityStatus", "read_vehicle_info"),
    "vehicleidentification-vin": ("VIN", "VehicleIdentification", "read_vin"),
}
# What the cars of a make never send.
LACKING = {"NISSAN": {"charge-chargelimits", "charge-wattage", "connectivitystatus-isasleep"}}


def write_instant(instant: datetime) -> str:
    """Return RFC 3339 in UTC with milliseconds."""
    return instant.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def describe_car(car: Car) -> dict[str, Any]:
    """Return make, model and year; the fleet keeps the make as the model name's first word."""
    make, _, model = car.model_name.partition(" ")
    return {
        "make": make.upper(),
        "model": model,
        "year": int(car.model_year),
        "powertrainType": "BEV",
        "mode": "live",
    }


@require_safe
@api
def list_connections(request: HttpRequest, grants: list[Grant]) -> HttpResponseBase:
    """Return the user's connections, a page at a time."""
    rows = [_connection(grant, car) for grant in grants for car in grant.cars.filter(is_sold=False)]
    number, size = (_positive(request, name, usual) for name, usual in (("page[number]", 1), ("page[size]", 10)))
    page = rows[(number - 1) * size : number * size]
    has_next = number * size < len(rows)
    following = f"/v3/connections?page[number]={number + 1}&page[size]={size}"
    return JsonResponse(
        {
            "data": page,
            "meta": {"pageNumber": number, "pageSize": size, "totalCount": len(rows)},
            "links": {"self": "/v3/connections", "next": following if has_next else None},
        }
    )


def _positive(request: HttpRequest, name: str, usual: int) -> int:
    value = request.GET.get(name, str(usual))
    if not value.isdecimal() or not 1 <= int(value) <= 100:
        raise Failure(400, "VALIDATION", "INVALID_INPUT_FORMAT")
    return int(value)


def _connection(grant: Grant, car: Car) -> dict[str, Any]:
    related = {"vehicle": ("vehicle", car.vehicle_id), "user": ("user", user_id_of(grant.owner))}
    return {
        "id": f"{grant.public_id}-{car.pk}",
        "type": "connection",
        "attributes": {"vehicle": describe_car(car), "permissions": grant.permissions},
        "relationships": {name: {"data": {"type": kind, "id": value}} for name, (kind, value) in related.items()},
        "meta": {"createdAt": write_instant(grant.granted_at)},
    }


@require_http_methods(["DELETE"])
@api
def remove_user(request: HttpRequest, grants: list[Grant], user_id: str) -> HttpResponseBase:  # noqa: ARG001
    """Remove a user with every connection."""
    for grant in grants:
        if user_id_of(grant.owner) == user_id:
            grant.told = grant.told | {"revoked": True}
            grant.save(update_fields=["told"])
            revoke_grant(grant)
    return HttpResponse(status=204)


def connected_car(grants: list[Grant], vehicle_id: str) -> tuple[Grant, Car]:
    """Return the car, up to date, and the grant that opens it; refuses what the user did not connect."""
    try:
        car = garage.look_at(vehicle_id, now=clock.now())
    except Car.DoesNotExist as error:
        raise Refused(404, "Vehicle not found") from error
    if car.maker != "smartcar" or car.is_sold:
        raise Refused(404, "Vehicle not found")
    grant = next((grant for grant in grants if grant.cars.filter(pk=car.pk).exists()), None)
    if grant is None:
        raise Refused(403, "Not connected")
    refuse_outage(car)
    return grant, car


@require_safe
@api
def list_signals(request: HttpRequest, grants: list[Grant], vehicle_id: str) -> HttpResponseBase:  # noqa: ARG001
    """Return every signal that Smartcar's cache holds of the car."""
    grant, car = connected_car(grants, vehicle_id)
    rows = [
        _envelope(row, car)
        for row in describe_signals(grant, car, source="smartcar")
        if row["code"] != "vehicleidentification-vin"
    ]
    return JsonResponse({"data": rows, "included": _included(car), "meta": {"totalCount": len(rows)}})


@require_safe
@api
def show_signal(
    request: HttpRequest,  # noqa: ARG001 - a view's signature
    grants: list[Grant],
    vehicle_id: str,
    code: str,
) -> HttpResponseBase:
    """Return one signal; what the owner did not tick is refused."""
    grant, car = connected_car(grants, vehicle_id)
    if code not in GROUPS:
        raise Failure(404, "RESOURCE_NOT_FOUND", "PATH")
    if GROUPS[code][2] not in grant.permissions:
        raise Refused(403, "Not permitted")
    row = next(row for row in describe_signals(grant, car, source="smartcar") if row["code"] == code)
    return JsonResponse({"data": _envelope(row, car), "included": _included(car)})


def _included(car: Car) -> dict[str, Any]:
    return {"vehicle": {"id": car.vehicle_id, "type": "vehicle", "attributes": describe_car(car)}}


def _envelope(row: dict[str, Any], car: Car) -> dict[str, Any]:
    attributes = {name: value for name, value in row.items() if name != "meta"}
    meta = row["meta"] | {name: write_instant(value) for name, value in row["meta"].items()}
    return {"id": f"{car.vehicle_id}-{row['code']}", "type": "signal", "attributes": attributes, "meta": meta}


def describe_signals(grant: Grant, car: Car, *, source: str) -> list[dict[str, Any]]:
    """Return the car's signals with status and times, as answers and webhooks carry them."""
    state, spec = garage.served_state(car), car.spec
    soc_percent = round(physics.soc_percent(state, spec), 1)
    garage.note_served(car, state, source=source, soc_percent=soc_percent, has_meter=False)
    mode = physics.mode(state, spec)
    away = 0.0 if state.is_home else WORK_OFFSET_DEGREES
    bodies: dict[str, dict[str, Any]] = {
        "tractionbattery-stateofcharge": {"value": soc_percent, "unit": "percent"},
        "tractionbattery-range": {"value": round(soc_percent / 100 * car.range_km), "unit": "km"},
        "charge-ischarging": {"value": mode == "CHARGING"},
        "charge-ischargingcableconnected": {"value": state.is_plugged_in},
        "charge-detailedchargingstatus": {"value": DETAILS.get(mode, "NOT_CHARGING")},
        "charge-chargelimits": {"values": [{"type": "global", "limit": state.limit_percent, "condition": None}]},
        "charge-wattage": {"value": round(max(0.0, physics.power_w(state, spec)) / 1000, 2), "unit": "kilowatts"},
        "location-preciselocation": {"latitude": car.home_latitude + away, "longitude": car.home_longitude + away},
        "connectivitystatus-isasleep": {"value": car.is_asleep},
        "vehicleidentification-vin": {"value": car.vin},
    }
    lacking = LACKING.get(describe_car(car)["make"], set())
    return [_signal(code, body, grant, lacking, state.as_of) for code, body in bodies.items()]


def _signal(code: str, body: dict[str, Any], grant: Grant, lacking: set[str], seen_at: datetime) -> dict[str, Any]:
    name, group, permission = GROUPS[code]
    row = {
        "code": code,
        "name": name,
        "group": group,
        "meta": {"retrievedAt": clock.now(), "oemUpdatedAt": seen_at},
    }
    if permission not in grant.permissions:
        return row | {"status": {"value": "ERROR", "error": {"type": "PERMISSION", "code": "ACCESS_DENIED"}}}
    if code in lacking:
        return row | {"status": {"value": "ERROR", "error": {"type": "COMPATIBILITY", "code": "VEHICLE_NOT_CAPABLE"}}}
    return row | {"status": {"value": "SUCCESS"}, "body": body}
