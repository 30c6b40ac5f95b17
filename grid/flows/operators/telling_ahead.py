"""What a utility is told of an event that no meter shows: forecasts, capabilities, and that owners said no."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from grid.arrays.forecasts import Outlook, PlanAhead
from grid.flows.operators.operating_states import state_of, state_of_group, told_as
from grid.flows.operators.report_subjects import Telling, events_of, name_cars, parts_in, scope_of_report, windows_of
from grid.flows.operators.telemetry import FEWEST_CARS
from grid.flows.operators.telling import BATCH, MOST_SINGLE
from grid.metering.cases import Window
from grid.models import EventParticipation, GridEvent, OwedReport, Plan
from grid.operators.openadr3.reporting import AGGREGATED, FORECAST, Row, Told
from vehicles.models import ChargeReading

HOUR = timedelta(hours=1)
FRESH = timedelta(hours=1)
MOST_PLANS = 2000  # more cars are told from so many, chosen by lot


@dataclass
class _Sum:
    outlook: Outlook
    cars: int = 0


def tell_ahead(report: OwedReport) -> Telling:
    """Return what the plans of the cars that take part say of the report's spans; nothing before owners heard of it."""
    scope, spans = scope_of_report(report), _spans(report)
    sums = [_Sum(Outlook()) for _ in spans]
    for event in events_of(report):
        parts = parts_in(event, scope).filter(state=EventParticipation.State.IN)
        # Public ids are random, so that their order is a lot.
        vehicles = list(parts.order_by("public_id").values_list("enrollment__vehicle", flat=True))
        chosen = vehicles[:MOST_PLANS]
        for place in range(0, len(chosen), BATCH):
            for plan in Plan.objects.filter(is_current=True, vehicle__in=chosen[place : place + BATCH]):
                _add(sums, spans, plan, event, len(vehicles) / len(chosen))
    rows = [
        Row(number, window.starts_at, window.ends_at, _told(total.outlook, window))
        for (number, window), total in zip(spans, sums, strict=True)
        if total.cars >= FEWEST_CARS
    ]
    return Telling({AGGREGATED: rows} if rows else {})


def _spans(report: OwedReport) -> list[tuple[int, Window]]:
    """Return the report's spans, each cut to the one event of ours that it lies in."""
    events = events_of(report)
    found = []
    for number, window in windows_of(report):
        for event in events:
            span = window.clip(Window(event.starts_at, event.ends_at))
            if span is not None:
                found.append((number, span))
    return found


def _add(sums: Sequence[_Sum], spans: Sequence[tuple[int, Window]], plan: Plan, event: GridEvent, scale: float) -> None:
    ahead = PlanAhead(
        starts_at=plan.starts_at,
        slot=timedelta(minutes=plan.slot_minutes),
        problem=plan.problem,
        solution=plan.solution,
        baseline_kw=plan.inputs.get("baseline_kw"),
    )
    for total, (_, window) in zip(sums, spans, strict=True):
        if not event.starts_at <= window.starts_at < event.ends_at:
            continue
        outlook = ahead.over(window.starts_at, window.ends_at)
        if outlook is not None:
            total.outlook, total.cars = total.outlook + outlook.times(scale), total.cars + 1


def _told(outlook: Outlook, window: Window) -> Told:
    """Return the cars' outlook in the report's words; energies are of the whole span."""
    hours = (window.ends_at - window.starts_at) / HOUR
    return Told(
        net_wh=round(outlook.power_kw * hours * 1000),
        baseline_wh=round(outlook.baseline_kw * hours * 1000),
        demand_w=round(outlook.power_kw * 1000),
        state_of_charge_percent=100 * outlook.stored_kwh / outlook.capacity_kwh if outlook.capacity_kwh else None,
        grade=FORECAST,
        forecast_wh=round(outlook.power_kw * hours * 1000),
        available_up_w=round(outlook.up_kw * 1000),
        available_down_w=round(outlook.down_kw * 1000),
        more={
            "LOAD_SHED_DELTA_AVAILABLE": outlook.baseline_kw,
            "GENERATION_DELTA_AVAILABLE": outlook.give_kw,
            "STORAGE_MAX_DISCHARGE_POWER": outlook.give_kw,
            "STORAGE_MAX_CHARGE_POWER": outlook.charge_kw,
            "STORAGE_DISPATCH_FORECAST": outlook.spare_kwh,
        },
    )


def tell_opt_outs(report: OwedReport, *, now: datetime) -> Telling:
    """Return how each car of the events fares now, by its opaque name, where owners said no; else of all together."""
    telling, scope = Telling(is_final=True), scope_of_report(report)
    for number, event in enumerate(events_of(report)):
        parts = list(parts_in(event, scope).select_related("enrollment").order_by("pk"))
        powers = _powers([part.enrollment.vehicle_id for part in parts], now)
        if report.is_aggregate or len(parts) > MOST_SINGLE:
            known = [powers[part.enrollment.vehicle_id] for part in parts if part.enrollment.vehicle_id in powers]
            states = [told_as(part.state, part.yields_to_id) for part in parts]
            state = state_of_group(states, event, float(sum(known)) if known else None)
            rows = {AGGREGATED: state}
        else:
            names = name_cars(report, [part.enrollment_id for part in parts], telling)
            rows = {
                names[part.enrollment_id]: _state(part, event, powers.get(part.enrollment.vehicle_id), now)
                for part in parts
            }
        for name, state in rows.items():
            if state:
                told = Told(operating_state=state)
                telling.rows.setdefault(name, []).append(Row(number, event.starts_at, event.ends_at, told))
    return telling


def _state(part: EventParticipation, event: GridEvent, power_w: float | None, now: datetime) -> str:
    is_ahead = event.starts_at > now and part.state == EventParticipation.State.IN
    return "NORMAL" if is_ahead else state_of(part, event, power_w)


def _powers(vehicle_ids: Sequence[int], now: datetime) -> dict[int, int]:
    """Return what each car takes, W, by its newest reading of the last hour that says so."""
    found: dict[int, int] = {}
    for place in range(0, len(vehicle_ids), BATCH):
        rows = ChargeReading.objects.filter(
            vehicle__in=vehicle_ids[place : place + BATCH],
            observed_at__gt=now - FRESH,
            observed_at__lte=now,
            power_w__isnull=False,
        ).order_by("observed_at")
        found.update(
            {vehicle: power_w for vehicle, power_w in rows.values_list("vehicle", "power_w") if power_w is not None}
        )
    return found
