"""Many cars at once as packed arrays: how plans are made in bulk, and the oracle of a fleet."""

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from grid.planner.kernel_batch import plan_range, soften_range
from grid.planner.problem import Bytes, Floats, Problem

Ints = NDArray[np.int64]

MIN_CARS_PER_THREAD = 64  # below that a thread costs more than it saves
NEAR_KWH = 1e-9


@dataclass(slots=True)
class Climbers:
    """The cars of a batch that may be below a reserve above their minimum: see `kernel_reserve.py`.

    `place` [N] is each car's row in the other arrays, or -1; it is empty where there is no such car.
    """

    place: Ints
    top: Floats
    minimum: Floats
    reserve: Floats
    targets: Floats
    trip: Floats


@dataclass(slots=True)
class Batch:
    """N cars over T equal slots; energies in kWh, powers in kW at the AC side.

    `lower`, `upper` [N, T+1] and `drive` [N, T] are the reachable bounds and trips that `soften` leaves; `is_cut` [N]
    says where a bound had to give. `row` [N] picks each car's prices out of the [G, T] arrays given to `solve`.
    `penalty` [N, T+1], where there is one, is the price of each kWh below `hedge_to` [N] at each boundary.
    """

    slot_hours: Floats
    start: Floats
    charge_kw: Floats
    discharge_kw: Floats
    charge_efficiency: Floats
    discharge_efficiency: Floats
    wear: Floats
    end_value: Floats
    plugged: Bytes
    lower: Floats
    upper: Floats
    drive: Floats
    is_cut: Bytes
    row: Ints
    climbers: Climbers
    rank: Floats | None = None
    penalty: Floats | None = None
    hedge_to: Floats = field(default_factory=lambda: np.empty(0))

    def __len__(self) -> int:
        return len(self.start)

    @property
    def slots(self) -> int:
        """Number of slots T."""
        return int(self.plugged.shape[1])


@dataclass(slots=True)
class Plans:
    """What `solve` returns: cost and its proved lower bound [N], net AC power [N, T], SoC in kWh [N, T+1] or none."""

    cost: Floats
    bound: Floats
    power: Floats
    soc: Floats


def pack(problems: Sequence[Problem]) -> Batch:
    """Pack problems of equal T; each has its own row of prices."""
    count, slots = len(problems), problems[0].slots

    def column(name: str) -> Floats:
        return np.array([getattr(problem, name) for problem in problems], dtype=np.float64)

    top = column("max_kwh")
    targets = np.zeros((count, slots + 1))
    for i, problem in enumerate(problems):
        for slot, wanted in problem.targets:
            if slot:  # what the car arrives with is what it arrives with
                targets[i, slot] = max(targets[i, slot], min(wanted, top[i]))
    ranks = None
    if any(problem.tie_rank is not None for problem in problems):
        in_time = np.arange(slots, dtype=np.float64)
        ranks = np.stack([in_time if p.tie_rank is None else _dense(p.tie_rank) for p in problems])
    return pack_arrays(
        slot_hours=column("slot_hours"),
        start=column("start_kwh"),
        top=top,
        minimum=column("minimum_kwh"),
        reserve=column("reserve_kwh"),
        charge_kw=column("max_charge_kw"),
        discharge_kw=column("max_discharge_kw"),
        charge_efficiency=column("charge_efficiency"),
        discharge_efficiency=column("discharge_efficiency"),
        wear=column("wear_per_kwh"),
        end_value=column("terminal_value_per_kwh"),
        plugged=np.stack([problem.plugged for problem in problems]),
        targets=targets,
        trip=np.stack([problem.trip_kwh for problem in problems]),
        row=np.arange(count),
        rank=ranks,
    )


def _dense(rank: Floats) -> Floats:
    return np.unique(rank, return_inverse=True)[1].astype(np.float64)


def pack_arrays(
    *,
    slot_hours: Floats,
    start: Floats,
    top: Floats,
    minimum: Floats,
    reserve: Floats,
    charge_kw: Floats,
    discharge_kw: Floats,
    charge_efficiency: Floats,
    discharge_efficiency: Floats,
    wear: Floats,
    end_value: Floats,
    plugged: Bytes,
    targets: Floats,
    trip: Floats,
    row: Ints,
    rank: Floats | None = None,
) -> Batch:
    """Build a batch from arrays [N], [N, T] and, for the SoC (kWh) wanted at each boundary, `targets` [N, T+1].

    Every need out of reach is cut to what the car can reach, so that each problem of the batch has a plan. `row` [N]
    picks the prices of each car, `rank` [N, T] orders charging among slots of equal price, by default the earlier.
    """
    count, slots = plugged.shape
    may_climb = (discharge_kw > 0.0) & (reserve > minimum) & ((start < reserve - NEAR_KWH) | trip.any(axis=1))
    floor = np.where((discharge_kw > 0.0) & ~may_climb, reserve, minimum)
    up = charge_efficiency * charge_kw * slot_hours
    down = discharge_kw * slot_hours / discharge_efficiency
    lower, upper = np.empty((count, slots + 1)), np.empty((count, slots + 1))
    drive, is_cut = np.empty((count, slots)), np.empty(count, dtype=np.uint8)
    has_other_floor = floor != reserve
    if has_other_floor.any():  # whether a bound was cut is asked of the reserve, whatever floor the plan keeps
        some = np.flatnonzero(has_other_floor)
        cut = np.empty(len(some), dtype=np.uint8)
        room = np.empty((2, len(some), slots + 1))
        need = _need(targets[some], reserve[some], plugged[some])
        ways = (start[some], top[some], up[some], down[some], plugged[some], need, trip[some])
        soften_range(*ways, room[0], room[1], np.empty((len(some), slots)), cut)
    need = _need(targets, floor, plugged)
    soften_range(start, top, up, down, plugged, need, trip, lower, upper, drive, is_cut)
    if has_other_floor.any():
        is_cut[some] = cut
    return Batch(
        slot_hours=slot_hours,
        start=start,
        charge_kw=charge_kw,
        discharge_kw=discharge_kw,
        charge_efficiency=charge_efficiency,
        discharge_efficiency=discharge_efficiency,
        wear=wear,
        end_value=end_value,
        plugged=plugged,
        lower=lower,
        upper=upper,
        drive=drive,
        is_cut=is_cut,
        row=row,
        rank=rank,
        climbers=_climbers(may_climb, *(kwh[may_climb] for kwh in (top, minimum, reserve, targets, trip))),
    )


def _need(targets: Floats, floor: Floats, plugged: Bytes) -> Floats:
    need = targets.copy()
    np.maximum(need[:, 1:], floor[:, None] * plugged, out=need[:, 1:])
    return need


def _climbers(may_climb: NDArray[np.bool_], *arrays: Floats) -> Climbers:
    place = np.where(may_climb, np.cumsum(may_climb) - 1, -1) if may_climb.any() else np.empty(0, dtype=np.int64)
    return Climbers(place.astype(np.int64), *arrays)


def solve(
    batch: Batch,
    buy: Floats,
    sell: Floats,
    *,
    adder: Floats | None = None,
    kind: Ints | None = None,
    which: Ints | None = None,
    watch: Ints | None = None,
    threads: int = 1,
    stride: int = 1,
    want_soc: bool = True,
) -> Plans:
    """Plan every car of the batch, exactly.

    Args:
        batch: the cars.
        buy: [G, T] currency per AC kWh drawn, one row for each value in `batch.row`.
        sell: [G, T] currency per AC kWh delivered, before wear.
        adder: [C, T] added to both prices of the cars of each kind; the cost counts it.
        kind: [N] which row of `adder` each car pays, by default the first.
        which: the cars to plan, in the order of the result; by default all.
        watch: the slots of which power is wanted; by default all.
        threads: how many cores to use; the kernel releases the GIL.
        stride: how coarsely to look for the slot from which a car below its reserve may discharge, 1 = every slot.
        want_soc: return the SoC at slot boundaries too.
    """
    slots = batch.slots
    if which is None:
        which = np.arange(len(batch))
    count = len(which)
    soc = np.empty((count if want_soc else 0, slots + 1))
    watched = np.empty(0, dtype=np.int64) if watch is None else watch
    plans = Plans(np.empty(count), np.empty(count), np.empty((count, len(watched) or slots)), soc)
    climbers, none = batch.climbers, np.empty((0, slots))
    arguments: tuple[Any, ...] = (
        which,
        (
            batch.slot_hours, batch.start, batch.charge_kw, batch.discharge_kw, batch.charge_efficiency,
            batch.discharge_efficiency, batch.wear, batch.end_value, batch.plugged, batch.lower, batch.upper,
            batch.drive,
        ),
        (
            batch.row, _rows(buy), _rows(sell), none if batch.rank is None else batch.rank,
            np.zeros(len(batch), dtype=np.int64) if kind is None else kind,
            np.zeros((1, slots)) if adder is None else _rows(adder),
        ),
        (
            climbers.place, climbers.top, climbers.minimum, climbers.reserve, climbers.targets, climbers.trip, stride,
        ),
        (np.empty((0, slots + 1)) if batch.penalty is None else batch.penalty, batch.hedge_to),
        (plans.cost, plans.bound, plans.power, soc, watched),
    )  # fmt: skip
    chunks = min(4 * threads, count // MIN_CARS_PER_THREAD) if threads > 1 else 1
    if chunks <= 1:
        plan_range(0, count, *arguments)
    else:
        edges = [count * k // chunks for k in range(chunks + 1)]
        with ThreadPoolExecutor(threads) as pool:
            for done in [pool.submit(plan_range, a, b, *arguments) for a, b in pairwise(edges)]:
                done.result()
    return plans


def _rows(prices: Floats) -> Floats:
    return np.ascontiguousarray(np.atleast_2d(prices), dtype=np.float64)
