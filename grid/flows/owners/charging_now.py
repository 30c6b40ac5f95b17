"""What "charge now" costs beside the plan, so that the owner sees the price before the button."""

import math
from dataclasses import dataclass
from datetime import datetime, timedelta

from grid.arrays.slots import SLOT, SLOT_MINUTES
from grid.flows.owners.tonight import Tonight
from grid.models import GridEvent, Plan

SLOT_HOURS = SLOT_MINUTES / 60
MINOR = 100  # cents of a dollar, American and Canadian alike
SAME_MINOR = 1


@dataclass(frozen=True)
class ChargeNowCost:
    """Charging at once up to what the plan would have reached: how much dearer, what is missed, and when it is there.

    `extra_minor` > 0 is what it costs more; `missed_minor` is the reward that the plan expected of events until then.
    """

    extra_minor: int
    missed_minor: int
    ready_at: datetime
    currency: str

    @property
    def is_dearer(self) -> bool:
        """Whether it costs more than a rounding."""
        return self.extra_minor > SAME_MINOR


def charge_now_cost(night: Tonight) -> ChargeNowCost | None:
    """Return what charging at once would cost beside the plan, or None where there is no plan or nothing to charge.

    Compared is the same energy, up to what the plan holds at the next departure (without one, at the end of what is
    shown): at full power from now on, against the plan's slots. Prices are the tariff's own, without carbon or wear.
    """
    plan = night.plan
    if plan is None or not night.slots or night.soc_percent is None:
        return None
    first = plan.slot_at(night.now)
    last = _end(plan, night)
    if first is None or last is None or last <= first:
        return None
    needed_kwh = _needed_kwh(plan, night.soc_percent, plan.solution["soc_percent"][last])
    charge_kw = plan.problem["max_charge_kw"]
    if needed_kwh <= 0 or charge_kw <= 0:
        return None
    prices = plan.inputs.get("import_price", plan.problem["import_price"])
    extra = _cost_at_once(prices, needed_kwh, charge_kw, first) - _cost_of_plan(plan, prices, first, last)
    return ChargeNowCost(
        extra_minor=round(extra * MINOR),
        missed_minor=round(max(0.0, night.expected_reward) * MINOR) if night.next_event else 0,
        ready_at=night.now + timedelta(hours=needed_kwh / charge_kw),
        currency=night.currency,
    )


def expected_minor(plan: Plan | None, event: GridEvent) -> int | None:
    """Return what the plan expects the car to earn in the event, in minor units; None where it does not know."""
    if plan is None:
        return None
    asks, expected = plan.inputs.get("asks", []), plan.inputs.get("expected_reward", [])
    window = (event.starts_at.isoformat(), event.ends_at.isoformat())
    for ask, reward in zip(asks, expected, strict=False):  # a plan made before an ask was counted knows fewer
        if (ask["starts_at"], ask["ends_at"]) == window:
            return max(0, round(float(reward) * MINOR))
    return None


def _end(plan: Plan, night: Tonight) -> int | None:
    ends_at = night.departure_at or night.slots[-1].starts_at + SLOT
    slot = int((ends_at - plan.starts_at) // SLOT)
    return slot if 0 < slot < len(plan.solution["soc_percent"]) else None


def _needed_kwh(plan: Plan, soc_percent: float, ready_percent: float) -> float:
    """Return the energy at the plug, AC side, that lifts the battery to `ready_percent`."""
    missing = max(0.0, ready_percent - soc_percent) / 100
    return float(missing * plan.problem["capacity_kwh"] / plan.problem["charge_efficiency"])


def _cost_at_once(prices: list[float], needed_kwh: float, charge_kw: float, first: int) -> float:
    cost, a_slot = 0.0, charge_kw * SLOT_HOURS
    for slot in range(first, min(len(prices), first + math.ceil(needed_kwh / a_slot))):
        taken = min(a_slot, needed_kwh)
        cost += taken * prices[slot]
        needed_kwh -= taken
    return cost


def _cost_of_plan(plan: Plan, prices: list[float], first: int, last: int) -> float:
    cost = 0.0
    for slot in range(first, last):
        power_kw = plan.solution["power_kw"][slot]
        price = prices[slot] if power_kw > 0 else plan.problem["export_price"][slot]
        cost += power_kw * SLOT_HOURS * price
    return cost
