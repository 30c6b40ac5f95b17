"""Cars behind makers' clouds that can be dead, slow, or lose an answer together with the process that asked."""

import json
import random
import re
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, ClassVar

import responses
from requests import PreparedRequest

from foundation import clock
from tests.grid.ford_car import Answer, FordCar
from tests.vehicles.tesla_double import BASE as TESLA
from vehicles.automakers import tesla_answers

SLEEPS_AFTER = timedelta(minutes=25)


class Killed(BaseException):
    """Signal 9: nothing catches it, nothing is cleaned up."""


@dataclass
class Axe:
    """Ends whatever runs after so many more statements and calls; None: leaves it alone."""

    left: int | None = None

    def swing(self) -> None:
        """Count one step, and kill where it was the last."""
        if self.left is None:
            return
        self.left -= 1
        if self.left < 0:
            raise Killed

    def around(self, execute: Callable[..., Any], sql: str, *arguments: Any) -> Any:
        """Count a statement; what the database does by itself when a connection breaks goes on."""
        if not sql.startswith("ROLLBACK"):
            self.swing()
        return execute(sql, *arguments)


AXE = Axe()


@dataclass
class MortalCar(FordCar):
    """A car whose maker's cloud can be dead or slow, whose owner can take the grant back or pull the plug.

    `latency` is how late the car may do what its maker accepted; `dice` decides, None: it does everything at once.
    """

    is_maker_dead: ClassVar[bool] = False
    kind: str = "timed"
    is_grant_dead: bool = False
    latency: timedelta = timedelta(0)
    dice: random.Random | None = None
    pending: list[tuple[datetime, Callable[[], None]]] = field(default_factory=list)

    def mount(self, door: responses.RequestsMock) -> None:
        """Answer at the door, token endpoint included: a grant that was taken back is refused there, too."""
        super().mount(door)
        door.add_callback("POST", re.compile(r"https://maker\.test/token$"), callback=self._token)

    def advance(self, until: datetime) -> None:
        """Live until `until`; what was accepted and is to be done meanwhile is done at its time."""
        while self.pending and min(at for at, _ in self.pending) <= until:
            self.pending.sort(key=lambda one: one[0])
            at, happens = self.pending.pop(0)
            super().advance(max(at, self.at))
            happens()
        super().advance(until)

    def pull_plug(self) -> None:
        """The owner drives away: whatever held the car is over."""
        self.is_plugged_in, self.is_stopped, self.setpoint = False, False, None

    def _later(self, happens: Callable[[], None]) -> None:
        """Do it now, or one time in five when the maker's latency is nearly over."""
        if self.dice is None or self.dice.random() > 0.2:
            happens()
        else:
            self.pending.append((self.at + self.latency * self.dice.uniform(0.3, 0.95), happens))

    def _answered(self, answer: Callable[[PreparedRequest], Answer], request: PreparedRequest) -> Answer:
        AXE.swing()  # killed before the call
        if MortalCar.is_maker_dead:
            return 503, {}, ""
        if self.is_grant_dead:
            return 401, {}, "{}"
        told = answer(request)
        AXE.swing()  # killed after it, before anything is written down
        return told

    def _token(self, _: PreparedRequest) -> Answer:
        AXE.swing()
        return (503, {}, "") if MortalCar.is_maker_dead else (400, {}, json.dumps({"error": "invalid_grant"}))

    def _state(self, request: PreparedRequest) -> Answer:
        return self._answered(super()._state, request)

    def _telemetry(self, request: PreparedRequest) -> Answer:
        return self._answered(super()._telemetry, request)

    def _set(self, request: PreparedRequest) -> Answer:
        return self._answered(super()._set, request)

    def _unset(self, request: PreparedRequest) -> Answer:
        return self._answered(super()._unset, request)

    def _switch(self, request: PreparedRequest) -> Answer:
        return self._answered(self._switch_late, request)

    def _switch_late(self, request: PreparedRequest) -> Answer:
        before = self.is_stopped
        answer = super()._switch(request)
        wanted, self.is_stopped = self.is_stopped, before
        self._later(lambda: self._stop(wanted))
        return answer

    def _stop(self, is_stopped: bool) -> None:  # noqa: FBT001 - what the cloud tells the car
        self.is_stopped = is_stopped and self.is_plugged_in


@dataclass
class ScheduledCar(MortalCar):
    """A car on Tesla's wire: it keeps a schedule and a limit, sleeps when nothing happens, and starts by itself."""

    schedule_at: datetime | None = None
    started_itself_at: datetime | None = None
    is_asleep: bool = False
    idle_since: datetime | None = None

    def mount(self, door: responses.RequestsMock) -> None:
        """Answer for this car at the door."""
        me = rf"{re.escape(TESLA)}/api/1/vehicles/{re.escape(self.vehicle.external_id)}"
        door.add_callback("GET", re.compile(rf"{me}/vehicle_data"), callback=self._data)
        door.add_callback("POST", re.compile(rf"{me}/wake_up$"), callback=self._wake)
        door.add_callback("POST", re.compile(rf"{me}/command/\w+$"), callback=self._command)
        door.add_callback("POST", re.compile(rf"{re.escape(TESLA)}/token$"), callback=self._token)

    def advance(self, until: datetime) -> None:
        """Live until `until`, and fall asleep where nothing happened for a while."""
        super().advance(until)
        if self._power_w():
            self.idle_since, self.is_asleep = None, False
        elif self.idle_since is None:
            self.idle_since = self.at
        elif self.at > self.idle_since + SLEEPS_AFTER:
            self.is_asleep = True

    def _start_by_schedule(self, at: datetime) -> None:
        if self.schedule_at != at:
            return  # taken out, or replaced by another
        self.schedule_at = None  # a one-time schedule
        if self.is_plugged_in and self.is_stopped:
            self.is_stopped, self.is_asleep, self.started_itself_at = False, False, at

    def _data(self, request: PreparedRequest) -> Answer:
        return self._answered(self._tell, request)

    def _wake(self, request: PreparedRequest) -> Answer:
        return self._answered(self._woken, request)

    def _command(self, request: PreparedRequest) -> Answer:
        return self._answered(self._obey, request)

    def _tell(self, _: PreparedRequest) -> Answer:
        self.advance(clock.now())
        if self.is_asleep:
            return 408, {}, "{}"
        millis = round(self.at.timestamp() * 1000)
        words = {"CHARGING": "Charging", "UNPLUGGED": "Disconnected", "COMPLETE": "Complete"}
        charge = {
            "timestamp": millis,
            "battery_level": int(self.soc_percent),
            "charge_limit_soc": self.limit_percent,
            "charging_state": words.get(self.charge_state, "Stopped"),
            "charger_power": int(self._power_w() / 1000),
        }
        place = {"latitude": 30.26, "longitude": -97.74 if self.is_plugged_in else -97.2, "timestamp": millis}
        return 200, {}, json.dumps({"response": {"charge_state": charge, "drive_state": place}})

    def _woken(self, _: PreparedRequest) -> Answer:
        self.advance(clock.now())
        self.is_asleep, self.idle_since = False, None
        self.told.append((self.at, "wake_up", 0.0))
        return 200, {}, json.dumps({"response": {"state": "online"}})

    def _obey(self, request: PreparedRequest) -> Answer:
        self.advance(clock.now())
        name, body = str(request.url).rsplit("/", 1)[-1], json.loads(request.body or b"{}")
        if self.is_asleep:
            return 408, {}, "{}"
        reason = self._do(name, body)
        self.told.append((self.at, name, 0.0))
        return 200, {}, json.dumps({"response": {"result": not reason, "reason": reason}})

    def _do(self, name: str, body: dict[str, Any]) -> str:
        """Do as told and return "", or the reason why not."""
        if name == "set_charge_limit":
            self.limit_percent = float(body["percent"])
        elif name == "add_charge_schedule":
            self._keep_schedule(body)
        elif name == "remove_charge_schedule":
            self.schedule_at = None
        elif not self.is_plugged_in:
            return "disconnected"
        elif name == "charge_start" and self._power_w():
            return "is_charging"
        elif name == "charge_stop" and not self._power_w():
            return "not_charging"
        else:
            self._later(lambda: self._stop(name == "charge_stop"))
        return ""

    def _keep_schedule(self, body: dict[str, Any]) -> None:
        """Keep the one-time start: the next local minute of that weekday."""
        local = self.at.astimezone(self.vehicle.owner.zone).replace(second=0, microsecond=0)
        starts = local.replace(hour=body["start_time"] // 60, minute=body["start_time"] % 60)
        while starts <= local or tesla_answers.DAYS[starts.weekday()] != body["days_of_week"]:
            starts += timedelta(days=1)
        self.schedule_at = starts
        self.pending.append((starts, lambda: self._start_by_schedule(starts)))
