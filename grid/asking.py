"""From nights to the planner's arrays: cars, targets, and what is asked beside the least cost; no Django."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from grid.packing import SCALARS
from grid.planner.batch import Batch, pack_arrays
from grid.planner.careful import Care
from grid.planner.compiled import compiled
from grid.planner.hedge import PRIOR_DEPARTURES, PRIOR_EARLY, PRIOR_MINUTES, SPREAD_MINUTES
from grid.planner.problem import Floats
from grid.planner.ties import BLOCK, rank_in_blocks, spread_phase
from grid.problems import Night, Terms, targets_of
from grid.slots import SLOT_MINUTES

HOURS = SLOT_MINUTES / 60
ANY_NUMBER = 2**31  # of switches


@dataclass(slots=True)
class Asked:
    """N problems of equal T, packed: `scalars` [N, 13] as `packing.SCALARS` names them, energies in kWh.

    `wanted` are each problem's targets (slot, percent), `targets` [N, T+1] the same in kWh (0 = none) whatever the
    car's own limit; `departure` [N] the slot of the departure that the hedge looks to, 0 = none.
    """

    nights: Sequence[Night]
    terms: Sequence[Terms]
    batch: Batch
    care: Care
    scalars: Floats
    capacity: Floats
    minimum: Floats
    top: Floats
    carbon_price: Floats
    trip: Floats
    targets: Floats
    wanted: list[list[tuple[int, float]]]
    departure: list[int]


def pack_tries(tries: Sequence[tuple[Night, Terms]], row: NDArray[np.int64]) -> Asked:
    """Pack problems of equal T; `row` [N] picks each one's prices."""
    nights, terms = [night for night, _ in tries], [terms for _, terms in tries]
    scalars = np.array([_scalars(night, of_night) for night, of_night in tries], dtype=np.float64)
    column = dict(zip(SCALARS, scalars.T, strict=True))
    capacity = column["capacity_kwh"]
    count, slots = len(tries), nights[0].slots.count
    wanted = [targets_of(night) for night in nights]
    targets = np.zeros((count, slots + 1))
    for i, several in enumerate(wanted):
        for slot, percent in several:
            targets[i, slot] = max(targets[i, slot], percent / 100.0 * capacity[i])
    top = column["max_percent"] / 100.0 * capacity
    trip = np.stack([night.presence.trip_kwh for night in nights])
    batch = pack_arrays(
        slot_hours=np.full(count, HOURS),
        start=column["soc_percent"] / 100.0 * capacity,
        top=top,
        minimum=column["minimum_percent"] / 100.0 * capacity,
        reserve=column["reserve_percent"] / 100.0 * capacity,
        charge_kw=column["max_charge_kw"].copy(),
        discharge_kw=column["max_discharge_kw"].copy(),
        charge_efficiency=column["charge_efficiency"].copy(),
        discharge_efficiency=column["discharge_efficiency"].copy(),
        wear=column["wear_per_kwh"].copy(),
        end_value=column["terminal_value_per_kwh"].copy(),
        plugged=np.stack([night.presence.plugged for night in nights]).astype(np.uint8),
        targets=np.minimum(targets, top[:, None]),
        trip=trip,
        row=row,
        rank=_ranks(nights),
    )
    departure = [_departure(night) for night in nights]
    return Asked(
        nights=nights,
        terms=terms,
        batch=batch,
        care=_care(nights, departure, column, top, trip),
        scalars=scalars,
        capacity=capacity,
        minimum=column["minimum_percent"] / 100.0 * capacity,
        top=top,
        carbon_price=column["carbon_price"],
        trip=trip,
        targets=targets,
        wanted=wanted,
        departure=departure,
    )


def _scalars(night: Night, terms: Terms) -> tuple[float, ...]:
    return (
        SLOT_MINUTES, terms.carbon_price, night.capacity_wh / 1000, night.soc_percent, night.power_w / 1000,
        night.discharge_w / 1000, night.charge_efficiency, night.discharge_efficiency, night.wear_per_kwh,
        night.minimum_percent, night.reserve_percent, night.max_percent, terms.terminal_value_per_kwh,
    )  # fmt: skip


def care_of(night: Night, departure_slot: int) -> Mapping[str, Any]:
    """Return what the night asks beside the least cost, as a stored plan tells it."""
    care = night.care
    return {
        "shortfall_price": care.shortfall_price,
        "departure_slot": departure_slot,
        "minutes_early": list(care.minutes_early),
        "switches": care.switches,
        "least_kw": care.least_kw,
        "rank": list(_rank(night)) if care.is_spread else None,
    }


def _rank(night: Night) -> tuple[int, int]:
    return spread_phase(night.name), night.slots.number % BLOCK


def _ranks(nights: Sequence[Night]) -> Floats | None:
    if not any(night.has_care for night in nights):
        return None
    ranks = np.empty((len(nights), nights[0].slots.count))
    ranks[:] = np.arange(ranks.shape[1])
    for i, night in enumerate(nights):
        if night.care.is_spread:
            rank_in_blocks(*_rank(night), ranks[i])
    return ranks


def _departure(night: Night) -> int:
    if night.care.shortfall_price <= 0.0:
        return 0
    return next(iter(night.departure_slots), 0)


def _care(
    nights: Sequence[Night], departure: Sequence[int], column: Mapping[str, Floats], top: Floats, trip: Floats
) -> Care:
    penalty = np.zeros((len(nights), trip.shape[1] + 1))
    for i, night in enumerate(nights):
        if departure[i]:
            early = np.array(night.care.minutes_early, dtype=np.float64)
            fear_early(night.presence.plugged, departure[i], early, night.care.shortfall_price, penalty[i])
    target = np.array([night.target_percent for night in nights]) / 100.0 * column["capacity_kwh"]
    return Care(
        penalty=penalty,
        hedge_to=np.minimum(target, top),
        switches=np.array([night.care.switches or ANY_NUMBER for night in nights], dtype=np.int64),
        least_kw=np.array([night.care.least_kw for night in nights]),
        top=np.maximum(top, column["soc_percent"] / 100.0 * column["capacity_kwh"]),
        trip=trip,
    )


@compiled
def fear_early(plugged: Floats, departure: int, minutes_early: Floats, price: float, out: Floats) -> None:
    """Write the price of each kWh missing at each boundary [T+1] of the stay that ends with slot `departure`.

    It is `price` times the chance of leaving then: `hedge.departure_chances` for one car after the other, compiled.
    """
    begin = departure
    while begin > 0 and plugged[begin - 1] != 0.0:
        begin -= 1
    slots = departure - begin
    if slots <= 0:
        return
    before = np.empty(slots + 1)
    for edge in range(slots + 1):
        before[edge] = PRIOR_DEPARTURES * PRIOR_EARLY * -np.exp(-edge * SLOT_MINUTES / PRIOR_MINUTES)
    here = PRIOR_DEPARTURES * (1.0 - PRIOR_EARLY)
    for minutes in minutes_early:
        if minutes <= 0.0:
            here += 1.0
            continue
        for edge in range(slots + 1):
            away = min(1.0, max(-1.0, (edge * SLOT_MINUTES - minutes) / SPREAD_MINUTES))
            share = 0.5 * (1.0 + away) ** 2 if away < 0.0 else 1.0 - 0.5 * (1.0 - away) ** 2
            before[edge] += share
            if edge == 0:
                here += share
    here += before[slots] - before[0]
    for early in range(1, slots):
        out[departure - early] = price * (before[early] - before[early - 1]) / max(here, 1e-9)
