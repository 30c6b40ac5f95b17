"""How Smartcar writes and signs what it pushes, and how it checks who listens."""

import hashlib
import hmac
import json
import secrets
from collections.abc import Sequence
from datetime import datetime
from typing import Any

from sandbox.cars import garage, physics
from sandbox.cars.models import Car
from sandbox.makers.dialects.smartcar.api import describe_car, describe_signals, write_instant
from sandbox.makers.dialects.smartcar.errors import user_id_of
from sandbox.makers.models import Grant

MOST_A_POST = 1
WEBHOOK = {"version": "4.0", "webhookId": "5a8e5e38-1e12-4011-a36d-56f120053f9e", "webhookName": "Charging"}
CHANGES = {"gone": "VEHICLE_MISSING", "revoked": "AUTHENTICATION_FAILED"}


def sign_of(car: Car) -> str:
    """Return what changes when a signal that triggers has changed."""
    state = garage.served_state(car)
    soc = int(physics.soc_percent(state, car.spec))
    return f"{physics.mode(state, car.spec)} {soc} {state.limit_percent:g} {car.is_asleep}"


def actions_of(car: Car, *, now: datetime) -> dict[str, dict[str, Any]]:  # noqa: ARG001 - a pusher's signature
    """Return none: commands tell their outcome themselves."""
    return {}


def write_action(grant: Grant, car: Car, action: dict[str, Any], *, now: datetime) -> dict[str, Any]:
    """Refuse: Smartcar tells no commands."""
    raise NotImplementedError


def write_state(grant: Grant, car: Car, *, now: datetime) -> dict[str, Any]:
    """Return the VEHICLE_STATE event with all subscribed signals."""
    signals = describe_signals(grant, car, source="smartcar webhook")
    for signal in signals:
        signal["meta"] = {name: round(value.timestamp() * 1000) for name, value in signal["meta"].items()}
    triggers = [{"type": "SIGNAL_UPDATED", "signal": {"code": "charge-ischarging"}}]
    event = _event("VEHICLE_STATE", grant, car.vehicle_id, now=now)
    event["data"] |= {"signals": [row for row in signals if row["code"] != "vehicleidentification-vin"]}
    event["data"]["vehicle"] |= describe_car(car)
    return event | {"triggers": triggers}


def write_change(grant: Grant, kind: str, vehicle_id: str, *, now: datetime) -> dict[str, Any] | None:
    """Return the VEHICLE_ERROR for a car that is gone or a grant that ended; a new car tells itself by its state."""
    code = CHANGES.get(kind)
    if code is None:
        return None
    event = _event("VEHICLE_ERROR", grant, vehicle_id, now=now)
    error = {"type": "CONNECTED_SERVICES_ACCOUNT", "code": code, "state": "ERROR"}
    event["data"] |= {"errors": [error | {"resolution": {"type": "REAUTHENTICATE"}}]}
    return event


def _event(kind: str, grant: Grant, vehicle_id: str, *, now: datetime) -> dict[str, Any]:
    data = {"user": {"id": user_id_of(grant.owner)}, "vehicle": {"id": vehicle_id}}
    return {"eventType": kind, "data": data, "meta": WEBHOOK | {"occurredAt": write_instant(now)}}


def write_body(events: Sequence[tuple[str, dict[str, Any]]], *, is_test: bool) -> bytes:
    """Return the one event as Smartcar posts it."""
    ((event_id, event),) = events
    meta = event["meta"] | {"mode": "TEST" if is_test else "LIVE", "deliveryId": secrets.token_hex(8)}
    return json.dumps({"eventId": event_id} | event | {"meta": meta}).encode()


def write_headers(body: bytes, *, secret: str, wall: datetime) -> dict[str, str]:  # noqa: ARG001 - carries no time
    """Return the signature over the raw body."""
    return {"SC-Signature": hmac.new(secret.encode(), body, hashlib.sha256).hexdigest()}
