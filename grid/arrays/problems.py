"""From what is known of a car to the planner's problem (docs/planner-format.md), and back to true money; no Django."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from functools import cached_property, lru_cache
from typing import Any

import numpy as np

from grid.arrays.presence import Presence
from grid.arrays.slots import SLOT, SLOT_MINUTES, SLOTS_A_DAY, Slots
from grid.planner.problem import Floats

# How charging slows down near full: at full power up to here, then in proportion down to the share at 100 %.
TAPER_FROM_PERCENT, TAPER_SHARE = 90.0, 0.3
# Added to the value of a kWh in the battery where the car shall charge whenever it can: no slot is then too dear.
EAGER = 1.01
NEAR = 1e-9


def fill_gaps(values: Sequence[int | None], *, wanted: int, default: int) -> tuple[list[int], int]:
    """Return the last `wanted` of the values (micros) without gaps, and how many of them had to be guessed.

    A gap takes the value of the same slot one day earlier, that failing the mean of what is known, that failing
    `default`. `values` may begin some days before the slots wanted, to have something to repeat.
    """
    known = [value for value in values if value is not None]
    mean = round(sum(known) / len(known)) if known else default
    filled: list[int] = []
    for index, value in enumerate(values):
        earlier = filled[index - SLOTS_A_DAY] if index >= SLOTS_A_DAY else mean
        filled.append(earlier if value is None else value)
    guessed = sum(value is None for value in values[len(values) - wanted :])
    return filled[len(values) - wanted :], guessed


@dataclass(frozen=True)
class Ask:
    """One event a car takes part in: what is asked, when, and what a kWh delivered earns, in currency/kWh."""

    kind: str
    starts_at: datetime
    ends_at: datetime
    reward_per_kwh: float

    @property
    def sign(self) -> int:
        """+1 where using less earns, -1 where using more does."""
        return -1 if self.kind == "absorb" else 1


@dataclass(frozen=True, slots=True)
class NightCare:
    """What counts beside the cost: an owner who may leave early, a car that shall not be told something new all night.

    `shortfall_price` is what a kWh missing at an early departure counts, 0 = nothing; `minutes_early` how early past
    departures were; `usual_early` those of other owners, which stand in where there is little of that; `switches` the
    most changes between charging, idling and discharging, 0 = any number; `least_kw` the least power to charge with;
    `is_spread`: slots of one price are taken in the car's own order.
    """

    shortfall_price: float = 0.0
    minutes_early: tuple[int, ...] = ()
    usual_early: tuple[int, ...] = ()
    switches: int = 0
    least_kw: float = 0.0
    is_spread: bool = False


NO_CARE = NightCare()


@dataclass(frozen=True)
class Night:
    """Everything a plan depends on. Prices in currency/kWh, AC side, one a slot; powers in W; percent of capacity.

    `is_eager`: the car charges as soon as it may, whatever the price, and only events delay it: a car that cannot be
    held outside events, or one whose owner wants it full now. `margin` is how long before a departure the car shall be
    ready, because no hold may last until the last minute in which charging could still begin.
    """

    name: str
    slots: Slots
    presence: Presence
    import_price: Floats
    export_price: Floats
    carbon_kg_per_kwh: Floats
    carbon_price: float
    capacity_wh: int
    soc_percent: float
    charge_w: int
    discharge_w: int
    charge_efficiency: float
    discharge_efficiency: float
    wear_per_kwh: float
    minimum_percent: float
    reserve_percent: float
    target_percent: float
    max_percent: float
    departures: tuple[datetime, ...]
    margin: timedelta = timedelta(0)
    is_eager: bool = False
    asks: tuple[Ask, ...] = ()
    # The stay under way, for the baseline: since when, with which SoC, up to which limit.
    stay_began_at: datetime | None = None
    stay_soc_percent: float = 0.0
    limit_percent: float = 100.0
    real_charge_w: int = 0  # what was seen of car and charger; 0 = as much as they should do
    care: NightCare = NO_CARE
    avoid: Floats | None = None  # what charging in each slot is taken to cost on top, currency/kWh: shared wires
    at_least: tuple[tuple[int, float], ...] = ()  # SoC at starts of slots, percent: its share of what wires carry

    @cached_property
    def departure_slots(self) -> list[int]:
        """The slots in which a car that is at the plug leaves, in order of time."""
        plugged, count, begins_at = self.presence.plugged, self.slots.count, self.slots.starts_at
        slots = [(leaves_at - begins_at) // SLOT for leaves_at in self.departures]
        return [slot for slot in slots if 1 <= slot <= count and plugged[slot - 1]]

    @property
    def has_care(self) -> bool:
        """Whether anything is asked beside the least cost."""
        return self.care != NO_CARE

    @property
    def power_w(self) -> int:
        """What the car is planned to charge with at most."""
        return self.real_charge_w or self.charge_w


@dataclass(frozen=True)
class Terms:
    """What a night's plan is weighed by: prices [T] per AC kWh, rounded to millionths, and the value of what is left.

    Terms without asks share their arrays with the tariff's other cars.
    """

    import_price: Floats
    export_price: Floats
    carbon: Floats
    carbon_price: float
    adder: Floats
    terminal_value_per_kwh: float


def terms_of(night: Night, *, with_asks: bool) -> Terms:
    """Return the night's terms; without asks the events' rewards are left out."""
    plain = _plain_terms(night)
    if not (with_asks and night.asks):
        return plain
    exports, adder = plain.export_price.copy(), plain.adder.copy()
    for ask in night.asks:
        reward = ask.sign * ask.reward_per_kwh * night.slots.shares_within(ask.starts_at, ask.ends_at)
        adder += reward
        # A request to hold pays for charging less; it does not ask for power from the battery.
        exports -= reward if ask.kind != "discharge" else 0.0
    return replace(plain, export_price=np.round(exports, 6), adder=np.round(adder, 6))


def _plain_terms(night: Night) -> Terms:
    imports, carbon_price, count = night.import_price, night.carbon_price, night.slots.count
    if night.is_eager:
        imports, carbon_price = _level(float(np.add.reduce(imports)) / count, count), 0.0
    total = np.add.reduce(imports)
    if carbon_price:
        total += carbon_price * np.add.reduce(night.carbon_kg_per_kwh)
    value = float(total) / count / night.charge_efficiency
    return Terms(
        import_price=imports,
        export_price=night.export_price,
        carbon=night.carbon_kg_per_kwh,
        carbon_price=carbon_price,
        adder=_nothing(count),
        terminal_value_per_kwh=round(max(value, 0.001) * EAGER if night.is_eager else value, 6),
    )


@lru_cache(maxsize=512)
def _level(price: float, count: int) -> Floats:
    # Cars of one tariff share the array, so that it is packed once.
    return np.full(count, round(price, 6))


@lru_cache(maxsize=512)
def _nothing(count: int) -> Floats:
    return np.zeros(count)


def problem_of(night: Night, *, with_asks: bool) -> dict[str, Any]:
    """Return the planner's problem as docs/planner-format.md fixes it, without what `Night.care` asks."""
    terms = terms_of(night, with_asks=with_asks)
    return {
        "id": night.name,
        "slot_minutes": SLOT_MINUTES,
        "carbon_price": terms.carbon_price,
        "capacity_kwh": night.capacity_wh / 1000,
        "soc_percent": night.soc_percent,
        "max_charge_kw": night.power_w / 1000,
        "max_discharge_kw": night.discharge_w / 1000,
        "charge_efficiency": night.charge_efficiency,
        "discharge_efficiency": night.discharge_efficiency,
        "wear_per_kwh": night.wear_per_kwh,
        "minimum_percent": night.minimum_percent,
        "reserve_percent": night.reserve_percent,
        "max_percent": night.max_percent,
        "targets": [{"slot": slot, "soc_percent": percent} for slot, percent in targets_of(night)],
        "terminal_value_per_kwh": terms.terminal_value_per_kwh,
        "import_price": terms.import_price.tolist(),
        "export_price": terms.export_price.tolist(),
        "carbon_kg_per_kwh": terms.carbon.tolist(),
        "adder": terms.adder.tolist(),
        "plugged": night.presence.plugged.astype(int).tolist(),
        "trip_kwh": night.presence.trip_kwh.tolist(),
    }


def targets_of(night: Night) -> list[tuple[int, float]]:
    """Return what SoC is wanted when: at each departure, and where the stay is long enough, a margin before it.

    Near full a car takes less power: a target up there is asked for step by step, as far as its taper goes.
    """
    # A stay too short to be ready early has its target at the departure alone: better late than given up.
    kwh_a_slot = night.power_w / 1000 * night.charge_efficiency * SLOT_MINUTES / 60
    most = -(-(night.target_percent / 100 * night.capacity_wh / 1000) // kwh_a_slot)
    missing = max(0.0, night.target_percent - night.soc_percent) / 100 * night.capacity_wh / 1000
    margin, is_out = -(-night.margin // SLOT), not night.presence.plugged[0]
    begins_of_stays = [math.ceil(begin - NEAR) for begin in night.presence.stays[:, 0].tolist()]
    targets: list[tuple[int, float]] = []
    for number, slot in enumerate(night.departure_slots):
        needed = int(-(-missing // kwh_a_slot)) if number == 0 and not is_out else int(most)
        begins = max(begin for begin in (0, *begins_of_stays) if begin < slot)
        early = slot - margin
        is_early = early - begins >= needed and 1 <= early < slot
        targets += [(at, night.target_percent) for at in ((early, slot) if is_early else (slot,))]
        if night.target_percent > TAPER_FROM_PERCENT:
            targets += _tapered(night, early if is_early else slot, begins, kwh_a_slot)
    return targets


def _tapered(night: Night, slot: int, begins: int, kwh_a_slot: float) -> list[tuple[int, float]]:
    percent, found = min(night.target_percent, night.max_percent), []
    full = kwh_a_slot / (night.capacity_wh / 1000) * 100
    while slot > begins + 1 and percent > TAPER_FROM_PERCENT:
        done = (percent - TAPER_FROM_PERCENT) / (100 - TAPER_FROM_PERCENT)
        percent -= full * (1.0 - done * (1.0 - TAPER_SHARE))
        slot -= 1
        found.append((slot, round(percent, 6)))
    return found
