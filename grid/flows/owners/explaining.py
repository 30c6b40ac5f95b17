"""Plans and settlements in words and numbers that their owner can check."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from foundation import formats
from foundation.formats import Reader
from foundation.words import Words
from grid.flows.owners.wording import PlanClock, say_plan
from grid.flows.settlement.group_steps import GroupSteps, why_pending
from grid.flows.settlement.steps import Step, Steps
from grid.metering import evidence
from grid.metering.settlement import Interval, series
from grid.models import Plan, Settlement
from grid.planner.explain import explain

GRADES = {
    "measured": _("Measured by the charger's or car's own meter."),
    "derived": _("Derived from the battery's state of charge, because no meter reading covers the event."),
    "missing": _("Not known: no readings cover the event. If they arrive later, this is corrected and paid."),
    "estimated": _("Your car's own energy is not known; the mean of the group stands in for it."),
}
REASONS: dict[str, Words | str] = {
    "": "",
    "not_plugged_in": _("The car was not plugged in at home during the event."),
    "nothing_to_shift": _("The car would not have charged during the event anyway, so there was nothing to shift."),
    "no_reduction": _("The car used as much as, or more than, it would have without the event."),
    "no_increase": _("The car used no more than it would have without the event."),
    "excluded": _("Your car was left out of the group's result after the utility objected."),
    "group_not_known": _("What the group delivered cannot be told yet; a person looks at it."),
    "group_delivered_nothing": _("All cars together used as much as, or more than, without the event."),
    "nothing_committed": _("Before the event was announced your car had nothing to shift in it."),
    "readings_missing": _("We have no readings of the car from the event, and what is not known is not paid."),
}
METHODS = {
    "uncontrolled-at-plug-in": _(
        "Compared with charging at full power from plug-in until the car's own limit ({method}, version {version})."
    ),
}
ANY_METHOD = _("Compared by the method {method}, version {version}.")

A_CENT = 0.01


@dataclass(frozen=True)
class Explanation:
    """How a settlement came about. `steps` in order lead from readings to the amount; `series` is for a chart."""

    steps: list[Step]
    amount_minor: int
    currency: str
    grade: str
    grade_text: str
    reason_text: str
    method_text: str
    series: tuple[Interval, ...]
    pending_text: str = ""


def explain_plan(*, plan: Plan, zone: ZoneInfo, now: datetime, reader: Reader | None = None) -> str:
    """Return one sentence, in local times, on what the car will do up to its next departure, and why.

    What lies before `now` is left out. A second sentence tells what care costs, where it costs a cent or more.
    """
    reader = reader or formats.reader_in("US")
    first = plan.slot_at(now) or 0
    problem, solution = to_next_departure(plan, first=first), dict(plan.solution)
    if first:
        problem, solution = _from_slot(problem, solution, first)
    clock = PlanClock(plan.slot_starts_at(first), slot_minutes=problem["slot_minutes"], zone=zone, reader=reader)
    sentence = say_plan(explain(problem, solution), clock, minimum_percent=problem.get("minimum_percent", 0))
    return f"{sentence} {cost_of_care(plan, reader=reader)}".rstrip()


def cost_of_care(plan: Plan, *, reader: Reader) -> str:
    """Return what being ready for an early departure and few switches add to the plan's cost; "" below a cent."""
    added, currency = plan.inputs.get("added_cost", {}), plan.inputs.get("currency", "USD")
    hedge, shape = (
        formats.money(round(100 * added[key]), currency, reader=reader) if added.get(key, 0.0) >= A_CENT else ""
        for key in ("hedge", "shape")
    )
    if hedge and shape:
        sentence = gettext(
            "Being ready in case you leave early adds about {hedge} and charging in fewer pieces adds about {shape} "
            "to this plan."
        )
    elif hedge:
        sentence = gettext("Being ready in case you leave early adds about {hedge} to this plan.")
    elif shape:
        sentence = gettext("Charging in fewer pieces adds about {shape} to this plan.")
    else:
        return ""
    return sentence.format(hedge=hedge, shape=shape)


def to_next_departure(plan: Plan, *, first: int = 0) -> dict[str, Any]:
    """Return the plan's problem with one target: at the next departure after slot `first`, as the owner thinks of it.

    The plan itself is ready somewhat earlier, because no hold may last until the last minute.
    """
    targets = {target["slot"]: target for target in plan.problem["targets"]}
    slots = plan.inputs.get("departure_slots", sorted(targets))
    return {**plan.problem, "targets": [targets[slot] for slot in slots if slot in targets and slot > first][:1]}


def _from_slot(problem: dict[str, Any], solution: dict[str, Any], first: int) -> tuple[dict[str, Any], dict[str, Any]]:
    series_keys = ("import_price", "export_price", "carbon_kg_per_kwh", "adder", "plugged", "trip_kwh")
    cut = {key: problem[key][first:] for key in series_keys if key in problem}
    targets = [{**target, "slot": target["slot"] - first} for target in problem["targets"] if target["slot"] > first]
    rest = {key: solution[key][first:] for key in ("power_kw", "soc_percent", "reasons")}
    return {**problem, **cut, "targets": targets}, {**solution, **rest}


def explain_settlement(*, settlement: Settlement, zone: ZoneInfo, reader: Reader | None = None) -> Explanation:
    """Return how the settlement follows from its readings, step by step, with every number that is needed to check it.

    Everything is read from the settlement's evidence; nothing is looked up elsewhere.
    """
    case = evidence.read(settlement.evidence)
    result = evidence.recompute(settlement.evidence)
    method, reader = METHODS.get(case.method, ANY_METHOD), reader or formats.reader_in("US")
    steps = Steps(case, result, zone=zone, reader=reader)
    group = settlement.group
    return Explanation(
        steps=steps.all() if group is None else [*steps.of_the_car(), *GroupSteps(settlement, reader=reader).all()],
        amount_minor=settlement.amount_minor,
        currency=settlement.currency,
        grade=settlement.grade,
        grade_text=str(GRADES[settlement.grade]),
        reason_text=str(REASONS.get(settlement.reason, settlement.reason)),
        method_text=str(method).format(method=case.method, version=case.method_version),
        series=series(case),
        pending_text=why_pending(settlement, until=_moment(group.objection_ends_at, zone, reader) if group else ""),
    )


def _moment(at: datetime, zone: ZoneInfo, reader: Reader) -> str:
    local = at.astimezone(zone)
    clock = formats.time_of_day(local.time().replace(microsecond=0), reader=reader)
    return f"{formats.day(local.date(), reader=reader)}, {clock}"
