"""The Fleet API's answers, read into the contract's words, and the schedule as the car takes it.

Shapes: developer.tesla.com/docs/fleet-api (conventions, vehicle-endpoints, vehicle-commands), and Tesla's own proxy
(teslamotors/vehicle-command, pkg/proxy/command.go) for what commands take. Distances are miles, times milliseconds.
"""

import base64
import binascii
import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any
from zoneinfo import ZoneInfo

from vehicles.automakers.answers import EARLIEST, MOST_AHEAD, boolean, listed, number, observed, pick, text, vin
from vehicles.automakers.base import (
    Backstop,
    Capabilities,
    ChargeState,
    CommandReceipt,
    Grant,
    HoldEnds,
    LinkKind,
    Observed,
    Place,
    ReceiptState,
    VehicleRef,
    VehicleState,
)
from vehicles.automakers.errors import CommandTimeout, NotPluggedIn, Rejected, UpstreamDown

DATA, PLACE, COMMANDS, CHARGING = "vehicle_device_data", "vehicle_location", "vehicle_cmds", "vehicle_charging_cmds"
SCOPES = ("openid", "offline_access", DATA, PLACE, COMMANDS, CHARGING)
KM_PER_MILE = 1.609344
LONGEST_CLAIMS = 8192
CHARGE_STATES = {
    "charging": ChargeState.CHARGING,
    "starting": ChargeState.CHARGING,
    "complete": ChargeState.COMPLETE,
    "stopped": ChargeState.PLUGGED_IDLE,
    "nopower": ChargeState.PLUGGED_IDLE,
    "calibrating": ChargeState.PLUGGED_IDLE,
    "disconnected": ChargeState.UNPLUGGED,
}
# Reasons of `result: false` that mean "it is so already" (seen in public clients: evcc, TWCManager, TeslaSolarCharger).
ALREADY = {"is_charging", "charging", "not_charging", "complete", "requested", "already_set", "already_started"}
MODELS = {"3": "Model 3", "S": "Model S", "X": "Model X", "Y": "Model Y", "C": "Cybertruck", "R": "Roadster"}
DAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")
YEARS = "ABCDEFGHJKLMNPRSTVWXY"  # the tenth letter of a VIN, from 2010 on


def scopes_in(access_token: str) -> tuple[str, ...]:
    """Return the scopes that an access token (a JWT) claims; () where it is none. For knowing, never for trusting."""
    parts = access_token.split(".")
    if len(parts) != 3 or len(parts[1]) > LONGEST_CLAIMS:
        return ()
    try:
        claims = json.loads(base64.urlsafe_b64decode(parts[1] + "=" * (-len(parts[1]) % 4)))
    except (ValueError, binascii.Error, RecursionError):
        return ()
    granted = pick(claims, "scp")
    return tuple(text(scope) for scope in granted[:50] if text(scope)) if isinstance(granted, list) else ()


def read_claims(grant: Grant) -> Grant:
    """Return the grant with the scopes that its access token claims."""
    return replace(grant, scopes=scopes_in(grant.access_token) or grant.scopes)


def capabilities_under(scopes: Sequence[str]) -> Capabilities:
    """Return what a car can do under the granted scopes, and what its owner is told of the rest."""
    granted = set(scopes)
    may_read, may_place = DATA in granted, {DATA, PLACE} <= granted
    may_charge = may_read and bool({COMMANDS, CHARGING} & granted)
    reads = ("soc_percent", "limit_percent", "range_km", "is_plugged_in", "charge_state", "power_w")
    refusals = ["no_discharge"]
    refusals += [] if may_charge else ["charging_scope_missing"]
    refusals += [] if may_place else ["place_scope_missing"]
    can_hold = may_charge and may_place  # a schedule belongs to a place, and a car elsewhere is never commanded
    return Capabilities(
        link_kind=LinkKind.REDIRECT,
        reads=(*reads, *(("place",) if may_place else ())) if may_read else (),
        can_start_stop=may_charge,
        set_limit_percent=(50, 100, 1) if may_charge else None,
        hold_ends=HoldEnds.SCHEDULE if can_hold else HoldEnds.NONE,
        can_wake=may_charge,
        can_schedule=can_hold,
        refusals=tuple(refusals),
        min_poll_seconds=60,
        daily_budget=200,  # 40 cents a car: every answer below 500 is billed
        budget_scope="vehicle",
        worst_latency_seconds=900,
    )


def read_vehicle_list(body: Any) -> list[VehicleRef]:
    """Return the cars of `GET /vehicles`; raises UpstreamDown where the answer is no list of cars."""
    return listed(body, "response", _read_ref)


def _read_ref(row: Mapping[str, Any]) -> VehicleRef:
    number_plate = vin(row.get("vin"))
    year = YEARS.find(number_plate[9]) if number_plate else -1
    return VehicleRef(
        external_id=number_plate,
        make="Tesla",
        model=MODELS.get(number_plate[3:4], "car"),
        model_year=2010 + year if year >= 0 else None,
        nickname=text(row.get("display_name")),
        vin=number_plate,
    )


def read_data(body: Any, *, now: datetime) -> VehicleState:
    """Return the state in `vehicle_data`; raises UpstreamDown where it describes no car."""
    charge, drive = pick(body, "response", "charge_state"), pick(body, "response", "drive_state")
    if not isinstance(charge, Mapping):
        raise UpstreamDown("car state without a car")
    seen_at = _instant(charge.get("timestamp"), now=now)
    miles = number(charge.get("battery_range"), low=0, high=1000)
    word = text(charge.get("charging_state")).lower()
    is_plugged_in = None if word not in CHARGE_STATES else word != "disconnected"

    def at(value: Any) -> Any:
        return observed(value, observed_at=seen_at, fetched_at=now)

    return VehicleState(
        soc_percent=at(number(charge.get("battery_level"), low=0, high=100)),
        limit_percent=at(number(charge.get("charge_limit_soc"), low=0, high=100)),
        range_km=at(None if miles is None else round(miles * KM_PER_MILE, 1)),
        is_plugged_in=at(is_plugged_in),
        charge_state=at(str(CHARGE_STATES.get(word, ChargeState.UNKNOWN)) if word else None),
        power_w=at(_power_w(charge)),
        place=_place(drive, now=now),
        is_asleep=at(False),  # a car that sleeps does not answer
    )


def _power_w(charge: Mapping[str, Any]) -> int | None:
    """Return the charging power: on AC volts times amperes, for `charger_power` is whole kilowatts, rounded down."""
    volts = number(charge.get("charger_voltage"), low=0, high=1000)
    amperes = number(charge.get("charger_actual_current"), low=0, high=1000)
    phases = number(charge.get("charger_phases"), low=1, high=3)
    if (
        volts is not None
        and amperes is not None
        and phases == 1
        and boolean(charge.get("fast_charger_present")) is False
    ):
        return round(volts * amperes)
    kilowatts = number(charge.get("charger_power"), low=0, high=500)
    return None if kilowatts is None else round(kilowatts * 1000)


def _place(drive: Any, *, now: datetime) -> Observed[Place] | None:
    latitude = number(pick(drive, "latitude"), low=-90, high=90)
    longitude = number(pick(drive, "longitude"), low=-180, high=180)
    if latitude is None or longitude is None or (latitude == 0 and longitude == 0):  # 0, 0 means "no fix"
        return None
    # `timestamp` is of the answer; a car in a garage repeats an old fix, and `gps_as_of` (seconds) says how old.
    fixed = number(pick(drive, "gps_as_of"), low=0, high=10**11)
    seen_at = _instant(pick(drive, "timestamp") if fixed is None else fixed * 1000, now=now)
    return observed(Place(latitude, longitude), observed_at=seen_at, fetched_at=now)


def _instant(millis: Any, *, now: datetime) -> datetime | None:
    found = number(millis, low=EARLIEST.timestamp() * 1000, high=(now + MOST_AHEAD).timestamp() * 1000)
    return None if found is None else datetime.fromtimestamp(found / 1000, UTC)


def schedule_id(external_id: str) -> int:
    """Return the id of our schedule in this car: always the same, so that a newer one replaces the older."""
    digest = hashlib.sha256(f"chargescape schedule {external_id}".encode()).digest()
    return 1 + int.from_bytes(digest[:4], "big") % (2**31 - 2)


def write_schedule(backstop: Backstop, *, schedule_id: int) -> dict[str, Any]:
    """Return the one-time start as the car takes it: the place's local minute and day, and where it counts."""
    local = backstop.start_at.astimezone(ZoneInfo(backstop.zone))
    return {
        "id": schedule_id,
        "days_of_week": DAYS[local.weekday()],
        "enabled": True,
        "start_enabled": True,
        "start_time": local.hour * 60 + local.minute,
        "end_enabled": False,
        "one_time": True,
        "lat": backstop.latitude,
        "lon": backstop.longitude,
    }


def _reason(response: Any) -> str:
    """Return why not: the API's `reason`, or the proxy's `string` («car could not execute command: is_charging»)."""
    said = text(pick(response, "reason")) or text(pick(response, "string"), limit=200)
    return said.rpartition(": ")[2].strip().lower()


def read_outcome(body: Any, *, command: str, now: datetime) -> CommandReceipt:
    """Return what the car made of a command; raises NotPluggedIn or Rejected where it refused.

    Tesla gives commands no ids. A schedule that is not there needs no removing.
    """
    result, reason = boolean(pick(body, "response", "result")), _reason(pick(body, "response"))
    if result is None:
        raise CommandTimeout("an answer without a result")
    if result:
        return CommandReceipt("", str(ReceiptState.ACCEPTED), now)
    if reason == "disconnected":
        raise NotPluggedIn("disconnected")
    if reason in ALREADY or reason.startswith("already") or command == "remove_charge_schedule":
        return CommandReceipt("", str(ReceiptState.NOOP), now)
    raise Rejected(f"{command} refused")
