"""A car with a battery and meters behind the HTTP door, as Ford and our partner extension serve it."""

import json
import re
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

import responses
from requests import PreparedRequest

from foundation import clock
from vehicles.models import Vehicle

BASE = "https://maker.test"
SETTINGS = {
    "authorize_url": f"{BASE}/authorize",
    "token_url": f"{BASE}/token",
    "revoke_url": "",
    "api_base": f"{BASE}/connect",
    "partner_api_base": f"{BASE}/partner",
    "application_id": "app",
    "client_id": "client",
    "client_secret": "secret",
}
STEP = timedelta(seconds=30)
Answer = tuple[int, dict[str, str], str]


@dataclass
class FordCar:
    """Charges at once when plugged in, unless told otherwise; a setpoint ends by itself, a stop does not."""

    vehicle: Vehicle
    soc_percent: float
    at: datetime
    limit_percent: float = 90.0
    is_timed: bool = True
    is_plugged_in: bool = True
    is_stopped: bool = False
    setpoint: tuple[float, datetime, float] | None = None
    imported_wh: float = 500_000.0
    exported_wh: float = 1_000.0
    lowest_soc_percent: float = 100.0
    told: list[tuple[datetime, str, float]] = field(default_factory=list)
    track: list[tuple[datetime, float]] = field(default_factory=list)

    def mount(self, door: responses.RequestsMock) -> None:
        """Answer for this car at the door."""
        me = re.escape(self.vehicle.external_id)
        connect, partner = rf"{BASE}/connect/vehicles/{me}", rf"{BASE}/partner/vehicles/{me}"
        door.add_callback("GET", re.compile(rf"{connect}$"), callback=self._state)
        door.add_callback("GET", re.compile(rf"{partner}/telemetry$"), callback=self._telemetry)
        door.add_callback("POST", re.compile(rf"{partner}/setpoint$"), callback=self._set)
        door.add_callback("DELETE", re.compile(rf"{partner}/setpoint$"), callback=self._unset)
        door.add_callback("POST", re.compile(rf"{connect}/(stopCharge|startCharge)$"), callback=self._switch)
        door.add_callback("GET", re.compile(rf"{connect}/statusrefresh/.*"), callback=self._done)

    def advance(self, until: datetime) -> None:
        """Let the battery do what it does until `until`."""
        while self.at < until:
            step = min(STEP, until - self.at)
            if self.setpoint and self.setpoint[1] <= self.at:
                self.setpoint = None
            self._move(self._power_w(), step / timedelta(hours=1))
            self.at += step
            self.track.append((self.at, self.imported_wh - self.exported_wh))
        self.lowest_soc_percent = min(self.lowest_soc_percent, self.soc_percent)

    def net_wh(self, starts_at: datetime, ends_at: datetime) -> float:
        """Return what its true meter counted between two instants that it has lived through."""
        start, end = (next(net for at, net in self.track if at >= moment) for moment in (starts_at, ends_at))
        return end - start

    def _power_w(self) -> float:
        if not self.is_plugged_in or self.is_stopped:
            return 0.0
        if self.setpoint:
            power_kw, _, floor = self.setpoint
            return power_kw * 1000 if self.soc_percent > floor else 0.0
        return 11_300.0 if self.soc_percent < self.limit_percent else 0.0

    def _move(self, power_w: float, hours: float) -> None:
        stored_wh = power_w * hours * (0.9 if power_w > 0 else 1 / 0.9)
        self.soc_percent += stored_wh / self.vehicle.capacity_wh * 100
        if power_w > 0:
            self.imported_wh += power_w * hours
        else:
            self.exported_wh -= power_w * hours

    @property
    def charge_state(self) -> str:
        """What the partner extension calls what it does."""
        if not self.is_plugged_in:
            return "UNPLUGGED"
        power_w = self._power_w()
        if power_w:
            return "CHARGING" if power_w > 0 else "DISCHARGING"
        return "HOLDING" if self.setpoint or self.is_stopped else "COMPLETE"

    def _state(self, _: PreparedRequest) -> Answer:
        self.advance(clock.now())
        stamp = self.at.astimezone(UTC).strftime("%m-%d-%Y %H:%M:%S")
        word = {"CHARGING": "ChargingAC", "UNPLUGGED": "EvseNotDetected", "COMPLETE": "Charged"}
        latitude, longitude = ("30.2600", "-97.7400") if self.is_plugged_in else ("30.5", "-97.2")
        return _json(
            {
                "status": "SUCCESS",
                "vehicle": {
                    "vehicleId": self.vehicle.external_id,
                    "vehicleDetails": {"batteryChargeLevel": {"value": round(self.soc_percent, 1), "timestamp": stamp}},
                    "vehicleStatus": {
                        "chargingStatus": {"value": word.get(self.charge_state, "Ready"), "timestamp": stamp},
                        "plugStatus": {"value": self.is_plugged_in, "timestamp": stamp},
                    },
                    "vehicleLocation": {"latitude": latitude, "longitude": longitude, "timestamp": stamp},
                },
            }
        )

    def _telemetry(self, _: PreparedRequest) -> Answer:
        if not self.is_timed:
            return _json({}, status=404)
        self.advance(clock.now())
        return _json(
            {
                "socPercent": round(self.soc_percent, 2),
                "limitPercent": self.limit_percent,
                "powerKw": self._power_w() / 1000,
                "pluggedIn": self.is_plugged_in,
                "state": self.charge_state,
                "meter": {"importedWh": round(self.imported_wh), "exportedWh": round(self.exported_wh)},
                "observedAt": self.at.astimezone(UTC).isoformat().replace("+00:00", "Z"),
            }
        )

    def _set(self, request: PreparedRequest) -> Answer:
        self.advance(clock.now())
        body = json.loads(request.body or b"{}")
        until = datetime.fromisoformat(body["until"])
        self.setpoint = (float(body["powerKw"]), until, float(body["minSocPercent"]))
        self.told.append((self.at, "setpoint", self.setpoint[0]))
        assert until <= self.at + timedelta(minutes=15), "no command may last longer than a quarter of an hour"
        return _accepted()

    def _unset(self, _: PreparedRequest) -> Answer:
        self.advance(clock.now())
        self.setpoint = None
        self.told.append((self.at, "resume", 0.0))
        return _accepted()

    def _switch(self, request: PreparedRequest) -> Answer:
        self.advance(clock.now())
        name = str(request.url).rsplit("/", 1)[-1]
        self.is_stopped = name == "stopCharge"
        self.told.append((self.at, name, 0.0))
        return _accepted()

    def _done(self, _: PreparedRequest) -> Answer:
        return _json({"status": "SUCCESS", "commandStatus": "COMPLETED", "commandId": "one"})


def _accepted() -> Answer:
    return _json({"status": "SUCCESS", "commandStatus": "PENDINGRESPONSE", "commandId": "one"}, status=202)


def _json(body: dict[str, Any], *, status: int = 200) -> Answer:
    return status, {"Content-Type": "application/json"}, json.dumps(body)
