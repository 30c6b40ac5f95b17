"""How the Honda partner writes and signs its deliveries: arrays of events, HMAC-SHA256 over the time and the body."""

import hashlib
import hmac
import json
from collections.abc import Sequence
from datetime import datetime
from typing import Any

from sandbox.cars import garage, physics
from sandbox.cars.models import Car
from sandbox.makers.dialects.honda.actions import describe_action
from sandbox.makers.dialects.honda.api import describe_state, write_instant
from sandbox.makers.models import Grant
from sandbox.makers.tokens import account_id, scopes_of_grant

MOST_A_POST = 100
RECENT_ACTIONS = 5


def sign_of(car: Car) -> str:
    """Return what changes when there is something to tell about the car's state."""
    state = garage.served_state(car)
    soc = int(physics.soc_percent(state, car.spec))
    return f"{physics.mode(state, car.spec)} {soc} {state.limit_percent:g} {car.is_asleep}"


def actions_of(car: Car, *, now: datetime) -> dict[str, dict[str, Any]]:
    """Return the latest actions by id, for their changes to be told."""
    latest = car.commands.filter(kind__in=("setpoint", "resume", "setLimit", "wake")).order_by("-id")[:RECENT_ACTIONS]
    return {command.command_id: describe_action(command, now=now) for command in latest}


def write_state(grant: Grant, car: Car, *, now: datetime) -> dict[str, Any]:
    """Return the event that tells the car's state."""
    state = describe_state(car, scopes=scopes_of_grant(grant), source="honda webhook")
    return _event("vehicle.state", grant, car.vehicle_id, now=now) | {"state": state}


def write_action(grant: Grant, car: Car, action: dict[str, Any], *, now: datetime) -> dict[str, Any]:
    """Return the event that tells how an action fares."""
    return _event("vehicle.action", grant, car.vehicle_id, now=now) | {"action": action}


def write_change(grant: Grant, kind: str, vehicle_id: str, *, now: datetime) -> dict[str, Any] | None:
    """Return the event for `added`, `gone` or `revoked`."""
    name = {"added": "vehicle.added", "gone": "vehicle.gone", "revoked": "link.revoked"}[kind]
    return _event(name, grant, vehicle_id, now=now)


def _event(kind: str, grant: Grant, vehicle_id: str, *, now: datetime) -> dict[str, Any]:
    event = {"type": kind, "occurredAt": write_instant(now), "accountId": account_id(grant.owner)}
    return event | ({"vehicleId": vehicle_id} if vehicle_id else {})


def write_body(events: Sequence[tuple[str, dict[str, Any]]], *, is_test: bool) -> bytes:  # noqa: ARG001 - no test mode
    """Return one delivery: an array of events, each with its id."""
    return json.dumps([{"id": event_id} | event for event_id, event in events]).encode()


def write_headers(body: bytes, *, secret: str, wall: datetime) -> dict[str, str]:
    """Return the signature over the time and the raw body."""
    stamp = str(int(wall.timestamp()))
    digest = hmac.new(secret.encode(), stamp.encode() + b"." + body, hashlib.sha256).hexdigest()
    return {"X-Honda-Signature": f"t={stamp},v1={digest}"}
