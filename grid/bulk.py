"""Many nights planned at once: packed arrays in, packed plans out; no Django and no dictionary a car on the way.

Cars whose plans have the same number of slots are one batch; cars of one tariff share their prices. A night whose
events pay is planned twice, with and without the rewards (see `worth.pick`), and the better plan is kept.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np

from grid.asking import Asked, care_of, pack_tries
from grid.describing import AT_ONCE, CARBON, CASH, SHORTFALL, describe
from grid.packing import assemble, pack_care, pack_series
from grid.packing_rows import pack_rows
from grid.planner.careful import Careful, solve_carefully
from grid.planner.problem import Floats
from grid.presence import presence
from grid.problems import Night, NightCare, Terms, terms_of
from grid.slots import EPOCH, SLOT, Slots
from grid.worth import baseline_terms, expected_reward, pick, write_baseline

Prices = tuple[Floats, Floats, Floats, Floats, Floats]


@dataclass(frozen=True, slots=True)
class Made:
    """One night's plan: packed (`packing.assemble`), and what is told beside it."""

    packed: bytes
    with_rewards: bool
    expected_reward: tuple[float, ...]
    added_cost: tuple[float, float] = (0.0, 0.0)


@dataclass(slots=True)
class _Group:
    """The problems of equal T and what came of them; power in millionths of kW, SoC in millionths of percent."""

    asked: Asked
    power: Floats
    soc_percent: Floats
    careful: Careful
    rows: "_Rows"

    def solution(self, i: int) -> dict[str, Any]:
        """Return what `worth` weighs of the `i`-th plan."""
        return {"power_kw": self.power[i], "soc_percent": self.soc_percent[i]}


@dataclass(slots=True)
class _Rows:
    """Series of a group, packed."""

    power: list[bytes]
    soc: list[bytes]
    reasons: list[bytes]
    plugged: list[bytes]
    trip: list[bytes]
    baseline: list[bytes]
    numbers: list[bytes]


def plan_nights(nights: Sequence[Night], *, threads: int = 1) -> list[Made]:
    """Return each night's plan, in order."""
    by_slots: dict[int, list[tuple[Night, Terms]]] = {}
    places: list[list[tuple[int, int]]] = []
    for night in nights:
        group = by_slots.setdefault(night.slots.count, [])
        places.append([])
        for terms in _terms(night):
            places[-1].append((night.slots.count, len(group)))
            group.append((night, terms))
    groups = {slots: _solve(tries, threads) for slots, tries in by_slots.items()}
    shared: dict[int, tuple[Floats, bytes]] = {}
    return [
        _made(night, [(groups[slots], i) for slots, i in several], shared)
        for night, several in zip(nights, places, strict=True)
    ]


def _terms(night: Night) -> Iterable[Terms]:
    terms = terms_of(night, with_asks=True)
    yield terms
    if night.asks and terms.adder.any():
        yield terms_of(night, with_asks=False)


def _solve(tries: Sequence[tuple[Night, Terms]], threads: int) -> _Group:
    row, prices = _price_rows([terms for _, terms in tries])
    imports, exports, adder, carbon, carbon_price = prices
    extra = carbon_price[:, None] * carbon + adder
    asked = pack_tries(tries, row)
    batch = asked.batch
    careful = solve_carefully(batch, imports + extra, exports + extra, asked.care, threads=threads)
    plans = careful.plans
    np.clip(plans.power, -batch.discharge_kw[:, None], batch.charge_kw[:, None], out=plans.power)
    outcomes, reasons = _described(asked, careful, (imports, exports, adder, imports + extra, carbon))
    power = np.asarray(np.round(plans.power, 6), dtype=np.float64)
    percent = np.clip(plans.soc / asked.capacity[:, None] * 100.0, 0.0, 100.0)
    soc = np.asarray(np.round(percent, 6), dtype=np.float64)
    rows = _packed(asked, _numbers(asked, careful, outcomes), power, soc, reasons)
    return _Group(asked=asked, power=power, soc_percent=soc, careful=careful, rows=rows)


def _numbers(asked: Asked, careful: Careful, outcomes: Floats) -> Floats:
    """Return what `packing.assemble` keeps of each plan as doubles: SCALARS and OUTCOMES, [N, 19]."""
    plans = careful.plans
    told = [plans.cost, np.minimum(plans.bound, plans.cost)]
    told += [outcomes[:, key] for key in (CASH, CARBON, AT_ONCE, SHORTFALL)]
    return np.column_stack([asked.scalars, *told]).astype("<f8")


def _packed(asked: Asked, numbers: Floats, power: Floats, soc: Floats, reasons: Any) -> _Rows:
    baseline = np.zeros_like(power)
    for i, night in enumerate(asked.nights):
        write_baseline(*baseline_terms(night), soc[i], baseline[i])
    return _Rows(
        power=pack_rows(power),
        soc=pack_rows(soc),
        reasons=pack_rows(reasons),
        plugged=pack_rows(asked.batch.plugged.astype(np.float64)),
        trip=pack_rows(asked.trip),
        baseline=pack_rows(np.round(baseline, 4)),
        numbers=[line.tobytes() for line in numbers],
    )


def _price_rows(terms_of_tries: Sequence[Terms]) -> tuple[Any, Prices]:
    """Return which row of the prices each problem pays, and the rows: import, export, adder, carbon, carbon price."""
    places: dict[tuple[int, int, int, int, float], int] = {}
    rows: list[Terms] = []
    row = np.empty(len(terms_of_tries), dtype=np.int64)
    for i, terms in enumerate(terms_of_tries):
        arrays = (terms.import_price, terms.export_price, terms.adder, terms.carbon)
        key = (id(arrays[0]), id(arrays[1]), id(arrays[2]), id(arrays[3]), terms.carbon_price)
        if key not in places:
            places[key] = len(rows)
            rows.append(terms)
        row[i] = places[key]
    return row, (
        np.stack([terms.import_price for terms in rows]),
        np.stack([terms.export_price for terms in rows]),
        np.stack([terms.adder for terms in rows]),
        np.stack([terms.carbon for terms in rows]),
        np.array([terms.carbon_price for terms in rows]),
    )


def _described(asked: Asked, careful: Careful, prices: Prices) -> tuple[Floats, Any]:
    batch, plans = asked.batch, careful.plans
    full = batch.charge_efficiency * batch.charge_kw * batch.slot_hours
    cars = np.stack(
        [
            full, asked.minimum, asked.top, batch.start, batch.charge_efficiency, batch.slot_hours, batch.wear,
            batch.end_value, asked.carbon_price,
        ],
        axis=1,
    )  # fmt: skip
    outcomes = np.empty((len(batch), 4))
    reasons = np.empty((len(batch), batch.slots), dtype=np.uint8)
    shape = (batch.plugged, asked.trip, asked.targets, batch.lower)
    describe(batch.row, prices, shape, (plans.power, plans.soc), np.ascontiguousarray(cars), outcomes, reasons)
    return outcomes, reasons


@lru_cache(maxsize=4096)
def _packed_once(raw: bytes) -> bytes:
    # A tariff's prices are the same in every batch until the next quarter hour.
    return pack_series(np.frombuffer(raw, dtype=np.float64))


def _made(night: Night, several: Sequence[tuple[_Group, int]], shared: dict[int, tuple[Floats, bytes]]) -> Made:
    place = pick(night, [group.solution(i) for group, i in several]) if len(several) > 1 else 0
    group, i = several[place]
    terms, rows, careful = group.asked.terms[i], group.rows, group.careful

    def packed(values: Floats) -> bytes:
        # The array is kept beside its bytes, so that its id stays its own as long as the bytes are looked up by it.
        if id(values) not in shared:
            shared[id(values)] = (values, _packed_once(values.tobytes()))
        return shared[id(values)][1]

    prices = [packed(values) for values in (terms.import_price, terms.export_price, terms.carbon, terms.adder)]
    added = (float(careful.hedge_cost[i]), float(careful.shape_cost[i]))
    care = care_of(night, group.asked.departure[i]) if night.has_care else None
    came_to = {"hedge_cost": added[0], "shape_cost": added[1], "switches": int(careful.switches[i])}
    return Made(
        packed=assemble(
            name=night.name,
            slots=night.slots.count,
            status=int(group.asked.batch.is_cut[i]),
            numbers=rows.numbers[i],
            targets=group.asked.wanted[i],
            care=pack_care(care, came_to),
            series=[*prices, rows.plugged[i], rows.trip[i], rows.power[i], rows.soc[i]],
            reasons=rows.reasons[i],
            others={"import_price": packed(night.import_price), "baseline_kw": rows.baseline[i]},
        ),
        with_rewards=bool(night.asks and terms.adder.any()),
        expected_reward=tuple(round(expected_reward(night, ask, group.solution(i)), 4) for ask in night.asks),
        added_cost=added,
    )


def warm() -> None:
    """Compile, or load from the cache, all that planning cars needs: called when a worker starts."""
    slots = Slots(EPOCH, 4)
    leaves_at = slots.start_of(3)
    prices = np.array([0.3, 0.2, 0.1, 0.2])
    night = Night(
        name="warm", slots=slots, departures=(leaves_at,), import_price=prices, export_price=prices,
        presence=presence(slots=slots, returns_at=None, departures=(leaves_at,), away=8 * SLOT, trip_kwh=5.0),
        carbon_kg_per_kwh=np.zeros(4), carbon_price=0.0, capacity_wh=60_000, soc_percent=50.0, charge_w=7_400,
        discharge_w=7_400, charge_efficiency=0.9, discharge_efficiency=0.9, wear_per_kwh=0.03, minimum_percent=20.0,
        reserve_percent=30.0, target_percent=52.0, max_percent=80.0, stay_began_at=EPOCH, stay_soc_percent=50.0,
        care=NightCare(shortfall_price=1.0, minutes_early=(0, 30), switches=1, least_kw=1.4, is_spread=True),
    )  # fmt: skip
    assert len(plan_nights([night])) == 1
