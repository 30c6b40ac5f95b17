"""A bidirectional wall box at home, by a partner contract of our own with its maker (docs/partners/homebox.md).

The box charges and discharges whatever car is at it; over ISO 15118-20 or CHAdeMO it also learns the car's SoC. Every
setpoint ends by itself, and every discharge keeps a floor.
"""

from collections.abc import Mapping
from datetime import datetime
from typing import Any
from urllib.parse import quote

from vehicles.automakers.answers import boolean, instant, integer, listed, number, observed, pick, text
from vehicles.automakers.base import (
    Account,
    Backstop,
    Capabilities,
    CarAccess,
    ChargeState,
    CommandReceipt,
    HoldEnds,
    LinkKind,
    Place,
    ReceiptState,
    Tools,
    VehicleRef,
    VehicleState,
)
from vehicles.automakers.errors import UpstreamDown, VehicleGone
from vehicles.automakers.redirecting import Redirecting
from vehicles.automakers.timed import check_may_discharge, check_may_hold, watts, write_instant

SCOPES = ("box.read", "box.control")
MODES = {
    "NO_CAR": ChargeState.UNPLUGGED,
    "CHARGING": ChargeState.CHARGING,
    "HOLDING": ChargeState.HOLDING,
    "DISCHARGING": ChargeState.DISCHARGING,
    "IDLE": ChargeState.PLUGGED_IDLE,
    "COMPLETE": ChargeState.COMPLETE,
    "FAULT": ChargeState.FAULT,
}


class HomeBox(Redirecting):
    """The adapter of the wall box maker's cloud."""

    slug = "homebox"
    name = "Home wall box"

    def __init__(self, credentials: Mapping[str, str], tools: Tools) -> None:
        super().__init__(credentials, tools, scope=" ".join(SCOPES), subject_field="account_id")

    def list_vehicles(self, account: Account) -> list[VehicleRef]:
        """Return the account's boxes; a box has no VIN."""
        body = self.call("GET", f"{self.api_base}/boxes", account.access_token)
        return listed(body, "boxes", _read_ref, limit=20)

    def capabilities(self, account: Account, external_id: str) -> Capabilities:
        """Return timed setpoints within the box's power, or readings alone without the scope to control."""
        body = self.call("GET", self._box(external_id), account.access_token)
        reads = ("soc_percent", "is_plugged_in", "charge_state", "power_w", "imported_wh", "exported_wh", "place")
        if account.scopes and "box.control" not in account.scopes:
            return Capabilities(reads=reads, is_metered=True, refusals=("charging_scope_missing",))
        return Capabilities(
            link_kind=LinkKind.REDIRECT,
            reads=reads,
            can_start_stop=True,
            hold_ends=str(HoldEnds.TIMED),
            max_discharge_w=watts(pick(body, "maxDischargeKw"), low=0) or 0,
            is_metered=True,
            min_poll_seconds=60,
            worst_latency_seconds=300,  # it hangs on the home's network and never sleeps
        )

    def read_state(self, car: CarAccess) -> VehicleState:
        """Return what the box sees: whether a car is there, its SoC where the plug tells it, power and meters."""
        now = self.tools.clock.now()
        return read_state(self.call("GET", f"{self._box(car.external_id)}/state", car.access_token), now=now)

    def hold(
        self,
        car: CarAccess,
        *,
        until: datetime,
        key: str,
        backstop: Backstop | None = None,  # noqa: ARG002 - the box ends the hold by itself
    ) -> CommandReceipt:
        """Set 0 kW until `until`."""
        check_may_hold(car)
        return self._set(car, power_w=0, floor_soc_percent=0, until=until, key=key)

    def discharge(
        self, car: CarAccess, *, power_w: int, floor_soc_percent: int, until: datetime, key: str
    ) -> CommandReceipt:
        """Draw from the car at the box until `until`, never below the floor."""
        check_may_discharge(car, power_w)
        return self._set(car, power_w=power_w, floor_soc_percent=floor_soc_percent, until=until, key=key)

    def resume(self, car: CarAccess, *, key: str) -> CommandReceipt:
        """Drop the setpoint: the car charges as it would."""
        check_may_hold(car)
        url = f"{self._box(car.external_id)}/setpoint"
        try:
            body = self.call("DELETE", url, car.access_token, key=key, is_command=True)
        except VehicleGone:
            return CommandReceipt("", str(ReceiptState.NOOP), self.tools.clock.now())  # no setpoint is in force
        return self._read_receipt(body)

    def _set(
        self, car: CarAccess, *, power_w: int, floor_soc_percent: int, until: datetime, key: str
    ) -> CommandReceipt:
        wanted = {"powerKw": power_w / 1000, "minSocPercent": floor_soc_percent, "until": write_instant(until)}
        url = f"{self._box(car.external_id)}/setpoint"
        return self._read_receipt(self.call("PUT", url, car.access_token, body=wanted, key=key, is_command=True))

    def _read_receipt(self, body: Any) -> CommandReceipt:
        command_id = text(pick(body, "commandId"), limit=120)
        return CommandReceipt(command_id, str(ReceiptState.ACCEPTED), self.tools.clock.now())

    def _box(self, external_id: str) -> str:
        return f"{self.api_base}/boxes/{quote(external_id, safe='')}"


def _read_ref(row: Mapping[str, Any]) -> VehicleRef:
    return VehicleRef(
        external_id=text(row.get("id"), limit=120),
        make=text(row.get("make")) or "Home",
        model=text(row.get("model")) or "wall box",
        nickname=text(row.get("name")),
        is_charger=True,
    )


def read_state(body: Any, *, now: datetime) -> VehicleState:
    """Return the box's state; raises UpstreamDown where the answer is none."""
    mode = text(pick(body, "mode"))
    if not mode:
        raise UpstreamDown("box state without a mode")
    seen_at = instant(pick(body, "observedAt"), now=now)

    def at(value: Any) -> Any:
        return observed(value, observed_at=seen_at, fetched_at=now)

    latitude = number(pick(body, "location", "latitude"), low=-90, high=90)
    longitude = number(pick(body, "location", "longitude"), low=-180, high=180)
    return VehicleState(
        soc_percent=at(number(pick(body, "car", "socPercent"), low=0, high=100)),
        limit_percent=at(number(pick(body, "car", "limitPercent"), low=0, high=100)),
        is_plugged_in=at(boolean(pick(body, "car", "connected"))),
        charge_state=at(str(MODES.get(mode, ChargeState.UNKNOWN))),
        power_w=at(watts(pick(body, "powerKw"))),
        imported_wh=at(integer(pick(body, "meter", "importedWh"), low=0, high=10**12)),
        exported_wh=at(integer(pick(body, "meter", "exportedWh"), low=0, high=10**12)),
        place=at(Place(latitude, longitude) if latitude is not None and longitude is not None else None),
    )
