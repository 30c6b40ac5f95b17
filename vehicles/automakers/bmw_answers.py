"""BMW CarData's answers and stream messages, read into the contract's words.

Descriptors, words and units: BMW's telematics data catalogue and the CarData customer API v1 (published with the PyPI
package bmw-cardata 0.1.0a3); words of `charging.status` as its description there lists them. Values are strings by
REST and numbers or strings in the stream; "INVALID" and "-NA-" stand for nothing.
"""

import hashlib
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, time, timedelta
from typing import Any, TypeVar

import requests

from foundation.http import AnswerUnreadable, read_json
from vehicles.automakers.answers import boolean, instant, number, pick, rows, text, vin
from vehicles.automakers.base import ChargeState, Clock, Observed, Place, VehicleRef, VehicleState
from vehicles.automakers.errors import (
    AutomakerError,
    RateLimited,
    ScopeMissing,
    SubscriptionInactive,
    TokenRejected,
    UpstreamDown,
    VehicleGone,
)
from vehicles.automakers.push import Push, PushKind

T = TypeVar("T")

_ENGINE, _BATTERY = "vehicle.drivetrain.electricEngine", "vehicle.powertrain.electric.battery"
_LOCATION = "vehicle.cabin.infotainment.navigation.currentLocation"
SOC = "vehicle.drivetrain.batteryManagement.header"
SOC_DISPLAYED = f"{_BATTERY}.stateOfCharge.displayed"
TARGET = f"{_BATTERY}.stateOfCharge.target"
STATUS = f"{_ENGINE}.charging.status"
HV_STATUS = f"{_ENGINE}.charging.hvStatus"
POWER = f"{_BATTERY}.charging.power"
RANGE = f"{_ENGINE}.kombiRemainingElectricRange"
PORT = "vehicle.body.chargingPort.status"
IS_PLUGGED = "vehicle.powertrain.tractionBattery.charging.port.anyPosition.isPlugged"
LATITUDE, LONGITUDE = f"{_LOCATION}.latitude", f"{_LOCATION}.longitude"
DESCRIPTORS = (
    SOC,
    SOC_DISPLAYED,
    TARGET,
    STATUS,
    HV_STATUS,
    POWER,
    RANGE,
    PORT,
    IS_PLUGGED,
    LATITUDE,
    LONGITUDE,
)

NOTHING = frozenset({"", "INVALID", "-NA-", "UNKNOWN", "NULL"})
IDLE = "idle"  # not charging: whether at the plug or away from it, the plug says
CHARGE_WORDS = {
    "CHARGINGACTIVE": ChargeState.CHARGING,
    "CHARGING": ChargeState.CHARGING,
    "INITIALIZATION": ChargeState.PLUGGED_IDLE,
    "WAITING_FOR_CHARGING": ChargeState.PLUGGED_IDLE,
    "CHARGINGPAUSED": ChargeState.PLUGGED_IDLE,
    "FINISHED_NOT_FULL": ChargeState.PLUGGED_IDLE,
    "CHARGINGENDED": ChargeState.COMPLETE,
    "FINISHED_FULLY_CHARGED": ChargeState.COMPLETE,
    "CHARGINGERROR": ChargeState.FAULT,
    "ERROR": ChargeState.FAULT,
    "NOCHARGING": IDLE,
    "NOT_CHARGING": IDLE,
}
PLUG_WORDS = {"CONNECTED": True, "DISCONNECTED": False}
KM_PER_MILE = 1.609344
MOST_MESSAGE_BYTES = 256 * 1024
# The year in a North American car's number (49 CFR 565.15), counted from 2010; I, O, Q, U, Z and 0 are left out.
YEAR_LETTERS = "ABCDEFGHJKLMNPRSTVWXY123456789"


def container_purpose() -> str:
    """Return the purpose that marks a container as holding just these descriptors."""
    return f"charging {hashlib.sha256(' '.join(DESCRIPTORS).encode()).hexdigest()[:12]}"


def read_mappings(body: Any) -> list[tuple[str, bool]]:
    """Return the account's VINs and whether the owner is the car's primary user, who alone may read it.

    Raises UpstreamDown where the answer is no list.
    """
    listed = body if isinstance(body, list) else pick(body, "mappings")
    if not isinstance(listed, list):
        raise UpstreamDown("car list without cars")
    found = [(vin(row.get("vin")), row.get("mappingType") == "PRIMARY") for row in rows({"rows": listed}, "rows")]
    return [(number, is_primary) for number, is_primary in found if number][:50]


def read_basic_data(body: Any, *, number: str, is_primary: bool) -> VehicleRef:
    """Return the car that `basicData` describes; "i4 eDrive40" is the i4 in the trim eDrive40, Minis have none."""
    name, drive = text(pick(body, "modelName")), text(pick(body, "propulsionType")) or text(pick(body, "driveTrain"))
    drive = drive.upper()
    is_mini = text(pick(body, "brand")).upper() == "MINI"
    model, _, trim = (name.removeprefix("MINI "), "", "") if is_mini else name.partition(" ")
    return VehicleRef(
        external_id=number,
        make="Mini" if is_mini else "BMW",
        model=model or "car",
        model_year=_model_year(number),
        trim=trim.strip(),
        vin=number,
        is_shared=is_primary,
        is_electric=not drive or drive.startswith(("BEV", "PHEV", "ELECTRIC")),
    )


def _model_year(number: str) -> int | None:
    return 2010 + YEAR_LETTERS.index(number[9]) if number[9] in YEAR_LETTERS else None


@dataclass(frozen=True)
class _Values:
    """The values of one answer or message."""

    data: Mapping[str, Any]
    now: datetime
    source: str

    def read(self, name: str, parse: Callable[[Any], T | None]) -> Observed[T] | None:
        """Return what `parse` makes of the value; None where there is none or it carries no time."""
        raw = pick(self.data, name, "value")
        if raw is None or (isinstance(raw, str) and raw.strip().upper() in NOTHING):
            return None
        seen_at = instant(pick(self.data, name, "timestamp"), now=self.now)
        value = parse(raw)
        return None if value is None or seen_at is None else Observed(value, seen_at, self.now, self.source)

    def unit(self, name: str) -> str:
        """Return the value's unit in lower case."""
        return text(pick(self.data, name, "unit")).lower()

    def at(self, value: T, seen_at: datetime) -> Observed[T]:
        """Return a value that follows from others."""
        return Observed(value, seen_at, self.now, self.source)


def read_telematics(data: Any, *, now: datetime, source: str = "poll") -> VehicleState:
    """Return the state in `telematicData` or in a message's `data`; raises UpstreamDown where it is no object."""
    if not isinstance(data, Mapping):
        raise UpstreamDown("car state without values")
    values = _Values(data, now, source)
    plug = _newest(values.read(PORT, _plug), values.read(IS_PLUGGED, boolean))
    charging = _charge_state(values, plug)
    miles = values.unit(RANGE) in {"mi", "mls", "miles"}
    return VehicleState(
        soc_percent=_newest(values.read(SOC, _percent), values.read(SOC_DISPLAYED, _percent)),
        limit_percent=values.read(TARGET, _percent),
        range_km=values.read(RANGE, lambda raw: _scaled(raw, KM_PER_MILE if miles else 1.0, most=4000)),
        is_plugged_in=plug,
        charge_state=charging,
        power_w=_power(values, charging),
        place=_place(values),
    )


def _newest(first: Observed[T] | None, second: Observed[T] | None) -> Observed[T] | None:
    """Return the newer of two; the first where they are of one time."""
    if first is None or second is None:
        return first or second
    return second if second.observed_at > first.observed_at else first


def _charge_state(values: _Values, plug: Observed[bool] | None) -> Observed[str] | None:
    """Return what the car does; a plug that was pulled afterwards, or an idle car without one, is unplugged."""
    said = _newest(values.read(HV_STATUS, _charge_word), values.read(STATUS, _charge_word))
    if plug is not None and not plug.value and (said is None or plug.observed_at >= said.observed_at):
        return values.at(str(ChargeState.UNPLUGGED), plug.observed_at)
    if said is None or said.value != IDLE:
        return said
    if plug is None:
        return values.at(str(ChargeState.UNKNOWN), said.observed_at)
    state = ChargeState.PLUGGED_IDLE if plug.value else ChargeState.UNPLUGGED
    return values.at(str(state), said.observed_at)


def _power(values: _Values, charging: Observed[str] | None) -> Observed[int] | None:
    """Return the charging power; one that is older than the state it belongs to is left over from another charge."""
    factor = 1000.0 if values.unit(POWER) == "kw" else 1.0
    watts = values.read(POWER, lambda raw: _scaled(raw, factor, most=400_000))
    if watts is None:
        return None
    if charging is not None and (charging.value != ChargeState.CHARGING or watts.observed_at < charging.observed_at):
        return None
    return values.at(round(watts.value), watts.observed_at)


def _place(values: _Values) -> Observed[Place] | None:
    latitude = values.read(LATITUDE, lambda raw: number(raw, low=-90, high=90))
    longitude = values.read(LONGITUDE, lambda raw: number(raw, low=-180, high=180))
    if latitude is None or longitude is None or (latitude.value == 0 and longitude.value == 0):
        return None
    seen_at = min(latitude.observed_at, longitude.observed_at)
    return values.at(Place(latitude.value, longitude.value), seen_at)


def _plug(raw: Any) -> bool | None:
    return PLUG_WORDS.get(text(raw).upper())


def _charge_word(raw: Any) -> str | None:
    word = CHARGE_WORDS.get(text(raw).upper())
    return None if word is None else str(word)


def _percent(raw: Any) -> float | None:
    return number(raw, low=0, high=100)


def _scaled(raw: Any, factor: float, *, most: float) -> float | None:
    value = number(raw, low=0, high=most / factor)
    return None if value is None else value * factor


def read_message(topic: str, payload: bytes, *, now: datetime) -> list[Push]:
    """Return the one push in a stream message, nothing where it is unreadable or about another topic's car.

    The event id is a hash of the car and its values alone: an old container streams the same values once more under
    an envelope of its own.
    """
    gcid, _, number = topic.partition("/")
    if len(payload) > MOST_MESSAGE_BYTES:
        return []
    try:
        body = json.loads(payload)
        data = pick(body, "data")
        canonical = json.dumps(data, sort_keys=True, separators=(",", ":"))
    except (ValueError, RecursionError):
        return []
    car = vin(pick(body, "vin"))
    if not car or car != vin(number) or not isinstance(data, Mapping):
        return []
    state = read_telematics(data, now=now, source="stream")
    if not any(vars(state).values()):
        return []
    event_id = hashlib.sha256(f"{car} {canonical}".encode("utf-8", "replace")).hexdigest()[:40]
    return [Push(str(PushKind.STATE), event_id, external_id=car, subject=text(gcid, limit=120), state=state)]


class ContainerGone(UpstreamDown):
    """The container is no longer there, or not ours: another one must be made."""


def refusal(reply: requests.Response, *, clock: Clock) -> AutomakerError | None:
    """Return what a CarData error code means (`exveErrorId`), None for a code that says no more than the HTTP status.

    Codes as the CarData integration guide lists them; the daily quota is a 403 with CU-429 and ends with the day, in
    UTC. A Retry-After, where one comes along, is believed rather than the calendar.
    """
    try:
        code = text(pick(read_json(reply), "exveErrorId"))
    except AnswerUnreadable:
        return None
    if code == "CU-429":
        return RateLimited("CU-429", scope="user", retry_at=_quota_ends(reply, clock=clock))
    meanings: dict[str, type[AutomakerError]] = {
        "CU-100": TokenRejected,
        "CU-101": TokenRejected,
        "CU-102": TokenRejected,
        "CU-103": SubscriptionInactive,  # the account has no CarData
        "CU-104": VehicleGone,  # no permission for this VIN: it left the account, or another is its primary user
        "CU-105": ContainerGone,
        "CU-120": VehicleGone,  # not a VIN
        "CU-403": ScopeMissing,
    }
    return meanings[code](code) if code in meanings else None


def _quota_ends(reply: requests.Response, *, clock: Clock) -> datetime:
    wall = clock.wall()
    seconds = number(reply.headers.get("Retry-After"), low=0, high=86_400)
    if seconds is not None:
        return wall + timedelta(seconds=seconds)
    return datetime.combine(wall.astimezone(UTC).date() + timedelta(days=1), time(), UTC)
