"""Plans of cars on shared wires: every cap kept in every slot, as far as departures and minimums allow.

Only cars on wires whose cap is exceeded are planned anew, together with all that share a wire with them; whatever else
is drawn there (plans of other sweeps, cars with room to spare) is taken off the cap. What cannot be kept must be
charged all the same, and is found again when it comes to it.
"""

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

import numpy as np
from numpy.typing import NDArray

from grid.arrays.bulk import Made, plan_nights
from grid.arrays.packing import unpack_plan, unpack_power
from grid.arrays.problems import Night
from grid.arrays.slots import EPOCH, SLOT
from grid.arrays.wires import Fitted, Room, drawn, fit, held_to, pressed
from grid.arrays.worth import expected_reward
from grid.flows.dispatch.wires import WATTS_PER_KW, Wires
from grid.models import Plan
from grid.planner.problem import Floats
from grid.rules.wishes import MAX_PLAN_AGE

logger = logging.getLogger(__name__)

NEAR_KW = 1e-6
NEAR_KWH = 1e-3


@dataclass(frozen=True, slots=True)
class _Car:
    """One car of the sweep on shared wires: its place there, its night, and the wires from its own up."""

    place: int
    night: Night
    chain: tuple[int, ...]


def keep_caps(
    nights: Sequence[tuple[int, Night, int | None]], made: dict[int, Made], *, now: datetime
) -> dict[int, Made]:
    """Return the plans with every wire's cap kept in every slot as far as departures and minimums allow.

    `nights` are place, night and wire of each car of the sweep, `made` their plans by place. Plans of other cars on
    the same wires stand as they are.
    """
    hanging = [(place, night, feeder) for place, night, feeder in nights if feeder is not None and place in made]
    if not hanging:
        return made
    wires = Wires()
    by_top: dict[int, list[_Car]] = {}
    for place, night, feeder in hanging:
        chain = wires.above(feeder)
        if chain:
            by_top.setdefault(chain[-1], []).append(_Car(place, night, chain))
    others = _Others.load(wires, by_top, {night.name for _, night, _ in hanging}, now=now)
    kept = dict(made)
    for top, cars in by_top.items():
        try:
            kept |= _kept(cars, made, wires, others)
        except Exception:  # their plans without the cap are better than none; the cap is kept when it comes to it
            logger.exception("plans of %d cars below %s were not brought under its cap", len(cars), wires.rows[top])
    return kept


@dataclass(frozen=True, slots=True)
class _Others:
    """What the plans of cars outside the sweep draw: by wire, each plan's first slot and its power, kW."""

    plans: Mapping[int, Sequence[tuple[int, Floats]]]

    @classmethod
    def load(cls, wires: Wires, tops: Mapping[int, object], names: set[str], *, now: datetime) -> "_Others":
        """Read the plans that count on all wires below these."""
        feeder = "vehicle__owner__sites__feeder"
        rows = Plan.objects.filter(
            **{f"{feeder}__in": wires.below(tops)}, is_current=True, made_at__gt=now - MAX_PLAN_AGE
        ).exclude(vehicle__public_id__in=names)
        found: dict[int, list[tuple[int, Floats]]] = {}
        for arrays, starts_at, own in rows.values_list("arrays", "starts_at", feeder).iterator(chunk_size=2000):
            power = unpack_power(bytes(arrays))
            for wire in wires.above(own):
                found.setdefault(wire, []).append(((starts_at - EPOCH) // SLOT, power))
        return cls(found)

    def load_kw(self, wire: int, first: int, slots: int) -> Floats:
        """Return what they draw through a wire over slots from number `first` on."""
        load = np.zeros(slots)
        for begin, power in self.plans.get(wire, ()):
            own = power[max(0, first - begin) :]
            at = max(0, begin - first)
            end = min(slots, at + len(own))
            if end > at:
                load[at:end] += np.maximum(own[: end - at], 0.0)
        return load


def _kept(cars: Sequence[_Car], made: Mapping[int, Made], wires: Wires, others: _Others) -> dict[int, Made]:
    """Return new plans of those of the cars that share a wire whose cap is exceeded."""
    keys = sorted({wire for car in cars for wire in car.chain})
    first = min(car.night.slots.number for car in cars)
    last = max(car.night.slots.number + car.night.slots.count for car in cars)
    hangs = np.array([[key in car.chain for car in cars] for key in keys])
    caps = np.array([wires.rows[key].cap_w / WATTS_PER_KW for key in keys])
    base = np.stack([others.load_kw(key, first, last - first) for key in keys])
    room = Room(first, caps[:, None] - base, hangs)
    power = [unpack_power(made[car.place].packed) for car in cars]
    begins = [car.night.slots.number for car in cars]
    is_over = (drawn(power, begins, hangs, room) > room.kw + NEAR_KW).any(axis=1)
    concerned = np.flatnonzero(hangs[is_over].any(axis=0)).tolist()
    if not concerned:
        return {}
    rest = sorted(set(range(len(cars))).difference(concerned))
    load = drawn([power[i] for i in rest], [begins[i] for i in rest], hangs[:, rest], room)
    left = Room(first, room.kw - load, hangs[:, concerned])
    return _fit([cars[i] for i in concerned], made, left)


def _fit(cars: Sequence[_Car], made: Mapping[int, Made], room: Room) -> dict[int, Made]:
    rewarded = [made[car.place].with_rewards for car in cars]
    nights = [car.night for car in cars]
    together = fit(nights, room, with_rewards=rewarded)
    gives = np.array([night.discharge_w > 0 for night in nights])
    plans, excess_kwh = dict[int, Made](), np.inf
    if gives.any():
        plans, excess_kwh = _beside_giving(cars, made, room, together, gives)
    if excess_kwh > together.excess_kwh + NEAR_KWH:
        plans, excess_kwh = _held(cars, made, together, room.first), together.excess_kwh
    if excess_kwh > NEAR_KWH:
        logger.warning("%d cars that must charge exceed what their wires carry by %.1f kWh", len(cars), excess_kwh)
    return plans


def _beside_giving(
    cars: Sequence[_Car], made: Mapping[int, Made], room: Room, together: Fitted, gives: NDArray[np.bool_]
) -> tuple[dict[int, Made], float]:
    """Let the cars that give energy back answer to the price of the wires' room, and fit the others beside them."""
    givers, others = np.flatnonzero(gives).tolist(), np.flatnonzero(~gives).tolist()
    nights = [pressed(cars[i].night, together, i, room.first) for i in givers]
    plans = dict(zip([cars[i].place for i in givers], plan_nights(nights), strict=True))
    power = [unpack_power(plans[cars[i].place].packed) for i in givers]
    begins = [cars[i].night.slots.number for i in givers]
    left = room.kw - drawn(power, begins, room.hangs[:, givers], room)
    # What the givers alone are beyond the room counts, too.
    over_kwh = float(np.maximum(-left, 0.0).sum()) * (SLOT / timedelta(hours=1))
    if not others:
        return plans, over_kwh
    some = [cars[i] for i in others]
    own = Room(room.first, left, room.hangs[:, others])
    fitted = fit([car.night for car in some], own, with_rewards=[made[car.place].with_rewards for car in some])
    return plans | _held(some, made, fitted, room.first), fitted.excess_kwh + over_kwh


def _held(cars: Sequence[_Car], made: Mapping[int, Made], fitted: Fitted, first: int) -> dict[int, Made]:
    """Return the plans that give each car its share."""
    plans = plan_nights([held_to(car.night, fitted, place, first) for place, car in enumerate(cars)])
    kept = {}
    for car, plan in zip(cars, plans, strict=True):
        _, solution, _ = unpack_plan(plan.packed) if car.night.asks else ({}, {}, {})
        earns = tuple(round(expected_reward(car.night, ask, solution), 4) for ask in car.night.asks)
        kept[car.place] = replace(plan, with_rewards=made[car.place].with_rewards, expected_reward=earns)
    return kept
