"""One car's night on one page: where it stands, what it will do, and what the owner gets."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cached_property
from zoneinfo import ZoneInfo

from babel.dates import format_date
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from accounts.models import User
from foundation import formats
from foundation.formats import Reader
from grid.arrays.slots import SLOT
from grid.flows.events.abilities import REASONS as ABILITIES
from grid.flows.owners.cars_of import load_cars_of
from grid.flows.owners.explaining import explain_plan, to_next_departure
from grid.flows.owners.wording import say_shortfall
from grid.flows.plans.cars import CarNow, load_cars
from grid.flows.plans.departures import next_departure
from grid.models import Dispatch, EventParticipation, Plan
from grid.planner.explain import shortfall_cause
from grid.rules.steering import STALE_AFTER
from vehicles.models import ChargeOverride, Vehicle

LONGEST_VIEW = timedelta(hours=26)
SHORTEST_VIEW = timedelta(hours=12)
OBSTACLES = {
    **ABILITIES,
    "no_reading": _("We have not heard from the car yet."),
    "planner": _("No plan could be made. We try again every few minutes."),
}
STATES = {
    "unread": _("No reading yet"),
    "unplugged": _("Not plugged in"),
    "unplugged_at_home": _("At home, not plugged in"),
    "plugged_elsewhere": _("Plugged in elsewhere"),
    "plugged": _("Plugged in"),
    "plugged_idle": _("Plugged in, not charging"),
    "charging": _("Charging"),
    "discharging": _("Giving energy back"),
    "holding": _("Paused"),
    "paused_for_event": _("Paused for an event"),
    "paused_by_plan": _("Paused by plan"),
    "complete": _("Full to its limit"),
    "fault": _("The charger reports a fault"),
}
SLOT_REASONS = {
    "unplugged": _("not plugged in"),
    "minimum": _("charging to your minimum"),
    "deadline": _("charging to be ready in time"),
    "absorb": _("charging while power is plentiful"),
    "clean": _("charging while power is clean"),
    "cheap": _("charging while power is cheap"),
    "hold": _("paused for the grid"),
    "idle": _("paused until power is cheaper"),
    "discharge": _("giving energy back"),
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
    """What an owner's page shows of one car. Times are local labels beside aware UTC instants; None = not known.

    What takes a look at every slot of the plan is worked out when it is asked for, so that parts of the page are quick.
    """

    car: CarNow
    reader: Reader
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
    obstacle: str
    obstacle_text: str
    departure_at: datetime | None
    target_percent: int | None
    currency: str
    # What the grid and the owner want
    next_event: EventParticipation | None
    dispatch: Dispatch | None
    override: ChargeOverride | None

    @cached_property
    def sentence(self) -> str:
        """The plan in words; "" without one."""
        return explain_plan(plan=self.plan, zone=self.zone, now=self.now, reader=self.reader) if self.plan else ""

    @cached_property
    def slots(self) -> tuple[TonightSlot, ...]:
        """The bars of the chart, from the slot that is running on."""
        return _slots(self, self.plan) if self.plan else ()

    @cached_property
    def ready_by(self) -> str:
        """When it leaves, as a label; "" where that is not known."""
        return _label(self.departure_at, self) if self.departure_at else ""

    @cached_property
    def ready_percent(self) -> int | None:
        """What the plan reaches by then, rounded down, so that a promise is never larger than the plan."""
        slot = _departure_slot(self.plan, self.departure_at)
        return None if self.plan is None or slot is None else int(self.plan.solution["soc_percent"][slot] + 1e-6)

    @cached_property
    def shortfall_text(self) -> str:
        """Why the car will not be as full as it should; "" where it will."""
        return _shortfall_text(self)

    @cached_property
    def expected_reward(self) -> float:
        """What the plan expects of events, in major units."""
        return sum(self.plan.inputs.get("expected_reward", [])) if self.plan else 0.0


def tonight(*, vehicle: Vehicle, now: datetime) -> Tonight:
    """Return everything a page shows of the car's night at `now`; reads only."""
    return _look(load_cars([vehicle.pk], now=now)[vehicle.pk], now)


def tonights(*, owner: User, now: datetime) -> list[Tonight]:
    """Return the same of each of the owner's cars that take part, loaded together; reads only."""
    return [_look(car, now) for car in load_cars_of(owner, now=now)]


def _look(car: CarNow, now: datetime) -> Tonight:
    plan = car.plan if car.plan and car.plan.slot_at(now) is not None else None
    reading, reader = car.soc_reading, formats.reader_in(car.vehicle.owner.country)
    departure_at = next_departure(car, now=now)
    obstacle = car.obstacle or (car.state.obstacle if car.state and plan is None else "")
    return Tonight(
        car=car,
        reader=reader,
        vehicle=car.vehicle,
        now=now,
        zone=car.zone,
        soc_percent=car.soc_percent,
        observed_at=reading.observed_at if reading else None,
        age_text=formats.age(now - reading.observed_at, reader=reader) if reading else "",
        is_stale=reading is None or now - reading.observed_at > STALE_AFTER,
        is_plugged_in=car.reading.is_plugged_in if car.reading else None,
        is_at_home=car.reading.is_at_home if car.reading else None,
        power_w=car.reading.power_w if car.reading else None,
        state_text=state_text(car),
        plan=plan,
        obstacle=obstacle,
        obstacle_text=str(OBSTACLES.get(obstacle, "")),
        departure_at=departure_at,
        target_percent=car.preference.target_soc_percent if car.preference else None,
        currency=car.site.tariff.utility.currency if car.site else car.vehicle.owner.currency,
        next_event=next(iter(car.participations), None),
        dispatch=car.dispatch,
        override=next((row for row in car.overrides if row.kind == car.override_kind), None),
    )


def state_text(car: CarNow) -> str:
    """Return in words what the car is doing, as its newest reading and our dispatch say."""
    return str(STATES[_state(car)])


def _state(car: CarNow) -> str:
    reading = car.reading
    if reading is None:
        return "unread"
    if reading.is_plugged_in is False:
        return "unplugged" if reading.is_at_home is not True else "unplugged_at_home"
    if reading.is_at_home is False:
        return "plugged_elsewhere"
    if car.dispatch is not None and reading.charge_state in {"holding", "plugged_idle"}:
        return "paused_for_event" if car.dispatch.participation_id else "paused_by_plan"
    return reading.charge_state if reading.charge_state in STATES else "plugged"


def _slots(night: Tonight, plan: Plan) -> tuple[TonightSlot, ...]:
    now, solution = night.now, plan.solution
    first = plan.slot_at(now) or 0
    until = min(max(night.departure_at or now, now + SHORTEST_VIEW), now + LONGEST_VIEW)
    count = min(len(solution["power_kw"]), first + int((until - plan.slot_starts_at(first)) // SLOT) + 1)
    prices = plan.inputs.get("import_price", plan.problem["import_price"])
    windows = [(part.event.starts_at, part.event.ends_at) for part in night.car.participations]
    words = {reason: str(SLOT_REASONS.get(reason, reason)) for reason in set(solution["reasons"])}
    return tuple(
        TonightSlot(
            starts_at=starts_at,
            label=_label(starts_at, night),
            power_kw=solution["power_kw"][index],
            soc_percent=solution["soc_percent"][index],
            price=prices[index],
            reason=solution["reasons"][index],
            reason_text=words[solution["reasons"][index]],
            is_event=any(begins < starts_at + SLOT and starts_at < ends for begins, ends in windows),
        )
        for index, starts_at in ((index, plan.slot_starts_at(index)) for index in range(first, count))
    )


def _label(at: datetime, night: Tonight) -> str:
    local = at.astimezone(night.zone)
    shown = formats.time_of_day(local.time().replace(second=0, microsecond=0), reader=night.reader)
    if at - night.now < timedelta(hours=24):
        return shown
    weekday = format_date(local, "EEE", locale=night.reader.locale)
    return gettext("{weekday} {time}").format(weekday=weekday, time=shown)


def _departure_slot(plan: Plan | None, departure_at: datetime | None) -> int | None:
    if plan is None or departure_at is None:
        return None
    slot = int((departure_at - plan.starts_at) // SLOT)
    return slot if slot in plan.inputs.get("departure_slots", []) else None


def _shortfall_text(night: Tonight) -> str:
    plan, ready, preference = night.plan, night.ready_percent, night.car.preference
    slot = _departure_slot(plan, night.departure_at)
    if plan is None or slot is None or ready is None or preference is None:
        return ""
    wanted = preference.target_soc_percent
    if plan.solution["soc_percent"][slot] >= wanted - 0.01:
        return ""
    cause = shortfall_cause(to_next_departure(plan, first=slot - 1), {**plan.solution, "shortfall_kwh": 1.0})
    return say_shortfall(cause, reached_percent=ready, wanted_percent=wanted, reader=night.reader)
