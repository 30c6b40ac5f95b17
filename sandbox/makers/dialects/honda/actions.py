"""Actions: accepted as PENDING, then CONFIRMED, FAILED with a reason, or CANCELLED by a newer one."""

from datetime import datetime, timedelta
from typing import Any

from django.db import transaction
from django.http import HttpRequest, HttpResponseBase, JsonResponse
from django.views.decorators.http import require_POST, require_safe

from sandbox.cars import garage
from sandbox.cars.models import Car, Command
from sandbox.makers.access import Refused, consented_car
from sandbox.makers.dialects.honda.api import LIMIT, api, check_actions, write_instant
from sandbox.makers.models import Grant
from sandbox.world import clock
from sandbox.world.bodies import BadBody, read_instant, read_number, read_object

LATENCY = timedelta(seconds=5)  # simulated: cloud to modem to car
GIVEN_UP_AFTER = timedelta(minutes=5)  # the cloud stops waiting for a car that does not respond
MAX_KEY_LENGTH = 255
STEERING = ("setpoint", "resume")
SUPERSEDED = "superseded"
REASONS = {
    "asleep": "NO_RESPONSE",
    "not plugged in": "NOT_PLUGGED_IN",
    "unnecessary": "UNNECESSARY",
    "conflict": "CONFLICT",
}


@require_POST
@api
def create_action(request: HttpRequest, grant: Grant, vehicle_id: str) -> HttpResponseBase:
    """Accept an action; the same key again answers with the same action."""
    check_actions(request)
    key = request.headers.get("Idempotency-Key")
    if key is not None and not 0 < len(key) <= MAX_KEY_LENGTH:
        raise Refused(400, f"Idempotency-Key must have 1 to {MAX_KEY_LENGTH} characters")
    with transaction.atomic():
        car = consented_car(grant, vehicle_id)
        kind, body = _read_action(request, car)
        first = car.commands.filter(idempotency_key=key).first() if key is not None else None
        if first is None:
            _refuse_past(body)
            if kind in STEERING:
                _cancel_older(car)
        reason = _why_pointless(car, kind) if first is None else ""
        try:
            command = garage.receive_command(
                car, kind=kind, now=clock.now(), latency=LATENCY, body=body, idempotency_key=key
            )
        except garage.KeyReused as error:
            raise Refused(422, "Idempotency-Key was used for another action") from error
        if reason:
            command.settle(Command.Status.FAILED, reason=reason)
    return JsonResponse(describe_action(command, now=clock.now()), status=202)


@require_safe
@api
def show_action(request: HttpRequest, grant: Grant, vehicle_id: str, action_id: str) -> HttpResponseBase:  # noqa: ARG001
    """Return how an action fares."""
    car = consented_car(grant, vehicle_id)
    command = car.commands.filter(command_id=action_id).first()
    if command is None:
        raise Refused(404, "Unknown action")
    return JsonResponse(describe_action(command, now=clock.now()))


def describe_action(command: Command, *, now: datetime) -> dict[str, Any]:
    """Return the action as answers and webhooks show it."""
    state, reason = _outcome(command, now=now)
    return {
        "id": command.command_id,
        "kind": _kind(command),
        "state": state,
        "failureReason": reason,
        "createdAt": write_instant(command.received_at),
    }


def _outcome(command: Command, *, now: datetime) -> tuple[str, str | None]:
    if command.status == Command.Status.COMPLETED:
        return "CONFIRMED", None
    if command.status == Command.Status.FAILED:
        if command.reason == SUPERSEDED:
            return "CANCELLED", None
        return "FAILED", REASONS.get(command.reason, "FAILED_PRECONDITION")
    if now >= command.received_at + GIVEN_UP_AFTER:
        return "FAILED", "NO_RESPONSE"
    return "PENDING", None


def _kind(command: Command) -> str:
    if command.kind == "setpoint":
        return "DISCHARGE" if command.body["powerKw"] < 0 else "HOLD"
    return {"resume": "RESUME", "setLimit": "SET_LIMIT", "wake": "WAKE"}.get(command.kind, command.kind)


def _read_action(request: HttpRequest, car: Car) -> tuple[str, dict[str, Any]]:
    """Return the garage's word for the action and its body."""
    try:
        body = read_object(request)
        kind = body.get("kind")
        if kind in {"HOLD", "DISCHARGE"}:
            if not car.has_partner_extension:
                raise Refused(501, "This car takes no timed orders")
            is_discharge = kind == "DISCHARGE"
            most_kw = car.spec.max_discharge_w / 1000
            power_kw = read_number(body, "powerKw", least=0.1, most=most_kw) if is_discharge else 0.0
            floor = read_number(body, "minSocPercent", least=0, most=100) if is_discharge else 0.0
            until = read_instant(body, "until").isoformat()
            return "setpoint", {"powerKw": -power_kw, "until": until, "minSocPercent": floor}
        if kind == "SET_LIMIT":
            limit = read_number(body, "limitPercent", least=LIMIT["least"], most=LIMIT["most"])
            return "setLimit", {"percent": limit}
        if kind in {"RESUME", "WAKE"}:
            return str(kind).lower(), {}
    except BadBody as error:
        raise Refused(400, str(error)) from error
    raise Refused(400, "kind must be HOLD, DISCHARGE, RESUME, SET_LIMIT or WAKE")


def _refuse_past(body: dict[str, Any]) -> None:
    if "until" in body and datetime.fromisoformat(body["until"]) <= clock.now():
        raise Refused(400, "until lies in the past")


def _why_pointless(car: Car, kind: str) -> str:
    """Return why the cloud itself knows that the car will not do it; "" where it does not."""
    state = garage.served_state(car)
    if kind == "setpoint" and not state.is_plugged_in:
        return "not plugged in"
    if kind == "resume" and state.setpoint is None and not state.is_stopped:
        return "unnecessary"
    return ""


def _cancel_older(car: Car) -> None:
    waiting = car.commands.filter(kind__in=STEERING, status__in=(Command.Status.PENDING, Command.Status.LOST))
    waiting.update(status=Command.Status.FAILED, reason=SUPERSEDED)
