"""Plans and settlements in words and numbers that their owner can check."""

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo

from foundation.money import major_units
from grid.metering import evidence
from grid.metering.baselines import charging_window, hours, method_of
from grid.metering.cases import Case, Stay
from grid.metering.energy import MEASURED, Energy
from grid.metering.settlement import Interval, Result, series
from grid.models import Plan, Settlement
from grid.planner.explain import explain

GRADES = {
    "measured": "Measured by the charger's or car's own meter.",
    "derived": "Derived from the battery's state of charge, because no meter reading covers the event.",
    "missing": "Not known: no readings cover the event. If they arrive later, this is corrected and paid.",
}
REASONS = {
    "": "",
    "not_plugged_in": "The car was not plugged in at home during the event.",
    "nothing_to_shift": "The car would not have charged during the event anyway, so there was nothing to shift.",
    "no_reduction": "The car used as much as, or more than, it would have without the event.",
    "no_increase": "The car used no more than it would have without the event.",
    "readings_missing": "We have no readings of the car from the event, and what is not known is not paid.",
}
KINDS = {
    "hold": "hold charging",
    "discharge": "hold charging and give energy back",
    "absorb": "charge more",
}


A_CENT = 0.01


@dataclass(frozen=True)
class Step:
    """One step of the sum: what is worked out, how, and the result with its unit."""

    title: str
    text: str
    value: str
    unit: str


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


def explain_plan(*, plan: Plan, zone: ZoneInfo, now: datetime) -> str:
    """Return one sentence, in local times, on what the car will do up to its next departure, and why.

    What lies before `now` is left out. A second sentence tells what care costs, where it costs a cent or more.
    """
    first = plan.slot_at(now) or 0
    problem, solution = to_next_departure(plan, first=first), dict(plan.solution)
    if first:
        problem, solution = _from_slot(problem, solution, first)
    sentence = explain(problem, solution, plan.slot_starts_at(first), zone.key)
    return f"{sentence} {cost_of_care(plan)}".rstrip()


def cost_of_care(plan: Plan) -> str:
    """Return what being ready for an early departure and few switches add to the plan's cost; "" below a cent."""
    added = plan.inputs.get("added_cost", {})
    told = [
        f"{what} adds about {added[key]:.2f} {plan.inputs.get('currency', '')}".rstrip()
        for key, what in (("hedge", "being ready in case you leave early"), ("shape", "charging in fewer pieces"))
        if added.get(key, 0.0) >= A_CENT
    ]
    sentence = " and ".join(told)
    return f"{sentence[0].upper()}{sentence[1:]} to this plan." if sentence else ""


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


def explain_settlement(*, settlement: Settlement, zone: ZoneInfo) -> Explanation:
    """Return how the settlement follows from its readings, step by step, with every number that is needed to check it.

    Everything is read from the settlement's evidence; nothing is looked up elsewhere.
    """
    case = evidence.read(settlement.evidence)
    result = evidence.recompute(settlement.evidence)
    steps = [
        _event_step(case, zone),
        *_baseline_steps(case, result, zone),
        *(_flow_step(flow, case, zone) for flow in result.flows),
        *_delivered_steps(case, result),
        _amount_step(case, result),
    ]
    return Explanation(
        steps=steps,
        amount_minor=settlement.amount_minor,
        currency=settlement.currency,
        grade=settlement.grade,
        grade_text=GRADES[settlement.grade],
        reason_text=REASONS.get(settlement.reason, settlement.reason),
        method_text=f"Compared with {method_of(case.method, case.method_version).title} "
        f"({case.method}, version {case.method_version}).",
        series=series(case),
    )


def _event_step(case: Case, zone: ZoneInfo) -> Step:
    lasted = hours(case.event.ends_at - case.event.starts_at)
    text = f"The utility asked to {KINDS[case.kind]} from {_when(case.event.starts_at, zone)} to "
    return Step("The event", text + f"{_when(case.event.ends_at, zone)}.", f"{float(lasted):g}", "h")


def _baseline_steps(case: Case, result: Result, zone: ZoneInfo) -> list[Step]:
    """Return one step a stay on what the car would have done, and their sum."""
    steps = [_stay_step(stay, case, zone) for stay in case.stays]
    inside = " + ".join(
        f"{segment.power_w:,} W x {_exact(hours(segment.window.ends_at - segment.window.starts_at))} h "
        f"({_clock(segment.window.starts_at, zone)} to {_clock(segment.window.ends_at, zone)})"
        for segment in result.segments
    )
    text = f"Of this, inside the event: {inside}." if inside else "None of this lies inside the event."
    return [*steps, Step("Without the event", text, f"{result.baseline_wh:,}", "Wh")]


def _stay_step(stay: Stay, case: Case, zone: ZoneInfo) -> Step:
    car, window = case.car, charging_window(stay=stay, car=case.car)
    text = (
        f"Plugged in at {_when(stay.plugged_in_at, zone)} with {stay.soc_percent} %. Left alone, the car charges at "
        f"{car.power_w:,} W until its own limit of {stay.limit_percent} %: ({stay.limit_percent} - {stay.soc_percent}) "
        f"/ 100 x {car.capacity_wh:,} Wh / {car.charge_efficiency} (efficiency)"
    )
    if stay.unplugged_at is not None:
        text += f", or until it is unplugged at {_when(stay.unplugged_at, zone)}"
    return Step(
        "Left alone",
        f"{text}. That lasts until {_when(window.ends_at, zone)}.",
        _exact(hours(window.ends_at - window.starts_at)),
        "h",
    )


def _flow_step(flow: Energy, case: Case, zone: ZoneInfo) -> Step:
    span = f"{_when(flow.window.starts_at, zone)} to {_when(flow.window.ends_at, zone)}"
    if flow.net_wh is None:
        return Step("What it really did", f"From {span}: no readings on both sides.", "not known", "")
    edges = {name: (start, end) for name, start, end in flow.edges}
    if flow.grade == MEASURED:
        (in_0, in_1), (out_0, out_1) = edges["imported_wh"], edges["exported_wh"]
        text = (
            f"From {span} the meter of energy taken went from {_exact(in_0)} to {_exact(in_1)} Wh, that of energy "
            f"given back from {_exact(out_0)} to {_exact(out_1)} Wh. Taken less given back:"
        )
    else:
        soc_0, soc_1 = edges["soc_percent"]
        text = (
            f"From {span} the battery went from {_exact(soc_0)} % to {_exact(soc_1)} %. The gain, never below 0, "
            f"/ 100 x {case.car.capacity_wh:,} Wh / {case.car.charge_efficiency} (efficiency):"
        )
    return Step("What it really did", text, _exact(flow.net_wh), "Wh")


def _delivered_steps(case: Case, result: Result) -> list[Step]:
    if result.net_wh is None or result.delivered_wh is None:
        return [Step("Delivered", "What is not known is not paid, and not counted as nothing.", "not known", "")]
    net = f"{result.net_wh:,} Wh (rounded to whole Wh)"
    text = (
        f"{net} less {result.baseline_wh:,} Wh without the event."
        if case.kind == "absorb"
        else f"{result.baseline_wh:,} Wh without the event less {net}."
    )
    steps = [Step("Delivered", text, f"{result.delivered_wh:,}", "Wh")]
    if result.delivered_wh < 0:
        steps.append(Step("Credited", "Never less than nothing: the event costs you nothing.", "0", "Wh"))
    return steps


def _amount_step(case: Case, result: Result) -> Step:
    rate = Decimal(case.rate_micros_per_kwh) / 1_000_000
    amount = major_units(amount_minor=result.amount_minor, currency=case.currency)
    text = (
        f"{result.credited_wh:,} Wh / 1000 x {rate.normalize():f} {case.currency} per kWh, rounded to whole cents "
        "(half a cent to the even one)."
    )
    return Step("You earn", text, f"{amount:.2f}", case.currency)


def _when(at: datetime, zone: ZoneInfo) -> str:
    local = at.astimezone(zone)
    return f"{local:%a} {local:%b} {local.day}, {local:%H:%M:%S} {local:%Z}".replace(":00 ", " ")


def _clock(at: datetime, zone: ZoneInfo) -> str:
    return f"{at.astimezone(zone):%H:%M:%S}".removesuffix(":00")


def _exact(value: Any) -> str:
    # Enough digits that the owner's pocket calculator arrives at the same whole Wh.
    return f"{float(value):,.6f}".rstrip("0").rstrip(".")
