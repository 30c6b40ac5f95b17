"""The cars' physics against what nature allows: balances and composition by Hypothesis, single rules by example."""

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sandbox.cars import physics
from sandbox.cars.physics import CarSpec, CarState, Setpoint
from sandbox.cars.records import from_record, to_record
from sandbox.cars.schedules import DailyWindow, PlannedStart
from sandbox.cars.trips import trip_on

SPEC = CarSpec(
    battery_wh=100_000,
    onboard_charge_w=11_000,
    evse_w=10_000,
    max_discharge_w=9_600,
    drive_wh_per_km=200,
    seed="a-car",
    time_zone="America/Chicago",
)
COLD = replace(SPEC, yearly_mean_c=4.0, yearly_swing_c=18.0, time_zone="America/Toronto", trips="sessions")
EVENING = datetime(2026, 11, 19, 2, 0, tzinfo=UTC)  # Wednesday 20:00 in Austin; the next trip is half a day off
HOUR = timedelta(hours=1)

instants = st.integers(0, 21 * 24 * 3600).map(lambda seconds: EVENING + timedelta(seconds=seconds))
setpoints = st.builds(
    Setpoint,
    power_w=st.sampled_from([0.0, -1_400.0, -9_600.0, -50_000.0]),
    until=instants,
    floor_percent=st.floats(0, 100),
)
minutes = st.integers(0, 24 * 60 - 1)
windows = st.tuples(minutes, minutes).filter(lambda pair: pair[0] != pair[1]).map(lambda pair: DailyWindow(*pair))
specs = st.sampled_from([SPEC, COLD])


@st.composite
def cars(draw: st.DrawFn) -> CarState:
    """Cars at home or away, plugged or not, under any order."""
    state = CarState(
        as_of=draw(instants),
        energy_wh=draw(st.floats(0, SPEC.battery_wh)),
        last_active_at=EVENING,
        limit_percent=draw(st.floats(50, 100)),
        is_limit_ignored=draw(st.booleans()),
        imported_wh=draw(st.floats(0, 1e6)),
        exported_wh=draw(st.floats(0, 1e6)),
        window=draw(st.none() | windows),
    )
    for number, span in enumerate(draw(st.lists(st.integers(1, 10 * 24 * 3600), max_size=2))):
        starts_at = state.as_of + timedelta(seconds=span)
        state = physics.keep_start(state, PlannedStart(number, starts_at, is_here=draw(st.booleans())))
    match draw(st.sampled_from(["free", "stopped", "ordered", "unplugged", "away"])):
        case "stopped":
            return physics.stop(state)
        case "ordered":
            setpoint = draw(setpoints)
            return physics.order(state, replace(setpoint, until=max(setpoint.until, state.as_of + HOUR)))
        case "unplugged":
            return physics.unplug(state)
        case "away":
            trip = trip_on(state.as_of.date(), seed="another-car", time_zone=SPEC.time_zone)
            return physics.leave(state, trip) if trip and trip.leaves_at <= state.as_of < trip.home_at else state
    return state


def started(**changes: object) -> CarState:
    """A car at home, plugged in, half full."""
    state = CarState(as_of=EVENING, energy_wh=50_000, last_active_at=EVENING)
    return replace(state, **changes)  # type: ignore[arg-type]  # tests name fields by keyword


def after(state: CarState, span: timedelta, spec: CarSpec = SPEC) -> CarState:
    return physics.advance(state, spec=spec, until=state.as_of + span)


@settings(max_examples=300, deadline=None)
@given(state=cars(), spec=specs, until=instants)
def test_energy_is_neither_made_nor_lost(state: CarState, spec: CarSpec, until: datetime) -> None:
    end = physics.advance(state, spec=spec, until=until)
    balance_wh = (
        (end.imported_wh - state.imported_wh) * SPEC.charge_efficiency
        - (end.exported_wh - state.exported_wh) / SPEC.discharge_efficiency
        - (end.driven_wh - state.driven_wh)
    )
    assert end.energy_wh - state.energy_wh == pytest.approx(balance_wh, abs=1e-3)


@settings(max_examples=300, deadline=None)
@given(state=cars(), spec=specs, until=instants)
def test_battery_stays_within_its_bounds_and_meters_never_fall(state: CarState, spec: CarSpec, until: datetime) -> None:
    end = physics.advance(state, spec=spec, until=until)
    assert 0 <= physics.soc_percent(end, SPEC) <= 100
    assert end.imported_wh >= state.imported_wh
    assert end.exported_wh >= state.exported_wh
    assert end.driven_wh >= state.driven_wh
    assert end.as_of == max(state.as_of, until)


@settings(max_examples=300, deadline=None)
@given(state=cars(), spec=specs, middle=instants, until=instants)
def test_two_steps_equal_one(state: CarState, spec: CarSpec, middle: datetime, until: datetime) -> None:
    middle, until = sorted([middle, until])
    one = physics.advance(state, spec=spec, until=until)
    two = physics.advance(physics.advance(state, spec=spec, until=middle), spec=spec, until=until)
    assert two.energy_wh == pytest.approx(one.energy_wh, abs=1e-3)
    assert two.imported_wh == pytest.approx(one.imported_wh, abs=1e-3)
    assert two.exported_wh == pytest.approx(one.exported_wh, abs=1e-3)
    assert abs(two.last_active_at - one.last_active_at) < timedelta(seconds=1)
    plain = {"energy_wh": 0.0, "imported_wh": 0.0, "exported_wh": 0.0, "driven_wh": 0.0, "last_active_at": EVENING}
    assert replace(two, **plain) == replace(one, **plain)  # type: ignore[arg-type]


@settings(max_examples=200, deadline=None)
@given(state=cars())
def test_state_survives_its_record(state: CarState) -> None:
    assert from_record(to_record(state)) == state


def test_car_charges_at_once_with_the_weaker_of_car_and_wall_box() -> None:
    end = after(started(), HOUR)
    assert end.imported_wh == pytest.approx(10_000)
    assert end.energy_wh == pytest.approx(59_100)
    assert physics.power_w(end, SPEC) == 10_000


def test_power_tapers_above_the_knee_and_ends_at_the_limit() -> None:
    near = started(energy_wh=85_000.0)
    assert physics.power_w(near, SPEC) == pytest.approx(8_750)
    end = after(near, 3 * HOUR)
    assert end.energy_wh == 90_000
    assert physics.mode(end, SPEC) == "COMPLETE"
    assert physics.power_w(end, SPEC) == 0


@pytest.mark.parametrize("start_wh", [78_000.0, 86_000.0])
def test_closed_form_taper_agrees_with_small_steps(start_wh: float) -> None:
    energy_wh, step_seconds = start_wh, 0.5
    for _ in range(3600 * 2):
        above = max(0.0, energy_wh - 80_000) / 20_000
        energy_wh += 10_000 * (1 - 0.5 * above) * SPEC.charge_efficiency * step_seconds / 3600
    end = after(started(energy_wh=start_wh, limit_percent=100.0), HOUR)
    assert end.energy_wh == pytest.approx(energy_wh, rel=1e-5)


def test_limit_ignored_charges_to_the_top() -> None:
    assert after(started(is_limit_ignored=True), 10 * HOUR).energy_wh == SPEC.battery_wh


def test_stop_holds_until_start() -> None:
    held = after(physics.stop(started()), 3 * HOUR)
    assert held.imported_wh == 0
    assert physics.mode(held, SPEC) == "HOLDING"
    assert after(physics.start(held), HOUR).imported_wh == pytest.approx(10_000)


def test_hold_ends_by_itself() -> None:
    held = physics.order(started(), Setpoint(0, EVENING + HOUR))
    assert after(held, HOUR - timedelta(seconds=1)).imported_wh == 0
    end = after(held, 2 * HOUR)
    assert end.setpoint is None
    assert end.imported_wh == pytest.approx(10_000)


def test_discharge_stops_at_its_floor_and_then_holds() -> None:
    state = physics.order(started(), Setpoint(-9_600, EVENING + 4 * HOUR, 30))
    end = after(state, 4 * HOUR - timedelta(seconds=1))
    assert end.energy_wh == 30_000
    assert end.exported_wh == pytest.approx(20_000 * 0.905)
    assert physics.mode(end, SPEC) == "HOLDING"
    assert physics.power_w(end, SPEC) == 0


def test_discharge_is_bounded_by_car_and_wall_box() -> None:
    state = physics.order(started(), Setpoint(-50_000, EVENING + HOUR))
    assert physics.power_w(state, SPEC) == -9_600
    assert physics.power_w(state, replace(SPEC, evse_w=5_000)) == -5_000
    assert physics.power_w(state, replace(SPEC, max_discharge_w=0)) == 0


def test_leaving_the_plug_ends_stops_and_setpoints() -> None:
    ordered = physics.unplug(physics.order(started(), Setpoint(0, EVENING + HOUR)))
    assert ordered.setpoint is None
    assert after(physics.plug_in(ordered), HOUR / 2).imported_wh > 0
    assert not physics.plug_in(physics.unplug(physics.stop(started()))).is_stopped


def test_weekday_takes_the_car_away_and_brings_it_back_emptier_and_plugged_in() -> None:
    trip = trip_on(EVENING.date(), seed=SPEC.seed, time_zone=SPEC.time_zone)
    assert trip is not None
    away = physics.advance(started(), spec=SPEC, until=trip.leaves_at)
    assert (away.is_home, away.is_plugged_in) == (False, False)
    back = physics.advance(away, spec=SPEC, until=trip.home_at)
    assert (back.is_home, back.is_plugged_in) == (True, True)
    assert back.energy_wh < away.energy_wh
    driven_km = back.driven_wh / SPEC.drive_wh_per_km
    assert 28 <= driven_km <= 76


@pytest.mark.parametrize("weekday", [date(2026, 11, day) for day in (16, 17, 18, 19, 20)])
def test_weekday_trips_keep_their_hours(weekday: date) -> None:
    for seed in ("a-car", "another-car", "a-third-car"):
        trip = trip_on(weekday, seed=seed, time_zone="America/Chicago")
        assert trip is not None
        leaves = trip.leaves_at - timedelta(hours=6)  # Chicago in November
        home = trip.home_at - timedelta(hours=6)
        assert "07:30" <= f"{leaves:%H:%M}" <= "08:10"
        assert "16:50" <= f"{home:%H:%M}" <= "17:40"


def test_departure_is_local_time_on_both_sides_of_dst() -> None:
    friday = trip_on(date(2026, 3, 6), seed="x", time_zone="America/Chicago")
    monday = trip_on(date(2026, 3, 9), seed="x", time_zone="America/Chicago")
    assert friday is not None
    assert monday is not None
    assert friday.leaves_at.hour >= 13  # 07:30 CST
    assert monday.leaves_at.hour < 14  # 07:30 CDT
    assert monday.leaves_at.hour >= 12


def test_car_left_unplugged_in_its_driveway_falls_asleep_and_wakes() -> None:
    saturday = datetime(2026, 11, 20, 23, 50, tzinfo=UTC)
    parked = physics.unplug(started(as_of=saturday))
    still = replace(parked, as_of=saturday + timedelta(hours=72), last_active_at=saturday)
    assert physics.is_asleep(still, SPEC)
    assert not physics.is_asleep(replace(still, as_of=still.as_of - timedelta(seconds=1)), SPEC)
    assert not physics.is_asleep(physics.wake(still), SPEC)
    light_sleeper = replace(SPEC, asleep_after_seconds=1200)
    assert physics.is_asleep(replace(still, as_of=saturday + timedelta(minutes=20)), light_sleeper)


def test_nothing_runs_backwards() -> None:
    state = started()
    assert physics.advance(state, spec=SPEC, until=EVENING - HOUR) is state


def test_weeks_are_quick() -> None:
    state = started()
    end = after(state, timedelta(days=140))
    assert end.driven_wh > 100 * 28 * 200
    assert physics.soc_percent(end, SPEC) > 20
