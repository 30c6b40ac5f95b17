"""Many nights planned at once: packed arrays in, packed plans out; no Django and no dictionary a car on the way.

Cars whose plans have the same number of slots are one batch; cars of one tariff share their prices. A night whose
events pay is planned twice, with and without the rewards (see `worth.pick`), and the better plan is kept.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from itertools import pairwise
from typing import Any

import numpy as np

from grid.arrays.asking import Asked, Ints, first_in_block, pack_tries
from grid.arrays.describing import AT_ONCE, CARBON, CASH, SHORTFALL, describe
from grid.arrays.packing import pack_series, pack_usual
from grid.arrays.packing_rows import CARE, PLAN_HEAD, SERIES_HEAD, write_plans
from grid.arrays.presence import presence
from grid.arrays.problems import Night, NightCare, Terms, terms_of
from grid.arrays.slots import EPOCH, SLOT, Slots
from grid.arrays.worth import expected_reward, pick, write_baselines
from grid.planner.careful import Careful, solve_carefully
from grid.planner.problem import Floats

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
    packed: list[bytes]
    added: list[tuple[float, float]]

    def solution(self, i: int) -> dict[str, Any]:
        """Return what `worth` weighs of the `i`-th plan."""
        return {"power_kw": self.power[i], "soc_percent": self.soc_percent[i]}


def plan_nights(nights: Sequence[Night], *, threads: int = 1) -> list[Made]:
    """Return each night's plan, in order."""
    by_slots: dict[int, list[tuple[Night, Terms]]] = {}
    places: list[list[tuple[int, int]]] = []
    shared = _SharedTerms()
    for night in nights:
        count = night.slots.count
        group = by_slots.setdefault(count, [])
        places.append([(count, len(group))])
        terms = shared.of(night)
        group.append((night, terms))
        if night.asks and terms.adder.any():
            places[-1].append((count, len(group)))
            group.append((night, shared.plain(night)))
    groups = {slots: _solve(tries, threads) for slots, tries in by_slots.items()}
    return [
        _made(night, [(groups[slots], i) for slots, i in several])
        for night, several in zip(nights, places, strict=True)
    ]


class _SharedTerms:
    """Terms of nights, those of nights without events worked out once for all cars that share them."""

    def __init__(self) -> None:
        self._known: dict[tuple[Any, ...], Terms] = {}

    def of(self, night: Night) -> Terms:
        """Return the night's terms, with what its events promise."""
        return _pressed(terms_of(night, with_asks=True), night) if night.asks else self.plain(night)

    def plain(self, night: Night) -> Terms:
        """Return the night's terms without its events."""
        if night.avoid is not None:
            return _pressed(terms_of(night, with_asks=False), night)
        # The nights keep their arrays, so that no two have the same id as long as ids are looked up.
        series = (id(night.import_price), id(night.export_price), id(night.carbon_kg_per_kwh))
        key = (*series, night.carbon_price, night.charge_efficiency, night.is_eager)
        found = self._known.get(key)
        if found is None:
            found = self._known[key] = terms_of(night, with_asks=False)
        return found


def _pressed(terms: Terms, night: Night) -> Terms:
    """Return the terms with what is to be avoided; a car that gives energy back there earns no more for it."""
    if night.avoid is None:
        return terms
    return replace(
        terms, adder=np.round(terms.adder + night.avoid, 6), export_price=np.round(terms.export_price - night.avoid, 6)
    )


def _solve(tries: Sequence[tuple[Night, Terms]], threads: int) -> _Group:
    row, prices = _price_rows([terms for _, terms in tries])
    imports, exports, adder, carbon, carbon_price = prices
    extra = carbon_price[:, None] * carbon + adder
    asked = pack_tries(tries, row)
    batch = asked.batch
    careful = solve_carefully(batch, imports + extra, exports + extra, asked.care, threads=threads)
    plans = careful.plans
    np.clip(plans.power, -batch.discharge_kw[:, None], batch.charge_kw[:, None], out=plans.power)
    np.round(plans.power, 6, out=plans.power)  # before reasons are given, so that they tell of what is kept
    outcomes, reasons = _described(asked, careful, (imports, exports, adder, imports + extra, carbon))
    power = np.asarray(plans.power, dtype=np.float64)
    percent = np.clip(plans.soc / asked.capacity[:, None] * 100.0, 0.0, 100.0)
    soc = np.asarray(np.round(percent, 6), dtype=np.float64)
    packed = _packed(asked, careful, _numbers(asked, careful, outcomes), (power, soc, reasons))
    added = list(zip(careful.hedge_cost.tolist(), careful.shape_cost.tolist(), strict=True))
    return _Group(asked=asked, power=power, soc_percent=soc, packed=packed, added=added)


def _numbers(asked: Asked, careful: Careful, outcomes: Floats) -> Floats:
    """Return what `packing.assemble` keeps of each plan as doubles: SCALARS and OUTCOMES, [N, 19]."""
    plans = careful.plans
    told = [plans.cost, np.minimum(plans.bound, plans.cost)]
    told += [outcomes[:, key] for key in (CASH, CARBON, AT_ONCE, SHORTFALL)]
    return np.ascontiguousarray(np.column_stack([asked.scalars, *told]))


def _packed(asked: Asked, careful: Careful, numbers: Floats, series: tuple[Floats, Floats, Any]) -> list[bytes]:
    power, soc, reasons = series
    baseline = np.zeros_like(power)
    write_baselines(*asked.stays, asked.left_alone, soc, baseline)
    names, shared, cautious, wanted = _names(asked.nights), _shared_series(asked), asked.cautious, asked.wanted
    usual = _octets([pack_usual(one) for one in cautious.usual])
    came_to = np.column_stack([careful.hedge_cost, careful.shape_cost, careful.switches])
    most = (
        PLAN_HEAD + 255 + 8 * numbers.shape[1] + 10 * wanted.slot.shape[1] + CARE + 6 * (SERIES_HEAD + 8 * len(soc[0]))
    )
    room = len(power) * (most + len(KEYS[0]) + len(KEYS[1])) + 2 * len(cautious.early)
    room += len(power) * max(map(len, map(pack_usual, cautious.usual)))
    room += int(np.diff(shared[2])[shared[0]].sum() + np.diff(shared[4])[shared[0]].sum())
    out, ends = np.empty(room, np.uint8), np.empty(len(power), np.int64)
    written = write_plans(
        names, asked.batch.is_cut, numbers, (wanted.slot, wanted.percent, wanted.count),
        (
            cautious.is_asked, cautious.numbers, asked.departure, cautious.phase, first_in_block(asked.nights),
            came_to, cautious.early, cautious.edges, (cautious.prior, *usual),
        ),
        shared, (asked.plugged, asked.trip, power, soc, reasons.astype(np.float64), np.round(baseline, 4)), KEYS,
        out, ends,
    )  # fmt: skip
    raw = out[:written].tobytes()
    edges = [0, *ends.tolist()]
    return [raw[a:b] for a, b in pairwise(edges)]


def _octets(parts: Sequence[bytes]) -> tuple[Any, Ints]:
    """Return byte strings as one array, and where each begins and the last ends."""
    edges = np.concatenate(([0], np.cumsum([len(part) for part in parts]))).astype(np.int64)
    return np.frombuffer(b"".join(parts), dtype=np.uint8), edges


def _key(name: str) -> Any:
    return np.frombuffer(bytes((len(name),)) + name.encode(), dtype=np.uint8)


KEYS = (_key("import_price"), _key("baseline_kw"))


def _names(nights: Sequence[Night]) -> tuple[Any, Ints]:
    return _octets([night.name.encode() for night in nights])


def _shared_series(asked: Asked) -> tuple[Ints, Any, Ints, Any, Ints]:
    """Return what `write_plans` takes of the series that cars share: their prices, and the tariff's own."""
    places: dict[tuple[int, int], int] = {}
    which = np.empty(len(asked.nights), dtype=np.int64)
    before: list[bytes] = []
    beside: list[bytes] = []
    for i, (night, terms) in enumerate(zip(asked.nights, asked.terms, strict=True)):
        key = (id(terms), id(night.import_price))
        place = places.get(key)
        if place is None:
            place = places[key] = len(before)
            series = (terms.import_price, terms.export_price, terms.carbon, terms.adder)
            before.append(b"".join([_packed_once(values.tobytes()) for values in series]))
            beside.append(_packed_once(night.import_price.tobytes()))
        which[i] = place
    return which, *_octets(before), *_octets(beside)


def _price_rows(terms_of_tries: Sequence[Terms]) -> tuple[Ints, Prices]:
    """Return which row of the prices each problem pays, and the rows: import, export, adder, carbon, carbon price."""
    places: dict[int, int] = {}
    rows: list[Terms] = []
    row = np.empty(len(terms_of_tries), dtype=np.int64)
    for i, terms in enumerate(terms_of_tries):
        place = places.get(id(terms))
        if place is None:
            place = places[id(terms)] = len(rows)
            rows.append(terms)
        row[i] = place
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


def _made(night: Night, several: Sequence[tuple[_Group, int]]) -> Made:
    place = pick(night, [group.solution(i) for group, i in several]) if len(several) > 1 else 0
    group, i = several[place]
    if not night.asks:
        return Made(group.packed[i], with_rewards=False, expected_reward=(), added_cost=group.added[i])
    return Made(
        packed=group.packed[i],
        with_rewards=bool(group.asked.terms[i].adder.any()),
        expected_reward=tuple(round(expected_reward(night, ask, group.solution(i)), 4) for ask in night.asks),
        added_cost=group.added[i],
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
