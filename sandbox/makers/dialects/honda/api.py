"""The Honda partner's cloud (docs/partners/honda.md): what it knows of a car, under the scopes that were granted."""

from collections.abc import Collection
from datetime import datetime
from typing import Any

from django.http import HttpRequest, HttpResponseBase, JsonResponse
from django.views.decorators.http import require_safe

from sandbox.cars import garage, physics
from sandbox.cars.models import Car
from sandbox.makers.access import Refused, account_cars, consented_car, door
from sandbox.makers.models import Grant
from sandbox.makers.tokens import account_id, scopes_of

LOCATION, ACTIONS = "vehicle.location", "vehicle.actions"
WORK_OFFSET_DEGREES = 0.09  # where the car stands when it is away
LIMIT = {"least": 50, "most": 100, "step": 5}
api = door()


def write_instant(instant: datetime) -> str:
    """Return RFC 3339 in UTC."""
    return instant.isoformat().replace("+00:00", "Z")


def granted(request: HttpRequest) -> set[str]:
    """Return the scopes behind the request's token."""
    return scopes_of(request.headers.get("Authorization", "").partition(" ")[2])


@require_safe
@api
def list_vehicles(request: HttpRequest, grant: Grant) -> HttpResponseBase:  # noqa: ARG001 - a view's signature
    """Return every car of the account; the VIN of those alone that the owner shared."""
    shared = set(grant.cars.values_list("pk", flat=True))
    vehicles = [_summary(car, is_shared=car.pk in shared) for car in account_cars(grant)]
    return JsonResponse({"accountId": account_id(grant.owner), "vehicles": vehicles})


def _summary(car: Car, *, is_shared: bool) -> dict[str, Any]:
    return {
        "id": car.vehicle_id,
        "vin": car.vin if is_shared else None,
        "make": "Honda",
        "model": car.model_name,
        "year": int(car.model_year),
        "trim": car.trim,
        "name": car.nick_name,
        "powertrain": "BEV",
        "shared": is_shared,
    }


@require_safe
@api
def show_capabilities(request: HttpRequest, grant: Grant, vehicle_id: str) -> HttpResponseBase:  # noqa: ARG001
    """Return what the car can be told."""
    car = consented_car(grant, vehicle_id)
    holds = "timed" if car.has_partner_extension else "none"
    answer = {"vehicleId": car.vehicle_id, "holds": holds, "maxDischargeKw": car.spec.max_discharge_w / 1000}
    return JsonResponse(answer | {"meter": True, "limitPercent": LIMIT, "wake": True})


@require_safe
@api
def show_state(request: HttpRequest, grant: Grant, vehicle_id: str) -> HttpResponseBase:
    """Return what the cloud knows of the car; asking does not wake it."""
    car = consented_car(grant, vehicle_id)
    return JsonResponse({"vehicleId": car.vehicle_id} | describe_state(car, scopes=granted(request), source="honda"))


def describe_state(car: Car, *, scopes: Collection[str], source: str) -> dict[str, Any]:
    """Return the state of an up-to-date car as answers and webhooks show it."""
    state, spec = garage.served_state(car), car.spec
    seen_at = write_instant(state.as_of)
    soc_percent = round(physics.soc_percent(state, spec), 2)
    garage.note_served(car, state, source=source, soc_percent=soc_percent, has_meter=True)
    answer: dict[str, Any] = {
        "battery": {
            "socPercent": soc_percent,
            "limitPercent": state.limit_percent,
            "rangeKm": round(soc_percent / 100 * car.range_km),
            "observedAt": seen_at,
        },
        "charging": {
            "status": physics.mode(state, spec),
            "pluggedIn": state.is_plugged_in,
            "powerKw": round(physics.power_w(state, spec) / 1000, 3),
            "importedWh": int(state.imported_wh),
            "exportedWh": int(state.exported_wh),
            "observedAt": seen_at,
        },
        "modem": {"asleep": car.is_asleep, "observedAt": seen_at},
    }
    if LOCATION in scopes:
        away = 0.0 if state.is_home else WORK_OFFSET_DEGREES
        place = {"latitude": car.home_latitude + away, "longitude": car.home_longitude + away}
        answer["location"] = place | {"observedAt": seen_at}
    return answer


def check_actions(request: HttpRequest) -> None:
    """Raise Refused where the owner did not allow actions."""
    if ACTIONS not in granted(request):
        raise Refused(403, "The owner did not allow actions", code="SCOPE")
