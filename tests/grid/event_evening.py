"""One evening's event with four cars, one of each kind, and whatever is alive of us: played with random kills."""

import random
from collections import Counter
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

import responses
from django.db import connection

from accounts.models import User
from foundation import clock
from grid.flows.dispatch.balancing import balance_due
from grid.flows.dispatch.dispatching import dispatch_due
from grid.flows.plans.planning import plan_due
from grid.models import GridEvent
from tests.factories import grid, nights
from tests.grid.mortal_cars import AXE, Killed, MortalCar, ScheduledCar
from vehicles import gateway
from vehicles.automakers import tesla_answers
from vehicles.automakers.base import Grant
from vehicles.flows.commands import confirm_commands, release_expired_holds, send_due_commands
from vehicles.flows.telemetry import read_due_vehicles
from vehicles.models import ChargePreference, ChargeReading, Command, Departure, Vehicle, VehicleLink

MINUTE = timedelta(minutes=1)
QUARTER = 15 * MINUTE
STEP = 3 * MINUTE
RESERVE_PERCENT = 30
TARGET_PERCENT = 80
# A loss of everything for longer is only promised to cars that free themselves: see docs/driving.md.
LONGEST_DEATH_MINUTES = 26
PARTS = ("worker", "beat", "broker", "watchdog", "web", "maker", "grant", "database", "all")
FOR_GOOD = "all for good"
NO_SWEEPS = {"worker", "beat", "broker", "database", "all", FOR_GOOD}
NO_WATCHDOG = {"watchdog", "database", "all", FOR_GOOD}
OUT_OF_REACH = {"database", "all", FOR_GOOD, "maker"}  # nobody of ours can free a car
V2G, TIMED, SCHEDULE, START_STOP = KINDS = ("v2g", "timed", "schedule", "start_stop")
SOC_PERCENT = {V2G: 55, TIMED: 45, SCHEDULE: 50, START_STOP: 50}


@dataclass
class Tally:
    """What became of it; `late` is the longest that a car of each kind was held beyond what its class promises."""

    kills: Counter[str] = field(default_factory=Counter)
    inside: int = 0
    histories: int = 0
    departures: Counter[str] = field(default_factory=Counter)
    told: Counter[str] = field(default_factory=Counter)
    discharged: int = 0
    unplugged: int = 0
    held_at_loss: Counter[str] = field(default_factory=Counter)
    left_held: int = 0
    late: dict[str, timedelta] = field(default_factory=dict)
    broken: list[str] = field(default_factory=list)

    def note(self, what: str, span: timedelta) -> None:
        """Keep the worst."""
        self.late[what] = max(self.late.get(what, timedelta(0)), span)

    def __str__(self) -> str:
        """What is quoted: kills by what died, and the worst release of each class."""
        killed = ", ".join(f"{part} {count}" for part, count in sorted(self.kills.items()))
        worst = "; ".join(f"{what}: {span / MINUTE:.1f} min" for what, span in sorted(self.late.items()))
        return (
            f"{self.kills.total()} kills ({killed}), {self.inside} inside a sweep, in {self.histories} events\n"
            f"  worst release: {worst}\n"
            f"  everything dead for good: {dict(self.held_at_loss)} held or discharging then; "
            f"start/stop cars that stayed held: {self.left_held}\n"
            f"  departures {dict(self.departures)}, told {dict(self.told)}, discharges {self.discharged}, "
            f"unplugged in between {self.unplugged}, broken promises {len(self.broken)}"
        )


class Evening:
    """Four cars at one event of five and a half hours; `is_last`: everything dies in it and stays dead."""

    def __init__(self, owners: list[User], *, now: datetime, dice: random.Random, tally: Tally, world: Any, most: int):
        self.dice, self.tally, self.time, self.now, self.most = dice, tally, world[1], now, most
        self.event = grid.event(
            now=now, kind="discharge", target_w=60_000, state=GridEvent.State.ANNOUNCED,
            starts_at=now + 10 * MINUTE, ends_at=now + 340 * MINUTE,
        )  # fmt: skip
        self.departure = now + 575 * MINUTE
        self.is_last = tally.histories % 3 == 0
        self.lost_at = now + dice.randint(40, 330) * MINUTE if self.is_last else None
        self.cars = [self._car(owner, kind, world[0]) for owner, kind in zip(owners, KINDS, strict=True)]
        self.dead, self.struck = "", self.cars[0]
        self.dead_until = self.wakes_at = now
        self.away = dice.choice(self.cars)
        self.leaves_at = now + dice.randint(20, 140) * MINUTE
        self.back_at = self.leaves_at + dice.randint(5, 40) * MINUTE if dice.random() < 0.5 else None
        self.held_at_loss: set[int] = set()

    def _car(self, owner: User, kind: str, door: responses.RequestsMock) -> MortalCar:
        name, soc = f"{kind}-{self.tally.histories}", SOC_PERCENT[kind]
        base = "start_stop" if kind == SCHEDULE else kind
        enrolled = nights.plugged_car(owner, now=self.now, kind=base, soc=soc, next_read_at=self.now, nickname=name)
        vehicle = enrolled.vehicle
        fields: dict[str, Any] = {"access_token": "token", "access_expires_at": self.now + timedelta(days=9)}
        if kind == SCHEDULE:
            fields |= {"maker": "tesla", "scopes": list(tesla_answers.SCOPES)}
            vehicle.capabilities = tesla_answers.capabilities_under(tesla_answers.SCOPES).as_json()
            vehicle.save(update_fields=["capabilities"])
        VehicleLink.objects.filter(pk=vehicle.link_id).update(**fields)
        vehicle.link.refresh_from_db()
        ChargeReading.objects.filter(vehicle=vehicle).delete()
        ChargePreference.objects.filter(vehicle=vehicle).update(reserve_soc_percent=RESERVE_PERCENT)
        Departure.objects.filter(preference__vehicle=vehicle).delete()
        local = self.departure.astimezone(owner.zone)
        nights.leaves(vehicle, at=local.time(), weekdays=[local.weekday()])
        grid.participation(enrolled, now=self.now, in_event=self.event)
        car = (ScheduledCar if kind == SCHEDULE else MortalCar)(
            vehicle, soc_percent=soc, at=self.now - 10 * MINUTE, is_timed=kind in {V2G, TIMED}, kind=kind,
            latency=timedelta(seconds=vehicle.can.worst_latency_seconds), dice=None if self.is_last else self.dice,
        )  # fmt: skip
        car.mount(door)
        return car

    def live(self) -> None:
        """Let the evening go by until the cars leave."""
        self.dead_until, next_kill = self.now, self.now + self.dice.randint(2, 14) * MINUTE
        while self.now < self.departure:
            self.time.move_to(self.now)
            self._drive_away_and_back()
            if self.dead and self.now >= self.dead_until:
                self._revive()
                next_kill = self.now + self.dice.randint(2, 5) * MINUTE
            is_time = not self.dead and self.now >= next_kill and self.now < self.event.ends_at + 20 * MINUTE
            if self.lost_at is not None and self.now >= self.lost_at and self.dead != FOR_GOOD:
                self._revive()
                self._kill(FOR_GOOD)
            elif is_time and self.tally.kills.total() < self.most:
                self._kill(self.dice.choice(PARTS))
            else:
                self._sweeps()
            for car in self.cars:
                car.advance(self.now)
            self._look()
            self.now += self._pause()

    def _pause(self) -> timedelta:
        """Tick often while anything of the event goes on or a car is held, else let the night pass quickly."""
        is_held = any(car.is_stopped or car.pending for car in self.cars)
        is_over = self.now >= self.event.ends_at + 40 * MINUTE or self.dead == FOR_GOOD
        return 6 * STEP if is_over and (self.dead == FOR_GOOD or not is_held) else STEP

    def _drive_away_and_back(self) -> None:
        """Pull a plug in the middle of the event, and put it back a while later."""
        if self.back_at is None or self.now < self.leaves_at:
            return
        if self.now >= self.back_at:
            self.away.is_plugged_in, self.back_at = True, None
        elif self.away.is_plugged_in:
            self.away.pull_plug()
            self.tally.unplugged += 1

    def _kill(self, part: str) -> None:
        self.dead = part
        minutes = self.dice.randint(2, 20 if self.dice.random() < 0.8 else LONGEST_DEATH_MINUTES)
        self.dead_until = self.departure + MINUTE if part == FOR_GOOD else self.now + minutes * MINUTE
        self.tally.kills[part] += 1
        MortalCar.is_maker_dead = part == "maker"
        self.struck = self.dice.choice(self.cars)
        self.struck.is_grant_dead = part == "grant"
        AXE.left = self.dice.randint(0, 110)
        try:
            with connection.execute_wrapper(AXE.around):
                self._sweeps(dying=True)
        except Killed:
            self.tally.inside += 1
        finally:
            AXE.left = None
        if part == FOR_GOOD:
            for car in self.cars:
                if car.is_stopped or (car.setpoint and car.setpoint[1] > self.now):
                    self.held_at_loss.add(car.vehicle.pk)
                    self.tally.held_at_loss[car.kind] += 1

    def _revive(self) -> None:
        """Let what was dead come back; an owner whose grant had ended links again, kept as `joining` does."""
        if self.dead == "grant":
            self.struck.is_grant_dead = False
            link = VehicleLink.objects.get(pk=self.struck.vehicle.link_id)
            gateway.store_grant(link, Grant("token", "again", 9 * 86_400))
            VehicleLink.objects.filter(pk=link.pk).update(state=VehicleLink.State.ACTIVE, state_reason="")
            Vehicle.objects.filter(pk=self.struck.vehicle.pk).update(next_read_at=self.now)
        self.dead, MortalCar.is_maker_dead = "", False

    def _sweeps(self, *, dying: bool = False) -> None:
        """Run what is alive; what is being killed runs once more, until it falls."""
        now, dead = clock.now(), "" if dying else self.dead
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
            if car.setpoint and car.setpoint[1] > now + QUARTER:
                self.tally.broken.append(f"{now}: {car.vehicle} is told until {car.setpoint[1]}")
            if car.is_timed:
                self._look_at_timed(car)
            else:
                self._look_at_stopped(car)

    def _look_at_timed(self, car: MortalCar) -> None:
        """Ends by itself within a quarter of an hour of its last command, whatever is dead."""
        if not car.setpoint or car.setpoint[1] <= self.now:
            return
        told_at = max(at for at, name, _ in car.told if name == "setpoint")
        self.tally.note("timed, after its last command", self.now - told_at)
        if self.dead == FOR_GOOD and self.now > self.lost_at_or_now() + QUARTER:
            self.tally.broken.append(f"{self.now}: {car.vehicle} goes on a quarter of an hour after everything died")

    def lost_at_or_now(self) -> datetime:
        """When everything died; now where it did not."""
        return self.lost_at + STEP if self.lost_at is not None else self.now

    def _look_at_stopped(self, car: MortalCar) -> None:
        """Is free when its hold is over, but for the latency; while nobody can reach it, by its schedule at most."""
        if not car.is_stopped or not car.is_plugged_in:
            return
        if isinstance(car, ScheduledCar):
            self._look_at_schedule(car)
        holds = Command.objects.risk_adding().filter(vehicle=car.vehicle, sent_at__isnull=False)
        last = holds.order_by("-ends_at").first()
        ends_at = last.ends_at if last is not None and last.ends_at is not None else self.now
        is_out_of_reach = self.dead in OUT_OF_REACH or (self.dead == "grant" and self.struck is car)
        if is_out_of_reach:
            self.wakes_at = self.dead_until
            if self.dead != FOR_GOOD:
                self.tally.note(f"{car.kind}, nobody can reach it, after its hold's end", self.now - ends_at)
            return
        # One part of ours is dead, or none: late counts from the end, or from when it could be reached again.
        late = self.now - max(ends_at, self.wakes_at)
        self.tally.note(f"{car.kind}, one part dead, after its hold's end", late)
        if late > QUARTER + car.latency + 2 * STEP:
            self.tally.broken.append(f"{self.now}: {car.vehicle} is held since {ends_at}, {self.dead or 'none'} dead")

    def _look_at_schedule(self, car: ScheduledCar) -> None:
        """A held car always has a start of ours in it; a stop that came later than its release is undone by us."""
        if car.dice is None and car.schedule_at is None:
            self.tally.broken.append(f"{self.now}: {car.vehicle} is held without a schedule in it")

    def leave(self) -> None:
        """See whether every car has what its owner wanted; each could have had it without the event."""
        for car in self.cars:
            self.tally.told[car.kind] += len(car.told)
            self.tally.discharged += car.exported_wh > 2_000
            car.advance(self.departure)
            if isinstance(car, ScheduledCar):
                self._see_own_start(car)
            if self.is_last and car.kind == START_STOP and car.is_stopped:
                self.tally.left_held += 1  # what a total loss leaves
                if car.vehicle.pk not in self.held_at_loss:
                    self.tally.broken.append(f"{car.vehicle} was not held when everything died, and is")
                continue
            self.tally.departures[car.kind] += 1
            if car.soc_percent < TARGET_PERCENT - 0.5:
                self.tally.broken.append(f"{car.vehicle} leaves with {car.soc_percent:.1f} %")

    def _see_own_start(self, car: ScheduledCar) -> None:
        """With everything dead a car that was held has started by itself, at its backstop's time."""
        if car.vehicle.pk not in self.held_at_loss:
            return
        held = Command.objects.risk_adding().filter(vehicle=car.vehicle, sent_at__isnull=False)
        backstop_at = held.exclude(backstop_at=None).order_by("-sent_at").values_list("backstop_at", flat=True).first()
        if car.started_itself_at is None or backstop_at is None:
            self.tally.broken.append(f"{car.vehicle} did not start by itself")
            return
        off = car.started_itself_at - backstop_at
        self.tally.note("schedule, everything dead, start after its backstop", max(off, timedelta(0)))
        if abs(off) > MINUTE:
            self.tally.broken.append(f"{car.vehicle} started {off} off its backstop")
