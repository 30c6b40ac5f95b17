"""Cars at their plugs, step by step: what a policy asks for, what the car draws, when it is unplugged.

Energies are counted at the plug, as the session data does. Every session could really take its energy: a car whose
meter shows more than the station's usual power has that power, and one that took its energy faster than a car slowing
down near full could was not near full when it left.
"""

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from benchmarks.closed_loop_data import Sessions, prices_of
from grid.planner.batch import solve
from grid.planner.hedge import Caution, departure_chances, margin_slots, pack_careful
from grid.planner.problem import Floats, Problem
from grid.planner.shape import Taper

STEP_MINUTES, SLOT_MINUTES = 5.0, 15.0
STEPS_A_SLOT, SLOTS_A_PLAN = 3, 4  # planned anew every hour
STATION_KW = 6.656  # 32 A at 208 V
BATTERY_KWH = 60.0
TAPER = Taper(from_percent=95.0, share=0.3)
BELOW_FULL = 0.8  # what a car that does not slow down charges to
RESERVE = 0.3  # what V2G leaves in the battery
BACK = 0.85  # of a kWh charged comes back: all losses are booked where the plug sees them
WEAR = 0.05  # currency for a kWh given back
DEVIATION_KWH = 0.01  # so far from its plan a car is planned anew
HORIZON_HOURS = 48.0
FULL_KWH = 1e-6

Chosen = NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Policy:
    """Plans under `caution`, or charges at once without one.

    `is_told` plans for the real departure, which nobody knows; `earlier_hours` plans for so much before the announced.
    """

    name: str
    caution: Caution | None = None
    earlier_hours: float = 0.0
    is_told: bool = False


@dataclass(frozen=True, slots=True)
class World:
    """The sessions as cars [N]: power, battery, SoC wanted (kWh), price of each step [N, S]; all V2G or none."""

    sessions: Sessions
    power_kw: Floats
    capacity_kwh: Floats
    wanted_kwh: Floats
    price: Floats
    is_v2g: bool = False


@dataclass(frozen=True, slots=True)
class Outcome:
    """What each car [N] gained by its departure and by the announced one (or its own, if earlier), kWh; its cost."""

    kwh: Floats
    kwh_as_announced: Floats
    cost: Floats


def build_world(
    sessions: Sessions, *, station_kw: float = STATION_KW, hours_later: float = 0.0, is_v2g: bool = False
) -> World:
    """Make cars of sessions; `hours_later` moves them along the day's prices."""
    power = np.maximum(station_kw, sessions.energy_kwh / sessions.stay_hours)
    capacity = np.maximum(BATTERY_KWH, sessions.energy_kwh)
    steps = round(HORIZON_HOURS * 60 / STEP_MINUTES)
    price = prices_of(sessions, steps=steps, step_minutes=STEP_MINUTES, hours_later=hours_later)
    world = World(sessions, power, capacity, capacity, price)
    is_short = simulate(world, Policy("charge at once")).kwh < sessions.energy_kwh - FULL_KWH
    capacity = np.where(is_short, np.maximum(BATTERY_KWH, sessions.energy_kwh / BELOW_FULL), capacity)
    wanted = np.where(is_short, BELOW_FULL * capacity, capacity)
    return replace(world, capacity_kwh=capacity, wanted_kwh=wanted, is_v2g=is_v2g)


def simulate(world: World, policy: Policy) -> Outcome:
    """Charge every car by the policy until it is full or gone; after the departure it plans for, at once."""
    sessions, hours = world.sessions, STEP_MINUTES / 60.0
    count, steps = world.price.shape
    begun = world.wanted_kwh - sessions.energy_kwh
    soc, planned, cost, as_announced = begun.copy(), begun.copy(), np.zeros(count), np.zeros(count)
    plan, ready = np.zeros((count, steps // STEPS_A_SLOT)), _slots_planned(sessions, policy)
    for step in range(steps):
        slot, is_new_slot = step // STEPS_A_SLOT, step % STEPS_A_SLOT == 0
        left = np.clip(sessions.stay_hours - step * hours, 0.0, hours)
        is_here = (left > 0.0) & ((soc < world.wanted_kwh - FULL_KWH) | (world.is_v2g & (slot < ready)))
        if not is_here.any():
            break
        if policy.caution is not None and is_new_slot:
            is_due = (slot % SLOTS_A_PLAN == 0) | (np.abs(soc - planned) > DEVIATION_KWH)
            due = np.flatnonzero(is_here & is_due & (slot < ready))
            if len(due):
                plan[due, slot:] = _plan(world, policy.caution, due, left=ready[due] - slot, slot=slot, soc=soc)
            planned = soc + np.where(plan[:, slot] > 0.0, 1.0, 1.0 / BACK) * plan[:, slot] * SLOT_MINUTES / 60.0
        asked = np.where(slot < ready, plan[:, slot], np.inf)
        drawn = np.minimum(np.minimum(asked, _most_kw(world, soc)) * left, world.wanted_kwh - soc) * is_here
        stored = np.where(drawn > 0.0, drawn, drawn / BACK)
        until = np.clip(sessions.announced_hours - step * hours, 0.0, left) / np.maximum(left, FULL_KWH)
        as_announced += stored * until
        soc = soc + stored
        cost += drawn * world.price[:, step] + WEAR * np.maximum(-drawn, 0.0)
    return Outcome(soc - begun, as_announced, cost)


def _slots_planned(sessions: Sessions, policy: Policy) -> Chosen:
    """The whole slots from each arrival to the departure the policy plans for."""
    if policy.caution is None:
        return np.zeros(len(sessions), np.int64)
    hours = sessions.stay_hours if policy.is_told else sessions.announced_hours - policy.earlier_hours
    return np.asarray(np.clip(hours, 0.0, HORIZON_HOURS) * 60.0 / SLOT_MINUTES).astype(np.int64)


def _most_kw(world: World, soc: Floats) -> Floats:
    """The power each car takes at its SoC."""
    start = TAPER.from_percent / 100.0 * world.capacity_kwh
    done = np.clip((soc - start) / (world.capacity_kwh - start), 0.0, 1.0)
    return np.asarray(world.power_kw * (1.0 - done * (1.0 - TAPER.share)))


def _plan(world: World, caution: Caution, due: Chosen, *, left: Chosen, slot: int, soc: Floats) -> Floats:
    """Plan the cars that are due at the start of a slot; returns power [due, slots left] with zeros beyond the plan."""
    width, begin = int(left.max()), slot * STEPS_A_SLOT
    price = world.price[due, begin : begin + width * STEPS_A_SLOT].reshape(len(due), width, STEPS_A_SLOT).mean(axis=2)
    problems, chances, margins = [], [], []
    for row, car in enumerate(due.tolist()):
        problem = _problem(world, car, price=price[row], left=int(left[row]), soc=float(soc[car]))
        own, usual = world.sessions.own[car], world.sessions.usual[car]
        problems.append(problem)
        chances.append(departure_chances(problem, own, usual))
        margins.append(margin_slots(len(own), SLOT_MINUTES, margin_minutes=caution.margin_minutes))
    batch = pack_careful(problems, np.stack(chances), margins, caution)
    power = solve(batch, price, price, want_soc=False).power
    return np.pad(power, ((0, 0), (0, world.price.shape[1] // STEPS_A_SLOT - slot - width)))


def _problem(world: World, car: int, *, price: Floats, left: int, soc: float) -> Problem:
    zeros, wanted, battery = np.zeros(len(price)), float(world.wanted_kwh[car]), float(world.capacity_kwh[car])
    power, floor = float(world.power_kw[car]), min(RESERVE * battery, soc) if world.is_v2g else 0.0
    return Problem(
        id="", slot_hours=SLOT_MINUTES / 60.0, import_price=price, export_price=price, carbon=zeros, carbon_price=0.0,
        adder=zeros, plugged=(np.arange(len(price)) < left).astype(np.uint8), trip_kwh=zeros,
        capacity_kwh=battery, start_kwh=soc, max_charge_kw=power, max_discharge_kw=power * world.is_v2g,
        charge_efficiency=1.0, discharge_efficiency=BACK, wear_per_kwh=WEAR, minimum_kwh=floor, reserve_kwh=floor,
        max_kwh=wanted, targets=((left, wanted),), terminal_value_per_kwh=0.0, tie_rank=None,
    )  # fmt: skip
