"""What a utility's cars could do: power that could be held or given back over the next day, from their plans."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

import numpy as np
from django.core.cache import cache
from django.db.models import Count, Max, Min, QuerySet, Sum
from django.db.models.functions import Least

from grid.arrays.slots import EPOCH, SLOT, SLOTS_A_DAY
from grid.models import Enrollment, Nomination, Plan, Utility
from grid.planner.problem import Floats

MOST_PLANS = 1000  # more cars are told from so many, chosen by lot
REMEMBERED = timedelta(minutes=5)  # simulated time
MIN_KW = 0.01
HOUR = timedelta(hours=1)
WATTS_PER_KW = 1000


@dataclass(frozen=True)
class PowerSlot:
    """A quarter of an hour, kW at the AC side: charging that could be held, what could be given back.

    `sure_kw`: what could be held on nine of ten such days (`operators.nominating`); None where nothing was nominated.
    """

    starts_at: datetime
    hold_kw: float
    discharge_kw: float
    sure_kw: float | None = None


@dataclass(frozen=True)
class Available:
    """The fleet's power. `cars` are enrolled, `planned` of them have a plan; ages are of the plans."""

    slots: Sequence[PowerSlot]
    cars: int
    enrolled_kw: float
    planned: int
    sampled: int
    oldest_at: datetime | None
    newest_at: datetime | None

    @property
    def now(self) -> PowerSlot | None:
        """The quarter of an hour under way."""
        return self.slots[0] if self.slots else None


def available_power(utility: Utility, *, now: datetime) -> Available:
    """Return what the utility's enrolled cars could do from now on for a day, looked up once in five minutes."""
    key = f"desk:power:{utility.pk}:{(now - EPOCH) // REMEMBERED}"
    known: Available | None = cache.get(key)
    if known is None:
        known = _work_out(utility, now)
        cache.set(key, known, 300)
    return known


def enrolled_in(utility: Utility) -> "QuerySet[Enrollment]":
    """Return the cars that are enrolled with the utility today, each once."""
    return Enrollment.once_a_car().filter(program__utility=utility)


def _work_out(utility: Utility, now: datetime) -> Available:
    enrolled = enrolled_in(utility)
    sums = enrolled.aggregate(cars=Count("pk"), power_w=Sum(Least("vehicle__max_charge_w", "site__evse_max_charge_w")))
    plans = Plan.objects.filter(
        is_current=True, vehicle__in=enrolled.values("vehicle"), made_at__gt=now - timedelta(days=1)
    )
    told = plans.aggregate(count=Count("pk"), oldest=Min("made_at"), newest=Max("made_at"))
    # Public ids are random, so that their order is a lot.
    sample = list(plans.order_by("vehicle__public_id").only("arrays", "starts_at", "slot_minutes")[:MOST_PLANS])
    starts_at = EPOCH + ((now - EPOCH) // SLOT) * SLOT
    return Available(
        slots=_slots(sample, starts_at, scale=told["count"] / len(sample), sure=_nominated(utility, now))
        if sample
        else (),
        cars=sums["cars"],
        enrolled_kw=(sums["power_w"] or 0) / WATTS_PER_KW,
        planned=told["count"],
        sampled=len(sample),
        oldest_at=told["oldest"],
        newest_at=told["newest"],
    )


def _slots(
    plans: Sequence[Plan], starts_at: datetime, *, scale: float, sure: Mapping[datetime, int]
) -> tuple[PowerSlot, ...]:
    hold, discharge = np.zeros(SLOTS_A_DAY), np.zeros(SLOTS_A_DAY)
    for plan in plans:
        begin = max(0, (starts_at - plan.starts_at) // SLOT)
        for total, series in zip((hold, discharge), _of_plan(plan), strict=True):
            known = series[begin : begin + SLOTS_A_DAY]
            total[: len(known)] += known
    slots = []
    for place in range(SLOTS_A_DAY):
        at = starts_at + SLOT * place
        sure_w = sure.get(at)
        slots.append(
            PowerSlot(
                starts_at=at,
                hold_kw=round(float(hold[place]) * scale, 2),
                discharge_kw=round(float(discharge[place]) * scale, 2),
                sure_kw=None if sure_w is None else sure_w / WATTS_PER_KW,
            )
        )
    return tuple(slots)


def _nominated(utility: Utility, now: datetime) -> dict[datetime, int]:
    """Return by quarter hour what all programs together were nominated for; hours are the utility's clock's."""
    rows = Nomination.objects.filter(
        program__utility=utility, starts_at__gt=now - HOUR, starts_at__lt=now + timedelta(hours=25)
    )
    sums = rows.order_by().values_list("starts_at").annotate(Sum("hold_w"))
    return {starts_at + SLOT * place: hold_w for starts_at, hold_w in sums for place in range(HOUR // SLOT)}


def _of_plan(plan: Plan) -> tuple[Floats, Floats]:
    """Return a plan's charging power and what the car could give back, kW a slot."""
    problem, solution = plan.problem, plan.solution
    power = np.asarray(solution["power_kw"], dtype=np.float64)
    soc = np.asarray(solution["soc_percent"], dtype=np.float64)[: len(power)]
    plugged = np.asarray(problem["plugged"], dtype=np.float64)
    may_give = (soc > problem["reserve_percent"]) & (plugged > 0)
    give = np.where(may_give, float(problem["max_discharge_kw"]), 0.0)
    return np.where(power > MIN_KW, power, 0.0), give
