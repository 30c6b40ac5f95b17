"""Plans of cars that share wires: what each may charge when, so that what the wires carry is kept; no Django.

The planner's fleet solver looks for the cheapest plans that keep every wire's room in every slot, minimum and departure
coming first. A plan is stored as a problem that anybody can solve again, so each car's share is put into words of a
problem: the SoC that it has at least after each slot in which it charges, and prices that make later cheaper than
earlier. Solving that gives the same plan.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from grid.arrays.asking import pack_tries
from grid.arrays.problems import NO_CARE, Night, Terms, terms_of
from grid.arrays.slots import SLOT_MINUTES
from grid.planner.batch import Batch, Ints, pack_arrays, solve
from grid.planner.fleet_limits import Coupling
from grid.planner.fleet_solve import solve_small_fleet
from grid.planner.problem import Floats

HOURS = SLOT_MINUTES / 60
AT_ONCE = 1_000  # cars in one linear programme, which takes some 5 ms a car
MARGIN_KW = 1e-3  # of a wire's room that is left, for rounding
NEAR_KW = 1e-6
LATER = 0.01  # currency/kWh by which each slot is cheaper than the one before
MOST_LEVELS = 200  # of SoC in a stored problem
UNBOUND_KWH = 1e6


@dataclass(frozen=True, slots=True)
class Room:
    """What W wires carry beside other loads, kW [W, T] over slots from number `first` (since 1970) on.

    `hangs` [W, N] says which cars draw through which wire.
    """

    first: int
    kw: Floats
    hangs: NDArray[np.bool_]

    @property
    def slots(self) -> int:
        """Number of slots T."""
        return int(self.kw.shape[1])


@dataclass(frozen=True, slots=True)
class Fitted:
    """Power [N, T] kW of the cars, SoC at each slot's start [N, T+1] kWh, what the room costs each [N, T], per kWh.

    `excess_kwh` is what cars must draw beyond the room, `cost` that of all plans by their own prices.
    """

    power: Floats
    soc: Floats
    price: Floats
    excess_kwh: float
    cost: float


def fit(nights: Sequence[Night], room: Room, *, with_rewards: Sequence[bool]) -> Fitted:
    """Return the cheapest plans, none of which gives energy back, that keep the room as far as the cars' bounds allow.

    `with_rewards` says for each night whether its events' rewards count. Up to AT_ONCE cars the plans are the best that
    there are. More are fitted that many at a time, those on the same wires together, each part with its cars' share of
    what the parts before left: so many cars are alike enough that little is lost.
    """
    if len(nights) <= AT_ONCE:
        return _fit_whole(nights, room, with_rewards)
    left, order = room.kw.copy(), np.lexsort(room.hangs)
    found: list[tuple[Ints, Fitted]] = []
    for begin in range(0, len(order), AT_ONCE):
        some, rest = order[begin : begin + AT_ONCE], order[begin:]
        share = room.hangs[:, some].sum(axis=1) / np.maximum(room.hangs[:, rest].sum(axis=1), 1)
        own = Room(room.first, left * share[:, None], room.hangs[:, some])
        part = _fit_whole([nights[i] for i in some], own, [with_rewards[i] for i in some])
        left = left - own.hangs.astype(np.float64) @ part.power
        found.append((some, part))
    back = np.argsort(order)
    power = np.concatenate([part.power for _, part in found])[back]
    return Fitted(
        power=power,
        soc=np.concatenate([part.soc for _, part in found])[back],
        price=np.concatenate([part.price for _, part in found])[back],
        excess_kwh=_excess(power, room),
        cost=sum(part.cost for _, part in found),
    )


def _fit_whole(nights: Sequence[Night], room: Room, with_rewards: Sequence[bool]) -> Fitted:
    batch, buy = _lay_out(nights, room, with_rewards)
    coupling = _coupling(batch, room)
    sell = np.full_like(buy, buy.min() - 1.0)  # nothing is given back
    if not len(coupling):
        alone = solve(batch, buy, sell)
        return Fitted(alone.power, alone.soc, np.zeros_like(buy), 0.0, float(alone.cost.sum()))
    found = solve_small_fleet(batch, buy, sell, coupling, plain=batch, weight=np.ones(len(nights)))
    power = np.maximum(found.power, 0.0)
    price = coupling.spread(coupling.adder(found.price), room.slots)[coupling.kind]
    return Fitted(power, found.soc, price, _excess(power, room), float(found.cost.sum()))


def _excess(power: Floats, room: Room) -> float:
    load = room.hangs.astype(np.float64) @ power
    return float(np.maximum(load - np.maximum(room.kw, 0.0), 0.0).sum()) * HOURS


def _lay_out(nights: Sequence[Night], room: Room, with_rewards: Sequence[bool]) -> tuple[Batch, Floats]:
    """Return the cars over the room's slots, away where a night says nothing, and what each pays for a kWh [N, T]."""
    shape = (len(nights), room.slots)
    plugged, drive, buy = np.zeros(shape, np.uint8), np.zeros(shape), np.zeros(shape)
    lower, upper = np.zeros((len(nights), room.slots + 1)), np.full((len(nights), room.slots + 1), UNBOUND_KWH)
    numbers = {name: np.zeros(len(nights)) for name in NUMBERS}
    terms = [
        terms_of(replace(night, avoid=None), with_asks=rewarded)
        for night, rewarded in zip(nights, with_rewards, strict=True)
    ]
    for count in sorted({night.slots.count for night in nights}):
        places = np.array([place for place, night in enumerate(nights) if night.slots.count == count])
        alike = [(replace(nights[place], discharge_w=0, care=NO_CARE), terms[place]) for place in places]
        own = pack_tries(alike, np.arange(len(alike))).batch
        at = np.array([nights[place].slots.number - room.first for place in places])[:, None] + np.arange(count)
        rows, edges = places[:, None], np.concatenate([at, at[:, -1:] + 1], axis=1)
        plugged[rows, at], drive[rows, at] = own.plugged, own.drive
        lower[rows, edges], upper[rows, edges] = own.lower, own.upper
        buy[rows, at] = np.stack([_price(terms[place]) for place in places])
        for name, values in numbers.items():
            values[places] = getattr(own, name)
    batch = pack_arrays(
        **numbers, top=np.full(len(nights), UNBOUND_KWH), minimum=np.zeros(len(nights)),
        reserve=np.zeros(len(nights)), plugged=plugged, targets=np.zeros(lower.shape), trip=np.zeros(shape),
        row=np.arange(len(nights)),
    )  # fmt: skip
    return replace(batch, lower=lower, upper=upper, drive=drive), buy


NUMBERS = ("slot_hours", "start", "charge_kw", "discharge_kw", "charge_efficiency", "discharge_efficiency", "wear",
           "end_value")  # fmt: skip


def _price(terms: Terms) -> Floats:
    return terms.import_price + terms.carbon_price * terms.carbon + terms.adder


def _coupling(batch: Batch, room: Room) -> Coupling:
    """Return a row for each wire and slot in which its cars could draw more than there is room for."""
    could = batch.charge_kw[:, None] * batch.plugged  # [N, T]
    most = room.hangs.astype(np.float64) @ could
    wire, slot = np.nonzero(most > room.kw + NEAR_KW)
    kinds, kind = np.unique(room.hangs, axis=1, return_inverse=True)
    watch = np.unique(slot)
    return Coupling(
        slot_hours=HOURS,
        watch=watch,
        kind=np.asarray(kind, dtype=np.int64).reshape(-1),
        covers=kinds[wire],
        place=np.searchsorted(watch, slot).astype(np.int64),
        sign=np.ones(len(wire)),
        limit=np.maximum(room.kw[wire, slot] - MARGIN_KW, 0.0),
    )


def held_to(night: Night, fitted: Fitted, place: int, first: int) -> Night:
    """Return the night as a problem of which the plan is the car's share in `fitted`, its `place` there."""
    begin = night.slots.number - first
    power = fitted.power[place, begin : begin + night.slots.count]
    soc = fitted.soc[place, begin : begin + night.slots.count + 1] / (night.capacity_wh / 1000) * 100.0
    charged = np.flatnonzero(power > NEAR_KW)
    levels = tuple((int(slot) + 1, float(soc[slot + 1])) for slot in charged[-MOST_LEVELS:])
    terms = terms_of(replace(night, avoid=None), with_asks=False)
    return replace(night, at_least=levels, avoid=_later(terms), discharge_w=0, care=NO_CARE, asks=())


def _later(terms: Terms) -> Floats:
    """Return prices on top of which every slot is cheaper than the one before, and none worth charging in unasked."""
    price = _price(terms)
    level = max(float(price.max()), terms.terminal_value_per_kwh) + LATER
    return np.asarray(level - price + LATER * np.arange(len(price), 0, -1))


def pressed(night: Night, fitted: Fitted, place: int, first: int) -> Night:
    """Return the night with what the wires' room is worth as a price, for a car that also gives energy back."""
    begin = night.slots.number - first
    return replace(night, avoid=np.asarray(fitted.price[place, begin : begin + night.slots.count]))


def drawn(power: Sequence[Floats], begins: Sequence[int], hangs: NDArray[np.bool_], room: Room) -> Floats:
    """Return what cars draw through each wire in each slot, kW [W, T]; `begins` is each one's first slot."""
    load = np.zeros((len(power), room.slots))
    for row, own, begin in zip(load, power, begins, strict=True):
        row[begin - room.first : begin - room.first + len(own)] = np.maximum(own, 0.0)
    return np.asarray(hangs.astype(np.float64) @ load)
