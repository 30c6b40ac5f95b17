"""The cars' physics: pure and deterministic, no Django, no clock.

Between two turns (a plug pulled, a setpoint ending, a drive starting) every flow has a closed form, so a step of a
week costs as many computations as the week has turns, and `advance` over a..c equals a..b followed by b..c.

Signs and units: battery energy and meters in Wh (floats inside), AC power in W, > 0 into the car, < 0 out of it.
The meters sit on the AC side: charging stores imported x charge_efficiency, discharging spends exported /
discharge_efficiency.
"""

from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

from sandbox.cars import cold, curve
from sandbox.cars.schedules import DailyWindow, PlannedStart
from sandbox.cars.trips import DRIVE_KM_PER_HOUR, Trip, next_trip

DRIVE_FLOOR_PERCENT = 3.0  # below it the driver tops up on the road: a trip never empties the battery


@dataclass(frozen=True)
class CarSpec:
    """What a car and its wall box are; `seed`, `time_zone` and `trips` give its absences.

    Where `yearly_mean_c` is known, the cold slows charging down (`sandbox.cars.cold`).
    """

    battery_wh: float
    onboard_charge_w: float
    evse_w: float
    max_discharge_w: float  # 0: cannot discharge
    drive_wh_per_km: float
    seed: str
    time_zone: str
    charge_efficiency: float = 0.91
    discharge_efficiency: float = 0.905
    trips: str = "pattern"
    asleep_after_seconds: float = 72 * 3600
    least_command_soc_percent: float = 0.0  # below it the car takes neither start nor stop
    yearly_mean_c: float | None = None
    yearly_swing_c: float = 0.0

    @property
    def charge_w(self) -> float:
        """AC power of the warm car on its wall box below the knee."""
        return min(self.onboard_charge_w, self.evse_w)

    def charge_w_at(self, instant: datetime) -> float:
        """AC power below the knee at the temperature of the month."""
        if self.yearly_mean_c is None:
            return self.charge_w
        month = instant.astimezone(ZoneInfo(self.time_zone)).month
        mean_c = cold.month_mean_c(month, yearly_mean_c=self.yearly_mean_c, yearly_swing_c=self.yearly_swing_c)
        return self.charge_w * cold.charge_factor(mean_c)


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
    starts: tuple[PlannedStart, ...] = ()
    window: DailyWindow | None = None

    @property
    def is_home(self) -> bool:
        """A car without a trip stands at home."""
        return self.trip is None


def is_asleep(state: CarState, spec: CarSpec) -> bool:
    """Return whether the car sleeps: by itself, after standing without a drive, a flow of energy or a command."""
    return (state.as_of - state.last_active_at).total_seconds() >= spec.asleep_after_seconds


def soc_percent(state: CarState, spec: CarSpec) -> float:
    """Return the state of charge, 0..100."""
    return 100.0 * state.energy_wh / spec.battery_wh


def mode(state: CarState, spec: CarSpec) -> str:
    """Return UNPLUGGED, CHARGING, DISCHARGING, HOLDING (by order, or for its window) or COMPLETE (at the limit)."""
    if not state.is_plugged_in:
        return "UNPLUGGED"
    if state.setpoint is not None:
        can_give = state.energy_wh > state.setpoint.floor_percent / 100 * spec.battery_wh
        return "DISCHARGING" if _setpoint_w(state.setpoint, spec) < 0 and can_give else "HOLDING"
    if state.energy_wh >= _limit_wh(state, spec) and not state.is_stopped:
        return "COMPLETE"
    return "HOLDING" if state.is_stopped or is_waiting(state, spec) else "CHARGING"


def is_waiting(state: CarState, spec: CarSpec) -> bool:
    """Return whether the owner's own window keeps the car from charging at this hour."""
    return state.window is not None and not state.window.is_open(state.as_of, time_zone=spec.time_zone)


def power_w(state: CarState, spec: CarSpec) -> float:
    """Return the AC power at `state.as_of`."""
    match mode(state, spec):
        case "CHARGING":
            return spec.charge_w_at(state.as_of) * curve.power_share(state.energy_wh, battery_wh=spec.battery_wh)
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
        turns = [_next_trip(state.as_of, spec).leaves_at]
    else:
        turns = [state.trip.out_until, state.trip.back_from, state.trip.home_at]
    if state.setpoint is not None:
        turns.append(state.setpoint.until)
    turns += [start.at for start in state.starts]
    if state.window is not None:
        turns.append(state.window.next_edge(state.as_of, time_zone=spec.time_zone))
    if spec.yearly_mean_c is not None:
        turns.append(cold.next_month(state.as_of, time_zone=spec.time_zone))
    return min(turn for turn in turns if turn > state.as_of)


def _switch(state: CarState, spec: CarSpec) -> CarState:
    """Apply what falls due exactly at `state.as_of`."""
    if state.setpoint is not None and state.setpoint.until <= state.as_of:
        state = replace(state, setpoint=None, last_active_at=state.as_of)
    state = _start_by_itself(state, spec)
    if state.trip is not None:
        return come_home(state) if state.trip.home_at <= state.as_of else state
    trip = _next_trip(state.as_of - timedelta(microseconds=1), spec)
    return leave(state, trip) if trip.leaves_at == state.as_of else state


def _start_by_itself(state: CarState, spec: CarSpec) -> CarState:
    """Let a start kept in the car, or the opening of its window, end whatever holds the car."""
    due = [planned for planned in state.starts if planned.at <= state.as_of]
    if due:
        state = replace(state, starts=tuple(planned for planned in state.starts if planned.at > state.as_of))
    opens = state.window is not None and state.window.opens_at(state.as_of, time_zone=spec.time_zone)
    is_told = opens or any(planned.is_here for planned in due)
    return start(state) if is_told and state.is_plugged_in else state


def _next_trip(after: datetime, spec: CarSpec) -> Trip:
    return next_trip(after, seed=spec.seed, time_zone=spec.time_zone, source=spec.trips)


def _flow(state: CarState, spec: CarSpec, until: datetime) -> CarState:
    """Let energy flow to `until`, with no turn in between."""
    seconds = (until - state.as_of).total_seconds()
    match mode(state, spec):
        case "CHARGING":
            energy_wh, active_seconds = curve.charge(
                state.energy_wh,
                limit_wh=_limit_wh(state, spec),
                battery_wh=spec.battery_wh,
                full_w=spec.charge_w_at(state.as_of) * spec.charge_efficiency,
                seconds=seconds,
            )
            imported_wh = state.imported_wh + (energy_wh - state.energy_wh) / spec.charge_efficiency
            state = replace(state, energy_wh=energy_wh, imported_wh=imported_wh)
        case "DISCHARGING":
            assert state.setpoint is not None
            rate_w = -_setpoint_w(state.setpoint, spec) / spec.discharge_efficiency
            floor_wh = state.setpoint.floor_percent / 100 * spec.battery_wh
            energy_wh, active_seconds = curve.drain(state.energy_wh, floor_wh=floor_wh, rate_w=rate_w, seconds=seconds)
            exported_wh = state.exported_wh + (state.energy_wh - energy_wh) * spec.discharge_efficiency
            state = replace(state, energy_wh=energy_wh, exported_wh=exported_wh)
        case "UNPLUGGED" if state.trip is not None and state.trip.is_driving(state.as_of):
            rate_w = spec.drive_wh_per_km * DRIVE_KM_PER_HOUR
            floor_wh = min(state.energy_wh, DRIVE_FLOOR_PERCENT / 100 * spec.battery_wh)
            energy_wh, _ = curve.drain(state.energy_wh, floor_wh=floor_wh, rate_w=rate_w, seconds=seconds)
            active_seconds = seconds  # a car that rolls is awake
            driven_wh = state.driven_wh + state.energy_wh - energy_wh
            state = replace(state, energy_wh=energy_wh, driven_wh=driven_wh)
        case _:
            return replace(state, as_of=until)
    last_active_at = state.as_of + timedelta(seconds=active_seconds)
    return replace(state, as_of=until, last_active_at=max(state.last_active_at, last_active_at))


def _limit_wh(state: CarState, spec: CarSpec) -> float:
    return (100.0 if state.is_limit_ignored else state.limit_percent) / 100 * spec.battery_wh


def _setpoint_w(setpoint: Setpoint, spec: CarSpec) -> float:
    return max(setpoint.power_w, -min(spec.max_discharge_w, spec.evse_w))


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


def set_limit(state: CarState, percent: float) -> CarState:
    """Return the state that charges up to `percent`; below the present charge it only ends charging."""
    return replace(state, limit_percent=percent, last_active_at=state.as_of)


def keep_start(state: CarState, planned: PlannedStart) -> CarState:
    """Return the state with a start kept in the car, in place of an earlier one of the same id."""
    others = tuple(start for start in state.starts if start.schedule_id != planned.schedule_id)
    return replace(state, starts=(*others, planned), last_active_at=state.as_of)


def drop_start(state: CarState, schedule_id: int) -> CarState:
    """Return the state without the start of that id."""
    kept = tuple(start for start in state.starts if start.schedule_id != schedule_id)
    return replace(state, starts=kept, last_active_at=state.as_of)


def order(state: CarState, setpoint: Setpoint) -> CarState:
    """Return the state under a timed setpoint, which replaces any earlier order."""
    return replace(state, is_stopped=False, setpoint=setpoint, last_active_at=state.as_of)


def wake(state: CarState) -> CarState:
    """Return the state awake."""
    return replace(state, last_active_at=state.as_of)


def put_back(state: CarState, now: datetime) -> CarState:
    """Return the car parked, plugged and free of orders at `now`: what is left when the world's clock was set back."""
    free = replace(state, trip=None, setpoint=None, is_stopped=False, is_plugged_in=True, starts=())
    return replace(free, as_of=now, last_active_at=now)
