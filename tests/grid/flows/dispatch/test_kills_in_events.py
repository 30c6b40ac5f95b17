"""Kills at random moments of an event, with the real flows, database, commands and leases, and cars with batteries.

Real: every sweep and the watchdog's round, the database, claims, leases and keys, the adapter's HTTP calls, car
physics and meters. Simulated: processes (a kill stops a sweep at a random statement or call, nothing of it is cleaned
up, and the part stays dead for a while), the clock, and the maker's cloud, which is a double behind the HTTP door.
`tests/journeys/test_kills.py` kills real processes.
"""

import os
import random
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any, ClassVar

import pytest
import responses
import time_machine
from django.db import connection
from requests import PreparedRequest

from accounts.models import User
from grid.flows.dispatch.balancing import balance_due
from grid.flows.dispatch.dispatching import dispatch_due
from grid.flows.plans.planning import plan_due
from grid.models import GridEvent
from tests.factories import grid, nights
from tests.grid.ford_car import SETTINGS, FordCar
from vehicles.flows.commands import confirm_commands, release_expired_holds, send_due_commands
from vehicles.flows.telemetry import read_due_vehicles
from vehicles.models import ChargePreference, ChargeReading, Command, Departure, Vehicle, VehicleLink

KILLS = int(os.environ.get("EVENT_KILLS", "1000" if os.environ.get("CHARGESCAPE_FULL") else "12"))
SEED = int(os.environ.get("EVENT_KILLS_SEED", "7"))
MINUTE = timedelta(minutes=1)
STEP = 3 * MINUTE
RESERVE_PERCENT = 30
LATENCY = 2 * MINUTE  # the maker's worst, as the cars declare it
LONGEST_DEATH_MINUTES = 26  # a total loss for longer than the margin is no promise: see docs/driving.md
WORKER, BEAT, BROKER, WATCHDOG, WEB, MAKER, DATABASE, ALL = (
    "worker", "beat", "broker", "watchdog", "web", "maker", "database", "all",
)  # fmt: skip
PARTS = (WORKER, BEAT, BROKER, WATCHDOG, WEB, MAKER, DATABASE, ALL)
NO_SWEEPS = {WORKER, BEAT, BROKER, DATABASE, ALL}
NO_WATCHDOG = {WATCHDOG, DATABASE, ALL}


class Killed(BaseException):
    """Signal 9: nothing catches it, nothing is cleaned up."""


@dataclass
class Axe:
    """Ends whatever runs after so many more statements and calls; None: leaves it alone."""

    left: int | None = None
    has_fallen: bool = False

    def swing(self) -> None:
        """Count one step, and kill where it was the last."""
        if self.left is None:
            return
        self.left -= 1
        if self.left < 0:
            self.has_fallen = True
            raise Killed

    def around(self, execute: Callable[..., Any], sql: str, *arguments: Any) -> Any:
        """Count a statement; what the database does by itself when a connection breaks goes on."""
        if not sql.startswith("ROLLBACK"):
            self.swing()
        return execute(sql, *arguments)


AXE = Axe()


class MortalCar(FordCar):
    """A car whose maker's cloud can be dead, and whose answer may be lost with the process that asked."""

    is_maker_dead: ClassVar[bool] = False

    def _answered(self, answer: Callable[[PreparedRequest], Any], request: PreparedRequest) -> Any:
        AXE.swing()  # killed before the call
        if MortalCar.is_maker_dead:
            return 503, {}, ""
        told = answer(request)
        AXE.swing()  # killed after it, before anything is written down
        return told

    def _state(self, request: PreparedRequest) -> Any:
        return self._answered(super()._state, request)

    def _telemetry(self, request: PreparedRequest) -> Any:
        return self._answered(super()._telemetry, request)

    def _set(self, request: PreparedRequest) -> Any:
        return self._answered(super()._set, request)

    def _unset(self, request: PreparedRequest) -> Any:
        return self._answered(super()._unset, request)

    def _switch(self, request: PreparedRequest) -> Any:
        return self._answered(super()._switch, request)


@dataclass
class Tally:
    """What became of it."""

    kills: int = 0
    inside: int = 0
    histories: int = 0
    departures: int = 0
    told: int = 0
    discharged: int = 0
    broken: list[str] = field(default_factory=list)
    longest_late: timedelta = timedelta(0)
    longest_late_total: timedelta = timedelta(0)


class Evening:
    """Three cars of both kinds at one event of five and a half hours, and whatever is alive of us."""

    def __init__(self, owners: list[User], now: datetime, dice: random.Random, tally: Tally, world: Any):
        self.dice, self.tally, self.time, self.now = dice, tally, world[1], now
        self.event = grid.event(
            now=now, kind="discharge", target_w=60_000, state=GridEvent.State.ANNOUNCED,
            starts_at=now + 10 * MINUTE, ends_at=now + 340 * MINUTE,
        )  # fmt: skip
        self.departure = now + 575 * MINUTE
        kinds = ("v2g", "timed", "start_stop")
        self.cars = [
            self._car(owner, kind, soc, world[0]) for owner, kind, soc in zip(owners, kinds, (55, 45, 50), strict=True)
        ]
        VehicleLink.objects.update(access_token="token", access_expires_at=now + timedelta(days=9))
        self.dead: str = ""
        self.dead_until = self.wakes_at = now
        self.held_past: dict[int, datetime] = {}

    def _car(self, owner: User, kind: str, soc: float, door: responses.RequestsMock) -> MortalCar:
        name = f"{kind}-{self.tally.histories}"
        enrolled = nights.plugged_car(owner, now=self.now, kind=kind, soc=soc, next_read_at=self.now, nickname=name)
        vehicle = enrolled.vehicle
        ChargeReading.objects.filter(vehicle=vehicle).delete()
        ChargePreference.objects.filter(vehicle=vehicle).update(reserve_soc_percent=RESERVE_PERCENT)
        Departure.objects.filter(preference__vehicle=vehicle).delete()
        local = self.departure.astimezone(owner.zone)
        nights.leaves(vehicle, at=local.time(), weekdays=[local.weekday()])
        grid.participation(enrolled, now=self.now, in_event=self.event)
        car = MortalCar(vehicle, soc_percent=soc, at=self.now - 10 * MINUTE, is_timed=kind != "start_stop")
        car.mount(door)
        return car

    def live(self) -> None:
        """Let the evening go by until the cars leave."""
        first = self.now + self.dice.randint(2, 14) * MINUTE
        self.dead_until, next_kill = self.now, first
        while self.now < self.departure:
            self.time.move_to(self.now)
            if self.dead and self.now >= self.dead_until:
                self.dead, MortalCar.is_maker_dead = "", False
                next_kill = self.now + self.dice.randint(2, 5) * MINUTE
            is_time = not self.dead and self.now >= next_kill and self.now < self.event.ends_at + 20 * MINUTE
            if is_time and self.tally.kills < KILLS:
                self._kill()
            else:
                self._sweeps()
            for car in self.cars:
                car.advance(self.now)
            self._look()
            self.now += STEP if self.now < self.event.ends_at + 40 * MINUTE else 6 * STEP

    def _kill(self) -> None:
        self.dead = self.dice.choice(PARTS)
        self.dead_until = (
            self.now + self.dice.randint(2, 20 if self.dice.random() < 0.8 else LONGEST_DEATH_MINUTES) * MINUTE
        )
        self.tally.kills += 1
        MortalCar.is_maker_dead = self.dead == MAKER
        AXE.left, AXE.has_fallen = self.dice.randint(0, 110), False
        try:
            with connection.execute_wrapper(AXE.around):
                self._sweeps(dying=True)
        except Killed:
            self.tally.inside += 1
        finally:
            AXE.left = None

    def _sweeps(self, *, dying: bool = False) -> None:
        """Run what is alive; what is being killed runs once more, until it falls."""
        now, dead = self.now, "" if dying else self.dead
        if dead not in NO_SWEEPS:
            for sweep in (read_due_vehicles, plan_due, dispatch_due, balance_due, send_due_commands, confirm_commands):
                sweep(now=now, limit=10)
        if dead not in NO_WATCHDOG and not (dying and self.dead in NO_SWEEPS - NO_WATCHDOG):
            release_expired_holds(now=now)

    def _look(self) -> None:
        now = self.now
        for car in self.cars:
            if car.soc_percent < RESERVE_PERCENT - 0.1:
                self.tally.broken.append(f"{now}: {car.vehicle} is at {car.soc_percent:.1f} %")
            if car.setpoint and car.setpoint[1] > now + 15 * MINUTE:
                self.tally.broken.append(f"{now}: {car.vehicle} is told until {car.setpoint[1]}")
            self._look_whether_free(car)

    def _look_whether_free(self, car: MortalCar) -> None:
        """A start/stop car is free when its hold is over, but for the latency; nobody can free it in a total loss."""
        if car.is_timed or not car.is_stopped or not car.is_plugged_in:
            self.held_past.pop(car.vehicle.pk, None)
            return
        last = (
            Command.objects.risk_adding()
            .filter(vehicle=car.vehicle, sent_at__isnull=False)
            .order_by("-ends_at")
            .first()
        )
        ends_at = last.ends_at if last is not None and last.ends_at is not None else self.now
        late = self.now - ends_at
        if self.dead in {DATABASE, ALL, MAKER}:
            self.wakes_at = self.dead_until
            self.tally.longest_late_total = max(self.tally.longest_late_total, late)
            return
        # One part of ours is dead, or none: late counts from the end, or from when a total loss was over.
        late = self.now - max(ends_at, self.wakes_at)
        self.tally.longest_late = max(self.tally.longest_late, late)
        if late > LATENCY + 2 * STEP + 15 * MINUTE:
            self.tally.broken.append(
                f"{self.now}: {car.vehicle} is held since {ends_at}, {self.dead or 'nothing'} dead"
            )

    def leave(self) -> None:
        """See whether every car has what its owner wanted; each could have had it without the event."""
        for car in self.cars:
            self.tally.departures += 1
            self.tally.told += len(car.told)
            self.tally.discharged += car.exported_wh > 2_000
            car.advance(self.departure)
            if car.soc_percent < 80 - 0.5:
                self.tally.broken.append(f"{car.vehicle} leaves with {car.soc_percent:.1f} %")


@pytest.fixture
def world(settings: Any, now: datetime) -> Iterator[tuple[responses.RequestsMock, time_machine.Traveller]]:
    settings.AUTOMAKERS = {"ford": SETTINGS}
    with time_machine.travel(now, tick=False) as traveller, _door() as door:
        yield door, traveller
    MortalCar.is_maker_dead = False


@contextmanager
def _door() -> Iterator[responses.RequestsMock]:
    with responses.RequestsMock(assert_all_requests_are_fired=False) as door:
        yield door


@pytest.mark.slow
@pytest.mark.once
@pytest.mark.django_db
def test_whatever_is_killed_cars_are_freed_reserves_kept_and_departures_made(world: Any) -> None:
    dice, tally = random.Random(SEED), Tally()  # noqa: S311 - a seed plays a history again
    begins = datetime(2026, 11, 18, 23, 5, tzinfo=UTC)
    while tally.kills < KILLS:
        at = begins + timedelta(days=tally.histories)
        Vehicle.objects.update(state=Vehicle.State.UNLINKED, next_read_at=None)
        owners = [
            User.objects.create_user(
                f"kills-{tally.histories}-{n}@example.org", "charge-the-grid", time_zone="America/Chicago"
            )
            for n in range(3)
        ]
        world[1].move_to(at)
        evening = Evening(owners, at, dice, tally, world)
        evening.live()
        evening.leave()
        tally.histories += 1
        print(tally, flush=True)

    assert tally.broken == []
    assert tally.kills == KILLS
    assert tally.inside > KILLS // 4
    assert tally.told > 6 * tally.histories
    assert tally.discharged > 0
