"""The cars' physics: pure and deterministic, no Django, no clock.

Between two turns (a plug pulled, a setpoint ending, a drive starting) every flow has a closed form, so a step of a
week costs as many computations as the week has turns, and `advance` over a..c equals a..b followed by b..c.

Signs and units: battery energy and meters in Wh (floats inside), AC power in W, > 0 into the car, < 0 out of it.
The meters sit on the AC side: charging stores imported x charge_efficiency, discharging spends exported /
discharge_efficiency.
"""

from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from math import exp, log

from sandbox.cars.trips import DRIVE_KM_PER_HOUR, Trip, next_trip

KNEE_PERCENT = 80.0  # above it the charging power tapers linearly ...
TAPER = 0.5  # ... to half of full power at 100 %
DRIVE_FLOOR_PERCENT = 3.0  # below it the driver tops up on the road: a trip never empties the battery
ASLEEP_AFTER = timedelta(hours=72)


@dataclass(frozen=True)
class CarSpec:
    """What a car and its wall box are; `seed` and `time_zone` give its trips."""

    battery_wh: float
    onboard_charge_w: float
    evse_w: float
    max_discharge_w: float  # 0: cannot discharge
    drive_wh_per_km: float
    seed: str
    time_zone: str
    charge_efficiency: float = 0.91
    discharge_efficiency: float = 0.905

    @property
    def charge_w(self) -> float:
        """AC power of the car on its wall box below the knee."""
        return min(self.onboard_charge_w, self.evse_w)


@dataclass(frozen=True)
class Setpoint:
    """A timed order: 0 W holds, < 0 W discharges down to `floor_percent` and then holds; it ends by itself."""

    power_w: float
    until: datetime
    floor_percent: float = 0.0


@dataclass(frozen=True)
class CarState:
    """Everything that changes in a car, true as of `as_of`."""

    as_of: datetime
    energy_wh: float
    last_active_at: datetime
    limit_percent: float = 90.0
    is_limit_ignored: bool = False
    imported_wh: float = 0.0
    exported_wh: float = 0.0
    driven_wh: float = 0.0
    is_plugged_in: bool = True
    is_stopped: bool = False
    setpoint: Setpoint | None = None
    trip: Trip | None = None

    @property
    def is_home(self) -> bool:
        """A car without a trip stands at home."""
        return self.trip is None

    @property
    def is_asleep(self) -> bool:
        """Deep sleep comes by itself after days without a drive, a flow of energy or a command."""
        return self.as_of - self.last_active_at >= ASLEEP_AFTER


def soc_percent(state: CarState, spec: CarSpec) -> float:
    """Return the state of charge, 0..100."""
    return 100.0 * state.energy_wh / spec.battery_wh


def mode(state: CarState, spec: CarSpec) -> str:
    """Return UNPLUGGED, CHARGING, DISCHARGING, HOLDING (by order) or COMPLETE (at the limit)."""
    if not state.is_plugged_in:
        return "UNPLUGGED"
    if state.setpoint is not None:
        can_give = state.energy_wh > state.setpoint.floor_percent / 100 * spec.battery_wh
        return "DISCHARGING" if _setpoint_w(state.setpoint, spec) < 0 and can_give else "HOLDING"
    if state.is_stopped:
        return "HOLDING"
    return "CHARGING" if state.energy_wh < _limit_wh(state, spec) else "COMPLETE"


def power_w(state: CarState, spec: CarSpec) -> float:
    """Return the AC power at `state.as_of`."""
    match mode(state, spec):
        case "CHARGING":
            above_wh = max(0.0, state.energy_wh - KNEE_PERCENT / 100 * spec.battery_wh)
            return spec.charge_w * (1 - TAPER * above_wh / _taper_span_wh(spec))
        case "DISCHARGING":
            assert state.setpoint is not None
            return _setpoint_w(state.setpoint, spec)
    return 0.0


def advance(state: CarState, *, spec: CarSpec, until: datetime) -> CarState:
    """Return the state at `until`; a state that is already later comes back unchanged, for nothing runs backwards."""
    while state.as_of < until:
        turn = min(until, _next_turn(state, spec))
        state = _switch(_flow(state, spec, turn), spec)
    return state


def _next_turn(state: CarState, spec: CarSpec) -> datetime:
    if state.trip is None:
        turns = [next_trip(state.as_of, seed=spec.seed, time_zone=spec.time_zone).leaves_at]
    else:
        turns = [state.trip.out_until, state.trip.back_from, state.trip.home_at]
    if state.setpoint is not None:
        turns.append(state.setpoint.until)
    return min(turn for turn in turns if turn > state.as_of)


def _switch(state: CarState, spec: CarSpec) -> CarState:
    """Apply what falls due exactly at `state.as_of`."""
    if state.setpoint is not None and state.setpoint.until <= state.as_of:
        state = replace(state, setpoint=None, last_active_at=state.as_of)
    if state.trip is not None:
        return come_home(state) if state.trip.home_at <= state.as_of else state
    just_before = state.as_of - timedelta(microseconds=1)
    trip = next_trip(just_before, seed=spec.seed, time_zone=spec.time_zone)
    return leave(state, trip) if trip.leaves_at == state.as_of else state


def _flow(state: CarState, spec: CarSpec, until: datetime) -> CarState:
    """Let energy flow to `until`, with no turn in between."""
    seconds = (until - state.as_of).total_seconds()
    match mode(state, spec):
        case "CHARGING":
            energy_wh, active_seconds = _charge(state.energy_wh, _limit_wh(state, spec), spec, seconds)
            imported_wh = state.imported_wh + (energy_wh - state.energy_wh) / spec.charge_efficiency
            state = replace(state, energy_wh=energy_wh, imported_wh=imported_wh)
        case "DISCHARGING":
            assert state.setpoint is not None
            rate_w = -_setpoint_w(state.setpoint, spec) / spec.discharge_efficiency
            floor_wh = state.setpoint.floor_percent / 100 * spec.battery_wh
            energy_wh, active_seconds = _drain(state.energy_wh, floor_wh, rate_w, seconds)
            exported_wh = state.exported_wh + (state.energy_wh - energy_wh) * spec.discharge_efficiency
            state = replace(state, energy_wh=energy_wh, exported_wh=exported_wh)
        case "UNPLUGGED" if state.trip is not None and state.trip.is_driving(state.as_of):
            rate_w = spec.drive_wh_per_km * DRIVE_KM_PER_HOUR
            floor_wh = min(state.energy_wh, DRIVE_FLOOR_PERCENT / 100 * spec.battery_wh)
            energy_wh, _ = _drain(state.energy_wh, floor_wh, rate_w, seconds)
            active_seconds = seconds  # a car that rolls is awake
            driven_wh = state.driven_wh + state.energy_wh - energy_wh
            state = replace(state, energy_wh=energy_wh, driven_wh=driven_wh)
        case _:
            return replace(state, as_of=until)
    last_active_at = state.as_of + timedelta(seconds=active_seconds)
    return replace(state, as_of=until, last_active_at=max(state.last_active_at, last_active_at))


def _charge(energy_wh: float, limit_wh: float, spec: CarSpec, seconds: float) -> tuple[float, float]:
    """Return the battery energy after at most `seconds`, ending exactly at `limit_wh`, and for how long it flowed."""
    full_w = spec.charge_w * spec.charge_efficiency
    knee_wh = KNEE_PERCENT / 100 * spec.battery_wh
    linear_seconds = max(0.0, (min(knee_wh, limit_wh) - energy_wh) / full_w * 3600)
    if seconds < linear_seconds:
        return energy_wh + full_w * seconds / 3600, seconds
    if limit_wh <= knee_wh:
        return limit_wh, linear_seconds
    # Above the knee dx/dt = full_w (1 - TAPER x / span), x counted from the knee: an exponential approach.
    span_wh = _taper_span_wh(spec)
    rate = full_w * TAPER / span_wh / 3600
    start = 1 - TAPER * max(0.0, energy_wh - knee_wh) / span_wh
    taper_seconds = log(start / (1 - TAPER * (limit_wh - knee_wh) / span_wh)) / rate
    if seconds - linear_seconds >= taper_seconds:
        return limit_wh, linear_seconds + taper_seconds
    end_wh = knee_wh + span_wh / TAPER * (1 - start * exp(-rate * (seconds - linear_seconds)))
    return max(energy_wh, min(end_wh, limit_wh)), seconds


def _drain(energy_wh: float, floor_wh: float, rate_w: float, seconds: float) -> tuple[float, float]:
    """Return the battery energy after at most `seconds` at `rate_w`, ending exactly at `floor_wh`, and for how long."""
    wanted_wh = rate_w * seconds / 3600
    if wanted_wh < energy_wh - floor_wh:
        return energy_wh - wanted_wh, seconds
    return floor_wh, (energy_wh - floor_wh) / rate_w * 3600


def _limit_wh(state: CarState, spec: CarSpec) -> float:
    return (100.0 if state.is_limit_ignored else state.limit_percent) / 100 * spec.battery_wh


def _setpoint_w(setpoint: Setpoint, spec: CarSpec) -> float:
    return max(setpoint.power_w, -min(spec.max_discharge_w, spec.evse_w))


def _taper_span_wh(spec: CarSpec) -> float:
    return (100 - KNEE_PERCENT) / 100 * spec.battery_wh


def leave(state: CarState, trip: Trip) -> CarState:
    """Return the state with the car on its way: unplugging ends holds and setpoints."""
    return replace(unplug(state), trip=trip, last_active_at=state.as_of)


def come_home(state: CarState) -> CarState:
    """Return the state with the car at home, plugged in on arrival."""
    return plug_in(replace(state, trip=None))


def plug_in(state: CarState) -> CarState:
    """Return the state with the plug in; the car's own behaviour is to charge at once."""
    return replace(state, is_plugged_in=True, last_active_at=state.as_of)


def unplug(state: CarState) -> CarState:
    """Return the state with the plug out, and with it every hold and setpoint."""
    return replace(state, is_plugged_in=False, is_stopped=False, setpoint=None, last_active_at=state.as_of)


def stop(state: CarState) -> CarState:
    """Return the state held until a start or until the plug is pulled."""
    return replace(state, is_stopped=True, setpoint=None, last_active_at=state.as_of)


def start(state: CarState) -> CarState:
    """Return the state with every hold and setpoint dropped: the car charges to its limit."""
    return replace(state, is_stopped=False, setpoint=None, last_active_at=state.as_of)


def order(state: CarState, setpoint: Setpoint) -> CarState:
    """Return the state under a timed setpoint, which replaces any earlier order."""
    return replace(state, is_stopped=False, setpoint=setpoint, last_active_at=state.as_of)


def wake(state: CarState) -> CarState:
    """Return the state awake."""
    return replace(state, last_active_at=state.as_of)


def put_back(state: CarState, now: datetime) -> CarState:
    """Return the car parked, plugged and free of orders at `now`: what is left when the world's clock was set back."""
    return replace(state, as_of=now, last_active_at=now, trip=None, setpoint=None, is_stopped=False, is_plugged_in=True)
