"""Ford: FordConnect v3 (start and stop) and, for cars that have it, our partner extension (timed setpoints, meters).

FordConnect: sign-in per owner with consent per car; access tokens of 20 minutes; `state` of at most 16 characters;
commands answer 202 with an id that dies after about two minutes; stopCharge lasts until startCharge or unplugging.
"""

from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any
from urllib.parse import quote

from vehicles.automakers import ford_answers
from vehicles.automakers.answers import pick, vin
from vehicles.automakers.base import (
    Account,
    Backstop,
    Capabilities,
    CarAccess,
    CommandReceipt,
    HoldEnds,
    ReceiptState,
    Tools,
    VehicleRef,
    VehicleState,
)
from vehicles.automakers.errors import (
    NotSupported,
    ScopeMissing,
    UpstreamDown,
    VehicleGone,
)
from vehicles.automakers.redirecting import Redirecting


class Ford(Redirecting):
    """The adapter of FordConnect and of our partner extension to it."""

    slug = "ford"
    name = "Ford"

    def __init__(self, credentials: Mapping[str, str], tools: Tools) -> None:
        application_id = credentials.get("application_id", "")
        super().__init__(
            credentials,
            tools,
            scope="access",
            sign_in={"make": "F", "application_id": application_id},
            headers={"Application-Id": application_id},
        )
        self.partner_base = credentials.get("partner_api_base", "").rstrip("/")

    def list_vehicles(self, account: Account) -> list[VehicleRef]:
        """Return the account's cars; shared ones with their VIN, "" where Ford does not tell it."""
        access_token = account.access_token
        body = self.call("GET", f"{self.api_base}/vehicles", access_token)
        refs = ford_answers.read_vehicle_list(body)
        return [replace(ref, vin=self._vin(access_token, ref.external_id)) if ref.is_shared else ref for ref in refs]

    def _vin(self, access_token: str, external_id: str) -> str:
        try:
            body = self.call("GET", f"{self._car(external_id)}/vin", access_token)
        except (ScopeMissing, VehicleGone, NotSupported):
            return ""
        return vin(pick(body, "vin"))

    def capabilities(self, account: Account, external_id: str) -> Capabilities:
        """Return start and stop for every car, timed setpoints for those in the partner extension."""
        if not self.partner_base:
            return ford_answers.START_STOP
        try:
            body = self.call("GET", f"{self._partner_car(external_id)}/capabilities", account.access_token)
        except (VehicleGone, ScopeMissing, NotSupported):
            return ford_answers.START_STOP
        return ford_answers.read_capabilities_answer(body)

    def read_state(self, car: CarAccess) -> VehicleState:
        """Return FordConnect's last known state, with the partner's finer values over it where the car has them."""
        now = self.tools.clock.now()
        state = ford_answers.read_vehicle(self.call("GET", self._car(car.external_id), car.access_token), now=now)
        if not car.capabilities.can_hold_until:
            return state
        try:
            body = self.call("GET", f"{self._partner_car(car.external_id)}/telemetry", car.access_token)
        except (VehicleGone, ScopeMissing, NotSupported, UpstreamDown):
            return state  # the coarse state is still true
        return _newest(state, ford_answers.read_telemetry(body, now=now))

    def wake(self, car: CarAccess) -> CommandReceipt:
        """Ask the car for a fresh status, which wakes it."""
        return self._command("POST", f"{self._car(car.external_id)}/status", car)

    def hold(
        self,
        car: CarAccess,
        *,
        until: datetime,
        key: str,
        backstop: Backstop | None = None,  # noqa: ARG002 - Ford keeps no schedule of ours
    ) -> CommandReceipt:
        """Pause charging: a setpoint of 0 kW that ends by itself, or stopCharge where the car knows no setpoints."""
        if car.capabilities.hold_ends == HoldEnds.START_STOP:
            return self._command("POST", f"{self._car(car.external_id)}/stopCharge", car)
        return self._setpoint(car, power_w=0, floor_soc_percent=0, until=until, key=key)

    def discharge(
        self, car: CarAccess, *, power_w: int, floor_soc_percent: int, until: datetime, key: str
    ) -> CommandReceipt:
        """Set a negative setpoint; the car stops at the floor and ends it at `until`."""
        if not car.capabilities.can_discharge or not -car.capabilities.max_discharge_w <= power_w < 0:
            raise NotSupported("discharge")
        return self._setpoint(car, power_w=power_w, floor_soc_percent=floor_soc_percent, until=until, key=key)

    def resume(self, car: CarAccess, *, key: str) -> CommandReceipt:
        """Drop the setpoint, or send startCharge where the car knows no setpoints."""
        if not car.capabilities.can_hold_until:
            return self._command("POST", f"{self._car(car.external_id)}/startCharge", car)
        try:
            return self._command("DELETE", f"{self._partner_car(car.external_id)}/setpoint", car, key=key)
        except VehicleGone:
            return CommandReceipt("", str(ReceiptState.NOOP), self.tools.clock.now())  # no setpoint is in force

    def command_status(self, car: CarAccess, maker_command_id: str) -> CommandReceipt:
        """Return Ford's word on a command of the last two minutes."""
        url = f"{self._car(car.external_id)}/statusrefresh/{quote(maker_command_id, safe='')}"
        body = self.call("GET", url, car.access_token)
        receipt = ford_answers.read_receipt(body, now=self.tools.clock.now(), is_new=False)
        return replace(receipt, maker_command_id=maker_command_id)

    def _setpoint(
        self, car: CarAccess, *, power_w: int, floor_soc_percent: int, until: datetime, key: str
    ) -> CommandReceipt:
        if not car.capabilities.can_hold_until:
            raise NotSupported("setpoint")
        body = {
            "powerKw": power_w / 1000,
            "until": until.astimezone(UTC).isoformat(timespec="seconds").replace("+00:00", "Z"),
            "minSocPercent": floor_soc_percent,
        }
        return self._command("POST", f"{self._partner_car(car.external_id)}/setpoint", car, body=body, key=key)

    def _command(
        self, method: str, url: str, car: CarAccess, *, body: Mapping[str, Any] | None = None, key: str = ""
    ) -> CommandReceipt:
        answer = self.call(method, url, car.access_token, body=body, key=key, is_command=True)
        return ford_answers.read_receipt(answer, now=self.tools.clock.now(), is_new=True)

    def _car(self, external_id: str) -> str:
        return f"{self.api_base}/vehicles/{quote(external_id, safe='')}"

    def _partner_car(self, external_id: str) -> str:
        return f"{self.partner_base}/vehicles/{quote(external_id, safe='')}"


def _newest(coarse: VehicleState, fine: VehicleState) -> VehicleState:
    """Lay the fine values over the coarse ones, except where the coarse one is newer."""
    changes: dict[str, Any] = {}
    for name in ("soc_percent", "limit_percent", "is_plugged_in", "charge_state", "power_w", "imported_wh"):
        changes[name] = _newer(getattr(coarse, name), getattr(fine, name))
    return replace(coarse, **changes, exported_wh=_newer(coarse.exported_wh, fine.exported_wh))


def _newer(coarse: Any, fine: Any) -> Any:
    if coarse is None or fine is None:
        return fine or coarse
    return coarse if coarse.observed_at > fine.observed_at else fine
