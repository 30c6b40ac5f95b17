"""Many cars at once as packed arrays: the oracle of the fleet, and how plans are made in bulk."""

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from grid.planner.kernel_batch import plan_range, soften_range
from grid.planner.problem import Bytes, Floats, Problem

MIN_CARS_PER_THREAD = 64  # below that a thread costs more than it saves


@dataclass(slots=True)
class Batch:
    """N cars over T equal slots; energies in kWh, powers in kW at the AC side.

    `lower`, `upper` [N, T+1] and `drive` [N, T] are the reachable bounds and trips that `soften` leaves; `is_cut` [N]
    says where a bound had to give. `row` [N] picks each car's prices out of the [G, T] arrays given to `solve`.
    """

    slot_hours: Floats
    start: Floats
    top: Floats
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
    row: NDArray[np.int64]
    rank: Floats | None = None

    def __len__(self) -> int:
        return len(self.start)

    @property
    def slots(self) -> int:
        """Number of slots T."""
        return self.plugged.shape[1]

    @property
    def charge_step(self) -> Floats:
        """The most a slot adds to each battery, kWh."""
        return self.charge_efficiency * self.charge_kw * self.slot_hours

    @property
    def discharge_step(self) -> Floats:
        """The most a slot takes from each battery, kWh."""
        return self.discharge_kw * self.slot_hours / self.discharge_efficiency


@dataclass(slots=True)
class Plans:
    """What `solve` returns: cost and its proved lower bound [N], net AC power [N, T], SoC in kWh [N, T+1]."""

    cost: Floats
    bound: Floats
    power: NDArray[np.float64]
    soc: Floats | None


def pack(
    problems: Sequence[Problem],
    *,
    floors: Floats | None = None,
    discharge_kw: Floats | None = None,
) -> Batch:
    """Pack problems of equal T. `floors` [N] kWh replaces each car's reserve as the floor where it is plugged in."""
    count, slots = len(problems), problems[0].slots

    def column(name: str) -> Floats:
        return np.array([getattr(problem, name) for problem in problems], dtype=np.float64)

    plugged = np.stack([problem.plugged for problem in problems])
    trip = np.stack([problem.trip_kwh for problem in problems])
    floor = column("reserve_kwh") if floors is None else floors
    top = column("max_kwh")
    need = np.zeros((count, slots + 1))
    need[:, 1:] = floor[:, None] * plugged
    for i, problem in enumerate(problems):
        for slot, wanted in problem.targets:
            if slot:
                need[i, slot] = max(need[i, slot], min(wanted, top[i]))
    ranks = None
    if any(problem.tie_rank is not None for problem in problems):
        none = np.arange(slots, dtype=np.float64)
        ranks = np.stack([none if p.tie_rank is None else _dense(p.tie_rank) for p in problems])
    return soft_batch(
        slot_hours=column("slot_hours"),
        start=column("start_kwh"),
        top=top,
        charge_kw=column("max_charge_kw"),
        discharge_kw=column("max_discharge_kw") if discharge_kw is None else discharge_kw,
        charge_efficiency=column("charge_efficiency"),
        discharge_efficiency=column("discharge_efficiency"),
        wear=column("wear_per_kwh"),
        end_value=column("terminal_value_per_kwh"),
        plugged=plugged,
        need=need,
        trip=trip,
        row=np.arange(count),
        rank=ranks,
    )


def _dense(rank: Floats) -> Floats:
    return np.unique(rank, return_inverse=True)[1].astype(np.float64)


def soft_batch(
    *,
    slot_hours: Floats,
    start: Floats,
    top: Floats,
    charge_kw: Floats,
    discharge_kw: Floats,
    charge_efficiency: Floats,
    discharge_efficiency: Floats,
    wear: Floats,
    end_value: Floats,
    plugged: Bytes,
    need: Floats,
    trip: Floats,
    row: NDArray[np.int64],
    rank: Floats | None = None,
) -> Batch:
    """Build a batch from arrays: `need` [N, T+1] is the SoC (kWh) wanted at each boundary, `trip` [N, T] the driving.

    Every need out of reach is cut to what the car can reach, so that each problem of the batch has a plan.
    """
    count, slots = plugged.shape
    lower, upper = np.empty((count, slots + 1)), np.empty((count, slots + 1))
    drive = np.empty((count, slots))
    is_cut = np.empty(count, dtype=np.uint8)
    up = charge_efficiency * charge_kw * slot_hours
    down = discharge_kw * slot_hours / discharge_efficiency
    soften_range(start, top, up, down, plugged, need, trip, lower, upper, drive, is_cut)
    return Batch(
        slot_hours=slot_hours,
        start=start,
        top=top,
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
    )


def solve(
    batch: Batch,
    buy: Floats,
    sell: Floats,
    *,
    threads: int = 1,
    want_soc: bool = True,
    power: NDArray[np.float64] | None = None,
) -> Plans:
    """Plan every car of the batch, exactly.

    Args:
        batch: the cars.
        buy: [G, T] currency per AC kWh drawn, one row for each value in `batch.row`.
        sell: [G, T] currency per AC kWh delivered, before wear.
        threads: how many cores to use; the kernel releases the GIL.
        want_soc: return the SoC at slot boundaries too.
        power: an array to write net power into, where the caller keeps one.
    """
    count, slots = batch.plugged.shape
    soc = np.empty((count, slots + 1)) if want_soc else np.empty((0, slots + 1))
    plans = Plans(np.empty(count), np.empty(count), np.empty((count, slots)) if power is None else power, soc)
    rank = np.empty((0, slots)) if batch.rank is None else batch.rank
    arrays = (
        batch.slot_hours,
        batch.start,
        batch.charge_kw,
        batch.discharge_kw,
        batch.charge_efficiency,
        batch.discharge_efficiency,
        batch.wear,
        batch.end_value,
        batch.plugged,
        batch.lower,
        batch.upper,
        batch.drive,
        batch.row,
        np.ascontiguousarray(np.atleast_2d(buy), dtype=np.float64),
        np.ascontiguousarray(np.atleast_2d(sell), dtype=np.float64),
        rank,
        plans.cost,
        plans.bound,
        plans.power,
        soc,
    )
    chunks = min(4 * threads, count // MIN_CARS_PER_THREAD) if threads > 1 else 1
    if chunks <= 1:
        plan_range(0, count, *arrays)
    else:
        edges = [count * k // chunks for k in range(chunks + 1)]
        with ThreadPoolExecutor(threads) as pool:
            for done in [pool.submit(plan_range, a, b, *arrays) for a, b in pairwise(edges)]:
                done.result()
    if not want_soc:
        plans.soc = None
    return plans
