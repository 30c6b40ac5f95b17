"""A whole night in one process: the car behind the HTTP door, every sweep, from plug-in to the owner's cents."""

from collections.abc import Iterator
from datetime import datetime, timedelta
from itertools import pairwise

import pytest
import responses
import time_machine

from accounts.flows.consents import revoke_consent
from accounts.models import User
from grid.flows.dispatch.dispatching import dispatch_due
from grid.flows.plans.planning import plan_due
from grid.flows.settlement.settling import post_due_settlements, settle_due
from grid.models import Dispatch, Enrollment, EventParticipation, GridEvent, Settlement
from rewards import ledger
from tests.factories import grid, nights
from tests.grid.ford_car import SETTINGS, FordCar
from vehicles.flows.commands import confirm_commands, release_expired_holds, send_due_commands
from vehicles.flows.preferences import charge_now
from vehicles.flows.telemetry import read_due_vehicles
from vehicles.models import ChargeReading, Command, PlugSession, VehicleLink

pytestmark = pytest.mark.once

MINUTE = timedelta(minutes=1)


@pytest.fixture
def world(settings: object, now: datetime) -> Iterator[tuple[responses.RequestsMock, time_machine.Traveller]]:
    """The HTTP door, and time that stands until it is moved."""
    settings.AUTOMAKERS = {"ford": SETTINGS}  # type: ignore[attr-defined]
    with (
        time_machine.travel(now, tick=False) as traveller,
        responses.RequestsMock(assert_all_requests_are_fired=False) as door,
    ):
        yield door, traveller


class Night:
    """One enrolled car that came home with 70 %, and the clock."""

    def __init__(
        self, owner: User, now: datetime, kind: str, world: tuple[responses.RequestsMock, time_machine.Traveller]
    ):
        self.enrolled: Enrollment = nights.plugged_car(owner, now=now, kind=kind, soc=70, next_read_at=now)
        vehicle = self.enrolled.vehicle
        VehicleLink.objects.update(access_token="token", access_expires_at=now + timedelta(days=9))
        ChargeReading.objects.all().delete()
        self.car = FordCar(vehicle, soc_percent=70, at=now - 10 * MINUTE, is_timed=kind != "start_stop")
        self.car.mount(world[0])
        self.time = world[1]
        self.now = now

    def event(self, kind: str) -> EventParticipation:
        """Announce an event from an hour ahead, for two hours."""
        return grid.participation(
            self.enrolled, now=self.now, in_event=grid.event(now=self.now, kind=kind, state=GridEvent.State.ANNOUNCED)
        )

    def live(self, until: datetime, *, step: timedelta = 2 * MINUTE) -> None:
        """Run every sweep in steps, as the timetable would in far smaller ones."""
        while self.now < until:
            self.time.move_to(self.now)
            read_due_vehicles(now=self.now, limit=10)
            plan_due(now=self.now, limit=10)
            dispatch_due(now=self.now, limit=10)
            send_due_commands(now=self.now, limit=10)
            confirm_commands(now=self.now, limit=10)
            release_expired_holds(now=self.now)
            settle_due(now=self.now, limit=10)
            post_due_settlements(now=self.now, limit=10)
            self.now += step


def interpolated(readings: list[ChargeReading], name: str, at: datetime) -> float:
    """Return a meter at an instant: an independent few lines, in floats."""
    for before, after in pairwise(readings):
        if before.observed_at <= at <= after.observed_at:
            low, high = getattr(before, name), getattr(after, name)
            share = (at - before.observed_at) / (after.observed_at - before.observed_at)
            return float(low + (high - low) * share)
    raise AssertionError("no readings around it")


@pytest.mark.slow
def test_v2g_car_gives_back_in_its_event_and_is_ready_in_the_morning(
    alice: User, now: datetime, world: tuple[responses.RequestsMock, time_machine.Traveller]
) -> None:
    night = Night(alice, now, "v2g", world)
    part = night.event("discharge")
    event, car = part.event, night.car

    night.live(event.ends_at + 40 * MINUTE)

    settlement = Settlement.objects.get()
    readings = list(ChargeReading.objects.order_by("observed_at"))
    net = sum(
        sign * (interpolated(readings, name, event.ends_at) - interpolated(readings, name, event.starts_at))
        for name, sign in (("imported_wh", 1), ("exported_wh", -1))
    )
    baseline = 11_300 * min(2.0, max(0.0, 0.2 * 98_000 / 0.9 / 11_300 - 70 / 60))  # from 16:55, in the event from 18:05
    assert settlement.baseline_wh == round(baseline)
    assert settlement.net_wh == round(net)
    assert settlement.grade == "measured"
    assert settlement.amount_minor == round((round(baseline) - round(net)) / 1000 * 200)
    assert settlement.net_wh == pytest.approx(car.net_wh(event.starts_at, event.ends_at), rel=0.02)
    assert settlement.net_wh == pytest.approx(-19_200, rel=0.02)
    assert ledger.owner_balance(alice, "USD").posted_minor == settlement.amount_minor
    assert Dispatch.objects.filter(participation=part, mode="discharge").exists()

    departure = datetime.fromisoformat("2026-11-19T07:30:00-06:00")
    night.live(departure, step=5 * MINUTE)

    assert car.soc_percent >= 79.99
    assert car.lowest_soc_percent >= 30
    assert not Command.objects.risk_adding().filter(released_at=None, ends_at__gt=departure).exists()
    assert ledger.owner_balance(alice, "USD").posted_minor == settlement.amount_minor


def test_start_stop_car_is_held_in_its_event_alone_and_charges_after_it(
    alice: User, now: datetime, world: tuple[responses.RequestsMock, time_machine.Traveller]
) -> None:
    night = Night(alice, now, "start_stop", world)
    night.car.soc_percent = 30.0
    PlugSession.objects.update(soc_percent=30)
    part = night.event("hold")
    event, car = part.event, night.car

    night.live(event.ends_at + 60 * MINUTE)

    assert [name for _, name, _ in car.told] == ["stopCharge", "startCharge"]
    stopped, started = (at for at, _, _ in car.told)
    assert event.starts_at <= stopped <= event.starts_at + 4 * MINUTE
    assert event.ends_at <= started <= event.ends_at + 4 * MINUTE
    settlement = Settlement.objects.get()
    assert settlement.grade == "derived"
    assert settlement.baseline_wh == 22_600
    assert settlement.net_wh == pytest.approx(car.net_wh(event.starts_at, event.ends_at), abs=150)
    assert ledger.owner_balance(alice, "USD").posted_minor == settlement.amount_minor > 4_000
    assert car.soc_percent > 48


def test_charge_now_ends_the_hold_at_once_and_for_good(
    alice: User, now: datetime, world: tuple[responses.RequestsMock, time_machine.Traveller]
) -> None:
    night = Night(alice, now, "timed", world)
    part = night.event("hold")
    night.live(part.event.starts_at + 10 * MINUTE)
    assert night.car.charge_state == "HOLDING"

    charge_now(vehicle=night.enrolled.vehicle, now=night.now)
    pressed = night.now
    night.live(pressed + 40 * MINUTE)

    after = [(at - pressed, name) for at, name, _ in night.car.told if at >= pressed]
    assert [name for _, name in after] == ["resume"]
    assert after[0][0] <= 2 * MINUTE
    assert night.car.charge_state == "CHARGING"


def test_consent_taken_back_frees_the_car(
    alice: User, now: datetime, world: tuple[responses.RequestsMock, time_machine.Traveller]
) -> None:
    night = Night(alice, now, "v2g", world)
    part = night.event("discharge")
    night.live(part.event.starts_at + 20 * MINUTE)
    assert night.car.charge_state == "DISCHARGING"

    revoke_consent(user=alice, purpose="grid_participation", now=night.now)
    night.live(night.now + 6 * MINUTE)

    assert night.car.charge_state == "CHARGING"
    assert not Dispatch.objects.filter(stopped_at=None).exists()


def test_everything_dead_leaves_a_timed_car_free_within_a_quarter_of_an_hour(
    alice: User, now: datetime, world: tuple[responses.RequestsMock, time_machine.Traveller]
) -> None:
    night = Night(alice, now, "v2g", world)
    part = night.event("discharge")
    night.live(part.event.starts_at + 20 * MINUTE)
    assert night.car.charge_state == "DISCHARGING"

    night.car.advance(night.now + 16 * MINUTE)

    assert night.car.charge_state == "CHARGING"
