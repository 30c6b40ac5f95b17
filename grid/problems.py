"""From what is known of a car to the planner's problem (docs/planner-format.md), and back to true money; no Django.

Slots are quarter hours of UTC; local clocks matter only before (departures, tariffs), so a night with 23 or 25 hours
simply has 92 or 100 of them.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from typing import Any

import numpy as np

from grid.planner.problem import Floats

SLOT_MINUTES = 15
SLOT = timedelta(minutes=SLOT_MINUTES)
SLOTS_A_DAY = 96
MIN_HORIZON = timedelta(hours=36)
MAX_HORIZON = timedelta(hours=72)
# Added to the value of a kWh in the battery where the car shall charge whenever it can: no slot is then too dear.
EAGER = 1.01


@dataclass(frozen=True)
class Slots:
    """`count` slots of 15 minutes from `starts_at`, aware UTC."""

    starts_at: datetime
    count: int

    @property
    def ends_at(self) -> datetime:
        """The end of the last slot."""
        return self.starts_at + SLOT * self.count

    def start_of(self, index: int) -> datetime:
        """Return the start of slot `index`."""
        return self.starts_at + SLOT * index

    def whole_within(self, starts_at: datetime, ends_at: datetime) -> range:
        """Return the slots that lie wholly inside `[starts_at, ends_at)`."""
        first = -((self.starts_at - starts_at) // SLOT)  # rounded up
        last = (ends_at - self.starts_at) // SLOT
        return range(max(0, first), max(0, first, min(self.count, last)))

    def shares_within(self, starts_at: datetime, ends_at: datetime) -> Floats:
        """Return which share of each slot lies inside `[starts_at, ends_at)`, 0 to 1."""
        begin, end = (starts_at - self.starts_at) / SLOT, (ends_at - self.starts_at) / SLOT
        edges = _counted(self.count + 1)
        shares = np.minimum(edges[1:], end) - np.maximum(edges[:-1], begin)
        return np.asarray(np.maximum(shares, 0.0))


@lru_cache(maxsize=512)
def _counted(count: int) -> Floats:
    edges = np.arange(count, dtype=np.float64)
    edges.setflags(write=False)
    return edges


def slots_from(*, now: datetime, departures: Sequence[datetime]) -> Slots:
    """Return the slots to plan: from the current one for 36 h, or to the second departure ahead, at most 72 h.

    `departures` are the departures ahead in order of time.
    """
    elapsed = now.astimezone(UTC) - datetime(1970, 1, 1, tzinfo=UTC)
    starts_at = datetime(1970, 1, 1, tzinfo=UTC) + (elapsed // SLOT) * SLOT
    ends_at = starts_at + MIN_HORIZON
    if departures:
        ends_at = max(ends_at, departures[min(1, len(departures) - 1)])
    ends_at = min(ends_at, starts_at + MAX_HORIZON)
    return Slots(starts_at, -((starts_at - ends_at) // SLOT))


@dataclass(frozen=True)
class Presence:
    """When the car is at the plug, slot by slot, and what it drives in between."""

    plugged: Floats
    trip_kwh: Floats
    stays: tuple[tuple[datetime, datetime], ...]


def presence(
    *,
    slots: Slots,
    returns_at: datetime | None,
    departures: Sequence[datetime],
    away: timedelta,
    trip_kwh: float,
) -> Presence:
    """Return when the car will be plugged in: until each departure, then away for as long as it usually is.

    `returns_at` None means that the car is plugged in now. A departure while the car is away counts for nothing. The
    energy of a trip is spread evenly over the slots of its absence; a trip under way has used its part already.
    """
    stays, absences = [], []
    if returns_at is not None:
        absences.append((returns_at - away, returns_at))
    begins = slots.starts_at if returns_at is None else returns_at
    for leaves_at in departures:
        if leaves_at <= begins:
            continue
        stays.append((begins, leaves_at))
        absences.append((leaves_at, leaves_at + away))
        begins = leaves_at + away
    stays.append((begins, max(begins, slots.ends_at)))
    plugged, trips = np.zeros(slots.count), np.zeros(slots.count)
    for starts_at, ends_at in stays:
        whole = slots.whole_within(starts_at, ends_at)
        plugged[whole.start : whole.stop] = 1.0
    for starts_at, ends_at in absences:
        if starts_at < slots.ends_at and ends_at > slots.starts_at:
            trips += slots.shares_within(starts_at, ends_at) * (trip_kwh * (SLOT / away))
    trips *= 1.0 - plugged
    return Presence(plugged, np.round(trips, 6), tuple(stays))


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
    imports, carbon_price = night.import_price, night.carbon_price
    if night.is_eager:
        imports, carbon_price = np.full(len(imports), np.mean(imports)), 0.0
    mean = float(np.mean(imports + carbon_price * night.carbon_kg_per_kwh))
    value = mean / night.charge_efficiency
    return Terms(
        import_price=np.round(imports, 6) if night.is_eager else imports,
        export_price=night.export_price,
        carbon=night.carbon_kg_per_kwh,
        carbon_price=carbon_price,
        adder=_nothing(night.slots.count),
        terminal_value_per_kwh=round(max(value, 0.001) * EAGER if night.is_eager else value, 6),
    )


@lru_cache(maxsize=512)
def _nothing(count: int) -> Floats:
    return np.zeros(count)


def problem_of(night: Night, *, with_asks: bool) -> dict[str, Any]:
    """Return the planner's problem as docs/planner-format.md fixes it."""
    terms = terms_of(night, with_asks=with_asks)
    return {
        **scalars_of(night, terms),
        "import_price": terms.import_price.tolist(),
        "export_price": terms.export_price.tolist(),
        "carbon_kg_per_kwh": terms.carbon.tolist(),
        "adder": terms.adder.tolist(),
        "plugged": night.presence.plugged.astype(int).tolist(),
        "trip_kwh": night.presence.trip_kwh.tolist(),
    }


def scalars_of(night: Night, terms: Terms) -> dict[str, Any]:
    """Return the problem without its series."""
    return {
        "id": night.name,
        "slot_minutes": SLOT_MINUTES,
        "carbon_price": terms.carbon_price,
        "capacity_kwh": night.capacity_wh / 1000,
        "soc_percent": night.soc_percent,
        "max_charge_kw": night.charge_w / 1000,
        "max_discharge_kw": night.discharge_w / 1000,
        "charge_efficiency": night.charge_efficiency,
        "discharge_efficiency": night.discharge_efficiency,
        "wear_per_kwh": night.wear_per_kwh,
        "minimum_percent": night.minimum_percent,
        "reserve_percent": night.reserve_percent,
        "max_percent": night.max_percent,
        "targets": targets_of(night),
        "terminal_value_per_kwh": terms.terminal_value_per_kwh,
    }


def departure_slots(night: Night) -> list[int]:
    """Return the slots in which a car that is at the plug leaves, in order of time."""
    slots = ((leaves_at - night.slots.starts_at) // SLOT for leaves_at in night.departures)
    return [slot for slot in slots if 1 <= slot <= night.slots.count and night.presence.plugged[slot - 1]]


def targets_of(night: Night) -> list[dict[str, Any]]:
    """Return what SoC is wanted when: at each departure, and where the stay is long enough, a margin before it."""
    # A stay too short to be ready early has its target at the departure alone: better late than given up.
    kwh_a_slot = night.charge_w / 1000 * night.charge_efficiency * SLOT_MINUTES / 60
    most = -(-(night.target_percent / 100 * night.capacity_wh / 1000) // kwh_a_slot)
    missing = max(0.0, night.target_percent - night.soc_percent) / 100 * night.capacity_wh / 1000
    targets: list[dict[str, Any]] = []
    begins = 0
    for number, slot in enumerate(departure_slots(night)):
        is_first = number == 0 and night.presence.plugged[0]
        needed = int(-(-missing // kwh_a_slot)) if is_first else int(most)
        early = slot - -(-night.margin // SLOT)
        while begins < slot and not night.presence.plugged[begins]:
            begins += 1
        ready = [early] if early - begins >= needed and early >= 1 and early < slot else []
        targets += [{"slot": at, "soc_percent": night.target_percent} for at in (*ready, slot)]
        begins = slot
    return targets
