"""No maker is asked more often than its adapter declares: counted at the HTTP door, through a day that goes wrong.

The adapters, the wire, the meter, reads, commands, releases and looks are real. Around them are an event that holds
the car, an owner who presses a button every few minutes, pushes, answers of 429 and 503 and an outage.
"""

import itertools
import json
import os
import random
import re
from collections import Counter
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import urlsplit

import pytest
import requests
import responses
import time_machine

from accounts.models import User
from foundation import clock
from tests.factories import vehicles as make
from tests.vehicles.automakers.kits import KITS
from tests.vehicles.automakers.kits.base import Kit, recording
from vehicles import gateway, meter
from vehicles.automakers.base import Capabilities, ChargeState, HoldEnds, Observed, Place, VehicleState
from vehicles.automakers.registry import AUTOMAKERS
from vehicles.flows import discovering, places, telemetry, waking
from vehicles.flows.allowing import UnableToCommand
from vehicles.flows.commands import (
    command_in_force,
    confirm_commands,
    release_expired_holds,
    renew_hold,
    request_command,
    send_due_commands,
)
from vehicles.flows.places import UnableToSetHome
from vehicles.meter import Use
from vehicles.models import CallCount, Command, Vehicle

IS_FULL = bool(os.environ.get("CHARGESCAPE_FULL"))
HOURS = 26 if IS_FULL else 1
STEP = timedelta(seconds=30 if IS_FULL else 120)
BEGINS = datetime(2026, 11, 18, 21, 0, tzinfo=UTC)  # a day, as makers count it, ends after three hours
DEPARTURE = datetime(2026, 11, 21, 13, 30, tzinfo=UTC)
EVENT = timedelta(minutes=6), timedelta(minutes=36)  # after each fourth hour
ASKED_TO_WAIT_SECONDS = 300
TOO_MANY, DOWN = 429, 503


@dataclass(frozen=True)
class Call:
    """One request as it arrived, and what it was for; `source` tells polls from lists and from the owner."""

    at: datetime
    use: str
    source: str
    url: str
    status: int


@dataclass
class Cloud:
    """The maker's cloud: recorded answers to the adapter's real requests, and trouble."""

    kit: Kit
    dice: random.Random
    calls: list[Call] = field(default_factory=list)
    use: str = ""
    source: str = ""
    is_down: bool = False
    is_held: bool = False

    def answer(self, request: requests.PreparedRequest) -> tuple[int, dict[str, str], str]:
        """Answer as recorded, or with trouble; tokens are always given and not counted."""
        url = str(request.url).split("?")[0]
        if url == self.kit.token_url:
            return 200, {}, json.dumps(recording(self.kit.slug, "token"))
        chance = self.dice.random()
        status = DOWN if self.is_down or chance < 0.03 else TOO_MANY if chance < 0.06 else 200
        self.calls.append(Call(clock.now(), self.use, self.source, urlsplit(url).path, status))
        if status != 200:
            return status, {"Retry-After": str(ASKED_TO_WAIT_SECONDS)}, "{}"
        for method, known, file in self.kit.asks.values():
            if method == request.method and known.split("?")[0] == url:
                return 200, {}, json.dumps(recording(self.kit.slug, file))
        return 200, {}, "{}"


@pytest.fixture(params=sorted(AUTOMAKERS))
def cloud(request: pytest.FixtureRequest, settings: Any, door: responses.RequestsMock, monkeypatch: Any) -> Cloud:
    """A maker's cloud, with the adapter telling the test what each call is for and the car living in the present."""
    kit = KITS[request.param]
    settings.AUTOMAKERS = {kit.slug: kit.credentials}
    cloud = Cloud(kit, random.Random(17))  # noqa: S311 - plays the same day again
    for method in ("GET", "POST", "PUT", "DELETE"):
        door.add_callback(method, re.compile("https?://.*"), callback=cloud.answer)
    run: Any = gateway._run  # the one place that knows what each request is for

    def noted(caller: meter.Caller, use: Use, operation: Any, **options: Any) -> Any:
        cloud.use = str(use)
        return run(caller, use, operation, **options)

    monkeypatch.setattr(gateway, "_run", noted)
    maker: Any = AUTOMAKERS[kit.slug]
    for name in ("read_state", "hold", "resume"):
        monkeypatch.setattr(maker, name, _living(cloud, name, getattr(maker, name)))
    return cloud


def _living(cloud: Cloud, name: str, real: Any) -> Any:
    def operation(self: Any, *arguments: Any, **options: Any) -> Any:
        answer = real(self, *arguments, **options)
        if name != "read_state":
            cloud.is_held = name == "hold"
            return answer
        return _present(cloud, answer)

    return operation


def _present(cloud: Cloud, recorded: VehicleState) -> VehicleState:
    """What the recording says, seen now, with the car doing as it was told."""
    at = clock.now()

    def seen(value: Any) -> Any:
        return Observed(value, at, at)

    assert recorded is not None
    doing = ChargeState.PLUGGED_IDLE if cloud.is_held else ChargeState.CHARGING
    return VehicleState(
        soc_percent=seen(60.0),
        limit_percent=seen(90.0),
        is_plugged_in=seen(True),
        charge_state=seen(str(doing)),
        place=seen(Place(*make.AUSTIN)),
    )


@dataclass
class Day:
    """One car of one maker, and everything that may make us call it."""

    cloud: Cloud
    car: Vehicle
    time: time_machine.Traveller
    held: int = 0
    homes: int = 0

    def live(self) -> None:
        """Tick through the hours."""
        now, ends = BEGINS, BEGINS + HOURS * timedelta(hours=1)
        while now < ends:
            self.time.move_to(now)
            since = (now - BEGINS) % timedelta(hours=4)
            self.cloud.is_down = timedelta(minutes=54) <= since < timedelta(minutes=58)
            if EVENT[0] <= since < EVENT[1]:
                self._hold(now, event=f"{now:%d}{(now - BEGINS) // timedelta(hours=4)}")
            if now.minute >= 30:
                self._press(now)
            if now.minute % 10 == 4:
                self._push(now)
            self._sweep(now)
            now += STEP

    def _sweep(self, now: datetime) -> None:
        self.cloud.source = "list"  # once a day, and what a car can do is told by its state at some makers: no poll
        discovering.list_due_accounts(now=now, limit=5)
        self.cloud.source = "sweep"
        for sweep in (telemetry.read_due_vehicles, send_due_commands, confirm_commands):
            sweep(now=now, limit=10)
        release_expired_holds(now=now)

    def _hold(self, now: datetime, *, event: str) -> None:
        """Ask as the dispatcher does: a hold in force, ten minutes ahead."""
        car = Vehicle.objects.get(pk=self.car.pk)
        waking.wake_for_event(vehicle=car, event=event, now=now)
        held, ends_at = command_in_force(car, now), now + timedelta(minutes=15)
        try:
            if held is not None and held.ended_by == Command.EndedBy.WATCHDOG:
                renew_hold(command=held, ends_at=ends_at, now=now)
            elif held is None or held.ends_at is None or held.ends_at < now + timedelta(minutes=10):
                request_command(
                    vehicle=car, key=f"{event}-{now:%H%M}", kind=Command.Kind.HOLD, ends_at=ends_at,
                    departure_at=DEPARTURE, zone="America/Chicago", now=now,
                )  # fmt: skip
                self.held += 1
        except UnableToCommand:
            pass  # not now: that is what is wanted here

    def _press(self, now: datetime) -> None:
        """The owner presses "home is here" again and again; no other button asks a car at once."""
        self.cloud.source = "owner"
        try:
            places.set_home_from_vehicle(vehicle=Vehicle.objects.get(pk=self.car.pk), now=now)
            self.homes += 1
        except UnableToSetHome:
            pass

    def _push(self, now: datetime) -> None:
        state = _present(self.cloud, VehicleState())
        telemetry.record_state(vehicle=Vehicle.objects.get(pk=self.car.pk), state=state, now=now, source="webhook")


@pytest.fixture
def day(cloud: Cloud, alice: User, at_now: time_machine.Traveller) -> Day:
    """A car as its adapter finds it, living in the maker's cloud."""
    at_now.move_to(BEGINS)
    kit, now = cloud.kit, BEGINS
    link = make.link(
        alice, maker=kit.slug, scopes=list(kit.scopes), access_token=kit.access_token,
        access_expires_at=now + timedelta(days=9), listed_at=now,
    )  # fmt: skip
    link.extras = kit.extras
    link.save()
    chance, cloud.dice = cloud.dice, random.Random(0)  # noqa: S311
    can = _able(kit)
    cloud.dice = chance
    cloud.calls.clear()
    car = make.ready_car(alice, now=now, can=can, of=link, external_id=kit.car_id)
    return Day(cloud, car, at_now)


def _able(kit: Kit) -> Capabilities:
    for _ in range(20):  # the cloud may be in trouble just then
        try:
            return kit.adapter().capabilities(kit.account, kit.car_id)
        except Exception:  # noqa: BLE001, S112
            continue
    raise AssertionError("the maker never said what its car can do")


def count_before(day: Day, can: Capabilities) -> int:
    """Let most of the day's budget be used up already, and return how much."""
    if can.daily_budget is None or IS_FULL:
        return 0
    before = round(0.55 * can.daily_budget)
    scope, subject = ("link", day.car.link_id) if can.budget_scope == "user" else ("car", day.car.pk)
    CallCount.objects.create(scope=scope, subject=str(subject), starts_at=meter.day_of(BEGINS), reads=before)
    return before


@pytest.mark.slow
@pytest.mark.once
def test_maker_is_never_asked_more_often_than_it_allows(day: Day) -> None:
    can = day.car.own
    before = count_before(day, can)

    day.live()

    calls = day.cloud.calls
    print(f"{day.cloud.kit.slug}: {len(calls)} calls, {Counter(call.use for call in calls)}, held {day.held}, {can}")
    assert [call for call in calls if call.source == "sweep"], "nothing was asked at all"
    told = [call for call in calls if call.use in {Use.COMMAND, Use.RELEASE}]
    assert can.hold_ends == HoldEnds.NONE or (day.held and told)
    per_day = Counter(call.at.date() for call in calls if call.use != Use.RELEASE)
    per_day[BEGINS.date()] += before
    assert can.daily_budget is None or max(per_day.values()) <= can.daily_budget
    for source in ("sweep", "owner"):
        assert closest(reads(day.cloud, source)) >= can.min_poll_seconds, source
    assert busiest([call for call in calls if call.source != "list"], timedelta(minutes=1)) <= 6  # a list: cars at once
    assert impatient(calls, is_cars=can.budget_scope == "vehicle") == []


def reads(cloud: Cloud, source: str) -> list[datetime]:
    """When readings were answered, by the first request of each; looks after a release are not among them."""
    path = urlsplit(cloud.kit.asks[cloud.kit.reads[0]][1]).path
    mine = [call for call in cloud.calls if call.source == source and call.status == 200 and call.url == path]
    return [call.at for call in mine if call.use == Use.READ]


def closest(times: list[datetime]) -> float:
    """Return the shortest pause in seconds."""
    return min(((later - at).total_seconds() for at, later in itertools.pairwise(times)), default=9e9)


def busiest(calls: list[Call], span: timedelta) -> int:
    """Return the most calls in any such span."""
    return max(sum(call.at <= other.at < call.at + span for other in calls) for call in calls)


def impatient(calls: list[Call], *, is_cars: bool) -> list[Call]:
    """Return calls that came before the time that the maker had asked us to wait; what frees a car does not wait.

    `is_cars`: the maker's word counts for one car alone, and for what was asked of it then.
    """
    waits = timedelta(seconds=ASKED_TO_WAIT_SECONDS)
    told = [call for call in calls if call.status == TOO_MANY]
    return [
        call
        for call in calls
        if call.use != Use.RELEASE
        and any(one.at < call.at < one.at + waits and (not is_cars or one.use == call.use) for one in told)
    ]
