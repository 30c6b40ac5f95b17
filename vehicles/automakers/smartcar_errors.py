"""Smartcar's error objects `{type, code, status, resolution.type}`, put into the contract's words.

The body's `status` counts more than the header's: a command that ran long has told 202 before it knew. The type is
looked at first: `resolution.type` is a hint that also stands on errors which linking again does not cure.
"""

from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from typing import Any

import requests

from vehicles.automakers.answers import pick, text
from vehicles.automakers.base import Clock
from vehicles.automakers.errors import (
    AuthRevoked,
    AutomakerError,
    CommandTimeout,
    NotPluggedIn,
    NotSupported,
    RateLimited,
    Rejected,
    ScopeMissing,
    SubscriptionInactive,
    TokenRejected,
    Unreachable,
    UpstreamDown,
    VehicleGone,
)
from vehicles.automakers.wire import refusal, wait_until

BILLING_WAIT = timedelta(hours=1)
# Codes of VEHICLE_STATE that say that what was asked for is already so, by command.
ALREADY = {
    "start": ("CHARGING_IN_PROGRESS", "FULLY_CHARGED"),
    "stop": ("NOT_CHARGING", "FULLY_CHARGED"),
}


def find_error(body: Any) -> Mapping[str, Any] | None:
    """Return the error object in an answer, or None where it holds none."""
    listed = pick(body, "errors")
    candidates = listed[:1] if isinstance(listed, list) else [pick(body, "error"), body]
    for found in candidates:
        if isinstance(found, Mapping) and text(found.get("type")) and text(found.get("code") or found.get("status")):
            return found
    return None


def is_already_so(error: Mapping[str, Any], command: str) -> bool:
    """Say whether the car refused `command` (start, stop, ...) because there was nothing to do."""
    return text(error.get("type")) == "VEHICLE_STATE" and text(error.get("code")) in ALREADY.get(command, ())


def read_error(
    reply: requests.Response, error: Mapping[str, Any] | None, *, clock: Clock, is_command: bool
) -> AutomakerError:
    """Return what a failed answer means; without an error object its HTTP status speaks."""
    if error is None:
        if reply.status_code == 430:
            return RateLimited("HTTP 430", scope="app", retry_at=clock.wall() + BILLING_WAIT)
        return refusal(reply, clock=clock, is_command=is_command)
    kind, code = text(error.get("type")), text(error.get("code"))
    reason = f"{kind} {code}".strip()
    if kind == "RATE_LIMIT" or (kind == "UPSTREAM" and code == "RATE_LIMIT"):
        scope = "app" if code == "SMARTCAR_API" else "vehicle"
        return RateLimited(reason, scope=scope, retry_at=wait_until(reply, clock=clock))
    if kind == "BILLING":
        return _billing(reason, code, wall=clock.wall())
    known = _KINDS.get(kind)
    if known is not None:
        return known(reason, code, text(pick(error, "resolution", "type")))
    if kind in {"VALIDATION", "REQUEST"} and is_command:
        return Rejected(reason)
    # SERVER, UPSTREAM and what this version does not know: of a command nobody knows whether it was done.
    return CommandTimeout(reason) if is_command else UpstreamDown(reason)


def _billing(reason: str, code: str, *, wall: datetime) -> AutomakerError:
    scope = "vehicle" if code == "VEHICLE_REQUEST_LIMIT" else "app"
    return RateLimited(reason, scope=scope, retry_at=wall + BILLING_WAIT)


def _authentication(reason: str, code: str, _resolution: str) -> AutomakerError:
    return ScopeMissing(reason) if code == "ACCESS_DENIED" else TokenRejected(reason)


def _account(reason: str, code: str, resolution: str) -> AutomakerError:
    if code in {"PERMISSION", "VIRTUAL_KEY_REQUIRED"}:
        return ScopeMissing(reason)
    if code in {"VEHICLE_MISSING", "NO_VEHICLES"}:
        return VehicleGone(reason)
    if code == "AUTHENTICATION_FAILED" or (code != "SUBSCRIPTION" and resolution == "REAUTHENTICATE"):
        return AuthRevoked(reason)
    return SubscriptionInactive(reason)


def _vehicle_state(reason: str, code: str, _resolution: str) -> AutomakerError:
    if code == "ASLEEP":
        return Unreachable(reason, is_asleep=True)
    if code in {"UNREACHABLE", "VEHICLE_OFFLINE_FOR_SERVICE"}:
        return Unreachable(reason)
    if code == "CHARGING_PLUG_NOT_CONNECTED":
        return NotPluggedIn(reason)
    return Rejected(reason)


def _not_found(reason: str, code: str, _resolution: str) -> AutomakerError:
    # A wrong path or version is our mistake, and no reason to give up the car.
    return UpstreamDown(reason) if code in {"PATH", "VERSION"} else VehicleGone(reason)


_KINDS: dict[str, Callable[[str, str, str], AutomakerError]] = {
    "AUTHENTICATION": _authentication,
    "PERMISSION": lambda reason, _code, _resolution: ScopeMissing(reason),
    "COMPATIBILITY": lambda reason, _code, _resolution: NotSupported(reason),
    "CONNECTED_SERVICES_ACCOUNT": _account,
    "VEHICLE_STATE": _vehicle_state,
    "RESOURCE_NOT_FOUND": _not_found,
}
