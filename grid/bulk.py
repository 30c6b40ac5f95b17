"""Many nights planned at once: packed arrays in, packed plans out; no Django and no dictionary a car on the way.

Cars whose plans have the same number of slots are one batch; cars of one tariff share their prices. A night whose
events pay is planned twice, with and without the rewards (see `worth.pick`), and the better plan is kept.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from grid.describing import AT_ONCE, CARBON, CASH, SHORTFALL, describe
from grid.packing import PROBLEM_SERIES, STATUSES, pack_plan, pack_series
from grid.planner.batch import Batch, Plans, pack_arrays, solve
from grid.planner.problem import Floats
from grid.problems import SLOT_MINUTES, Night, Terms, scalars_of, terms_of
from grid.worth import baseline_power, expected_reward, pick

HOURS = SLOT_MINUTES / 60
Scalars = dict[str, Any]


@dataclass(frozen=True)
class Made:
    """One night's plan: packed (`packing.pack_plan`), and what is told beside it."""

    packed: bytes
    with_rewards: bool
    expected_reward: tuple[float, ...]


@dataclass(frozen=True)
class _Try:
    """One problem of a night."""

    night: Night
    terms: Terms
    scalars: Scalars


@dataclass(frozen=True)
class _Solved:
    """One problem's plan, rounded as it is kept: millionths of kW and percent."""

    tried: _Try
    solution: dict[str, Any]
    reasons: bytes


def plan_nights(nights: Sequence[Night], *, threads: int = 1) -> list[Made]:
    """Return each night's plan, in order."""
    tries = [list(_tries(night)) for night in nights]
    by_slots: dict[int, list[_Try]] = {}
    for tried in (tried for several in tries for tried in several):
        by_slots.setdefault(tried.night.slots.count, []).append(tried)
    solved: dict[int, _Solved] = {}
    for group in by_slots.values():
        solved.update((id(one.tried), one) for one in _solve(group, threads))
    packed_series: dict[int, tuple[Floats, bytes]] = {}
    return [
        _made(night, [solved[id(tried)] for tried in several], packed_series)
        for night, several in zip(nights, tries, strict=True)
    ]


def _tries(night: Night) -> Iterable[_Try]:
    terms = terms_of(night, with_asks=True)
    yield _Try(night, terms, scalars_of(night, terms))
    if terms.adder.any():
        plain = terms_of(night, with_asks=False)
        yield _Try(night, plain, scalars_of(night, plain))


def _solve(tries: Sequence[_Try], threads: int) -> list[_Solved]:
    row, prices = _price_rows(tries)
    imports, exports, adder, carbon, carbon_price = prices
    extra = carbon_price[:, None] * carbon + adder
    batch, targets = _pack(tries, row)
    plans = solve(batch, imports + extra, exports + extra, threads=threads)
    np.clip(plans.power, -batch.discharge_kw[:, None], batch.charge_kw[:, None], out=plans.power)
    outcomes, reasons = _described(tries, batch, plans, targets, (imports, exports, adder, imports + extra, carbon))
    capacity = np.array([tried.scalars["capacity_kwh"] for tried in tries])
    power = np.round(plans.power, 6)
    soc = np.round(np.clip(plans.soc / capacity[:, None] * 100.0, 0.0, 100.0), 6)
    bound = np.minimum(plans.bound, plans.cost)
    return [
        _Solved(
            tried,
            {
                "status": STATUSES[int(batch.is_cut[i])],
                "power_kw": power[i],
                "soc_percent": soc[i],
                "cost": plans.cost[i],
                "lower_bound": bound[i],
                "cash": outcomes[i, CASH],
                "carbon_kg": outcomes[i, CARBON],
                "cost_of_charging_at_once": outcomes[i, AT_ONCE],
                "shortfall_kwh": outcomes[i, SHORTFALL],
            },
            reasons[i].tobytes(),
        )
        for i, tried in enumerate(tries)
    ]


def _price_rows(tries: Sequence[_Try]) -> tuple[Any, tuple[Floats, Floats, Floats, Floats, Floats]]:
    """Return which row of the prices each problem pays, and the rows: import, export, adder, carbon, carbon price."""
    places: dict[tuple[int, int, int, int, float], int] = {}
    rows: list[Terms] = []
    row = np.empty(len(tries), dtype=np.int64)
    for i, tried in enumerate(tries):
        terms = tried.terms
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


def _pack(tries: Sequence[_Try], row: Any) -> tuple[Batch, Floats]:
    """Return the batch, and the SoC in kWh wanted at each boundary (0 = none) whatever the car's own limit."""
    count, slots = len(tries), tries[0].night.slots.count

    def column(key: str) -> Floats:
        return np.array([tried.scalars[key] for tried in tries], dtype=np.float64)

    capacity = column("capacity_kwh")
    targets = np.zeros((count, slots + 1))
    for i, tried in enumerate(tries):
        for target in tried.scalars["targets"]:
            targets[i, target["slot"]] = target["soc_percent"] / 100.0 * capacity[i]
    top = column("max_percent") / 100.0 * capacity
    batch = pack_arrays(
        slot_hours=np.full(count, HOURS),
        start=column("soc_percent") / 100.0 * capacity,
        top=top,
        minimum=column("minimum_percent") / 100.0 * capacity,
        reserve=column("reserve_percent") / 100.0 * capacity,
        charge_kw=column("max_charge_kw"),
        discharge_kw=column("max_discharge_kw"),
        charge_efficiency=column("charge_efficiency"),
        discharge_efficiency=column("discharge_efficiency"),
        wear=column("wear_per_kwh"),
        end_value=column("terminal_value_per_kwh"),
        plugged=np.stack([tried.night.presence.plugged for tried in tries]).astype(np.uint8),
        targets=np.minimum(targets, top[:, None]),
        trip=np.stack([tried.night.presence.trip_kwh for tried in tries]),
        row=row,
    )
    return batch, targets


def _described(
    tries: Sequence[_Try],
    batch: Batch,
    plans: Plans,
    targets: Floats,
    prices: tuple[Floats, Floats, Floats, Floats, Floats],
) -> tuple[Floats, Any]:
    keys = ("capacity_kwh", "minimum_percent", "max_percent", "carbon_price")
    capacity, minimum, top, carbon_price = (np.array([tried.scalars[key] for tried in tries]) for key in keys)
    full = batch.charge_efficiency * batch.charge_kw * batch.slot_hours
    cars = np.stack(
        [
            full, minimum / 100.0 * capacity, top / 100.0 * capacity, batch.start, batch.charge_efficiency,
            batch.slot_hours, batch.wear, batch.end_value, carbon_price,
        ],
        axis=1,
    )  # fmt: skip
    outcomes = np.empty((len(batch), 4))
    reasons = np.empty((len(batch), batch.slots), dtype=np.uint8)
    trip = np.stack([tried.night.presence.trip_kwh for tried in tries])
    shape = (batch.plugged, trip, targets, batch.lower)
    describe(batch.row, prices, shape, (plans.power, plans.soc), np.ascontiguousarray(cars), outcomes, reasons)
    return outcomes, reasons


def _made(night: Night, several: Sequence[_Solved], packed_series: dict[int, tuple[Floats, bytes]]) -> Made:
    place = pick(night, [one.solution for one in several]) if len(several) > 1 else 0
    chosen = several[place]
    terms, solution = chosen.tried.terms, chosen.solution

    def packed(values: Floats) -> bytes:
        # The array is kept beside its bytes, so that its id stays its own as long as the bytes are looked up by it.
        if id(values) not in packed_series:
            packed_series[id(values)] = (values, pack_series(values))
        return packed_series[id(values)][1]

    series = {
        "import_price": packed(terms.import_price),
        "export_price": packed(terms.export_price),
        "carbon_kg_per_kwh": packed(terms.carbon),
        "adder": packed(terms.adder),
        "plugged": pack_series(night.presence.plugged),
        "trip_kwh": pack_series(night.presence.trip_kwh),
    }
    return Made(
        packed=pack_plan(
            problem=chosen.tried.scalars,
            solution=solution,
            reasons=chosen.reasons,
            series=[series[key] for key in PROBLEM_SERIES],
            others={
                "import_price": packed(night.import_price),
                "baseline_kw": pack_series(np.round(baseline_power(night, solution), 4)),
            },
        ),
        with_rewards=bool(terms.adder.any()),
        expected_reward=tuple(round(expected_reward(night, ask, solution), 4) for ask in night.asks),
    )
