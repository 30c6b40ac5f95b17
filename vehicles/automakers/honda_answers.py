"""The Honda partner contract's answers and messages, read into the words of `base.py`."""

import json
from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime
from typing import Any

from vehicles.automakers.answers import boolean, instant, integer, listed, number, observed, pick, text, vin
from vehicles.automakers.base import (
    Capabilities,
    ChargeState,
    CommandReceipt,
    HoldEnds,
    LinkKind,
    Observed,
    Place,
    ReceiptState,
    VehicleRef,
    VehicleState,
)
from vehicles.automakers.errors import CommandTimeout, NotPluggedIn, Rejected, UpstreamDown, WebhookRefused
from vehicles.automakers.push import Push, PushKind
from vehicles.automakers.timed import MOST_KW, watts

READ_SCOPE, PLACE_SCOPE, ACTION_SCOPE = SCOPES = ("vehicle.state", "vehicle.location", "vehicle.actions")
CHARGE_STATES = {
    "UNPLUGGED": ChargeState.UNPLUGGED,
    "IDLE": ChargeState.PLUGGED_IDLE,
    "CHARGING": ChargeState.CHARGING,
    "HOLDING": ChargeState.HOLDING,
    "DISCHARGING": ChargeState.DISCHARGING,
    "COMPLETE": ChargeState.COMPLETE,
    "FAULT": ChargeState.FAULT,
}
ACTION_STATES = {
    "PENDING": ReceiptState.PENDING,
    "CONFIRMED": ReceiptState.COMPLETED,
    "CANCELLED": ReceiptState.FAILED,
    "FAILED": ReceiptState.FAILED,
}
MOST_EVENTS = 100


def read_vehicle_list(body: Any) -> list[VehicleRef]:
    """Return the cars of `GET /vehicles`; raises UpstreamDown where the answer is no list of cars."""
    return listed(body, "vehicles", _read_ref)


def _read_ref(row: Mapping[str, Any]) -> VehicleRef:
    return VehicleRef(
        external_id=text(row.get("id"), limit=120),
        make=text(row.get("make")) or "Honda",
        model=text(row.get("model")) or "car",
        model_year=integer(row.get("year"), low=1990, high=2100),
        trim=text(row.get("trim")),
        nickname=text(row.get("name")),
        vin=vin(row.get("vin")),
        is_shared=boolean(row.get("shared")) is True,
        is_electric=text(row.get("powertrain")).upper() in {"BEV", "PHEV"},
    )


def read_capabilities_answer(body: Any, *, scopes: tuple[str, ...], has_webhook: bool) -> Capabilities:
    """Return what the car can do under `scopes`; no scopes told means that all asked for were granted."""
    granted = set(scopes) or set(SCOPES)
    refusals = []
    reads = ["soc_percent", "limit_percent", "range_km", "is_plugged_in", "charge_state", "power_w", "is_asleep"]
    is_metered = boolean(pick(body, "meter")) is True
    reads += ["imported_wh", "exported_wh"] if is_metered else []
    if PLACE_SCOPE in granted:
        reads.append("place")
    else:
        refusals.append("place_scope_missing")
    can = Capabilities(
        link_kind=LinkKind.REDIRECT,
        reads=tuple(reads),
        is_metered=is_metered,
        pushes=("webhook",) if has_webhook else (),
        min_poll_seconds=60,
    )
    if ACTION_SCOPE not in granted:
        return replace(can, refusals=(*refusals, "charging_scope_missing"))
    if pick(body, "holds") != "timed":
        return replace(can, refusals=(*refusals, "no_commands"))
    discharge_w = watts(pick(body, "maxDischargeKw"), low=0) or 0
    return replace(
        can,
        can_start_stop=True,
        set_limit_percent=_read_limit(pick(body, "limitPercent")),
        hold_ends=str(HoldEnds.TIMED),
        max_discharge_w=discharge_w,
        can_wake=boolean(pick(body, "wake")) is True,
        refusals=(*refusals, *(() if discharge_w else ("no_discharge",))),
        worst_latency_seconds=600,
    )


def _read_limit(record: Any) -> tuple[int, int, int] | None:
    least, most = (integer(pick(record, name), low=1, high=100) for name in ("least", "most"))
    step = integer(pick(record, "step"), low=1, high=50)
    return (least, most, step) if least and most and step and least < most else None


def read_state(body: Any, *, now: datetime, source: str = "poll") -> VehicleState:
    """Return the state in `GET /vehicles/{id}/state`; each group carries the time at which the car saw it."""
    if not isinstance(pick(body, "battery"), Mapping) and not isinstance(pick(body, "charging"), Mapping):
        raise UpstreamDown("car state without a car")
    battery = _group(pick(body, "battery"), now=now, source=source)
    charging = _group(pick(body, "charging"), now=now, source=source)
    state = text(pick(body, "charging", "status"))
    return VehicleState(
        soc_percent=battery(number(pick(body, "battery", "socPercent"), low=0, high=100)),
        limit_percent=battery(number(pick(body, "battery", "limitPercent"), low=0, high=100)),
        range_km=battery(number(pick(body, "battery", "rangeKm"), low=0, high=2000)),
        is_plugged_in=charging(boolean(pick(body, "charging", "pluggedIn"))),
        charge_state=charging(str(CHARGE_STATES.get(state, ChargeState.UNKNOWN)) if state else None),
        power_w=charging(watts(pick(body, "charging", "powerKw"), high=MOST_KW)),
        imported_wh=charging(integer(pick(body, "charging", "importedWh"), low=0, high=10**12)),
        exported_wh=charging(integer(pick(body, "charging", "exportedWh"), low=0, high=10**12)),
        place=_group(pick(body, "location"), now=now, source=source)(_place(pick(body, "location"))),
        is_asleep=_group(pick(body, "modem"), now=now, source=source)(boolean(pick(body, "modem", "asleep"))),
    )


def _group(record: Any, *, now: datetime, source: str) -> Any:
    seen_at = instant(pick(record, "observedAt"), now=now)

    def at(value: Any) -> Observed[Any] | None:
        found = observed(value, observed_at=seen_at, fetched_at=now)
        return found and replace(found, source=source)

    return at


def _place(record: Any) -> Place | None:
    latitude = number(pick(record, "latitude"), low=-90, high=90)
    longitude = number(pick(record, "longitude"), low=-180, high=180)
    if latitude is None or longitude is None or (latitude == 0 and longitude == 0):  # 0, 0 means "no fix"
        return None
    return Place(latitude, longitude)


def read_action(body: Any, *, now: datetime) -> CommandReceipt:
    """Return how an action fares. A car that did not respond may have acted all the same, so that stays open."""
    state = ACTION_STATES.get(text(pick(body, "state")), ReceiptState.ACCEPTED)
    if state == ReceiptState.FAILED:
        reason = text(pick(body, "failureReason"))
        state = {"UNNECESSARY": ReceiptState.NOOP, "NO_RESPONSE": ReceiptState.PENDING}.get(reason, state)
    return CommandReceipt(text(pick(body, "id"), limit=120), str(state), now)


def read_new_action(body: Any, *, now: datetime) -> CommandReceipt:
    """Return the receipt of an action just asked for; raises what an action that failed at once means."""
    if text(pick(body, "state")) == "FAILED":
        reason = text(pick(body, "failureReason"))
        if reason == "NO_RESPONSE":
            raise CommandTimeout(reason)
        if reason != "UNNECESSARY":
            raise (NotPluggedIn if reason == "NOT_PLUGGED_IN" else Rejected)(reason or "failed")
    receipt = read_action(body, now=now)
    if receipt.state == ReceiptState.COMPLETED:  # only a reading confirms
        return replace(receipt, state=str(ReceiptState.ACCEPTED))
    return receipt


def read_events(raw_body: bytes, *, now: datetime) -> list[Push]:
    """Return the pushes in a verified delivery, a JSON array; what is not understood in it is left out."""
    try:
        events = json.loads(raw_body)
    except ValueError:
        raise WebhookRefused("body is no JSON") from None
    if not isinstance(events, list):
        raise WebhookRefused("body is no array")
    pushes = (_read_event(event, now=now) for event in events[:MOST_EVENTS] if isinstance(event, Mapping))
    return [push for push in pushes if push is not None]


KINDS = {
    "vehicle.state": PushKind.STATE,
    "vehicle.action": PushKind.COMMAND,
    "vehicle.added": PushKind.CAR_ADDED,
    "vehicle.gone": PushKind.CAR_GONE,
    "link.revoked": PushKind.LINK_REVOKED,
}


def _read_event(event: Mapping[str, Any], *, now: datetime) -> Push | None:
    kind = KINDS.get(text(event.get("type")))
    event_id = text(event.get("id"), limit=120)
    if kind is None or not event_id:
        return None
    push = Push(
        kind=str(kind),
        event_id=event_id,
        external_id=text(event.get("vehicleId"), limit=120),
        subject=text(event.get("accountId"), limit=120),
        occurred_at=instant(event.get("occurredAt"), now=now),
    )
    if kind == PushKind.STATE:
        try:
            return replace(push, state=read_state(event.get("state"), now=now, source="webhook"))
        except UpstreamDown:
            return None
    if kind == PushKind.COMMAND:
        return replace(push, receipt=read_action(event.get("action"), now=now))
    return push
