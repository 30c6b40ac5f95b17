"""Carrying commands out, against a maker on loopback that counts: at most once, or until a reading shows it."""

import threading
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta
from typing import Any

import pytest
from django.db import connection, connections

from accounts.models import User
from foundation import clock, leases
from tests.factories import vehicles as make
from tests.vehicles.flows.night import MINUTE, SECOND, Night, state_of
from tests.vehicles.flows.test_commands import TOMORROW, ask, ask_discharge
from tests.vehicles.maker_double import MakerDouble
from vehicles.flows.commands import confirm_commands, release_expired_holds, request_command, send_due_commands
from vehicles.flows.telemetry import latest_reading
from vehicles.models import ChargeReading, Command, SwitchLimit, Vehicle

pytestmark = pytest.mark.once


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
        start.wait(60)
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
