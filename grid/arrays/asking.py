"""From nights to the planner's arrays: cars, targets, and what is asked beside the least cost; no Django."""

from collections.abc import Sequence
from dataclasses import dataclass
from operator import attrgetter
from typing import Any

import numpy as np
from numpy.typing import NDArray

from grid.arrays.fearing import fear_all, prior_of
from grid.arrays.presence import lay_out_all
from grid.arrays.problems import Night, Terms
from grid.arrays.slots import SLOT, SLOT_MINUTES
from grid.arrays.targeting import Wanted, padded, want
from grid.planner.batch import Batch, pack_arrays
from grid.planner.careful import Care
from grid.planner.compiled import compiled
from grid.planner.problem import Floats
from grid.planner.ties import BLOCK, rank_in_blocks, spread_phase

Ints = NDArray[np.int64]

HOURS = SLOT_MINUTES / 60
ANY_NUMBER = 2**31  # of switches
NUMBERS = (
    "capacity_wh", "soc_percent", "power_w", "discharge_w", "charge_efficiency", "discharge_efficiency",
    "wear_per_kwh", "minimum_percent", "reserve_percent", "max_percent", "target_percent", "charge_w",
    "stay_soc_percent", "limit_percent",
)  # fmt: skip
_numbers_of = attrgetter(*NUMBERS)
_absences_of = attrgetter("returns", "away", "trip_total_kwh")
_care_of = attrgetter("shortfall_price", "switches", "least_kw", "is_spread")


@dataclass(slots=True)
class Cautious:
    """What N nights ask beside the least cost, and what a stored plan tells of it.

    `numbers` [N, 4] are the price of a kWh missing, the switches, the least power, and whether slots of one price go in
    the car's own order, of which `phase` [N] is the hour. `early` holds the minutes of all nights' departures one after
    the other, car i's at [edges[i], edges[i + 1]); `priors` [P, T+2] what `prior_of` tells of other owners, `prior` [N]
    each car's. `is_asked` [N]: anything is.
    """

    is_asked: NDArray[np.bool_]
    numbers: Floats
    phase: Ints
    early: Floats
    edges: Ints
    usual: list[tuple[int, ...]]
    priors: Floats
    prior: Ints


@dataclass(slots=True)
class Asked:
    """N problems of equal T, packed: `scalars` [N, 13] as `packing.SCALARS` names them, energies in kWh.

    `targets` [N, T+1] are the wanted kWh (0 = none) whatever the car's own limit; `departure` [N] is the slot of the
    departure that the hedge looks to, 0 = none; `stays` and `left_alone` [N, 5] are what `worth.write_baselines` takes.
    """

    nights: Sequence[Night]
    terms: Sequence[Terms]
    batch: Batch
    care: Care
    cautious: Cautious
    scalars: Floats
    capacity: Floats
    minimum: Floats
    top: Floats
    carbon_price: Floats
    plugged: Floats
    trip: Floats
    targets: Floats
    wanted: Wanted
    departure: Ints
    stays: tuple[Floats, Ints]
    left_alone: Floats


def pack_tries(tries: Sequence[tuple[Night, Terms]], row: Ints) -> Asked:
    """Pack problems of equal T; `row` [N] picks each one's prices.

    Raises:
        ValueError: where a car charges with nothing, so that nothing is ever reached.
    """
    nights, terms = [night for night, _ in tries], [terms for _, terms in tries]
    numbers = np.array([_numbers_of(night) for night in nights], dtype=np.float64)
    column = dict(zip(NUMBERS, numbers.T, strict=True))
    if not (column["charge_w"] > 0.0).all():
        raise ValueError("A car that charges with nothing cannot be planned.")
    plugged, trip, stays = _laid_out(nights)
    at_target = np.ascontiguousarray(numbers[:, [0, 1, 2, 4, 10]])
    wanted = want(nights, at_target, plugged, stays)
    cautious = _cautious(nights)
    capacity = column["capacity_wh"] / 1000
    scalars = _scalars(column, capacity, terms)
    targets = np.zeros((len(nights), plugged.shape[1] + 1))
    write_wanted(capacity, wanted.slot, wanted.percent, wanted.count, targets)
    start, minimum, reserve, top = (column[key] / 100.0 * capacity for key in LEVELS)
    departure = np.where(cautious.numbers[:, 0] > 0.0, wanted.departure, 0)
    batch = pack_arrays(
        slot_hours=np.full(len(nights), HOURS),
        start=start,
        top=top,
        minimum=minimum,
        reserve=reserve,
        charge_kw=column["power_w"] / 1000,
        discharge_kw=column["discharge_w"] / 1000,
        charge_efficiency=column["charge_efficiency"].copy(),
        discharge_efficiency=column["discharge_efficiency"].copy(),
        wear=column["wear_per_kwh"].copy(),
        end_value=scalars[:, -1].copy(),
        plugged=plugged.astype(np.uint8),
        targets=np.minimum(targets, top[:, None]),
        trip=trip,
        row=row,
        rank=_ranks(nights, cautious),
    )
    return Asked(
        nights=nights,
        terms=terms,
        batch=batch,
        care=_care(cautious, departure, column, (plugged, trip, top, start)),
        cautious=cautious,
        scalars=scalars,
        capacity=capacity,
        minimum=minimum,
        top=top,
        carbon_price=scalars[:, 1],
        plugged=plugged,
        trip=trip,
        targets=targets,
        wanted=wanted,
        departure=departure,
        stays=stays,
        left_alone=_left_alone(nights, column),
    )


LEVELS = ("soc_percent", "minimum_percent", "reserve_percent", "max_percent")


def _laid_out(nights: Sequence[Night]) -> tuple[Floats, Floats, tuple[Floats, Ints]]:
    times = np.array([_absences_of(night.presence) for night in nights], dtype=np.float64)
    leaves, used = padded([night.presence.leaves for night in nights])
    counts = np.stack([used, used], axis=1)
    count, slots = len(nights), nights[0].slots.count
    plugged, trip = np.zeros((count, slots)), np.zeros((count, slots))
    stays = np.zeros((count, leaves.shape[1] + 1, 2))
    lay_out_all(times, leaves, counts, (plugged, trip, stays))
    return plugged, trip, (stays, counts[:, 1].copy())


def _scalars(column: dict[str, Floats], capacity: Floats, terms: Sequence[Terms]) -> Floats:
    prices = np.array([(one.carbon_price, one.terminal_value_per_kwh) for one in terms], dtype=np.float64)
    told = [column[key] for key in NUMBERS[4:10]]
    return np.column_stack(
        [
            np.full(len(terms), float(SLOT_MINUTES)), prices[:, 0], capacity, column["soc_percent"],
            column["power_w"] / 1000, column["discharge_w"] / 1000, *told, prices[:, 1],
        ]
    )  # fmt: skip


def _left_alone(nights: Sequence[Night], column: dict[str, Floats]) -> Floats:
    """Return what `worth.baseline_terms` tells of each night after its stays, [N, 5]."""
    began = [
        np.nan if night.stay_began_at is None else (night.stay_began_at - night.slots.starts_at) / SLOT
        for night in nights
    ]
    charge_w = column["charge_w"]
    per_percent = column["capacity_wh"] / 100 / column["charge_efficiency"] / charge_w / HOURS
    return np.column_stack([began, column["stay_soc_percent"], column["limit_percent"], per_percent, charge_w / 1000])


def _cautious(nights: Sequence[Night]) -> Cautious:
    lengths = [len(night.care.minutes_early) for night in nights]
    places: dict[tuple[int, ...], int] = {}
    prior = [places.setdefault(night.care.usual_early, len(places)) for night in nights]
    return Cautious(
        is_asked=np.array([night.has_care for night in nights]),
        numbers=np.array([_care_of(night.care) for night in nights], dtype=np.float64),
        phase=np.array([spread_phase(night.name) for night in nights], dtype=np.int64),
        early=np.array([minutes for night in nights for minutes in night.care.minutes_early], dtype=np.float64),
        edges=np.concatenate(([0], np.cumsum(lengths))).astype(np.int64),
        usual=list(places),
        priors=np.stack([prior_of(usual, nights[0].slots.count) for usual in places]),
        prior=np.array(prior, dtype=np.int64),
    )


def _ranks(nights: Sequence[Night], cautious: Cautious) -> Floats | None:
    if not cautious.is_asked.any():
        return None
    ranks = np.empty((len(nights), nights[0].slots.count))
    ranks[:] = np.arange(ranks.shape[1])
    rank_all(cautious.numbers[:, 3] != 0.0, cautious.phase, first_in_block(nights), ranks)
    return ranks


def first_in_block(nights: Sequence[Night]) -> Ints:
    """Return where each night's first slot lies in the half days that `rank_in_blocks` counts."""
    return np.array([night.slots.number % BLOCK for night in nights], dtype=np.int64)


@compiled
def rank_all(is_spread: Any, phase: Ints, first: Ints, out: Floats) -> None:
    """Order the slots of each car that takes them in its own order."""
    for i in range(out.shape[0]):
        if is_spread[i]:
            rank_in_blocks(phase[i], first[i], out[i])


def _care(
    cautious: Cautious, departure: Ints, column: dict[str, Floats], known: tuple[Floats, Floats, Floats, Floats]
) -> Care:
    plugged, trip, top, start = known
    price, switches, least_kw, _ = cautious.numbers.T
    penalty = np.zeros((len(top), trip.shape[1] + 1))
    priors = (cautious.priors, cautious.prior)
    fear_all(plugged, departure, (cautious.early, cautious.edges), priors, price, penalty)
    target = column["target_percent"] / 100.0 * (column["capacity_wh"] / 1000)
    return Care(
        penalty=penalty,
        hedge_to=np.minimum(target, top),
        switches=np.where(switches > 0.0, switches, ANY_NUMBER).astype(np.int64),
        least_kw=least_kw.copy(),
        top=np.maximum(top, start),
        trip=trip,
    )


@compiled
def write_wanted(capacity: Floats, slot: Ints, percent: Floats, count: Ints, out: Floats) -> None:
    """Write the kWh wanted at each boundary [N, T+1], the most where several targets meet."""
    for i in range(out.shape[0]):
        for k in range(count[i]):
            out[i, slot[i, k]] = max(out[i, slot[i, k]], percent[i, k] / 100.0 * capacity[i])
