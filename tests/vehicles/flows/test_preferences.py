"""Wishes: impossible ones are refused, each change makes a new version, the owner's word lasts as long as promised."""

from datetime import UTC, datetime, time, timedelta
from typing import Any

import pytest

from tests.factories import vehicles as make
from vehicles.flows.cars import UnableToSaveCar, save_specs
from vehicles.flows.preferences import (
    UnableToOverride,
    UnableToSavePreference,
    cancel_override,
    charge_now,
    open_override,
    pause_until,
    save_preference,
    set_paused,
    skip_tonight,
)
from vehicles.models import ChargeOverride, ChargePreference, Command, Departure, Vehicle

HOUR = timedelta(hours=1)


def save(car: Vehicle, now: datetime, **changes: Any) -> ChargePreference:
    wishes: dict[str, Any] = {
        "target_soc_percent": 85,
        "minimum_soc_percent": 25,
        "reserve_soc_percent": 40,
        "is_v2g_allowed": True,
        "departures": {0: time(6, 45), 6: time(10, 0)},
    }
    return save_preference(vehicle=car, now=now, **(wishes | changes))


def test_wishes_are_kept_with_a_new_version(timed_car: Vehicle, now: datetime) -> None:
    save(timed_car, now)
    saved = save(timed_car, now + HOUR, target_soc_percent=90)

    assert (saved.target_soc_percent, saved.minimum_soc_percent, saved.reserve_soc_percent) == (90, 25, 40)
    assert (saved.version, saved.changed_at, saved.is_v2g_allowed) == (3, now + HOUR, True)
    assert {row.weekday: row.leaves_at_local for row in Departure.objects.all()} == {0: time(6, 45), 6: time(10, 0)}


@pytest.mark.parametrize(
    ("change", "code", "field"),
    [
        ({"reserve_soc_percent": 24}, "reserve_below_minimum", "reserve_soc_percent"),
        ({"target_soc_percent": 39}, "target_below_reserve", "target_soc_percent"),
        ({"target_soc_percent": 101}, "percent_out_of_range", "target_soc_percent"),
        ({"minimum_soc_percent": -1}, "percent_out_of_range", "minimum_soc_percent"),
        (
            {"target_soc_percent": 0, "reserve_soc_percent": 0, "minimum_soc_percent": 0},
            "target_too_low",
            "target_soc_percent",
        ),
        ({"departures": {7: time(7, 30)}}, "weekday_unknown", "departures"),
        ({"departures": {-1: time(7, 30)}}, "weekday_unknown", "departures"),
        ({"departures": {0: time(7, 30, 15)}}, "departure_not_a_minute", "departures"),
        ({"departures": {0: time(7, 30, tzinfo=UTC)}}, "departure_not_a_minute", "departures"),
    ],
)
def test_impossible_wishes_are_refused_and_change_nothing(
    timed_car: Vehicle, now: datetime, change: dict[str, Any], code: str, field: str
) -> None:
    with pytest.raises(UnableToSavePreference) as caught:
        save(timed_car, now, **change)

    assert (caught.value.reason_code, caught.value.field) == (code, field)
    assert ChargePreference.objects.get().version == 1
    assert Departure.objects.count() == 5


@pytest.mark.parametrize(
    "wishes",
    [
        {"minimum_soc_percent": 40, "reserve_soc_percent": 40, "target_soc_percent": 40},
        {"target_soc_percent": 100},
        {"minimum_soc_percent": 0},
        {"departures": {}},
        {"departures": {day: time(0, 0) for day in range(7)}},
    ],
)
def test_wishes_at_the_edge_are_kept(timed_car: Vehicle, now: datetime, wishes: dict[str, Any]) -> None:
    assert save(timed_car, now, **wishes).version == 2


def test_v2g_is_refused_for_a_car_that_cannot(stop_car: Vehicle, now: datetime) -> None:
    with pytest.raises(UnableToSavePreference) as caught:
        save(stop_car, now)

    assert caught.value.reason_code == "v2g_not_possible"
    assert save(stop_car, now, is_v2g_allowed=False).version == 2


def test_car_that_takes_no_part_has_no_wishes(timed_car: Vehicle, now: datetime) -> None:
    timed_car.state = Vehicle.State.UNLINKED

    for call in (save, lambda car, at: set_paused(vehicle=car, is_paused=True, now=at)):
        with pytest.raises(UnableToSavePreference):
            call(timed_car, now)
    for override in (charge_now, skip_tonight):
        with pytest.raises(UnableToOverride):
            override(vehicle=timed_car, now=now)


def test_pausing_releases_and_counts_as_a_change_once(timed_car: Vehicle, now: datetime) -> None:
    make.command(timed_car, now=now)

    set_paused(vehicle=timed_car, is_paused=True, now=now)
    paused = set_paused(vehicle=timed_car, is_paused=True, now=now + HOUR)

    assert (paused.is_paused, paused.version, paused.changed_at) == (True, 2, now)
    assert Command.objects.filter(kind=Command.Kind.RESUME).count() == 1


@pytest.mark.parametrize(
    ("at", "hours"),
    [
        pytest.param("2026-11-18T23:05Z", 14 + 25 / 60, id="until tomorrow's departure"),
        pytest.param("2026-11-20T23:05Z", 12, id="no departure on Saturday: twelve hours"),
        pytest.param("2026-11-01T23:05Z", 14 + 25 / 60, id="after the autumn night"),
        pytest.param("2026-03-08T23:05Z", 13 + 25 / 60, id="after the spring night"),
    ],
)
def test_override_lasts_until_the_car_leaves(timed_car: Vehicle, at: str, hours: float) -> None:
    now = datetime.fromisoformat(at)

    override = skip_tonight(vehicle=timed_car, now=now)

    assert override.ends_at - now == timedelta(hours=hours)
    assert open_override(timed_car, override.ends_at - timedelta(seconds=1)) == override
    assert open_override(timed_car, override.ends_at) is None


def test_pressing_again_changes_nothing(timed_car: Vehicle, now: datetime) -> None:
    first = charge_now(vehicle=timed_car, now=now)

    assert charge_now(vehicle=timed_car, now=now + HOUR) == first
    assert ChargeOverride.objects.count() == 1


def test_newest_word_counts(timed_car: Vehicle, now: datetime) -> None:
    skip_tonight(vehicle=timed_car, now=now)
    charge = charge_now(vehicle=timed_car, now=now + HOUR)

    assert open_override(timed_car, now + HOUR) == charge
    assert ChargeOverride.objects.get(kind="skip").cancelled_at == now + HOUR


def test_override_can_be_given_again_after_it_ran_out(timed_car: Vehicle, now: datetime) -> None:
    first = charge_now(vehicle=timed_car, now=now)

    second = charge_now(vehicle=timed_car, now=first.ends_at)

    first.refresh_from_db()
    assert first.cancelled_at == first.ends_at
    assert second.starts_at == first.ends_at


def test_cancelled_override_counts_no_more(timed_car: Vehicle, now: datetime) -> None:
    override = charge_now(vehicle=timed_car, now=now)

    cancel_override(override=override, now=now + HOUR)
    again = cancel_override(override=override, now=now + 2 * HOUR)

    assert again.cancelled_at == now + HOUR
    assert open_override(timed_car, now + HOUR) is None
    assert charge_now(vehicle=timed_car, now=now + HOUR) != override


def test_charge_now_releases_what_holds_the_car(timed_car: Vehicle, now: datetime) -> None:
    sent = make.command(timed_car, now=now)
    waiting = make.command(timed_car, now=now, state=Command.State.DUE, sent_at=None)

    charge_now(vehicle=timed_car, now=now)

    waiting.refresh_from_db()
    resume = Command.objects.get(kind=Command.Kind.RESUME)
    assert waiting.state == Command.State.SUPERSEDED
    assert (resume.key, resume.due_at) == (f"release:{sent.public_id}", now)


def test_owner_says_what_the_car_is(timed_car: Vehicle, now: datetime) -> None:
    Vehicle.objects.update(has_assumed_specs=True)

    save_specs(vehicle=timed_car, capacity_wh=98_000, max_charge_w=19_200, now=now)

    timed_car.refresh_from_db()
    assert (timed_car.capacity_wh, timed_car.max_charge_w, timed_car.has_assumed_specs) == (98_000, 19_200, False)


@pytest.mark.parametrize("specs", [(4_999, 7_200), (300_001, 7_200), (75_000, 999), (75_000, 19_201)])
def test_impossible_car_is_refused(timed_car: Vehicle, now: datetime, specs: tuple[int, int]) -> None:
    with pytest.raises(UnableToSaveCar):
        save_specs(vehicle=timed_car, capacity_wh=specs[0], max_charge_w=specs[1], now=now)


def test_pause_ends_at_the_chosen_time_and_takes_the_place_of_the_skip(timed_car: Vehicle, now: datetime) -> None:
    skip = skip_tonight(vehicle=timed_car, now=now)
    until = now + timedelta(days=9)

    pause = pause_until(vehicle=timed_car, until=until, now=now + HOUR)

    skip.refresh_from_db()
    assert skip.cancelled_at == now + HOUR
    assert (pause.kind, pause.ends_at) == ("skip", until)
    assert open_override(timed_car, until - HOUR) == pause
    assert open_override(timed_car, until) is None
    assert skip_tonight(vehicle=timed_car, now=now + HOUR) == pause  # it is left alone already


def test_charging_now_in_a_pause_leaves_the_pause_behind_it(timed_car: Vehicle, now: datetime) -> None:
    pause = pause_until(vehicle=timed_car, until=now + timedelta(days=9), now=now)

    charge = charge_now(vehicle=timed_car, now=now + HOUR)

    assert open_override(timed_car, now + HOUR) == charge
    assert open_override(timed_car, charge.ends_at) == pause


@pytest.mark.parametrize(
    ("ahead", "code"), [(timedelta(0), "pause_past"), (timedelta(days=90, minutes=1), "pause_too_long")]
)
def test_pause_ends_within_reason(timed_car: Vehicle, now: datetime, ahead: timedelta, code: str) -> None:
    with pytest.raises(UnableToOverride) as caught:
        pause_until(vehicle=timed_car, until=now + ahead, now=now)

    assert (caught.value.reason_code, caught.value.field) == (code, "until")
    timed_car.state = Vehicle.State.UNLINKED
    with pytest.raises(UnableToOverride):
        pause_until(vehicle=timed_car, until=now + HOUR, now=now)
