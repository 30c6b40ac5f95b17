"""The control API of the cars: the truth, the faults and the hands on the plug. Only tests and demos call it."""

from typing import Any

from django.http import HttpRequest, HttpResponseBase, JsonResponse
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_http_methods, require_safe

from sandbox.cars import actions, garage, physics
from sandbox.cars.models import Car
from sandbox.cars.schedules import DailyWindow, read_minute, write_minute
from sandbox.world import clock
from sandbox.world.bodies import BadBody, read_flag, read_instant, read_number, read_object, refuse_bad_bodies


def describe(car: Car) -> dict[str, Any]:
    """Return the true state of an up-to-date car in the control API's words."""
    state, spec = car.state, car.spec
    setpoint = state.setpoint
    return {
        "vehicleId": car.vehicle_id,
        "vin": car.vin,
        "maker": car.maker,
        "account": car.owner.username,
        "nickName": car.nick_name,
        "modelName": car.model_name,
        "asOf": state.as_of.isoformat(),
        "state": physics.mode(state, spec),
        "socPercent": physics.soc_percent(state, spec),
        "limitPercent": state.limit_percent,
        "powerW": physics.power_w(state, spec),
        "pluggedIn": state.is_plugged_in,
        "atHome": state.is_home,
        "homeAt": state.trip.home_at.isoformat() if state.trip else None,
        "asleep": car.is_asleep,
        "stopped": state.is_stopped,
        "setpoint": setpoint
        and {
            "powerKw": setpoint.power_w / 1000,
            "until": setpoint.until.isoformat(),
            "minSocPercent": setpoint.floor_percent,
        },
        "starts": [
            {"id": planned.schedule_id, "at": planned.at.isoformat(), "isHere": planned.is_here}
            for planned in state.starts
        ],
        "window": state.window
        and {"start": write_minute(state.window.start_minute), "stop": write_minute(state.window.stop_minute)},
        "waiting": physics.is_waiting(state, spec),
        "energyWh": state.energy_wh,
        "batteryWh": spec.battery_wh,
        "importedWh": state.imported_wh,
        "exportedWh": state.exported_wh,
        "drivenWh": state.driven_wh,
        "chargeEfficiency": spec.charge_efficiency,
        "dischargeEfficiency": spec.discharge_efficiency,
        "partnerExtension": car.has_partner_extension,
        "faults": actions.read_faults(car),
    }


@require_safe
def list_cars(request: HttpRequest) -> JsonResponse:  # noqa: ARG001 - a view's signature
    """Return every car's true state."""
    return JsonResponse([describe(car) for car in garage.look_at_all(now=clock.now())], safe=False)


# Exempt from CSRF: PATCH from another origin needs a preflight, which nobody here answers.
@csrf_exempt
@require_http_methods(["GET", "PATCH"])
@refuse_bad_bodies
def control_car(request: HttpRequest, vehicle_id: str) -> HttpResponseBase:
    """Return one car's true state; PATCH changes faults, battery, limit or the owner's window, or does one action."""
    try:
        car = garage.look_at(vehicle_id, now=clock.now())
        if request.method == "PATCH":
            car = _patch(vehicle_id, read_object(request)) or car
    except Car.DoesNotExist:
        return JsonResponse({"error": "no such car"}, status=404)
    except actions.ImpossibleNow as error:
        return JsonResponse({"error": str(error)}, status=409)
    return JsonResponse(describe(car))


def _patch(vehicle_id: str, body: dict[str, Any]) -> Car | None:
    unknown = set(body) - {"faults", "action", "socPercent", "limitPercent", "window"}
    if unknown:
        raise BadBody(f"unknown: {', '.join(sorted(unknown))}")
    now = clock.now()
    car = None
    if "faults" in body:
        car = actions.set_faults(vehicle_id, _read_faults(body["faults"]), now=now)
    if "limitPercent" in body:
        car = actions.set_limit(vehicle_id, read_number(body, "limitPercent", least=50, most=100), now=now)
    if "socPercent" in body:
        car = actions.set_soc(vehicle_id, read_number(body, "socPercent", least=0, most=100), now=now)
    if "window" in body:
        car = actions.set_window(vehicle_id, _read_window(body["window"]), now=now)
    if "action" in body:
        car = actions.act(vehicle_id, str(body["action"]), now=now)
    return car


def _read_window(window: Any) -> DailyWindow | None:
    if window is None:
        return None
    try:
        return DailyWindow(read_minute(window["start"]), read_minute(window["stop"]))
    except (KeyError, TypeError, ValueError) as error:
        raise BadBody('window takes {"start": "HH:MM", "stop": "HH:MM"}, two different times, or null') from error


def _read_faults(faults: Any) -> dict[str, Any]:
    if not isinstance(faults, dict) or set(faults) - set(actions.FAULTS):
        raise BadBody(f"faults takes {', '.join(actions.FAULTS)}")
    return {
        name: read_number(faults, name, least=0, most=86_400)
        if name == "commandDelaySeconds"
        else read_flag(faults, name)
        for name in faults
    }


@require_safe
def list_commands(request: HttpRequest, vehicle_id: str) -> JsonResponse:  # noqa: ARG001 - a view's signature
    """Return the latest commands that the maker's cloud received for the car, newest first, and how many in all."""
    try:
        car = garage.look_at(vehicle_id, now=clock.now())
    except Car.DoesNotExist:
        return JsonResponse({"error": "no such car"}, status=404)
    latest = car.commands.order_by("-id")[:500]
    return JsonResponse({"count": car.commands.count(), "commands": [command.as_json() for command in latest]})


@require_safe
def list_served(request: HttpRequest, vehicle_id: str) -> JsonResponse:
    """Return what the cloud told about the car, oldest first; `since` (ISO) leaves out what was observed earlier."""
    since = request.GET.get("since")
    try:
        car = garage.look_at(vehicle_id, now=clock.now())
        floor = read_instant({"since": since}, "since") if since else None
    except Car.DoesNotExist:
        return JsonResponse({"error": "no such car"}, status=404)
    except BadBody as error:
        return JsonResponse({"error": str(error)}, status=400)
    readings = car.readings.filter(observed_at__gte=floor) if floor else car.readings.all()
    latest = list(readings.order_by("-id")[:5000])
    return JsonResponse([reading.as_json() for reading in reversed(latest)], safe=False)
