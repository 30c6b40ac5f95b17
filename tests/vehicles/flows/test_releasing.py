"""Letting cars go, against a maker on loopback that counts: until a reading shows it, whoever else is dead."""

import pytest

from accounts.flows.consents import revoke_consent
from accounts.models import Consent, Notice, User
from foundation import clock
from tests.factories import vehicles as make
from tests.vehicles.flows.night import MINUTE, SECOND, Night, state_of
from tests.vehicles.flows.test_commands import ask, ask_discharge
from tests.vehicles.maker_double import MakerDouble
from vehicles.flows.commands import confirm_commands, release_expired_holds, send_due_commands
from vehicles.flows.preferences import charge_now, save_preference, set_paused
from vehicles.models import ChargeReading, Command, MakerSwitch, Vehicle, VehicleLink

pytestmark = pytest.mark.once


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
