"""Carrying commands out, against a maker on loopback that counts: at most once, or until a reading shows it."""

import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta
from typing import Any

import pytest
import time_machine
from django.db import connection, connections

from accounts.flows.consents import revoke_consent
from accounts.models import Consent, Notice, User
from foundation import clock, leases
from tests.factories import vehicles as make
from tests.vehicles.flows.test_commands import TOMORROW, ask, ask_discharge
from tests.vehicles.maker_double import MakerDouble
from vehicles.flows.commands import confirm_commands, release_expired_holds, request_command, send_due_commands
from vehicles.flows.preferences import charge_now, save_preference, set_paused
from vehicles.flows.telemetry import latest_reading, read_due_vehicles
from vehicles.models import ChargeReading, Command, MakerSwitch, SwitchLimit, Vehicle, VehicleLink

pytestmark = pytest.mark.once

MINUTE = timedelta(minutes=1)
SECOND = timedelta(seconds=1)


class Night:
    """Lets time pass with the sweeps ticking, as Celery and the watchdog would."""

    def __init__(self, traveller: time_machine.Traveller) -> None:
        self.traveller = traveller

    @property
    def now(self) -> datetime:
        return clock.now()

    def pass_by(self, span: timedelta, *, step: timedelta = 15 * SECOND, with_celery: bool = True) -> None:
        """Tick until `span` is over; without Celery only the watchdog works."""
        end = self.now + span
        while self.now < end:
            self.traveller.shift(step)
            release_expired_holds(now=self.now)
            if with_celery:
                send_due_commands(now=self.now, limit=50)
                confirm_commands(now=self.now, limit=50)
                read_due_vehicles(now=self.now, limit=50)


@pytest.fixture
def night(now: datetime) -> Iterator[Night]:
    with time_machine.travel(now, tick=False) as traveller:
        yield Night(traveller)


@pytest.fixture
def truck(alice: User, night: Night, maker: MakerDouble) -> Vehicle:
    """A timed car, at its plug."""
    return make.ready_car(alice, now=night.now)


@pytest.fixture
def sedan(alice: User, night: Night, maker: MakerDouble) -> Vehicle:
    """A start/stop car, at its plug."""
    return make.ready_car(alice, now=night.now, can=make.START_STOP)


def state_of(command: Command) -> str:
    command.refresh_from_db()
    return command.state


def test_hold_is_sent_accepted_and_confirmed_by_a_later_reading(
    truck: Vehicle, maker: MakerDouble, night: Night
) -> None:
    command = ask(truck, night.now)

    assert send_due_commands(now=night.now, limit=10) == 1
    assert state_of(command) == Command.State.ACCEPTED
    assert confirm_commands(now=night.now, limit=10) == 0
    assert state_of(command) == Command.State.ACCEPTED  # accepted is not done
    night.pass_by(2 * MINUTE)

    assert state_of(command) == Command.State.CONFIRMED
    assert maker.counts["POST setpoint"] == 1
    assert maker.keys == [str(command.public_id)]
    assert maker.bodies[0]["powerKw"] == 0
    assert latest_reading(truck).charge_state == "holding"  # type: ignore[union-attr]


def test_discharge_tells_power_floor_and_end(truck: Vehicle, maker: MakerDouble, night: Night) -> None:
    command = ask_discharge(truck, night.now)

    send_due_commands(now=night.now, limit=10)

    assert maker.bodies == [{"powerKw": -7.2, "until": f"{command.ends_at:%Y-%m-%dT%H:%M:%SZ}", "minSocPercent": 30}]


@pytest.mark.parametrize("rounds", [30])
def test_forced_redelivery_of_an_intent_sends_nothing_extra(
    truck: Vehicle, sedan: Vehicle, maker: MakerDouble, night: Night, rounds: int
) -> None:
    for _ in range(rounds):
        for car, call, key in ((truck, ask_discharge, "one"), (sedan, ask, "two")):
            call(car, night.now, key=key)
            send_due_commands(now=night.now, limit=10)

    assert maker.counts["POST setpoint"] == 1
    assert maker.counts["stopCharge"] == 1
    assert Command.objects.count() == 2


@pytest.mark.django_db(transaction=True)
def test_many_senders_send_each_intent_once(alice: User, maker: MakerDouble, now: datetime) -> None:
    now = clock.now()
    cars = [make.ready_car(alice, now=now, can=can) for can in (make.TIMED, make.START_STOP) * 3]
    for number, car in enumerate(cars):
        ask(car, now, key=f"intent-{number}", departure_at=None)
    start = threading.Barrier(8)

    def sweep(_number: int) -> int:
        start.wait(10)
        try:
            return sum(send_due_commands(now=clock.now(), limit=50) for _ in range(3))
        finally:
            connections.close_all()

    with ThreadPoolExecutor(8) as threads:
        sent = sum(threads.map(sweep, range(8)))

    assert sent == 6
    assert (maker.counts["POST setpoint"], maker.counts["stopCharge"]) == (3, 3)
    assert set(Command.objects.values_list("state", flat=True)) == {Command.State.ACCEPTED}


@pytest.mark.parametrize("fault", ["drop", 500, 503, 504])
def test_unknown_outcome_is_read_back_and_never_repeated(
    truck: Vehicle, maker: MakerDouble, night: Night, fault: Any
) -> None:
    maker.script["POST setpoint"] = [fault]
    command = ask(truck, night.now)

    send_due_commands(now=night.now, limit=10)
    assert state_of(command) == Command.State.UNKNOWN
    night.pass_by(20 * MINUTE)

    assert maker.counts["POST setpoint"] == 1
    expected = Command.State.CONFIRMED if fault == "drop" else Command.State.TIMED_OUT
    assert state_of(command) == expected


@pytest.mark.parametrize(
    ("status", "failure"),
    [
        (400, "command_refused"),
        (403, "car_not_shared"),
        (404, "car_gone"),
        (409, "command_refused"),
        (429, "maker_busy"),
    ],
)
def test_refused_hold_is_over_at_once(
    truck: Vehicle, maker: MakerDouble, night: Night, status: int, failure: str
) -> None:
    maker.script["POST setpoint"] = [status]
    command = ask(truck, night.now)

    night.pass_by(MINUTE)

    assert (state_of(command), command.failure) == (Command.State.REJECTED, failure)
    assert command.released_at is not None
    assert maker.counts["POST setpoint"] == 1


def test_hold_no_longer_allowed_when_its_turn_comes_is_not_sent(
    truck: Vehicle, maker: MakerDouble, night: Night
) -> None:
    command = ask(truck, night.now)
    ChargeReading.objects.update(is_at_home=False)

    send_due_commands(now=night.now, limit=10)

    assert (state_of(command), command.failure) == (Command.State.REJECTED, "not_at_home")
    assert maker.commands() == 0


def test_command_whose_sender_died_is_looked_up_and_not_repeated(
    truck: Vehicle, maker: MakerDouble, night: Night
) -> None:
    command = ask(truck, night.now)
    Command.objects.update(state=Command.State.SENDING, sent_at=night.now, lease_until=clock.wall() + 60 * SECOND)

    night.pass_by(30 * SECOND)
    assert state_of(command) == Command.State.SENDING
    night.pass_by(40 * SECOND)

    assert state_of(command) == Command.State.UNKNOWN
    assert maker.commands() == 0


def test_release_whose_sender_died_is_sent_again(sedan: Vehicle, maker: MakerDouble, night: Night) -> None:
    make.command(sedan, now=night.now)
    maker.is_charging[sedan.external_id] = False
    resume = ask(sedan, night.now, key="r", kind=Command.Kind.RESUME, ends_at=None)
    Command.objects.filter(pk=resume.pk).update(
        state=Command.State.SENDING, sent_at=night.now, lease_until=clock.wall() + SECOND
    )

    night.pass_by(3 * MINUTE)

    assert state_of(resume) == Command.State.CONFIRMED
    assert maker.counts["startCharge"] == 1


def test_another_sender_at_work_on_the_car_is_not_disturbed(truck: Vehicle, maker: MakerDouble, night: Night) -> None:
    command = ask(truck, night.now)
    assert leases.acquire(f"car:{truck.pk}", seconds=60)

    assert send_due_commands(now=night.now, limit=10) == 0
    assert state_of(command) == Command.State.DUE
    night.pass_by(61 * SECOND)
    assert state_of(command) != Command.State.DUE


def test_newer_setpoint_takes_the_place_of_the_older(truck: Vehicle, maker: MakerDouble, night: Night) -> None:
    first = ask(truck, night.now, ends_at=night.now + 10 * MINUTE)
    night.pass_by(MINUTE)
    second = ask(truck, night.now, key="intent-two", ends_at=night.now + 15 * MINUTE)
    night.pass_by(2 * MINUTE)

    assert state_of(second) == Command.State.CONFIRMED
    first.refresh_from_db()
    assert first.released_at is not None
    assert second.released_at is None


def test_refused_renewal_leaves_the_older_setpoint_in_force(truck: Vehicle, maker: MakerDouble, night: Night) -> None:
    first = ask(truck, night.now, ends_at=night.now + 10 * MINUTE)
    night.pass_by(MINUTE)
    maker.script["POST setpoint"] = [429]
    ask(truck, night.now, key="intent-two", ends_at=night.now + 15 * MINUTE)
    night.pass_by(MINUTE)

    first.refresh_from_db()
    assert first.released_at is None


def test_timed_hold_is_over_at_its_end_without_a_call(truck: Vehicle, maker: MakerDouble, night: Night) -> None:
    command = ask(truck, night.now)
    night.pass_by(14 * MINUTE)
    maker.is_charging[truck.external_id] = True

    night.pass_by(3 * MINUTE)

    command.refresh_from_db()
    assert command.released_at == command.ends_at
    assert (maker.counts["DELETE setpoint"], maker.counts["POST setpoint"]) == (0, 1)


def test_resume_is_repeated_until_a_reading_shows_the_car_charging(
    sedan: Vehicle, maker: MakerDouble, night: Night
) -> None:
    hold = ask(sedan, night.now)
    night.pass_by(2 * MINUTE)
    maker.script["startCharge"] = [503, 500, 408, 429, 400]
    resume = ask(sedan, night.now, key="r", kind=Command.Kind.RESUME, ends_at=None)

    night.pass_by(15 * MINUTE)

    assert state_of(resume) == Command.State.CONFIRMED
    hold.refresh_from_db()
    assert hold.released_at is not None
    assert maker.is_charging[sedan.external_id]
    assert maker.counts["startCharge"] == 6


def test_resume_that_was_accepted_but_did_nothing_is_sent_again(
    sedan: Vehicle, maker: MakerDouble, night: Night
) -> None:
    make.command(sedan, now=night.now)
    maker.is_charging[sedan.external_id] = False
    maker.script["startCharge"] = ["ignore", "ignore"]
    resume = ask(sedan, night.now, key="r", kind=Command.Kind.RESUME, ends_at=None)

    night.pass_by(10 * MINUTE)

    assert state_of(resume) == Command.State.CONFIRMED
    assert maker.counts["startCharge"] == 3


def test_resume_of_a_full_car_is_confirmed(sedan: Vehicle, maker: MakerDouble, night: Night) -> None:
    make.command(sedan, now=night.now)
    resume = ask(sedan, night.now, key="r", kind=Command.Kind.RESUME, ends_at=None)
    send_due_commands(now=night.now, limit=10)
    make.reading(sedan, at=night.now + SECOND, charge_state="complete")

    assert confirm_commands(now=night.now, limit=10) == 1
    assert state_of(resume) == Command.State.CONFIRMED


def test_unplugged_car_counts_as_released(truck: Vehicle, maker: MakerDouble, night: Night) -> None:
    hold = make.command(truck, now=night.now)
    maker.script["DELETE setpoint"] = [409]
    resume = ask(truck, night.now, key="r", kind=Command.Kind.RESUME, ends_at=None)
    send_due_commands(now=night.now, limit=10)
    make.reading(truck, at=night.now + SECOND, is_plugged_in=False, charge_state="unplugged")

    night.pass_by(3 * MINUTE)

    assert state_of(resume) in {Command.State.CONFIRMED, Command.State.NOOP}
    hold.refresh_from_db()
    assert hold.released_at is not None


def test_owner_is_told_once_that_a_release_goes_on_failing(sedan: Vehicle, maker: MakerDouble, night: Night) -> None:
    make.command(sedan, now=night.now)
    maker.is_charging[sedan.external_id] = False
    maker.script["startCharge"] = 503
    ask(sedan, night.now, key="r", kind=Command.Kind.RESUME, ends_at=None)

    night.pass_by(30 * MINUTE)

    assert [notice.kind for notice in Notice.objects.all()] == ["release_failing"]
    assert 6 <= maker.counts["startCharge"] <= 20


@pytest.mark.parametrize("way", ["charge now", "paused", "consent", "no reading", "maker off", "unlinked"])
def test_owner_and_admin_end_a_hold_at_once(sedan: Vehicle, maker: MakerDouble, night: Night, way: str) -> None:
    hold = ask(sedan, night.now)
    night.pass_by(2 * MINUTE)
    assert state_of(hold) == Command.State.CONFIRMED
    match way:
        case "charge now":
            charge_now(vehicle=sedan, now=night.now)
        case "paused":
            set_paused(vehicle=sedan, is_paused=True, now=night.now)
        case "consent":
            revoke_consent(user=sedan.owner, purpose=Consent.Purpose.GRID_PARTICIPATION, now=night.now)
        case "no reading":
            revoke_consent(user=sedan.owner, purpose=Consent.Purpose.DATA_USE, now=night.now)
        case "maker off":
            MakerSwitch.objects.create(maker="ford", is_on=False)
        case "unlinked":
            Vehicle.objects.update(state=Vehicle.State.UNLINKED)
    readings = ChargeReading.objects.count()

    night.pass_by(30 * SECOND)
    assert maker.counts["startCharge"] == 1
    night.pass_by(3 * MINUTE)

    resume = Command.objects.get(kind=Command.Kind.RESUME)
    hold.refresh_from_db()
    assert resume.state == Command.State.CONFIRMED
    assert hold.released_at is not None
    if way == "no reading":
        assert ChargeReading.objects.count() == readings  # looked at for safety, kept nothing


def test_stopped_discharge_leaves_the_car_free(truck: Vehicle, maker: MakerDouble, night: Night) -> None:
    ask_discharge(truck, night.now)
    night.pass_by(MINUTE)
    wishes = {
        "target_soc_percent": 80,
        "minimum_soc_percent": 20,
        "reserve_soc_percent": 50,
        "is_v2g_allowed": True,
        "departures": {},
    }

    save_preference(vehicle=truck, now=night.now, **wishes)  # type: ignore[arg-type]
    night.pass_by(MINUTE)

    assert maker.counts["DELETE setpoint"] == 1
    assert maker.is_charging[truck.external_id]


def test_preference_that_keeps_the_floor_keeps_the_discharge(truck: Vehicle, maker: MakerDouble, night: Night) -> None:
    ask_discharge(truck, night.now, floor_soc_percent=50)
    night.pass_by(MINUTE)

    save_preference(
        vehicle=truck,
        target_soc_percent=80,
        minimum_soc_percent=20,
        reserve_soc_percent=45,
        is_v2g_allowed=True,
        departures={},
        now=night.now,
    )
    night.pass_by(MINUTE)

    assert maker.counts["DELETE setpoint"] == 0


def test_watchdog_alone_frees_a_start_stop_car(sedan: Vehicle, maker: MakerDouble, night: Night) -> None:
    hold = ask(sedan, night.now)
    night.pass_by(2 * MINUTE)
    assert maker.is_charging[sedan.external_id] is False
    ends_at = hold.ends_at

    night.pass_by(12 * MINUTE, with_celery=False)
    assert maker.counts["startCharge"] == 0
    night.pass_by(4 * MINUTE, with_celery=False)

    hold.refresh_from_db()
    assert maker.is_charging[sedan.external_id]
    assert maker.counts["startCharge"] == 1
    assert ends_at is not None
    assert hold.released_at is not None
    assert hold.released_at <= ends_at + 2 * MINUTE


def test_watchdog_frees_a_car_whose_stop_was_never_answered(sedan: Vehicle, maker: MakerDouble, night: Night) -> None:
    maker.script["stopCharge"] = ["drop"]
    hold = ask(sedan, night.now)
    send_due_commands(now=night.now, limit=10)
    assert state_of(hold) == Command.State.UNKNOWN

    night.pass_by(20 * MINUTE, with_celery=False)

    assert maker.is_charging[sedan.external_id]
    assert (maker.counts["stopCharge"], maker.counts["startCharge"]) == (1, 1)


def test_two_watchdogs_do_the_work_of_one(sedan: Vehicle, maker: MakerDouble, night: Night) -> None:
    ask(sedan, night.now, ends_at=night.now + 2 * MINUTE)
    send_due_commands(now=night.now, limit=10)
    night.traveller.shift(3 * MINUTE)

    for _ in range(120):
        release_expired_holds(now=night.now)
        release_expired_holds(now=night.now)
        night.traveller.shift(SECOND)

    assert maker.counts["startCharge"] == 1
    assert Command.objects.filter(kind=Command.Kind.RESUME).count() == 1


def test_stop_that_reached_the_car_late_is_undone(sedan: Vehicle, maker: MakerDouble, night: Night) -> None:
    ask(sedan, night.now, ends_at=night.now + 5 * MINUTE)
    night.pass_by(8 * MINUTE)
    assert maker.counts["startCharge"] == 1
    maker.is_charging[sedan.external_id] = False  # the lost stop arrives now

    night.pass_by(20 * MINUTE)

    assert maker.is_charging[sedan.external_id]
    assert maker.counts["startCharge"] == 2


def test_release_waits_for_a_link_that_is_linked_again(sedan: Vehicle, maker: MakerDouble, night: Night) -> None:
    ask(sedan, night.now, ends_at=night.now + 2 * MINUTE)
    night.pass_by(MINUTE)
    VehicleLink.objects.update(state=VehicleLink.State.NEEDS_RELINK)
    night.pass_by(5 * MINUTE)
    assert maker.counts["startCharge"] == 0

    VehicleLink.objects.update(state=VehicleLink.State.ACTIVE)
    night.pass_by(3 * MINUTE)

    assert maker.is_charging[sedan.external_id]


def test_one_broken_car_keeps_no_other_from_being_released(
    alice: User, bob: User, maker: MakerDouble, night: Night
) -> None:
    broken = make.ready_car(alice, now=night.now, can=make.START_STOP)
    fine = make.ready_car(bob, now=night.now, can=make.START_STOP)
    for car in (broken, fine):
        make.command(car, now=night.now)
        maker.is_charging[car.external_id] = False
    Vehicle.objects.filter(pk=broken.pk).update(external_id="gAAAAnotencrypted")

    night.pass_by(14 * MINUTE, with_celery=False)

    assert maker.is_charging[fine.external_id]


@pytest.mark.django_db(transaction=True)
def test_cars_that_no_key_opens_stop_no_other(alice: User, bob: User, charlie: User, maker: MakerDouble) -> None:
    """Many are claimed at once: one car and one link among them cannot even be read."""
    now = clock.now()
    cars = [make.ready_car(owner, now=now) for owner in (alice, bob, charlie)]
    commands = [ask(car, now, key=str(number), departure_at=None) for number, car in enumerate(cars)]
    with connection.cursor() as cursor:
        cursor.execute("UPDATE vehicles_vehicle SET external_id = 'gAAAAA' WHERE id = %s", [cars[0].pk])
        cursor.execute("UPDATE vehicles_vehiclelink SET access_token = 'gAAAAA' WHERE id = %s", [cars[1].link_id])

    send_due_commands(now=now, limit=10, workers=4)

    assert [state_of(command) for command in commands] == ["due", "rejected", "accepted"]
    assert maker.commands() == 1


def test_sweeps_run_twice_do_no_more(truck: Vehicle, maker: MakerDouble, night: Night) -> None:
    request_command(
        vehicle=truck,
        key="k",
        kind=Command.Kind.HOLD,
        ends_at=night.now + 15 * MINUTE,
        departure_at=night.now + TOMORROW,
        now=night.now,
    )

    assert send_due_commands(now=night.now, limit=10) == 1
    assert send_due_commands(now=night.now, limit=10) == 0
    night.pass_by(2 * MINUTE)
    assert confirm_commands(now=night.now, limit=10) == 0
    assert maker.commands() == 1


def test_failure_known_to_the_maker_ends_a_hold_early_and_for_sure(
    sedan: Vehicle, maker: MakerDouble, night: Night
) -> None:
    maker.script["stopCharge"] = ["ignore"]
    maker.command_status = "FAILED"
    hold = ask(sedan, night.now)

    night.pass_by(4 * MINUTE)

    assert (state_of(hold), hold.failure) == (Command.State.TIMED_OUT, "failed_at_car")
    assert hold.released_at is not None
    assert (maker.counts["stopCharge"], maker.counts["startCharge"]) == (1, 1)


def test_release_of_a_silent_car_is_sent_again(sedan: Vehicle, maker: MakerDouble, night: Night) -> None:
    make.command(sedan, now=night.now)
    maker.is_charging[sedan.external_id] = False
    maker.script["startCharge"] = ["ignore"]
    maker.is_silent = True
    resume = ask(sedan, night.now, key="r", kind=Command.Kind.RESUME, ends_at=None)
    night.pass_by(8 * MINUTE)
    assert maker.counts["startCharge"] == 2
    maker.is_silent = False

    night.pass_by(3 * MINUTE)

    assert state_of(resume) == Command.State.CONFIRMED


def test_release_given_up_comes_back_while_its_hold_is_open(sedan: Vehicle, maker: MakerDouble, night: Night) -> None:
    make.command(sedan, now=night.now, ends_at=night.now + MINUTE)
    night.traveller.shift(MINUTE)
    release_expired_holds(now=night.now)
    Command.objects.filter(kind=Command.Kind.RESUME).update(state=Command.State.SUPERSEDED)

    night.pass_by(3 * MINUTE, with_celery=False)

    assert Command.objects.get(kind=Command.Kind.RESUME).state == Command.State.CONFIRMED
    assert maker.counts["startCharge"] == 2


def test_car_gone_from_the_account_ends_trying_and_tells_the_owner(
    sedan: Vehicle, maker: MakerDouble, night: Night
) -> None:
    hold = make.command(sedan, now=night.now)
    maker.script["startCharge"] = 404
    resume = ask(sedan, night.now, key="r", kind=Command.Kind.RESUME, ends_at=None)

    send_due_commands(now=night.now, limit=10)

    hold.refresh_from_db()
    assert (state_of(resume), resume.failure) == (Command.State.REJECTED, "car_gone")
    assert hold.released_at is not None
    assert [notice.kind for notice in Notice.objects.all()] == ["release_failing"]


@pytest.mark.django_db(transaction=True)
def test_cars_of_a_slow_maker_are_released_side_by_side(alice: User, maker: MakerDouble) -> None:
    now = clock.now()
    cars = [make.ready_car(alice, now=now, can=make.START_STOP) for _ in range(12)]
    for car in cars:
        make.command(car, now=now, ends_at=now - SECOND)
        maker.is_charging[car.external_id] = False
    maker.command_seconds = 0.5

    release_expired_holds(now=now, workers=12)

    assert all(maker.is_charging[car.external_id] for car in cars)
    assert maker.counts["startCharge"] == 12
    assert 6 <= maker.most_under_way <= 12


def test_release_that_nobody_waits_for_takes_its_turn_and_goes(stop_car: Vehicle, maker: MakerDouble) -> None:
    """Under a limit that one car alone would break, one goes at once, and the next one after it."""
    now = clock.now()
    SwitchLimit.objects.create(group="lone-star", limit_w=1)
    held = make.command(stop_car, now=now, ends_at=now - SECOND, switch_group="lone-star", charge_w=11_000)

    release_expired_holds(now=now)

    resume = Command.objects.get(kind=Command.Kind.RESUME)
    assert (resume.switch_w, resume.state) == (11_000, Command.State.ACCEPTED)
    limit = SwitchLimit.objects.get()
    assert limit.free_at is not None
    assert limit.free_at - now == pytest.approx(timedelta(seconds=2.2), abs=SECOND / 10)
    assert held.switch_group == "lone-star"


def test_sender_uses_no_turn_that_has_passed(timed_car: Vehicle, maker: MakerDouble, now: datetime) -> None:
    SwitchLimit.objects.create(group="lone-star", limit_w=1_000_000, free_at=now + MINUTE)
    command = ask(timed_car, now=now, group="lone-star")
    assert command.switch_w > 0

    send_due_commands(now=now, limit=10)
    send_due_commands(now=now + 50 * SECOND, limit=10)
    assert sum(maker.counts.values()) == 0
    send_due_commands(now=now + 100 * SECOND, limit=10)  # nobody came while it was its turn: it gets another one

    command.refresh_from_db()
    assert command.state == Command.State.ACCEPTED
