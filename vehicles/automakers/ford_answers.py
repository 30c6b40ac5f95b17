"""FordConnect's answers, read into the contract's words (shapes: reference of FordConnect v3 and our partner API)."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from vehicles.automakers.answers import boolean, instant, integer, listed, number, observed, pick, text
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
from vehicles.automakers.errors import UpstreamDown

TIMESTAMP = "%m-%d-%Y %H:%M:%S"  # zone-less; UTC

CHARGE_STATES = {
    "charging": ChargeState.CHARGING,
    "chargingac": ChargeState.CHARGING,
    "chargingdc": ChargeState.CHARGING,
    "chargingdcquickcharging": ChargeState.CHARGING,
    "ready": ChargeState.PLUGGED_IDLE,
    "notready": ChargeState.PLUGGED_IDLE,
    "charged": ChargeState.COMPLETE,
    "evsenotdetected": ChargeState.UNPLUGGED,
    "fault": ChargeState.FAULT,
}
PARTNER_STATES = {
    "CHARGING": ChargeState.CHARGING,
    "DISCHARGING": ChargeState.DISCHARGING,
    "HOLDING": ChargeState.HOLDING,
    "COMPLETE": ChargeState.COMPLETE,
    "UNPLUGGED": ChargeState.UNPLUGGED,
}
RECEIPTS = {
    "PENDINGRESPONSE": ReceiptState.PENDING,
    "QUEUED": ReceiptState.PENDING,
    "ACCEPTED": ReceiptState.ACCEPTED,
    "COMPLETED": ReceiptState.COMPLETED,
    "SUCCESS": ReceiptState.COMPLETED,
    "FAILED": ReceiptState.FAILED,
    "TIMEOUT": ReceiptState.FAILED,
}
START_STOP = Capabilities(
    link_kind=LinkKind.REDIRECT,
    reads=("soc_percent", "is_plugged_in", "charge_state", "place", "is_asleep"),
    can_start_stop=True,
    hold_ends=HoldEnds.START_STOP,
    can_wake=True,
    min_poll_seconds=60,
    worst_latency_seconds=1800,
)


def read_vehicle_list(body: Any) -> list[VehicleRef]:
    """Return the cars of `GET /vehicles`, without VINs; raises UpstreamDown where the answer is no list of cars."""
    return listed(body, "vehicles", _read_ref)


def _read_ref(row: Mapping[str, Any]) -> VehicleRef:
    return VehicleRef(
        external_id=text(row.get("vehicleId"), limit=120),
        make="Ford",
        model=text(row.get("modelName")) or "car",
        model_year=integer(row.get("modelYear"), low=1990, high=2100),
        trim=text(row.get("trim")),
        nickname=text(row.get("nickName")),
        is_shared=integer(row.get("vehicleAuthorizationIndicator"), low=0, high=1) == 1,
        is_electric=text(row.get("engineType")).upper() in {"BEV", "EV", "PHEV", ""},
    )


def read_capabilities_answer(body: Any) -> Capabilities:
    """Return what our partner API says the car can do beyond start and stop."""
    if pick(body, "holdEnds") != "timed":
        return START_STOP
    discharge_kw = number(pick(body, "maxDischargeKw"), low=0, high=25) or 0.0
    is_metered = boolean(pick(body, "meter")) is True
    meters = ("imported_wh", "exported_wh") if is_metered else ()
    return Capabilities(
        link_kind=LinkKind.REDIRECT,
        reads=(*START_STOP.reads, "limit_percent", "power_w", *meters),
        can_start_stop=True,
        hold_ends=HoldEnds.TIMED,
        max_discharge_w=round(discharge_kw * 1000),
        can_wake=True,
        is_metered=is_metered,
        min_poll_seconds=60,
        worst_latency_seconds=1800,
    )


def read_vehicle(body: Any, *, now: datetime) -> VehicleState:
    """Return the state in `GET /vehicles/{id}`; raises UpstreamDown where it describes no car."""
    car = pick(body, "vehicle")
    if not isinstance(car, Mapping):
        raise UpstreamDown("car state without a car")
    plug = _field(pick(car, "vehicleStatus", "plugStatus"), boolean, now=now)
    charging = _field(pick(car, "vehicleStatus", "chargingStatus"), _charge_state, now=now)
    if plug is not None and charging is not None and not plug.value and plug.observed_at >= charging.observed_at:
        charging = Observed(str(ChargeState.UNPLUGGED), plug.observed_at, plug.fetched_at)
    return VehicleState(
        soc_percent=_field(pick(car, "vehicleDetails", "batteryChargeLevel"), _percent, now=now),
        range_km=_field(
            pick(car, "vehicleDetails", "batteryChargeLevel"), _distance, now=now, value_key="distanceToEmpty"
        ),
        is_plugged_in=plug,
        charge_state=charging,
        place=_place(pick(car, "vehicleLocation"), now=now),
        is_asleep=_field(pick(car, "vehicleStatus", "deepSleepInProgress"), boolean, now=now),
    )


def read_telemetry(body: Any, *, now: datetime) -> VehicleState:
    """Return the state in the partner API's telemetry; every value carries the one `observedAt`."""
    seen_at = instant(pick(body, "observedAt"), now=now)
    power_kw = number(pick(body, "powerKw"), low=-25, high=25)

    def at(value: Any) -> Any:
        return observed(value, observed_at=seen_at, fetched_at=now)

    state = pick(body, "state")
    return VehicleState(
        soc_percent=at(_percent(pick(body, "socPercent"))),
        limit_percent=at(_percent(pick(body, "limitPercent"))),
        is_plugged_in=at(boolean(pick(body, "pluggedIn"))),
        charge_state=at(str(PARTNER_STATES.get(state, ChargeState.UNKNOWN)) if isinstance(state, str) else None),
        power_w=at(None if power_kw is None else round(power_kw * 1000)),
        imported_wh=at(integer(pick(body, "meter", "importedWh"), low=0, high=10**12)),
        exported_wh=at(integer(pick(body, "meter", "exportedWh"), low=0, high=10**12)),
    )


def read_receipt(body: Any, *, now: datetime, is_new: bool) -> CommandReceipt:
    """Return the maker's word on a command; an unknown word of a 2xx answer means accepted."""
    word = text(pick(body, "commandStatus") or pick(body, "status")).upper()
    state = RECEIPTS.get(word, ReceiptState.ACCEPTED)
    if is_new and state == ReceiptState.COMPLETED:
        state = ReceiptState.ACCEPTED  # "SUCCESS" on submission says that the request was understood
    return CommandReceipt(maker_command_id=text(pick(body, "commandId"), limit=120), state=str(state), submitted_at=now)


def _field(record: Any, read: Any, *, now: datetime, value_key: str = "value") -> Any:
    seen_at = instant(pick(record, "timestamp"), now=now, pattern=TIMESTAMP)
    return observed(read(pick(record, value_key)), observed_at=seen_at, fetched_at=now)


def _charge_state(value: Any) -> str | None:
    word = text(value).replace("_", "").lower()
    return str(CHARGE_STATES.get(word, ChargeState.UNKNOWN)) if word else None


def _percent(value: Any) -> float | None:
    return number(value, low=0, high=100)


def _distance(value: Any) -> float | None:
    return number(value, low=0, high=2000)


def _place(record: Any, *, now: datetime) -> Observed[Place] | None:
    latitude = number(pick(record, "latitude"), low=-90, high=90)
    longitude = number(pick(record, "longitude"), low=-180, high=180)
    if latitude is None or longitude is None or (latitude == 0 and longitude == 0):  # 0, 0 means "no fix"
        return None
    seen_at = instant(pick(record, "timestamp"), now=now, pattern=TIMESTAMP)
    return observed(Place(latitude, longitude), observed_at=seen_at, fetched_at=now)
