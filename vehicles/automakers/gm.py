"""GM, by a partner contract of our own (docs/partners/gm.md), with what is documented of GM cars behind it.

Sign-in per owner with PKCE. A car can be asked every half hour, the owner's own app included; it can be told to start
and to stop, and takes neither below half a battery; after some idle days its modem sleeps until it is driven, and
nothing wakes it. So it is held for events alone, while its battery is above half.
"""

from collections.abc import Mapping
from datetime import datetime
from typing import Any
from urllib.parse import quote

import requests

from vehicles.automakers.answers import boolean, instant, integer, listed, number, observed, pick, text, vin
from vehicles.automakers.base import (
    Account,
    Backstop,
    Capabilities,
    CarAccess,
    ChargeState,
    CommandReceipt,
    HoldEnds,
    LinkKind,
    Observed,
    Place,
    ReceiptState,
    Tools,
    VehicleRef,
    VehicleState,
)
from vehicles.automakers.errors import AutomakerError, NotSupported, RateLimited, UpstreamDown
from vehicles.automakers.redirecting import Redirecting
from vehicles.automakers.wire import wait_until

READ_SCOPE, CHARGE_SCOPE = SCOPES = ("vehicle.read", "vehicle.charge")
READS = ("soc_percent", "limit_percent", "range_km", "is_plugged_in", "charge_state", "place", "is_asleep")
CHARGE_STATES = {
    "CHARGING": ChargeState.CHARGING,
    "NOT_CHARGING": ChargeState.PLUGGED_IDLE,
    "FULLY_CHARGED": ChargeState.COMPLETE,
    "NOT_CONNECTED": ChargeState.UNPLUGGED,
    "FAULT": ChargeState.FAULT,
}
RECEIPTS = {"SUCCEEDED": ReceiptState.COMPLETED, "FAILED": ReceiptState.FAILED, "NO_CHANGE": ReceiptState.NOOP}
LEAST_SOC_PERCENT = 50
HALF_HOUR_SECONDS = 1800


class Gm(Redirecting):
    """The adapter of the partner contract."""

    slug = "gm"
    name = "GM"

    def __init__(self, credentials: Mapping[str, str], tools: Tools) -> None:
        super().__init__(credentials, tools, scope=" ".join(SCOPES))

    def list_vehicles(self, account: Account) -> list[VehicleRef]:
        """Return the account's cars; those the owner did not share come without a VIN."""
        body = self.call("GET", f"{self.api_base}/vehicles", account.access_token)
        return listed(body, "vehicles", _read_ref)

    def capabilities(self, account: Account, external_id: str) -> Capabilities:
        """Return start and stop where the owner allowed it; asking costs nothing of the car's half hour."""
        body = self.call("GET", f"{self._car(external_id)}/capabilities", account.access_token)
        may_charge = CHARGE_SCOPE in account.scopes and boolean(pick(body, "startStop")) is True
        least = integer(pick(body, "minimumStateOfCharge"), low=0, high=100)
        return Capabilities(
            link_kind=LinkKind.REDIRECT,
            reads=READS,
            can_start_stop=may_charge,
            hold_ends=HoldEnds.START_STOP if may_charge else HoldEnds.NONE,
            refusals=("no_discharge", "events_only" if may_charge else "charging_scope_missing"),
            min_restart_soc_percent=LEAST_SOC_PERCENT if least is None else least,
            min_poll_seconds=HALF_HOUR_SECONDS,
            daily_budget=48,
            budget_scope="vehicle",
            worst_latency_seconds=HALF_HOUR_SECONDS,
        )

    def read_state(self, car: CarAccess) -> VehicleState:
        """Return what the car last reported; one read of its half hour."""
        now = self.tools.clock.now()
        return _read_status(self.call("GET", f"{self._car(car.external_id)}/status", car.access_token), now=now)

    def hold(
        self,
        car: CarAccess,
        *,
        until: datetime,  # noqa: ARG002 - only a later start ends it
        key: str,
        backstop: Backstop | None = None,  # noqa: ARG002 - GM keeps no schedule of ours
    ) -> CommandReceipt:
        """Stop charging until a later start."""
        return self._tell(car, "STOP_CHARGING", key=key)

    def resume(self, car: CarAccess, *, key: str) -> CommandReceipt:
        """Start charging."""
        return self._tell(car, "START_CHARGING", key=key)

    def command_status(self, car: CarAccess, maker_command_id: str) -> CommandReceipt:
        """Return what became of a command; the car itself may have refused it."""
        url = f"{self._car(car.external_id)}/commands/{quote(maker_command_id, safe='')}"
        body = self.call("GET", url, car.access_token)
        state = RECEIPTS.get(text(pick(body, "status")), ReceiptState.PENDING)
        return CommandReceipt(maker_command_id, str(state), self.tools.clock.now())

    def _tell(self, car: CarAccess, kind: str, *, key: str) -> CommandReceipt:
        if not car.capabilities.can_start_stop:
            raise NotSupported(kind)
        url = f"{self._car(car.external_id)}/commands"
        body = self.call("POST", url, car.access_token, body={"type": kind}, key=key, is_command=True)
        is_noop = pick(body, "status") == "NO_CHANGE"
        state = ReceiptState.NOOP if is_noop else ReceiptState.PENDING
        return CommandReceipt(text(pick(body, "commandId"), limit=120), str(state), self.tools.clock.now())

    def meaning(self, reply: requests.Response) -> AutomakerError | None:
        """Return that one car was asked too often: its account's others may still be asked."""
        if reply.status_code != 429:
            return None
        return RateLimited("HTTP 429", scope="vehicle", retry_at=wait_until(reply, clock=self.tools.clock))

    def _car(self, external_id: str) -> str:
        return f"{self.api_base}/vehicles/{quote(external_id, safe='')}"


def _read_ref(row: Mapping[str, Any]) -> VehicleRef:
    return VehicleRef(
        external_id=text(row.get("vehicleId"), limit=120),
        make=text(row.get("make")) or "GM",
        model=text(row.get("model")) or "car",
        model_year=integer(row.get("year"), low=1990, high=2100),
        trim=text(row.get("trim")),
        nickname=text(row.get("nickname")),
        vin=vin(row.get("vin")),
        is_shared=boolean(row.get("shared")) is True,
        is_electric=text(row.get("propulsion")).upper() in {"EV", "PHEV"},
    )


def _read_status(body: Any, *, now: datetime) -> VehicleState:
    battery, charging = pick(body, "battery"), pick(body, "charging")
    if not isinstance(battery, Mapping) or not isinstance(charging, Mapping):
        raise UpstreamDown("car state without a car")
    seen_at = instant(pick(body, "reportedAt"), now=now)
    word = charging.get("status")

    def at(value: Any) -> Any:
        return observed(value, observed_at=seen_at, fetched_at=now)

    return VehicleState(
        soc_percent=at(number(battery.get("stateOfCharge"), low=0, high=100)),
        limit_percent=at(number(battery.get("targetChargeLevel"), low=0, high=100)),
        range_km=at(number(battery.get("rangeKm"), low=0, high=2000)),
        is_plugged_in=at(boolean(charging.get("pluggedIn"))),
        charge_state=at(str(CHARGE_STATES.get(word, ChargeState.UNKNOWN)) if isinstance(word, str) else None),
        place=_read_place(pick(body, "location"), seen_at=seen_at, now=now),
        is_asleep=at(boolean(pick(body, "asleep"))),
    )


def _read_place(record: Any, *, seen_at: datetime | None, now: datetime) -> Observed[Place] | None:
    latitude = number(pick(record, "latitude"), low=-90, high=90)
    longitude = number(pick(record, "longitude"), low=-180, high=180)
    if latitude is None or longitude is None or (latitude == 0 and longitude == 0):  # 0, 0 means "no fix"
        return None
    return observed(Place(latitude, longitude), observed_at=seen_at, fetched_at=now)
