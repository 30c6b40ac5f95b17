"""What a car does by itself: schedules kept in it, its owner's window, the cold, days away as real people had them."""

from datetime import UTC, date, datetime, timedelta
from itertools import pairwise

import pytest

from sandbox.cars import physics
from sandbox.cars.records import from_record, to_record
from sandbox.cars.schedules import DailyWindow, PlannedStart
from sandbox.cars.trips import trip_on
from tests.sandbox.test_physics import COLD, EVENING, HOUR, SPEC, after, started


def test_start_kept_in_the_car_ends_a_stop_once() -> None:
    kept = physics.stop(physics.keep_start(started(), PlannedStart(7, EVENING + 2 * HOUR)))
    assert after(kept, 2 * HOUR - timedelta(seconds=1)).imported_wh == 0
    end = after(kept, 3 * HOUR)
    assert end.imported_wh == pytest.approx(10_000)
    assert end.starts == ()
    assert after(physics.stop(end), 5 * HOUR).imported_wh == end.imported_wh


def test_start_of_the_same_id_replaces_the_earlier_one() -> None:
    state = physics.keep_start(started(), PlannedStart(7, EVENING + HOUR))
    state = physics.keep_start(state, PlannedStart(7, EVENING + 2 * HOUR))
    assert state.starts == (PlannedStart(7, EVENING + 2 * HOUR),)
    assert physics.drop_start(state, 7).starts == ()
    assert physics.drop_start(state, 8).starts == state.starts


@pytest.mark.parametrize("is_here", [True, False])
def test_start_meant_for_another_place_does_nothing(*, is_here: bool) -> None:
    state = physics.stop(physics.keep_start(started(), PlannedStart(7, EVENING + HOUR, is_here)))
    assert (after(state, 2 * HOUR).imported_wh > 0) is is_here


def test_start_that_falls_due_on_the_road_does_nothing() -> None:
    state = physics.unplug(physics.keep_start(started(), PlannedStart(7, EVENING + HOUR)))
    end = after(state, 2 * HOUR)
    assert (end.imported_wh, end.starts) == (0, ())


def test_own_window_charges_within_its_hours_against_any_wish() -> None:
    night = DailyWindow(23 * 60, 60)  # 23:00 to 01:00 local; it is 20:00
    waiting = physics.start(started(window=night))
    assert physics.mode(waiting, SPEC) == "HOLDING"
    assert physics.is_waiting(waiting, SPEC)
    assert after(waiting, 3 * HOUR).imported_wh == 0
    opened = after(physics.stop(waiting), 4 * HOUR)
    assert opened.imported_wh == pytest.approx(10_000)
    held = physics.stop(opened)
    assert after(held, HOUR).imported_wh == opened.imported_wh
    assert after(opened, 6 * HOUR).imported_wh == pytest.approx(20_000)


def test_window_keeps_local_time_over_dst() -> None:
    window = DailyWindow(2 * 60, 4 * 60)
    march = datetime(2026, 3, 7, 12, 0, tzinfo=UTC)
    edges = [march]
    for _ in range(4):
        edges.append(window.next_edge(edges[-1], time_zone="America/Chicago"))
    hours = [edge.hour for edge in edges[1:]]
    assert hours == [8, 9, 7, 9]  # the night that has no 02:00 opens at 03:00 by the new clock


def test_window_of_no_length_is_refused() -> None:
    with pytest.raises(ValueError, match="two different minutes"):
        DailyWindow(60, 60)


def test_cold_slows_charging_in_winter_alone() -> None:
    january, july = datetime(2027, 1, 10, 3, 0, tzinfo=UTC), datetime(2027, 7, 11, 3, 0, tzinfo=UTC)
    assert COLD.charge_w_at(july) == 10_000
    assert COLD.charge_w_at(january) == pytest.approx(10_000 * (0.5 + 0.5 * 6 / 30))  # -14 °C
    cold = physics.advance(started(as_of=january), spec=COLD, until=january + HOUR)
    assert cold.imported_wh == pytest.approx(6_000)
    assert SPEC.charge_w_at(january) == 10_000


def test_limit_below_the_charge_ends_charging() -> None:
    state = physics.set_limit(after(started(), HOUR), 55)
    assert physics.mode(state, SPEC) == "COMPLETE"
    assert after(state, HOUR).energy_wh == state.energy_wh


def test_real_hours_scatter_more_than_the_commuter() -> None:
    days = [date(2026, 11, 2) + timedelta(days=number) for number in range(28)]
    trips = [trip_on(day, seed="x", time_zone="America/Los_Angeles", source="sessions") for day in days]
    away = [trip for trip in trips if trip is not None]
    assert 15 <= len(away) <= 25
    leaves = sorted((trip.leaves_at - timedelta(hours=8)).hour for trip in away)
    assert leaves[-1] - leaves[0] >= 2
    assert all(trip.leaves_at < trip.out_until <= trip.back_from < trip.home_at for trip in away)
    assert all(earlier.home_at < later.leaves_at for earlier, later in pairwise(away))
    assert trips == [trip_on(day, seed="x", time_zone="America/Los_Angeles", source="sessions") for day in days]


def test_record_of_an_earlier_version_is_read() -> None:
    record = to_record(started())
    for name in ("starts", "window"):
        del record[name]
    assert from_record(record) == started()
