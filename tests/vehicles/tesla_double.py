"""A Tesla-like cloud behind the HTTP door: one car with a limit, a schedule and sleep; it counts what it is told."""

import json
import re
from collections import Counter
from typing import Any

import requests
import responses

from foundation import clock
from vehicles.automakers.base import Capabilities, HoldEnds

BASE = "https://tesla.test"
SCHEDULED = Capabilities(
    reads=("soc_percent", "is_plugged_in", "charge_state", "place", "limit_percent", "power_w"),
    can_start_stop=True,
    set_limit_percent=(50, 100, 1),
    hold_ends=HoldEnds.SCHEDULE,
    can_wake=True,
    can_schedule=True,
    min_poll_seconds=60,
    worst_latency_seconds=900,
)
CREDENTIALS = {
    "authorize_url": f"{BASE}/authorize",
    "token_url": f"{BASE}/token",
    "revoke_url": "",
    "api_base": BASE,
    "command_base": "",
    "client_id": "client-one",
    "client_secret": "secret-one",
}


class TeslaDouble:
    """What the car does and was told. `refuses` maps a command to the reason of its `result: false`."""

    def __init__(self, door: responses.RequestsMock) -> None:
        self.counts: Counter[str] = Counter()
        self.bodies: dict[str, dict[str, Any]] = {}
        self.is_asleep = False
        self.is_charging = True
        self.soc_percent = 60.0
        self.limit_percent = 90
        self.ignores_limits = False
        self.refuses: dict[str, str] = {}
        car = re.compile(re.escape(BASE) + r"/api/1/vehicles/[^/]+/")
        door.add_callback(responses.GET, re.compile(car.pattern + "vehicle_data"), self._read)
        door.add_callback(responses.POST, re.compile(car.pattern + "wake_up"), self._wake)
        door.add_callback(responses.POST, re.compile(car.pattern + r"command/\w+"), self._command)

    def _read(self, _request: requests.PreparedRequest) -> tuple[int, dict[str, str], str]:
        self.counts["read"] += 1
        if self.is_asleep:
            return 408, {}, "{}"
        millis = round(clock.now().timestamp() * 1000)
        charge = {
            "timestamp": millis,
            "battery_level": self.soc_percent,
            "charge_limit_soc": self.limit_percent,
            "charging_state": "Charging" if self.is_charging else "Stopped",
            "charger_power": 11 if self.is_charging else 0,
        }
        place = {"latitude": 30.2672, "longitude": -97.7431, "timestamp": millis}
        return 200, {}, json.dumps({"response": {"charge_state": charge, "drive_state": place}})

    def _wake(self, _request: requests.PreparedRequest) -> tuple[int, dict[str, str], str]:
        self.counts["wake_up"] += 1
        self.is_asleep = False
        return 200, {}, json.dumps({"response": {"state": "online"}})

    def _command(self, request: requests.PreparedRequest) -> tuple[int, dict[str, str], str]:
        name = str(request.url).rsplit("/", 1)[-1]
        self.counts[name] += 1
        self.bodies[name] = json.loads(request.body or b"{}")
        if self.is_asleep:
            return 408, {}, "{}"
        if name in self.refuses:
            return 200, {}, json.dumps({"response": {"result": False, "reason": self.refuses[name]}})
        if name in {"charge_start", "charge_stop"}:
            self.is_charging = name == "charge_start"
        if name == "set_charge_limit" and not self.ignores_limits:
            self.limit_percent = self.bodies[name]["percent"]
        return 200, {}, json.dumps({"response": {"result": True, "reason": ""}})
