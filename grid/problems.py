"""From what is known of a car to the planner's problem (docs/planner-format.md), and back to true money; no Django.

Slots are quarter hours of UTC; local clocks matter only before (departures, tariffs), so a night with 23 or 25 hours
simply has 92 or 100 of them.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

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

    def share_within(self, index: int, starts_at: datetime, ends_at: datetime) -> float:
        """Return which share of slot `index` lies inside `[starts_at, ends_at)`, 0 to 1."""
        begin = self.start_of(index)
        overlap = min(begin + SLOT, ends_at) - max(begin, starts_at)
        return max(0.0, overlap / SLOT)


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

    plugged: tuple[int, ...]
    trip_kwh: tuple[float, ...]
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
    plugged = [0] * slots.count
    for starts_at, ends_at in stays:
        for index in slots.whole_within(starts_at, ends_at):
            plugged[index] = 1
    trips = [0.0] * slots.count
    for starts_at, ends_at in absences:
        for index in range(slots.count):
            if not plugged[index]:
                trips[index] += trip_kwh * slots.share_within(index, starts_at, ends_at) * (SLOT / away)
    return Presence(tuple(plugged), tuple(round(trip, 6) for trip in trips), tuple(stays))


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
    import_price: tuple[float, ...]
    export_price: tuple[float, ...]
    carbon_kg_per_kwh: tuple[float, ...]
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


def problem_of(night: Night, *, with_asks: bool) -> dict[str, Any]:
    """Return the planner's problem; without asks the events' rewards are left out."""
    imports, exports, carbon_price = list(night.import_price), list(night.export_price), night.carbon_price
    if night.is_eager:
        imports, carbon_price = [sum(imports) / len(imports)] * len(imports), 0.0
    adder = [0.0] * night.slots.count
    for ask in night.asks if with_asks else ():
        for index in range(night.slots.count):
            reward = ask.sign * ask.reward_per_kwh * night.slots.share_within(index, ask.starts_at, ask.ends_at)
            adder[index] += reward
            # A request to hold pays for charging less; it does not ask for power from the battery.
            exports[index] -= reward if ask.kind != "discharge" else 0.0
    mean = sum(price + carbon_price * carbon for price, carbon in zip(imports, night.carbon_kg_per_kwh, strict=True))
    value = mean / len(imports) / night.charge_efficiency
    return {
        "id": night.name,
        "slot_minutes": SLOT_MINUTES,
        "import_price": _rounded(imports),
        "export_price": _rounded(exports),
        "carbon_kg_per_kwh": _rounded(night.carbon_kg_per_kwh),
        "carbon_price": carbon_price,
        "adder": _rounded(adder),
        "plugged": list(night.presence.plugged),
        "trip_kwh": list(night.presence.trip_kwh),
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
        "targets": _targets(night),
        "terminal_value_per_kwh": round(max(value, 0.001) * EAGER if night.is_eager else value, 6),
    }


def departure_slots(night: Night) -> list[int]:
    """Return the slots in which a car that is at the plug leaves, in order of time."""
    slots = ((leaves_at - night.slots.starts_at) // SLOT for leaves_at in night.departures)
    return [slot for slot in slots if 1 <= slot <= night.slots.count and night.presence.plugged[slot - 1]]


def _targets(night: Night) -> list[dict[str, Any]]:
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


def _rounded(values: Sequence[float]) -> list[float]:
    return [round(value, 6) for value in values]


def pick(night: Night, candidates: Sequence[tuple[Mapping[str, Any], Mapping[str, Any]]]) -> int:
    """Return which of the (problem, solution) candidates is best once the events are truly settled.

    The adder is linear, a settlement is not: it never charges for using more than the baseline. So the plan made with
    the adder may give up something for nothing, and the plan without it may be better.
    """
    costs = [true_cost(night, solution) for _, solution in candidates]
    return costs.index(min(costs))


def true_cost(night: Night, solution: Mapping[str, Any]) -> float:
    """Return what the plan costs by the formula without adders, less what its events would really earn."""
    problem = problem_of(night, with_asks=False)
    hours = SLOT_MINUTES / 60
    cost = 0.0
    for index, power_kw in enumerate(solution["power_kw"]):
        carbon = problem["carbon_price"] * problem["carbon_kg_per_kwh"][index]
        if power_kw > 0:
            cost += hours * power_kw * (problem["import_price"][index] + carbon)
        else:
            cost += hours * power_kw * (problem["export_price"][index] + carbon - night.wear_per_kwh)
    stored_kwh = solution["soc_percent"][-1] / 100 * problem["capacity_kwh"]
    earned = sum(expected_reward(night, ask, solution) for ask in night.asks)
    return float(cost - problem["terminal_value_per_kwh"] * stored_kwh - earned)


def expected_reward(night: Night, ask: Ask, solution: Mapping[str, Any]) -> float:
    """Return what the event would earn if the car did as planned, in currency: reward x max(0, delivered kWh)."""
    baseline_kwh, net_kwh = 0.0, 0.0
    baseline_kw = baseline_power(night, solution)
    for index, power_kw in enumerate(solution["power_kw"]):
        hours = SLOT_MINUTES / 60 * night.slots.share_within(index, ask.starts_at, ask.ends_at)
        baseline_kwh += baseline_kw[index] * hours
        net_kwh += power_kw * hours
    return float(ask.reward_per_kwh * max(0.0, ask.sign * (baseline_kwh - net_kwh)))


def baseline_power(night: Night, solution: Mapping[str, Any]) -> list[float]:
    """Return the mean power in kW, slot by slot, of the car that charges from each plug-in until its own limit.

    The stay under way counts from its true plug-in; later ones start with the SoC that the plan expects then.
    """
    power_kw = [0.0] * night.slots.count
    for starts_at, ends_at in night.presence.stays:
        began_at, soc_percent = starts_at, night.stay_soc_percent
        if starts_at == night.slots.starts_at and night.stay_began_at is not None:
            began_at = night.stay_began_at
        else:
            arrival = min(night.slots.count, max(0, -((night.slots.starts_at - starts_at) // SLOT)))
            soc_percent = solution["soc_percent"][arrival]
        missing_wh = max(0.0, night.limit_percent - soc_percent) / 100 * night.capacity_wh / night.charge_efficiency
        full_at = began_at + timedelta(hours=missing_wh / night.charge_w)
        for index in range(night.slots.count):
            share = night.slots.share_within(index, began_at, min(full_at, ends_at))
            power_kw[index] += night.charge_w / 1000 * share
    return power_kw
