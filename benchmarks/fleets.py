"""Fleets for the benchmarks, made as arrays: a hundred thousand cars, one tariff, one event."""

import time

import numpy as np
from numpy.typing import NDArray

from benchmarks.instances import CAPACITIES, prices
from grid.planner.batch import Batch, pack_arrays, solve
from grid.planner.fleet_limits import Coupling
from grid.planner.fleet_lp import solve_jointly
from grid.planner.fleet_solve import ceiling_of

Floats = NDArray[np.float64]

SLOTS, HOURS = 96, 0.25
EVENT_SLOTS = 12


def home_fleet(count: int, *, v2g_share: float, seed: int = 3) -> tuple[Batch, Floats, Floats]:
    """Cars at home from 16:00 with a commute the next day, on one tariff; returns batch, buy and sell [1, T]."""
    rng = np.random.default_rng([seed, count])
    capacity = rng.choice(CAPACITIES, count) * rng.uniform(0.9, 1.0, count)
    charge = rng.choice([3.7, 7.4, 11.0, 22.0], count, p=[0.1, 0.45, 0.4, 0.05])
    discharge = np.minimum(charge, rng.choice([5.0, 7.4, 10.0, 11.0], count)) * (rng.random(count) < v2g_share)
    reserve = capacity * rng.choice([0.1, 0.15, 0.2, 0.3], count)
    top = capacity * rng.choice([0.8, 0.9, 1.0], count)
    leaves = np.clip(np.round((rng.normal(31.3, 1.0, count) - 16.0) / HOURS).astype(int), 1, SLOTS)
    returns = np.clip(leaves + np.round(np.abs(rng.normal(9.0, 2.0, count)) / HOURS).astype(int), 1, SLOTS)
    stays_home = rng.random(count) < 0.12
    slot = np.arange(SLOTS)
    away = (slot >= leaves[:, None]) & (slot < returns[:, None]) & ~stays_home[:, None]
    late = np.where(rng.random(count) < 0.25, rng.integers(1, 16, count), 0)
    plugged = (~away & (slot >= late[:, None])).astype(np.uint8)
    drives = np.clip(rng.gamma(3.0, 18.0, count), 5.0, 260.0) * 0.18
    drives = np.where(stays_home | (leaves >= SLOTS), 0.0, np.minimum(drives, capacity * 0.8))
    trip = np.zeros((count, SLOTS))
    trip[np.arange(count), np.minimum(leaves, SLOTS - 1)] = drives
    targets = np.zeros((count, SLOTS + 1))
    wanted = np.maximum(reserve + drives, capacity * rng.choice([0.5, 0.7, 0.8, 0.9], count))
    targets[np.arange(count), leaves] = np.where(drives > 0.0, np.minimum(wanted, top), 0.0)
    targets[:, SLOTS] = np.maximum(targets[:, SLOTS], np.minimum(top, capacity * 0.5))
    batch = pack_arrays(
        slot_hours=np.full(count, HOURS), start=capacity * rng.uniform(0.12, 0.85, count), top=top, minimum=reserve,
        reserve=reserve, charge_kw=charge, discharge_kw=discharge, charge_efficiency=rng.uniform(0.88, 0.96, count),
        discharge_efficiency=rng.uniform(0.88, 0.96, count), wear=rng.uniform(0.02, 0.06, count),
        end_value=np.zeros(count), plugged=plugged, targets=targets, trip=trip,
        row=np.zeros(count, dtype=np.int64),
    )  # fmt: skip
    buy, sell, carbon = (np.array(series) for series in prices(np.random.default_rng(5), SLOTS, 15.0, hourly=True))
    return batch, (buy + 0.08 * carbon)[None], (sell + 0.08 * carbon)[None]


def event_fleet(count: int, *, v2g_share: float, hour: float, part: float) -> tuple[Batch, Floats, Floats, Coupling]:
    """A fleet and an event of three hours from `hour` that asks for `part` of the most the fleet could shed."""
    batch, buy, sell = home_fleet(count, v2g_share=v2g_share)
    watch = int((hour - 16.0) / HOURS) + np.arange(EVENT_SLOTS)
    free = solve(batch, buy, sell, watch=watch, want_soc=False).power.sum(axis=0)
    adder = np.zeros((1, SLOTS))
    adder[0, watch] = 5.0
    least = solve(batch, buy, sell, adder=adder, watch=watch, want_soc=False).power.sum(axis=0)
    coupling = Coupling(
        slot_hours=HOURS, watch=watch, kind=np.zeros(count, dtype=np.int64),
        covers=np.ones((EVENT_SLOTS, 1), dtype=bool), place=np.arange(EVENT_SLOTS), sign=np.ones(EVENT_SLOTS),
        limit=free - part * (free - least),
    )  # fmt: skip
    return batch, buy, sell, coupling


def joint_programme_seconds(batch: Batch, buy: Floats, sell: Floats, coupling: Coupling) -> tuple[float, float]:
    """CPU seconds HiGHS takes for the joint programme of all cars, and its optimum."""
    begun = time.process_time()
    joint = solve_jointly(batch, buy, sell, coupling, ceiling=ceiling_of(batch, buy, sell), weight=np.ones(len(batch)))
    return time.process_time() - begun, joint.bound
