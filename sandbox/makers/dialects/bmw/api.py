"""CarData's customer API (v1): mappings, basic data, containers, telematics; 50 requests a day an account.

Errors are 403 where others say 429, with the code in `exveErrorId`. While time is simulated, the error of a quota that
is used up carries the real seconds until the world's midnight in Retry-After, for nobody could know them otherwise.
"""

import json
import secrets
from collections.abc import Callable
from datetime import UTC, datetime, time, timedelta
from functools import lru_cache, wraps
from math import ceil
from typing import Any

from django.db.models import F
from django.http import HttpRequest, HttpResponse, HttpResponseBase, JsonResponse
from django.views.decorators.http import require_http_methods, require_safe

from sandbox.cars import garage
from sandbox.cars.fleet import FLEETS
from sandbox.cars.models import Car
from sandbox.makers.access import Refused, consented_car, door
from sandbox.makers.dialects.bmw import telematics
from sandbox.makers.dialects.bmw.models import MOST_CONTAINERS, Container, DayOfRequests
from sandbox.makers.dialects.bmw.stream import write_instant
from sandbox.makers.models import Grant
from sandbox.makers.tokens import scopes_of
from sandbox.world import clock
from sandbox.world.bodies import BadBody, read_object

REQUESTS_A_DAY = 50
API_SCOPE = "cardata:api:read"
CODES = {401: "CU-102", 403: "CU-104", 404: "CU-104", 429: "CU-429", 503: "CU-503"}
Api = Callable[..., HttpResponseBase]


def _word(refused: Refused) -> dict[str, Any]:
    code = refused.code or CODES.get(refused.status, f"CU-{refused.status}")
    return {"exveErrorId": code, "exveErrorMsg": refused.title, "exveErrorRef": secrets.token_hex(6), "exveNote": ""}


def _check(request: HttpRequest, grant: Grant) -> None:
    if request.headers.get("x-version") != "v1":
        raise Refused(400, "Header x-version must be v1", code="CU-400")
    if API_SCOPE not in scopes_of(request.headers.get("Authorization", "").partition(" ")[2]):
        raise Refused(403, "Token without the scope of the CarData API", code="CU-103")
    today = clock.now().astimezone(UTC).date()
    day, _ = DayOfRequests.objects.get_or_create(owner=grant.owner, on_date=today)
    if day.count >= REQUESTS_A_DAY:
        raise Refused(429, "API rate limit reached", code="CU-429")
    DayOfRequests.objects.filter(pk=day.pk).update(count=F("count") + 1)


def api(view: Callable[..., HttpResponseBase]) -> Api:
    """Guard a view with CarData's door: token, version, scope and quota."""
    guarded = door(check=_check, word=_word)(view)

    @wraps(guarded)
    def answered(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        answer = guarded(request, *args, **kwargs)
        if answer.status_code == 429:
            answer.status_code = 403
            del answer["Retry-After"]
            if clock.current_anchor() is not None and (rate := clock.rate()):
                answer["Retry-After"] = str(ceil(_until_midnight() / timedelta(seconds=1) / rate))
        return answer

    return answered


def _until_midnight() -> timedelta:
    now = clock.now().astimezone(UTC)
    return datetime.combine(now.date() + timedelta(days=1), time(), UTC) - now


@lru_cache(maxsize=1)
def _drives_too() -> dict[str, list[str]]:
    """Return the cars of others that an account also drives, by its name."""
    fleet = json.loads((FLEETS / "bmw.json").read_text(encoding="utf-8"))
    return {account["email"]: account.get("drives_too", []) for account in fleet["accounts"]}


@require_safe
@api
def list_mappings(request: HttpRequest, grant: Grant) -> HttpResponseBase:  # noqa: ARG001 - a view's signature
    """Return the account's cars: PRIMARY where it is theirs and was ticked, SECONDARY where they drive another's."""
    since = write_instant(grant.granted_at)
    own = [(car.vin, "PRIMARY") for car in grant.cars.filter(is_sold=False).order_by("pk")]
    others = [(vin, "SECONDARY") for vin in _drives_too().get(grant.owner.username, [])]
    mappings = [{"vin": vin, "mappedSince": since, "mappingType": kind} for vin, kind in own + others]
    return JsonResponse(mappings, safe=False)


def _car(grant: Grant, vin: str) -> Car:
    if len(vin) != 17 or not vin.isalnum() or vin != vin.upper():
        raise Refused(400, "VIN has a wrong format", code="CU-120")
    return consented_car(grant, vin)


@require_safe
@api
def show_basic_data(request: HttpRequest, grant: Grant, vin: str) -> HttpResponseBase:  # noqa: ARG001
    """Return what the car is."""
    car = _car(grant, vin)
    return JsonResponse(
        {
            "brand": "BMW",
            "modelName": f"{car.model_name} {car.trim}",
            "series": car.model_name,
            "isTelematicsCapable": True,
            "countryCodeISO": "US",
            "driveTrain": "BEV",
            "propulsionType": "BEV",
            "chargingModes": ["AC", "DC"],
            "constructionDate": f"{int(car.model_year) - 1}-10-02",
            "hvsMaxEnergyAbsolute": f"{car.spec.battery_wh / 1000:.1f}",
            "simStatus": "ACTIVE",
        }
    )


@require_safe
@api
def show_telematics(request: HttpRequest, grant: Grant, vin: str) -> HttpResponseBase:
    """Return the container's values of one car, every one of them a string."""
    car = _car(grant, vin)
    container = _containers(grant).filter(container_id=request.GET.get("containerId", "")).first()
    if container is None:
        raise Refused(403, "No permission for containerId", code="CU-105")
    state = garage.served_state(car)
    values = telematics.describe(car, state)
    garage.note_served(car, state, source="cardata", soc_percent=telematics.soc_percent(values), has_meter=False)
    timestamp = write_instant(state.as_of)
    empty: dict[str, Any] = {"value": None, "unit": None, "timestamp": None}
    data = {
        name: {"value": telematics.as_text(values[name][0]), "unit": values[name][1], "timestamp": timestamp}
        if name in values
        else empty
        for name in container.descriptors
    }
    return JsonResponse({"telematicData": data})


@require_http_methods(["GET", "POST"])
@api
def list_containers(request: HttpRequest, grant: Grant) -> HttpResponseBase:
    """Return the client's containers of the account; POST makes one more."""
    if request.method == "GET":
        listed = Container.objects.filter(owner=grant.owner, client_id=grant.client_id)[:100]
        return JsonResponse({"containers": [_describe(container) for container in listed]})
    name, purpose, descriptors = _read_wanted(request)
    if _containers(grant).count() >= MOST_CONTAINERS:
        raise Refused(403, "Maximum number of containers reached", code="CU-124")
    container = Container.objects.create(
        owner=grant.owner,
        client_id=grant.client_id,
        container_id=f"S00I{secrets.token_hex(6).upper()}",
        name=name,
        purpose=purpose,
        descriptors=descriptors,
        created_at=clock.now(),
    )
    return JsonResponse(_describe(container) | {"technicalDescriptors": descriptors}, status=201)


def _read_wanted(request: HttpRequest) -> tuple[str, str, list[str]]:
    try:
        body = read_object(request)
    except BadBody as error:
        raise Refused(400, str(error), code="CU-400") from error
    name, purpose, descriptors = body.get("name"), body.get("purpose"), body.get("technicalDescriptors")
    if not isinstance(name, str) or not isinstance(purpose, str) or not 0 < len(name) <= 120 or len(purpose) > 120:
        raise Refused(400, "name and purpose are required", code="CU-401")
    if not isinstance(descriptors, list) or not descriptors:
        raise Refused(400, "technicalDescriptors is required", code="CU-401")
    if not all(isinstance(item, str) and item.startswith("vehicle.") for item in descriptors):
        raise Refused(400, "Telematic key is invalid", code="CU-402")
    return name, purpose, descriptors[:500]


@require_http_methods(["GET", "DELETE"])
@api
def show_container(request: HttpRequest, grant: Grant, container_id: str) -> HttpResponseBase:
    """Return one container with its descriptors; DELETE deletes it for good."""
    container = _containers(grant).filter(container_id=container_id).first()
    if container is None:
        raise Refused(403, "No permission for containerId", code="CU-105")
    if request.method == "DELETE":
        container.is_deleted = True
        container.save(update_fields=["is_deleted"])
        return HttpResponse(status=204)
    return JsonResponse(_describe(container) | {"technicalDescriptors": container.descriptors})


def _containers(grant: Grant) -> Any:
    return Container.objects.filter(owner=grant.owner, client_id=grant.client_id, is_deleted=False)


def _describe(container: Container) -> dict[str, Any]:
    return {
        "containerId": container.container_id,
        "name": container.name,
        "purpose": container.purpose,
        "state": "DELETED" if container.is_deleted else "ACTIVE",
        "created": write_instant(container.created_at),
    }
