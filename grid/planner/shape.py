"""Plans a real car can follow: few switches, no current below what the plug allows, less power near full.

The programme plans any power from zero to the maximum and any number of switches. What is done about that afterwards
never misses a target the plan made, and its cost is stated.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from grid.planner.batch import Batch, pack, solve
from grid.planner.fleet_solve import plans_of_steps
from grid.planner.kernel_batch import stored_prices, workspace
from grid.planner.kernel_shape import few_switches
from grid.planner.kernel_switch import find_ways
from grid.planner.outcome import NEAR_KWH, cost_of
from grid.planner.problem import Floats, Problem, ProblemError, read_problem
from grid.planner.solve import Plan, error_plan, record

SWITCHES = 6
TAPER_MINUTES = 5.0  # how finely slowing down within a slot is followed
SIX_AMPERES_KW = 1.4  # 6 A at 240 V, one phase: the least a charging point may offer


@dataclass(frozen=True, slots=True)
class Taper:
    """How charging slows near full: full power up to `from_percent`, then in proportion down to `share` at 100 %."""

    from_percent: float = 90.0
    share: float = 0.3

    def most_kw(self, problem: Problem, soc_kwh: float) -> float:
        """The power the car still takes at an SoC."""
        begin = self.from_percent / 100.0 * problem.capacity_kwh
        if soc_kwh <= begin or begin >= problem.capacity_kwh:
            return problem.max_charge_kw
        done = min(1.0, (soc_kwh - begin) / (problem.capacity_kwh - begin))
        return problem.max_charge_kw * (1.0 - done * (1.0 - self.share))


@dataclass(frozen=True, slots=True)
class Shape:
    """What a car and its plug allow; `switches` are those of a night."""

    switches: int = SWITCHES
    least_kw: float = SIX_AMPERES_KW
    taper: Taper | None = None


@dataclass(frozen=True, slots=True)
class Shaped:
    """A plan a car can follow, and what following it costs more than the best plan."""

    plan: Plan
    switches: int
    added_cost: float


def plan_shaped(raw: Mapping[str, object], shape: Shape = Shape()) -> Shaped:
    """Plan one car so that it can follow; a problem that breaks the format gives a plan of status `error`."""
    try:
        problem = read_problem(raw)
    except ProblemError as error:
        return Shaped(error_plan(raw, str(error)), 0, 0.0)
    batch = pack([problem])
    best = solve(batch, problem.buy, problem.sell)
    nights = nights_in(problem.slots, problem.slot_hours)
    soc = limit_switches(problem, batch, best.soc[0], nights * shape.switches)
    power, soc = _follow(problem, batch, soc)
    room = np.maximum(problem.max_kwh, soc)  # a car that came with more than its most keeps what the plan leaves it
    power, soc = _without_small_currents(problem, batch, power, shape.least_kw, room)
    if shape.taper is not None:
        power, soc = _with_taper(problem, power, shape.taper, shape.least_kw, room)
    cost = cost_of(problem, power, float(soc[-1]))
    plan = record(
        problem, power=power, soc=soc, cost=cost, bound=float(best.bound[0]), lower=batch.lower[0],
        is_cut=int(batch.is_cut[0]),
    )  # fmt: skip
    return Shaped(plan, switches_of(problem, soc), max(0.0, cost - float(best.cost[0])))


def nights_in(slots: int, slot_hours: float) -> int:
    """How many nights a horizon counts as: each may have its switches."""
    return max(1, math.ceil(slots * slot_hours / 24.0 - 0.5))


def switches_of(problem: Problem, soc: Floats) -> int:
    """How often a trajectory [T+1] kWh changes between charging, idling and discharging within its stays."""
    driven = np.where(problem.plugged == 1, 0.0, -np.diff(soc))
    return int(find_ways(problem.plugged, driven, soc, np.empty(problem.slots, np.uint8)))


def limit_switches(problem: Problem, batch: Batch, soc: Floats, limit: int) -> Floats:
    """Return the trajectory with at most `limit` switches, or as few as the targets allow; `batch` holds the car."""
    buy, sell = np.empty(problem.slots), np.empty(problem.slots)
    stored_prices(
        problem.buy, problem.sell, problem.charge_efficiency, problem.discharge_efficiency, problem.wear_per_kwh,
        np.empty(0) if batch.rank is None else batch.rank[0], problem.plugged, buy, sell,
    )  # fmt: skip
    up = problem.charge_efficiency * problem.max_charge_kw * problem.slot_hours
    down = problem.max_discharge_kw * problem.slot_hours / problem.discharge_efficiency
    lower = batch.lower[0].copy()
    if len(batch.climbers.place):  # keep the reserve as the plan keeps it: down to where it goes itself
        lower = np.where(soc < problem.reserve_kwh, soc, np.maximum(lower, problem.reserve_kwh * _after(problem)))
    car = (
        problem.start_kwh, up, down, buy, sell, problem.plugged, batch.drive[0].copy(), lower, batch.upper[0].copy(),
        problem.terminal_value_per_kwh, np.empty(0), 0.0,
    )  # fmt: skip
    few = soc.copy()
    few_switches(car, workspace(problem.slots), limit, problem.slots, few)
    return few


def _after(problem: Problem) -> Floats:
    """Mark the boundaries [T+1] that end a plugged slot."""
    return np.concatenate(([0.0], problem.plugged.astype(np.float64)))


def _follow(problem: Problem, batch: Batch, soc: Floats) -> tuple[Floats, Floats]:
    plans = plans_of_steps(batch, problem.buy[None], problem.sell[None], (np.diff(soc) + batch.drive[0])[None])
    return plans.power[0], plans.soc[0]


def _simulate(problem: Problem, power: Floats, room: Floats, taper: Taper | None = None) -> tuple[Floats, Floats]:
    """What the car really draws when asked for `power` [T], and the SoC [T+1] kWh that gives.

    `room` [T+1] kWh is the most that charging brings it to.
    """
    real, soc = power.copy(), np.empty(problem.slots + 1)
    soc[0] = problem.start_kwh
    hours = problem.slot_hours
    for t in range(problem.slots):
        if real[t] > 0.0:
            stored = _charged(problem, float(soc[t]), float(power[t]), float(room[t + 1]), taper)
            real[t] = stored / problem.charge_efficiency / hours
            soc[t + 1] = soc[t] + stored
        else:
            soc[t + 1] = soc[t] + real[t] * hours / problem.discharge_efficiency
        soc[t + 1] -= min(problem.trip_kwh[t], soc[t + 1])
    return real, soc


def _charged(problem: Problem, soc_kwh: float, power_kw: float, most_kwh: float, taper: Taper | None) -> float:
    """What a slot at this power stores, kWh: as far as there is room, and as the car slows down on the way."""
    room = max(0.0, most_kwh - soc_kwh)
    steps = 1 if taper is None else max(1, round(problem.slot_hours * 60.0 / TAPER_MINUTES))
    stored = 0.0
    for _ in range(steps):
        most = problem.max_charge_kw if taper is None else taper.most_kw(problem, soc_kwh + stored)
        stored += min(power_kw, most) * problem.charge_efficiency * problem.slot_hours / steps
    return min(stored, room)


def _without_small_currents(
    problem: Problem, batch: Batch, power: Floats, least_kw: float, room: Floats
) -> tuple[Floats, Floats]:
    """Raise what is below the least power to it, or leave it out where the rest can make it up: the cheaper of both."""
    least = min(least_kw, problem.max_charge_kw)
    lower = batch.lower[0]
    for slot in np.flatnonzero((power > 0.0) & (power < least - 1e-9)):
        choices = []
        for kw in (0.0, least):
            other = power.copy()
            other[slot] = kw
            other = _make_up(problem, other, lower, least, room, barred=int(slot) if kw == 0.0 else -1)
            real, soc = _simulate(problem, other, room)
            is_short = bool((soc < lower - NEAR_KWH).any())
            choices.append((is_short, cost_of(problem, real, float(soc[-1])), other))
        power = min(choices, key=lambda choice: choice[:2])[2]
    return _simulate(problem, power, room)


def _with_taper(problem: Problem, power: Floats, taper: Taper, least_kw: float, room: Floats) -> tuple[Floats, Floats]:
    """Charge in more slots what the car will not take near full."""
    _, planned = _simulate(problem, power, room)
    wanted = np.zeros(problem.slots + 1)
    for slot, kwh in problem.targets:
        wanted[slot] = max(wanted[slot], min(kwh, float(planned[slot])))
    more = _make_up(problem, power, wanted, min(least_kw, problem.max_charge_kw), room, taper=taper)
    return _simulate(problem, more, room, taper)


def _make_up(
    problem: Problem,
    power: Floats,
    lower: Floats,
    least: float,
    room: Floats,
    *,
    barred: int = -1,
    taper: Taper | None = None,
) -> Floats:
    """Charge more, in the cheapest slots that help, until the bounds `lower` [T+1] kWh are kept or nothing helps."""
    power = power.copy()
    eager = 1.0 if taper is None else 1.5  # what is asked near full is not all taken
    for _ in range(4 * problem.slots):
        real, soc = _simulate(problem, power, room, taper)
        short = np.flatnonzero(soc < lower - NEAR_KWH)
        if not len(short):
            break
        deadline = int(short[0])
        missing = float(lower[deadline] - soc[deadline]) / (problem.charge_efficiency * problem.slot_hours)
        free = [
            t for t in range(deadline)
            if problem.plugged[t] and t != barred and power[t] >= 0.0
            and (taper or Taper(100.0)).most_kw(problem, float(soc[t])) - real[t] > 1e-9
            and power[t] < problem.max_charge_kw - 1e-9
        ]  # fmt: skip
        if not free:
            break
        slot = min(free, key=lambda t: (problem.buy[t], power[t] == 0.0, t))
        power[slot] = min(
            problem.max_charge_kw, max(least, float(max(real[slot], power[slot] * (eager > 1.0))) + eager * missing)
        )
    return power
