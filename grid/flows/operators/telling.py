"""What a utility is told of an event by the reports it asked for: what was settled, else what was read.

Owners agreed that their utility receives what a car delivered, under a number that means nothing elsewhere. So energy,
power and operating states in events are told of single cars too, where the utility asks for them; how full batteries
are and what cars will do is told of all cars together alone, and of no fewer than `FEWEST_CARS` of which it is known.
What is not known is left out. A span that our event covers in part is told as that part, with its own start and length.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from fractions import Fraction

from django.db.models import Max, QuerySet

from grid.flows.operators.operating_states import state_of, state_of_group, told_as
from grid.flows.operators.report_subjects import Telling, events_of, name_cars, parts_in, scope_of_report, windows_of
from grid.flows.operators.reporting import group_told
from grid.flows.operators.targeting_cars import Scope, cars_in
from grid.flows.operators.telemetry import FEWEST_CARS, usage_of
from grid.flows.settlement.cases import cases_of
from grid.metering.baselines import Segment, method_of
from grid.metering.cases import Case, Window
from grid.metering.energy import net_energy, value_at
from grid.metering.evidence import read
from grid.metering.settlement import SERIES_STEP
from grid.models import Enrollment, EventParticipation, GridEvent, OwedReport, Settlement
from grid.operators.openadr3.reporting import AGGREGATED, Row, Told

MOST_SINGLE = 1000  # cars told one by one; of more, all are told together
MOST_READ = 5000  # cars whose readings are looked at for one report; of more, so many chosen by lot
BATCH = 500
HOUR = timedelta(hours=1)
MISSING = "missing"


@dataclass
class Sum:
    """Energies of some cars over one span; `known` of `cars` are in them."""

    baseline_wh: Fraction = Fraction(0)
    net_wh: Fraction = Fraction(0)
    stored: float = 0.0
    capacity: float = 0.0
    cars: int = 0
    known: int = 0
    charged: int = 0
    grades: set[str] = field(default_factory=set)

    def scale_up(self, scale: float) -> None:
        """Let the cars looked at stand for more of their kind; it is an estimate then."""
        if scale > 1:
            self.baseline_wh, self.net_wh = self.baseline_wh * Fraction(scale), self.net_wh * Fraction(scale)
            self.grades.add("estimated")

    @property
    def grade(self) -> str:
        """How well the sum is known; a car that is left out lowers it."""
        return "measured" if self.grades == {"measured"} and self.known == self.cars else "derived"


def tell_of_past(report: OwedReport, *, now: datetime) -> Telling:
    """Return what the cars did in the report's spans, as far as it is known now."""
    events, scope = events_of(report), scope_of_report(report)
    asks = report.event.asks
    if not events and (report.event.wanted.get("asks") or asks.exists()):
        return Telling(is_final=not asks.filter(grid_event__state__in=GridEvent.OPEN_STATES).exists())
    if not events:
        return _tell_of_usage(report, scope, now)
    telling = Telling(is_final=all(event.state == GridEvent.State.SETTLED for event in events))
    marks = Settlement.objects.filter(participation__event__in=events).aggregate(newest=Max("pk"))
    telling.mark = marks["newest"] or 0
    is_single = not report.is_aggregate and _count(events, scope) <= MOST_SINGLE
    for event in events:
        spans = [
            (number, span)
            for number, window in windows_of(report)
            if (span := window.clip(Window(event.starts_at, event.ends_at))) is not None and span.ends_at <= now
        ]
        only = [span for _, span in spans]
        found = _single(report, event, only, scope, telling) if is_single else _together(event, only, scope)
        for (number, span), told_by_name in zip(spans, found, strict=True):
            for name, told in told_by_name.items():
                telling.rows.setdefault(name, []).append(Row(number, span.starts_at, span.ends_at, told))
    return telling


def _count(events: Sequence[GridEvent], scope: Scope) -> int:
    return max(parts_in(event, scope).count() for event in events)


def _tell_of_usage(report: OwedReport, scope: Scope, now: datetime) -> Telling:
    """Return what the program's cars took where nothing was asked of them but a price was told."""
    program = report.event.program.program
    cars = cars_in(scope, Enrollment.objects.filter(program=program, ended_at__isnull=True))
    if scope or not report.is_aggregate or cars.count() < FEWEST_CARS:
        return Telling(is_final=True)
    windows = [(number, window) for number, window in windows_of(report) if window.ends_at <= now]
    spans = [window for _, window in windows]
    rows = [
        Row(number, window.starts_at, window.ends_at, _told(round(usage[0]), None, window, usage[1]))
        for (number, window), usage in zip(windows, usage_of(program, spans, fewest=FEWEST_CARS), strict=True)
        if usage is not None
    ]
    return Telling({AGGREGATED: rows} if rows else {}, is_final=True)


def _told(net_wh: int | None, baseline_wh: int | None, window: Window, grade: str, state: str = "") -> Told:
    hours = (window.ends_at - window.starts_at) / HOUR
    more: Mapping[str, float] = {}
    if net_wh is not None and baseline_wh is not None:
        more = {"DELTA_USAGE": (net_wh - baseline_wh) / 1000}
    return Told(
        net_wh=net_wh,
        baseline_wh=baseline_wh,
        demand_w=None if net_wh is None else round(net_wh / hours),
        operating_state=state,
        grade=grade,
        more=more,
    )


def _together(event: GridEvent, spans: Sequence[Window], scope: Scope) -> list[dict[str, Told]]:
    """Return what all cars did together in each span: as it was settled, else from the cars' own readings."""
    kinds = parts_in(event, scope).order_by().values_list("state", "yields_to").distinct()
    states = [told_as(*kind) for kind in kinds]
    is_settled = event.state == GridEvent.State.SETTLED and not scope
    series = group_told(event) if is_settled and spans else []
    settled = [_as_settled(event, series, span) for span in spans]
    sums = [Sum() for _ in spans]
    is_unsaid = is_settled and not series  # what the settlement does not state is told by nobody
    if None in settled and not is_unsaid:
        parts, scale = _by_lot(parts_in(event, scope).filter(state=EventParticipation.State.IN))
        for _, case in _cases(event, parts):
            for total, span in zip(sums, spans, strict=True):
                _add(total, case, span)
        for total in sums:
            total.scale_up(scale)
    found = []
    for span, known, total in zip(spans, settled, sums, strict=True):
        if known is not None:
            total.net_wh, total.baseline_wh, total.grades = Fraction(known[0]), Fraction(known[1]), {known[2]}
            total.known = total.cars = total.known or 1
        found.append(_of_sum(total, event, span, states))
    return found


def _of_sum(total: Sum, event: GridEvent, span: Window, states: Sequence[str]) -> dict[str, Told]:
    if not total.known and EventParticipation.State.IN in states:
        return {}
    power_w = float(total.net_wh) / ((span.ends_at - span.starts_at) / HOUR) if total.known else None
    state = state_of_group(states, event, power_w)
    if not total.known:
        return {AGGREGATED: Told(operating_state=state)} if state else {}
    told = _told(round(total.net_wh), round(total.baseline_wh), span, total.grade, state)
    if total.charged >= FEWEST_CARS:
        told = replace(told, state_of_charge_percent=100 * total.stored / total.capacity)
    return {AGGREGATED: told}


def _by_lot(parts: "QuerySet[EventParticipation]") -> "tuple[QuerySet[EventParticipation], float]":
    """Return the parts that are read, and of how many each stands for: of very many, some chosen by lot."""
    count = parts.count()
    if count <= MOST_READ:
        return parts, 1.0
    chosen = list(parts.order_by("public_id").values_list("pk", flat=True)[:MOST_READ])  # random: a lot
    return EventParticipation.objects.filter(pk__in=chosen), count / len(chosen)


def _as_settled(event: GridEvent, series: Sequence[Told], span: Window) -> tuple[int, int, str] | None:
    """Return net and baseline of a settled event's quarter hours in the span, or None where they do not fit it."""
    edges = (span.starts_at - event.starts_at, span.ends_at - event.starts_at)
    is_fit = edges[0] % SERIES_STEP == timedelta(0) and (
        edges[1] % SERIES_STEP == timedelta(0) or span.ends_at == event.ends_at
    )
    if not is_fit:
        return None
    told = series[edges[0] // SERIES_STEP : -(-edges[1] // SERIES_STEP)]
    net, baseline = [row.net_wh for row in told], [row.baseline_wh for row in told]
    known_net = [value for value in net if value is not None]
    known_baseline = [value for value in baseline if value is not None]
    if not told or len(known_net) < len(net) or len(known_baseline) < len(baseline):
        return None
    grades = {row.grade for row in told}
    return sum(known_net), sum(known_baseline), "measured" if grades == {"measured"} else "derived"


def _cases(event: GridEvent, parts: "QuerySet[EventParticipation]") -> Iterator[tuple[EventParticipation, Case]]:
    """Yield each part with what its energies are worked out from: its settlement's own evidence, else what is read."""
    rows = parts.select_related("enrollment__vehicle", "enrollment__site").order_by("pk")
    keys = list(rows.values_list("pk", flat=True))
    for place in range(0, len(keys), BATCH):
        batch = list(rows.filter(pk__in=keys[place : place + BATCH]))
        newest = Settlement.objects.filter(participation__in=batch).order_by("participation", "revision")
        kept = {row.participation_id: row.evidence for row in newest.only("participation", "evidence")}
        loaded = cases_of(event, batch)
        for part in batch:
            part.event = event
            yield part, read(kept[part.pk]) if part.pk in kept else loaded.of(part)


def _energy(case: Case, span: Window) -> tuple[Fraction, Fraction | None, str]:
    """Return the car's baseline and net energy in the span, Wh, and how the net is known."""
    segments = method_of(case.method, case.method_version).estimate(case)
    shared = [(segment, segment.window.clip(span)) for segment in segments]
    baseline = sum((Segment(part, segment.power_w).energy_wh for segment, part in shared if part), Fraction(0))
    stays = [stay.within(span) for stay in case.stays]
    flows = [net_energy(readings=case.readings, window=part, car=case.car) for part in stays if part is not None]
    known = [flow.net_wh for flow in flows if flow.net_wh is not None]
    if len(known) < len(flows) or not any(reading.observed_at >= span.ends_at for reading in case.readings):
        return baseline, None, MISSING
    grades = {flow.grade for flow in flows} or {"derived"}
    return baseline, sum(known, Fraction(0)), "measured" if grades == {"measured"} else "derived"


def _add(total: Sum, case: Case, span: Window) -> None:
    baseline, net, grade = _energy(case, span)
    total.cars += 1
    if net is None:
        return
    total.known += 1
    total.baseline_wh += baseline
    total.net_wh += net
    total.grades.add(grade)
    level = _charge_level(case, span.ends_at)
    if level is not None:
        total.charged += 1
        total.stored += level / 100 * case.car.capacity_wh
        total.capacity += case.car.capacity_wh


def _charge_level(case: Case, at: datetime) -> float | None:
    points = [
        (reading.observed_at, reading.soc_percent) for reading in case.readings if reading.soc_percent is not None
    ]
    level = value_at(points, at)
    return None if level is None else float(level)


def _single(
    report: OwedReport, event: GridEvent, spans: Sequence[Window], scope: Scope, telling: Telling
) -> list[dict[str, Told]]:
    """Return what each car did in each span, by its own opaque name."""
    found: list[dict[str, Told]] = [{} for _ in spans]
    parts = parts_in(event, scope)
    names = name_cars(report, list(parts.values_list("enrollment", flat=True)), telling)
    for part, case in _cases(event, parts):
        for told_by_name, span in zip(found, spans, strict=True):
            told_by_name[names[part.enrollment_id]] = _of_car(part, event, case, span)
    return found


def _of_car(part: EventParticipation, event: GridEvent, case: Case, span: Window) -> Told:
    baseline, net, grade = _energy(case, span)
    power_w = None if net is None else float(net) / ((span.ends_at - span.starts_at) / HOUR)
    state = state_of(part, event, power_w)
    if part.state != EventParticipation.State.IN or net is None:
        return Told(operating_state=state)  # energy is told of those who take part alone
    return _told(round(net), round(baseline), span, grade, state)
