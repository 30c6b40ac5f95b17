"""Smartcar v3's connections, signals and webhooks, read into the words of `base.py`.

Every signal has a status of its own, the time at which Smartcar fetched it and the time at which the car said it. The
car's time counts: a cached value is as old as the car's word, not as the fetching of it.
"""

from collections.abc import Iterable, Mapping
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

from vehicles.automakers.answers import boolean, instant, integer, number, observed, pick, rows, text, vin
from vehicles.automakers.base import (
    Capabilities,
    ChargeState,
    HoldEnds,
    LinkKind,
    Observed,
    Place,
    VehicleRef,
    VehicleState,
)
from vehicles.automakers.errors import UpstreamDown

PERMISSIONS = ("read_vehicle_info", "read_vin", "read_battery", "read_charge", "read_location", "control_charge")
KM_PER_MILE = 1.609344
SOC, RANGE = "tractionbattery-stateofcharge", "tractionbattery-range"
CHARGING, PLUGGED = "charge-ischarging", "charge-ischargingcableconnected"
STATUS, LIMITS, WATTAGE = "charge-detailedchargingstatus", "charge-chargelimits", "charge-wattage"
PLACE, ASLEEP, VIN = "location-preciselocation", "connectivitystatus-isasleep", "vehicleidentification-vin"
CHARGE_STATES = {
    "CHARGING": ChargeState.CHARGING,
    "FULLY_CHARGED": ChargeState.COMPLETE,
    "COMPLETE": ChargeState.COMPLETE,
    "CHARGE_COMPLETE": ChargeState.COMPLETE,
    "NOT_CHARGING": ChargeState.PLUGGED_IDLE,
    "STOPPED": ChargeState.PLUGGED_IDLE,
    "PAUSED": ChargeState.PLUGGED_IDLE,
    "PLUGGED_IN": ChargeState.PLUGGED_IDLE,
    "DISCONNECTED": ChargeState.UNPLUGGED,
    "UNPLUGGED": ChargeState.UNPLUGGED,
    "FAULT": ChargeState.FAULT,
    "ERROR": ChargeState.FAULT,
}
# Nissan in the US takes START alone: what cannot be stopped cannot be held.
START_ONLY = frozenset({"NISSAN", "INFINITI"})
# These start and stop at a SoC of 50 % and above alone.
HALF_FULL = frozenset({"CHEVROLET", "GMC", "BUICK", "CADILLAC"})

Signals = Mapping[str, Mapping[str, Any]]


def read_connections(body: Any) -> list[Mapping[str, Any]]:
    """Return one page of connections; raises UpstreamDown where the answer is no list."""
    if not isinstance(pick(body, "data"), list):
        raise UpstreamDown("connections without a list")
    return [row for row in rows(body, "data", limit=100) if vehicle_of(row)]


def vehicle_of(connection: Mapping[str, Any]) -> str:
    """Return the vehicle's id behind a connection."""
    return text(pick(connection, "relationships", "vehicle", "data", "id"), limit=120)


def read_ref(connection: Mapping[str, Any], *, vin_body: Any) -> VehicleRef:
    """Return the car behind a connection, with its VIN where the signal tells it."""
    car = pick(connection, "attributes", "vehicle")
    return VehicleRef(
        external_id=vehicle_of(connection),
        make=text(pick(car, "make")).title() or "Car",
        model=text(pick(car, "model")) or "car",
        model_year=integer(pick(car, "year"), low=1990, high=2100),
        vin=vin(pick(vin_body, "data", "attributes", "body", "value")),
        is_electric=text(pick(car, "powertrainType")).upper() in {"BEV", "EV", "PHEV", ""},
    )


def read_permissions(connections: Iterable[Mapping[str, Any]], external_id: str) -> frozenset[str] | None:
    """Return what the owner left ticked for this car; None where the connection does not tell."""
    for connection in connections:
        granted = pick(connection, "attributes", "permissions")
        if vehicle_of(connection) == external_id and isinstance(granted, list):
            return frozenset(text(item) for item in granted[:100])
    return None


def read_signals(body: Any) -> Signals:
    """Return `GET /vehicles/{id}/signals` by code; raises UpstreamDown where the answer is no list."""
    if not isinstance(pick(body, "data"), list):
        raise UpstreamDown("signals without a list")
    return _by_code(rows(body, "data", limit=300))


def _by_code(found: Iterable[Mapping[str, Any]]) -> Signals:
    """Return signals by code with `body`, `status`, `meta` at one level: webhooks nest them less than answers do."""
    flat = ({"meta": row.get("meta"), **(row["attributes"] if _has_attributes(row) else row)} for row in found)
    return {text(row.get("code")): row for row in flat}


def _has_attributes(row: Mapping[str, Any]) -> bool:
    return isinstance(row.get("attributes"), Mapping)


def read_capabilities(
    signals: Signals, *, make: str, permissions: frozenset[str] | None, has_webhook: bool
) -> Capabilities:
    """Return what the car can do: what its maker's cloud knows of it, less what its owner did not tick."""
    granted = frozenset(PERMISSIONS) if permissions is None else permissions
    names = {
        SOC: "soc_percent",
        RANGE: "range_km",
        PLUGGED: "is_plugged_in",
        CHARGING: "charge_state",
        LIMITS: "limit_percent",
        WATTAGE: "power_w",
        PLACE: "place",
        ASLEEP: "is_asleep",
    }
    reads = tuple(name for code, name in names.items() if code in signals and _is_possible(signals[code]))
    refusals = [] if "read_location" in granted else ["place_scope_missing"]
    can = Capabilities(
        link_kind=LinkKind.HOSTED_PAGE,
        reads=reads if "read_location" in granted else tuple(name for name in reads if name != "place"),
        pushes=("webhook",) if has_webhook else (),
        min_poll_seconds=900,  # what is asked comes from Smartcar's cache, which the webhook's subscription fills
    )
    if "control_charge" not in granted:
        return replace(can, refusals=(*refusals, "charging_scope_missing"))
    if make.upper() in START_ONLY:
        return replace(can, refusals=(*refusals, "no_commands"))
    has_limit = LIMITS in signals and _is_possible(signals[LIMITS])
    return replace(
        can,
        can_start_stop=True,
        set_limit_percent=(50, 100, 1) if has_limit else None,
        hold_ends=str(HoldEnds.START_STOP),
        refusals=(*refusals, "events_only", "no_discharge"),
        min_restart_soc_percent=50 if make.upper() in HALF_FULL else 0,
        worst_latency_seconds=1800,
    )


def _is_possible(signal: Mapping[str, Any]) -> bool:
    """Say whether the car can ever send the signal: compatibility and permission are final, other errors pass."""
    kind = text(pick(signal, "status", "error", "type"))
    return kind not in {"COMPATIBILITY", "PERMISSION"}


def make_of(body: Any) -> str:
    """Return the car's make beside its signals, in capitals."""
    return text(pick(body, "included", "vehicle", "attributes", "make")).upper()


def read_state(signals: Signals, *, now: datetime, source: str = "poll") -> VehicleState:
    """Return the state in a set of signals; those with an error or without a time are left out."""

    def at(code: str, read: Any, key: str = "value") -> Any:
        return _observed(signals.get(code), read, key, now=now, source=source)

    plugged = at(PLUGGED, boolean)
    return VehicleState(
        soc_percent=at(SOC, _percent),
        limit_percent=_observed(signals.get(LIMITS), _limit, "", now=now, source=source),
        range_km=_observed(signals.get(RANGE), _distance, "", now=now, source=source),
        is_plugged_in=plugged,
        charge_state=_charge_state(plugged, at(CHARGING, boolean), at(STATUS, _status)),
        power_w=_observed(signals.get(WATTAGE), _power, "", now=now, source=source),
        place=_observed(signals.get(PLACE), _place, "", now=now, source=source),
        is_asleep=at(ASLEEP, boolean),
    )


def _observed(
    signal: Mapping[str, Any] | None, read: Any, key: str, *, now: datetime, source: str
) -> Observed[Any] | None:
    if signal is None or text(pick(signal, "status", "value")) != "SUCCESS":
        return None
    body = pick(signal, "body")
    seen_at = _instant(pick(signal, "meta", "oemUpdatedAt"), now=now)
    seen_at = seen_at or _instant(pick(signal, "meta", "retrievedAt"), now=now)
    found = observed(read(pick(body, key) if key else body), observed_at=seen_at, fetched_at=now)
    return found and replace(found, source=source)


def _instant(value: Any, *, now: datetime) -> datetime | None:
    """Return an instant from ISO 8601, or from the milliseconds since 1970 that webhooks carry."""
    milliseconds = integer(value, low=0, high=10**14) if isinstance(value, int | float) else None
    if milliseconds is not None:
        value = datetime.fromtimestamp(milliseconds / 1000, tz=UTC).isoformat()
    return instant(value, now=now)


def _charge_state(
    plugged: Observed[bool] | None, charging: Observed[bool] | None, status: Observed[str] | None
) -> Observed[str] | None:
    """Return one word from three signals, the newest speaking first; a cable that is out settles it."""
    words = [status] if status is not None else []
    if charging is not None:
        words.append(_said_with(charging, ChargeState.CHARGING if charging.value else ChargeState.PLUGGED_IDLE))
    found = max(words, key=lambda item: item.observed_at, default=None)
    if plugged is not None and not plugged.value and (found is None or plugged.observed_at >= found.observed_at):
        return _said_with(plugged, ChargeState.UNPLUGGED)
    return found


def _said_with(flag: Observed[bool], word: ChargeState) -> Observed[str]:
    return Observed(str(word), flag.observed_at, flag.fetched_at, flag.source)


def _status(value: Any) -> str | None:
    word = text(value).upper()
    return str(CHARGE_STATES.get(word, ChargeState.UNKNOWN)) if word else None


def _percent(value: Any) -> float | None:
    return number(value, low=0, high=100)


def _limit(body: Any) -> float | None:
    for row in rows(body, "values", limit=20):
        if text(row.get("type")) == "global":
            return _percent(row.get("limit"))
    return None


def _distance(body: Any) -> float | None:
    found = number(pick(body, "value"), low=0, high=2000)
    is_miles = text(pick(body, "unit")).lower().startswith("mi")
    return found * KM_PER_MILE if found is not None and is_miles else found


def _power(body: Any) -> int | None:
    found = number(pick(body, "value"), low=-25_000, high=25_000)
    if found is None:
        return None
    is_watts = text(pick(body, "unit")).lower() in {"w", "watt", "watts"}
    power_w = round(found if is_watts else found * 1000)
    return power_w if abs(power_w) <= 25_000 else None


def _place(body: Any) -> Place | None:
    latitude = number(pick(body, "latitude"), low=-90, high=90)
    longitude = number(pick(body, "longitude"), low=-180, high=180)
    if latitude is None or longitude is None or (latitude == 0 and longitude == 0):  # 0, 0 means "no fix"
        return None
    return Place(latitude, longitude)


def signals_of_event(event: Mapping[str, Any]) -> Signals:
    """Return the signals that a VEHICLE_STATE event carries."""
    return _by_code(rows(pick(event, "data"), "signals", limit=300))
