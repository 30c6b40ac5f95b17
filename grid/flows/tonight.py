"""One car's night on one page: where it stands, what it will do, and what the owner gets."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

from grid.flows.abilities import REASONS as ABILITIES
from grid.flows.cars import CarNow, load_cars
from grid.flows.departures import next_departure
from grid.flows.explaining import explain_plan, to_next_departure
from grid.models import Dispatch, EventParticipation, Plan
from grid.planner.explain import shortfall_cause
from grid.slots import SLOT
from grid.steering import STALE_AFTER
from vehicles.models import ChargeOverride, Vehicle

LONGEST_VIEW = timedelta(hours=26)
SHORTEST_VIEW = timedelta(hours=12)
OBSTACLES = {
    **ABILITIES,
    "no_reading": "We have not heard from the car yet.",
    "planner": "No plan could be made. We try again every few minutes.",
}
SLOT_REASONS = {
    "unplugged": "not plugged in",
    "minimum": "charging to your minimum",
    "deadline": "charging to be ready in time",
    "absorb": "charging while power is plentiful",
    "clean": "charging while power is clean",
    "cheap": "charging while power is cheap",
    "hold": "paused for the grid",
    "idle": "paused until power is cheaper",
    "discharge": "giving energy back",
}


@dataclass(frozen=True)
class TonightSlot:
    """One bar of the chart. `power_kw` > 0 charges, < 0 discharges; `soc_percent` at the start; price a kWh."""

    starts_at: datetime
    label: str
    power_kw: float
    soc_percent: float
    price: float
    reason: str
    reason_text: str
    is_event: bool


@dataclass(frozen=True)
class Tonight:
    """What an owner's page shows of one car. Times are local labels beside aware UTC instants; None = not known."""

    vehicle: Vehicle
    now: datetime
    zone: ZoneInfo
    # Where it stands
    soc_percent: float | None
    observed_at: datetime | None
    age_text: str
    is_stale: bool
    is_plugged_in: bool | None
    is_at_home: bool | None
    power_w: int | None
    state_text: str
    # What it will do
    plan: Plan | None
    sentence: str
    obstacle: str
    obstacle_text: str
    slots: tuple[TonightSlot, ...]
    departure_at: datetime | None
    ready_by: str
    target_percent: int | None
    ready_percent: int | None
    shortfall_text: str
    currency: str
    # What the grid and the owner want
    next_event: EventParticipation | None
    expected_reward: float
    dispatch: Dispatch | None
    override: ChargeOverride | None


def tonight(*, vehicle: Vehicle, now: datetime) -> Tonight:
    """Return everything a page shows of the car's night at `now`; reads only."""
    car = load_cars([vehicle.pk], now=now)[vehicle.pk]
    plan = car.plan if car.plan and car.plan.slot_at(now) is not None else None
    reading = car.soc_reading
    departure_at = next_departure(car, now=now)
    obstacle = car.obstacle or (car.state.obstacle if car.state and plan is None else "")
    return Tonight(
        vehicle=car.vehicle,
        now=now,
        zone=car.zone,
        soc_percent=car.soc_percent,
        observed_at=reading.observed_at if reading else None,
        age_text=age_text(now - reading.observed_at) if reading else "",
        is_stale=reading is None or now - reading.observed_at > STALE_AFTER,
        is_plugged_in=car.reading.is_plugged_in if car.reading else None,
        is_at_home=car.reading.is_at_home if car.reading else None,
        power_w=car.reading.power_w if car.reading else None,
        state_text=state_text(car),
        plan=plan,
        sentence=explain_plan(plan=plan, zone=car.zone, now=now) if plan else "",
        obstacle=obstacle,
        obstacle_text=OBSTACLES.get(obstacle, ""),
        slots=_slots(car, plan, now, departure_at) if plan else (),
        departure_at=departure_at,
        ready_by=_label(departure_at, car.zone, now) if departure_at else "",
        target_percent=car.preference.target_soc_percent if car.preference else None,
        ready_percent=_ready_percent(plan, departure_at),
        shortfall_text=_shortfall_text(plan, departure_at, car),
        currency=car.site.tariff.utility.currency if car.site else car.vehicle.owner.currency,
        next_event=next(iter(car.participations), None),
        expected_reward=sum(plan.inputs.get("expected_reward", [])) if plan else 0.0,
        dispatch=car.dispatch,
        override=next((row for row in car.overrides if row.kind == car.override_kind), None),
    )


def age_text(age: timedelta) -> str:
    """Return how old a reading is, in words."""
    minutes = int(age.total_seconds() // 60)
    if minutes < 1:
        return "just now"
    if minutes < 120:
        return f"{minutes} minute{'s' if minutes != 1 else ''} ago"
    return f"{minutes // 60} hours ago" if minutes < 48 * 60 else f"{minutes // 1440} days ago"


def state_text(car: CarNow) -> str:
    """Return in words what the car is doing, as its newest reading and our dispatch say."""
    reading = car.reading
    if reading is None:
        return "No reading yet"
    if reading.is_plugged_in is False:
        return "Not plugged in" if reading.is_at_home is not True else "At home, not plugged in"
    if reading.is_at_home is False:
        return "Plugged in elsewhere"
    known = {
        "charging": "Charging",
        "discharging": "Giving energy back",
        "holding": "Paused",
        "complete": "Full to its limit",
        "fault": "The charger reports a fault",
        "plugged_idle": "Plugged in, not charging",
        "unplugged": "Not plugged in",
    }
    text = known.get(reading.charge_state, "Plugged in")
    if car.dispatch is not None and reading.charge_state in {"holding", "plugged_idle"}:
        return "Paused for an event" if car.dispatch.participation_id else "Paused by plan"
    return text


def _slots(car: CarNow, plan: Plan, now: datetime, departure_at: datetime | None) -> tuple[TonightSlot, ...]:
    first = plan.slot_at(now) or 0
    until = min(max(departure_at or now, now + SHORTEST_VIEW), now + LONGEST_VIEW)
    count = min(len(plan.solution["power_kw"]), first + int((until - plan.slot_starts_at(first)) // SLOT) + 1)
    prices = plan.inputs.get("import_price", plan.problem["import_price"])
    windows = [(part.event.starts_at, part.event.ends_at) for part in car.participations]
    return tuple(_slot(plan, index, prices[index], car.zone, windows=windows, now=now) for index in range(first, count))


def _slot(
    plan: Plan, index: int, price: float, zone: ZoneInfo, *, windows: list[tuple[datetime, datetime]], now: datetime
) -> TonightSlot:
    starts_at, reason = plan.slot_starts_at(index), plan.solution["reasons"][index]
    return TonightSlot(
        starts_at=starts_at,
        label=_label(starts_at, zone, now),
        power_kw=plan.solution["power_kw"][index],
        soc_percent=plan.solution["soc_percent"][index],
        price=price,
        reason=reason,
        reason_text=SLOT_REASONS.get(reason, reason),
        is_event=any(begins < starts_at + SLOT and starts_at < ends for begins, ends in windows),
    )


def _label(at: datetime, zone: ZoneInfo, now: datetime) -> str:
    local = at.astimezone(zone)
    return f"{local:%H:%M}" if at - now < timedelta(hours=24) else f"{local:%a %H:%M}"


def _departure_slot(plan: Plan | None, departure_at: datetime | None) -> int | None:
    if plan is None or departure_at is None:
        return None
    slot = int((departure_at - plan.starts_at) // SLOT)
    return slot if slot in plan.inputs.get("departure_slots", []) else None


def _ready_percent(plan: Plan | None, departure_at: datetime | None) -> int | None:
    slot = _departure_slot(plan, departure_at)
    # Rounded down, so that a promise is never larger than the plan.
    return None if plan is None or slot is None else int(plan.solution["soc_percent"][slot] + 1e-6)


def _shortfall_text(plan: Plan | None, departure_at: datetime | None, car: CarNow) -> str:
    slot, ready = _departure_slot(plan, departure_at), _ready_percent(plan, departure_at)
    if plan is None or slot is None or ready is None or car.preference is None:
        return ""
    wanted = car.preference.target_soc_percent
    if plan.solution["soc_percent"][slot] >= wanted - 0.01:
        return ""
    cause = shortfall_cause(to_next_departure(plan, first=slot - 1), {**plan.solution, "shortfall_kwh": 1.0})
    return f"It will have {ready} % instead of {wanted} %" + (f": {cause}." if cause else ".")
