"""What may be asked of a car, and that asking twice changes nothing."""

from dataclasses import replace
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest

from accounts.flows.consents import revoke_consent
from accounts.models import Consent
from tests.factories import vehicles as make
from vehicles.flows.commands import UnableToCommand, command_in_force, renew_hold, request_command
from vehicles.flows.preferences import charge_now, set_paused, skip_tonight
from vehicles.models import ChargePreference, ChargeReading, Command, MakerSwitch, Vehicle, VehicleLink

MINUTE = timedelta(minutes=1)
TOMORROW = timedelta(hours=14, minutes=25)  # 07:30 in Austin


def ask(car: Vehicle, now: datetime, **fields: Any) -> Command:
    values: dict[str, Any] = {
        "key": "intent-one",
        "kind": Command.Kind.HOLD,
        "ends_at": now + 15 * MINUTE,
        "departure_at": now + TOMORROW,
        "reason": "price",
    }
    return request_command(vehicle=car, now=now, **(values | fields))


def ask_discharge(car: Vehicle, now: datetime, **fields: Any) -> Command:
    return ask(car, now, **({"kind": Command.Kind.DISCHARGE, "power_w": -7200, "floor_soc_percent": 30} | fields))


def refusal_of(call: Any, *args: Any, **kwargs: Any) -> str:
    with pytest.raises(UnableToCommand) as caught:
        call(*args, **kwargs)
    assert caught.value.reason
    return caught.value.reason_code


def test_timed_car_ends_its_hold_by_itself(timed_car: Vehicle, now: datetime) -> None:
    command = ask(timed_car, now)

    assert (command.state, command.ended_by) == (Command.State.DUE, Command.EndedBy.CAR)
    assert (command.due_at, command.created_at, command.ends_at) == (now, now, now + 15 * MINUTE)
    assert command_in_force(timed_car, now) == command
    assert command_in_force(timed_car, now + 15 * MINUTE) is None


def test_start_stop_car_is_ended_by_the_watchdog(stop_car: Vehicle, now: datetime) -> None:
    assert ask(stop_car, now).ended_by == Command.EndedBy.WATCHDOG


def test_discharge_keeps_its_power_and_floor(timed_car: Vehicle, now: datetime) -> None:
    command = ask_discharge(timed_car, now)

    assert (command.power_w, command.floor_soc_percent) == (-7200, 30)


def test_same_intent_is_one_command(timed_car: Vehicle, now: datetime) -> None:
    first = ask(timed_car, now)
    Command.objects.update(state=Command.State.REJECTED, released_at=now)

    again = ask(timed_car, now + MINUTE, ends_at=now + 10 * MINUTE)

    assert again.pk == first.pk
    assert again.ends_at == now + 15 * MINUTE
    assert Command.objects.count() == 1


def test_intent_of_another_kind_or_car_is_refused(timed_car: Vehicle, stop_car: Vehicle, now: datetime) -> None:
    ask(timed_car, now)

    assert refusal_of(ask_discharge, timed_car, now) == "key_reused"
    assert refusal_of(ask, stop_car, now) == "key_reused"


def test_newer_command_replaces_one_that_was_not_sent(timed_car: Vehicle, now: datetime) -> None:
    first = ask(timed_car, now)
    second = ask(timed_car, now + MINUTE, key="intent-two")

    first.refresh_from_db()
    assert (first.state, first.released_at) == (Command.State.SUPERSEDED, now + MINUTE)
    assert command_in_force(timed_car, now + MINUTE) == second


@pytest.mark.parametrize(
    ("minutes", "code"), [(0, "already_over"), (-1, "already_over"), (15.02, "too_long"), (600, "too_long")]
)
def test_hold_lasts_fifteen_minutes_at_most(timed_car: Vehicle, now: datetime, minutes: float, code: str) -> None:
    assert refusal_of(ask, timed_car, now, ends_at=now + minutes * MINUTE) == code


def test_hold_without_end_is_refused(timed_car: Vehicle, now: datetime) -> None:
    assert refusal_of(ask, timed_car, now, ends_at=None) == "no_end"


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"is_plugged_in": False}, "not_plugged_in"),
        ({"is_plugged_in": None}, "not_plugged_in"),
        ({"is_at_home": False}, "not_at_home"),
        ({"is_at_home": None}, "home_unknown"),
        ({"soc_percent": Decimal("19.9")}, "below_minimum"),
        ({"soc_percent": None}, "stale_reading"),
    ],
)
def test_car_that_is_not_fit_is_refused(timed_car: Vehicle, now: datetime, change: dict[str, Any], code: str) -> None:
    ChargeReading.objects.update(**change)

    assert refusal_of(ask, timed_car, now) == code


def test_reading_older_than_half_an_hour_is_refused(timed_car: Vehicle, now: datetime) -> None:
    read_at = now - 2 * MINUTE

    ask(timed_car, read_at + 30 * MINUTE)
    code = refusal_of(ask, timed_car, read_at + 30 * MINUTE + timedelta(seconds=1), key="intent-two")

    assert code == "stale_reading"


def test_car_never_read_is_refused(timed_car: Vehicle, now: datetime) -> None:
    ChargeReading.objects.all().delete()

    assert refusal_of(ask, timed_car, now) == "stale_reading"


@pytest.mark.parametrize("purpose", list(Consent.Purpose))
def test_each_consent_is_needed(timed_car: Vehicle, now: datetime, purpose: str) -> None:
    revoke_consent(user=timed_car.owner, purpose=purpose, now=now)

    assert refusal_of(ask, timed_car, now) == "no_consent"


def test_owner_comes_first(timed_car: Vehicle, now: datetime) -> None:
    skip_tonight(vehicle=timed_car, now=now)
    assert refusal_of(ask, timed_car, now) == "overridden_skip"
    charge_now(vehicle=timed_car, now=now)
    assert refusal_of(ask, timed_car, now) == "overridden_charge_now"


def test_paused_car_is_refused(timed_car: Vehicle, now: datetime) -> None:
    set_paused(vehicle=timed_car, is_paused=True, now=now)

    assert refusal_of(ask, timed_car, now) == "paused"


@pytest.mark.parametrize("state", [Vehicle.State.OFFERED, Vehicle.State.UNLINKED])
def test_car_that_takes_no_part_is_refused(timed_car: Vehicle, now: datetime, state: str) -> None:
    Vehicle.objects.update(state=state)

    assert refusal_of(ask, timed_car, now) == "vehicle_not_active"


@pytest.mark.parametrize("state", [VehicleLink.State.NEEDS_RELINK, VehicleLink.State.LEAVING])
def test_dead_link_is_refused(timed_car: Vehicle, now: datetime, state: str) -> None:
    VehicleLink.objects.update(state=state)

    assert refusal_of(ask, timed_car, now) == "link_not_active"


def test_read_only_link_is_refused(timed_car: Vehicle, now: datetime) -> None:
    Vehicle.objects.update(is_controlling=False)

    assert refusal_of(ask, timed_car, now) == "not_controlling"


def test_switched_off_maker_is_refused(timed_car: Vehicle, now: datetime) -> None:
    MakerSwitch.objects.create(maker="ford", is_on=False)

    assert refusal_of(ask, timed_car, now) == "maker_off"


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"power_w": -9601}, "power_does_not_fit"),
        ({"power_w": 0}, "power_does_not_fit"),
        ({"power_w": 5000}, "power_does_not_fit"),
        ({"floor_soc_percent": 29}, "below_reserve"),
        ({"floor_soc_percent": 60}, "at_reserve"),
    ],
)
def test_discharge_beyond_car_or_reserve_is_refused(
    timed_car: Vehicle, now: datetime, change: dict[str, Any], code: str
) -> None:
    assert refusal_of(ask_discharge, timed_car, now, **change) == code


def test_discharge_needs_the_owners_word(timed_car: Vehicle, now: datetime) -> None:
    ChargePreference.objects.update(is_v2g_allowed=False)

    assert refusal_of(ask_discharge, timed_car, now) == "v2g_not_allowed"


def test_start_stop_car_never_discharges(stop_car: Vehicle, now: datetime) -> None:
    assert refusal_of(ask_discharge, stop_car, now) == "cannot_discharge"


def test_car_that_cannot_be_paused_is_refused(timed_car: Vehicle, now: datetime) -> None:
    Vehicle.objects.update(capabilities={"hold_ends": "none"})

    assert refusal_of(ask, timed_car, now) == "cannot_hold"


def test_start_stop_car_is_not_stopped_where_it_could_not_start_again(stop_car: Vehicle, now: datetime) -> None:
    can = replace(make.START_STOP, min_restart_soc_percent=61)
    Vehicle.objects.update(capabilities=can.as_json())

    assert refusal_of(ask, stop_car, now) == "below_restart"


def test_hold_moves_no_energy(timed_car: Vehicle, now: datetime) -> None:
    assert refusal_of(ask, timed_car, now, power_w=-1) == "power_does_not_fit"


# 20 % of 123 kWh at 11.3 kW and 90 %: 2.419 h of charging, then 30 minutes for the maker and 30 for us.
NEEDED = timedelta(seconds=8708 + 1800 + 1800)


def test_hold_ends_early_enough_for_the_departure(timed_car: Vehicle, now: datetime) -> None:
    ask(timed_car, now, departure_at=now + 15 * MINUTE + NEEDED)

    late = now + 15 * MINUTE + NEEDED - timedelta(seconds=1)
    assert refusal_of(ask, timed_car, now, departure_at=late, key="intent-two") == "departure_at_risk"


def test_slow_charger_at_home_needs_more_time(timed_car: Vehicle, now: datetime) -> None:
    code = refusal_of(ask, timed_car, now, departure_at=now + 20 * MINUTE + NEEDED, charge_w=7200)

    assert code == "departure_at_risk"


def test_energy_given_back_must_fit_in_before_the_departure(timed_car: Vehicle, now: datetime) -> None:
    departure_at = now + 15 * MINUTE + NEEDED

    assert refusal_of(ask_discharge, timed_car, now, departure_at=departure_at) == "departure_at_risk"
    assert ask_discharge(timed_car, now, departure_at=departure_at + 17 * MINUTE).pk


def test_car_without_departure_may_be_held(timed_car: Vehicle, now: datetime) -> None:
    assert ask(timed_car, now, departure_at=None).pk


def test_resume_drops_what_was_not_sent_and_ends_what_was(timed_car: Vehicle, now: datetime) -> None:
    held = make.command(timed_car, now=now)
    waiting = ask(timed_car, now)

    resume = ask(timed_car, now, key="resume-one", kind=Command.Kind.RESUME, ends_at=None)

    waiting.refresh_from_db()
    held.refresh_from_db()
    assert (resume.kind, resume.state) == (Command.Kind.RESUME, Command.State.DUE)
    assert waiting.state == Command.State.SUPERSEDED
    assert held.released_at is None  # only a reading says so
    assert ask(timed_car, now, key="resume-two", kind=Command.Kind.RESUME, ends_at=None).pk == resume.pk


def test_resume_of_a_car_that_is_not_held_is_sent_too(timed_car: Vehicle, now: datetime) -> None:
    resume = ask(timed_car, now, key="resume-one", kind=Command.Kind.RESUME, ends_at=None)

    assert (resume.key, resume.state) == ("resume-one", Command.State.DUE)


def test_no_hold_while_a_release_is_under_way(timed_car: Vehicle, now: datetime) -> None:
    ask(timed_car, now, key="resume-one", kind=Command.Kind.RESUME, ends_at=None)

    assert refusal_of(ask, timed_car, now) == "release_under_way"


def test_held_start_stop_car_is_renewed_and_not_stopped_again(stop_car: Vehicle, now: datetime) -> None:
    hold = make.command(stop_car, now=now)

    assert refusal_of(ask, stop_car, now) == "already_held"
    renewed = renew_hold(command=hold, ends_at=now + 15 * MINUTE, now=now)

    assert renewed.ends_at == now + 15 * MINUTE
    assert renewed.attempts == 1
    assert Command.objects.count() == 1


def test_renewing_never_shortens(stop_car: Vehicle, now: datetime) -> None:
    hold = make.command(stop_car, now=now)

    assert renew_hold(command=hold, ends_at=now + 2 * MINUTE, now=now).ends_at == now + 10 * MINUTE


@pytest.mark.parametrize(
    ("change", "ends_at", "code"),
    [
        ({}, 16, "too_long"),
        ({"ends_at": -1}, 10, "hold_over"),
        ({"released_at": 0}, 10, "hold_over"),
        ({"departure_at": 120}, 15, "departure_at_risk"),
        ({"ended_by": "car"}, 15, "not_renewable"),
    ],
)
def test_hold_that_may_not_go_on_is_not_renewed(
    stop_car: Vehicle, now: datetime, change: dict[str, Any], ends_at: int, code: str
) -> None:
    hold = make.command(stop_car, now=now)
    moved = {name: now + value * MINUTE if name.endswith("_at") else value for name, value in change.items()}
    Command.objects.update(**moved)

    assert refusal_of(renew_hold, command=hold, ends_at=now + ends_at * MINUTE, now=now) == code


def test_renewing_asks_all_that_holding_asks(stop_car: Vehicle, now: datetime) -> None:
    hold = make.command(stop_car, now=now)
    skip_tonight(vehicle=stop_car, now=now)

    assert refusal_of(renew_hold, command=hold, ends_at=now + 15 * MINUTE, now=now) == "overridden_skip"
