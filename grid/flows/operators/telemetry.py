"""Reports that a 2.0b server asked for: the energy of a program's cars step by step, and what it would have been.

Usage is that of all enrolled cars at home, from their meters, else from the state of charge, and told of no fewer than
`FEWEST_CARS`: owners agreed that their utility receives what a car delivers, not how it is used. The baseline is known
in events alone, once they are settled: the usage then, and what the settlements say was delivered on top, so that the
difference of both is what owners are paid for. Of too few cars both are those of the event alone. What nobody knows
is left out.
"""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime, timedelta
from fractions import Fraction
from itertools import pairwise
from typing import Any

from foundation import clock
from grid.flows.operators.reporting import group_told
from grid.metering.cases import Car, Reading, Window
from grid.metering.energy import MAX_EDGE_GAP, MEASURED, net_energy
from grid.models import Enrollment, GridEvent, OperatorLink, OperatorProgram, OperatorReportRequest, Program
from grid.operators.openadr2b.reporting import (
    BASELINE,
    HISTORY,
    LONGEST_SPAN,
    STEP,
    TELEMETRY,
    USAGE,
    ReportWanted,
    Value,
    r_id_of,
    write_report,
)
from vehicles.models import ChargeReading

LATE = timedelta(minutes=15)  # by then the reading after a quarter hour has come
SHORTEST_EVERY = timedelta(minutes=15)
LONGEST_STEP = timedelta(days=1)
FEWEST_CARS = 3
MOST_REQUESTS = 100
BATCH = 500
ONCE_BACK = timedelta(days=1)
FIRST_WAIT = timedelta(minutes=5)
EPOCH = datetime(2000, 1, 1, tzinfo=UTC)
_NOTHING = (Fraction(0), MEASURED)


def keep_wanted(link: OperatorLink, wanted: Iterable[ReportWanted], *, now: datetime) -> list[str]:
    """Remember what the server wants told, and return the ids of the requests that can be met."""
    offered = {r_id_of(name, what) for name in _resources(link) for what in (USAGE, BASELINE)}
    met = []
    for wish in wanted:
        r_ids = [r_id for r_id in wish.r_ids if r_id in offered]
        if not r_ids or wish.specifier_id not in {TELEMETRY, HISTORY} or link.report_requests.count() >= MOST_REQUESTS:
            continue
        every = max(wish.every, SHORTEST_EVERY) if wish.every else timedelta(0)
        ends_at = wish.ends_at or (None if every else now)
        starts_at = wish.starts_at or (now if every else now - ONCE_BACK)
        starts_at = max(starts_at, (ends_at or now) - LONGEST_SPAN)
        row = link.report_requests.filter(request_id=wish.request_id).first()
        if row is None or row.next_at is None:
            row = row or OperatorReportRequest(link=link, request_id=wish.request_id)
            row.starts_at, row.told_until = starts_at, {}
            row.next_at = max(starts_at + every if every else ends_at or now, now)
        row.specifier_id, row.r_ids, row.ends_at = wish.specifier_id, r_ids, ends_at
        row.every_seconds = round(every.total_seconds())
        row.step_seconds = round(min(max(wish.step // STEP, 1) * STEP, LONGEST_STEP).total_seconds())
        row.save()
        met.append(wish.request_id)
    return met


def _resources(link: OperatorLink) -> list[str]:
    return list(link.programs.values_list("resource_name", flat=True))


def cancel_wanted(link: OperatorLink, request_ids: Sequence[str]) -> int:
    """Forget requests that the server cancelled, and return how many there were."""
    return link.report_requests.filter(request_id__in=request_ids).delete()[0]


def due_reports(link: OperatorLink, *, now: datetime, limit: int) -> list[OperatorReportRequest]:
    """Return the requests that are owed a report now."""
    return list(link.report_requests.filter(next_at__lte=now).order_by("next_at")[:limit])


def make_report(request: OperatorReportRequest, *, now: datetime) -> tuple[dict[str, Any] | None, dict[str, str]]:
    """Return the report that is owed, None where nothing is known yet, and up to when each value is told by it."""
    until = min(request.ends_at or now, now - LATE if request.specifier_id == TELEMETRY else now)
    told_until = dict(request.told_until)
    values: list[Value] = []
    for program in request.link.programs.select_related("program__utility"):
        usage, baseline = (r_id_of(program.resource_name, what) for what in (USAGE, BASELINE))
        if usage in request.r_ids:
            found, told_until[usage] = _usage_values(request, program, usage, until)
            values += found
        if baseline in request.r_ids:
            also = usage if usage in request.r_ids else ""
            found, told_until[baseline] = _baseline_values(program, baseline, also, _since(request, baseline), until)
            values += found
    latest = {(value.r_id, value.starts_at): value for value in values}
    if not latest:
        return None, told_until
    ordered = sorted(latest.values(), key=lambda value: (value.starts_at, value.r_id))
    report = write_report(wanted=request.request_id, specifier_id=request.specifier_id, values=ordered, at=now)
    return report, told_until


def _since(request: OperatorReportRequest, r_id: str) -> datetime:
    told = request.told_until.get(r_id)
    return datetime.fromisoformat(told) if told else request.starts_at


def keep_told(request: OperatorReportRequest, told_until: dict[str, str], *, was_sent: bool, now: datetime) -> None:
    """Note what was told, and when more is owed: never again for a report asked for once."""
    request.told_until, request.failure = told_until, ""
    every = timedelta(seconds=request.every_seconds)
    is_done = not every or (request.ends_at is not None and request.ends_at + every + LATE <= now)
    request.next_at = None if is_done else now + every
    request.sent_at = clock.wall() if was_sent else request.sent_at
    request.save(update_fields=["told_until", "failure", "next_at", "sent_at"])


def keep_failure(request: OperatorReportRequest, failure: str, *, now: datetime) -> None:
    """Note why a report did not go out; it waits and is tried again."""
    request.failure, request.next_at = failure[:120], now + FIRST_WAIT
    request.save(update_fields=["failure", "next_at"])


def _usage_values(
    request: OperatorReportRequest, program: OperatorProgram, r_id: str, until: datetime
) -> tuple[list[Value], str]:
    since, step = _since(request, r_id), timedelta(seconds=request.step_seconds)
    first = since + (EPOCH - since) % step  # steps begin on the clock, in UTC
    count = max(0, (until - first) // step)
    windows = [Window(first + place * step, first + (place + 1) * step) for place in range(count)]
    known = usage_of(program.program, windows, fewest=FEWEST_CARS)
    values = [
        Value(r_id, window.starts_at, step, round(energy[0]), energy[1])
        for window, energy in zip(windows, known, strict=True)
        if energy is not None
    ]
    return values, (windows[-1].ends_at if windows else since).isoformat()


def _baseline_values(
    program: OperatorProgram, r_id: str, usage_id: str, since: datetime, until: datetime
) -> tuple[list[Value], str]:
    events = GridEvent.objects.filter(terms__program=program.program, starts_at__lt=until, ends_at__gt=since)
    open_ones = events.filter(state__in=GridEvent.OPEN_STATES).order_by("starts_at")
    first_open = open_ones.values_list("starts_at", flat=True).first()
    until = max(since, min(until, first_open) if first_open else until)  # what comes before is settled for good
    values: list[Value] = []
    for event in events.filter(state=GridEvent.State.SETTLED, starts_at__gte=since, ends_at__lte=until).order_by(
        "starts_at"
    ):
        told = group_told(event)
        edges = [min(event.starts_at + place * STEP, event.ends_at) for place in range(len(told) + 1)]
        windows = [Window(*pair) for pair in pairwise(edges)]
        known = usage_of(program.program, windows, fewest=FEWEST_CARS)
        for window, row, all_cars in zip(windows, told, known, strict=True):
            if row.baseline_wh is None or row.net_wh is None:
                continue
            usage = all_cars or (Fraction(row.net_wh), row.grade)
            length = window.ends_at - window.starts_at
            grade = row.grade if usage[1] == MEASURED else usage[1]
            delivered_wh = row.baseline_wh - row.net_wh
            values.append(Value(r_id, window.starts_at, length, round(usage[0]) + delivered_wh, grade))
            if usage_id:
                values.append(Value(usage_id, window.starts_at, length, round(usage[0]), usage[1]))
    return values, until.isoformat()


def usage_of(program: Program, windows: Sequence[Window], *, fewest: int = 1) -> list[tuple[Fraction, str] | None]:
    """Return what the program's cars took at home in each window, Wh, and how well it is known; None for unknown.

    A car of which nothing is known is left out of the sum and lowers its grade; a car that was elsewhere took nothing.
    Of fewer cars than `fewest` nothing is told.
    """
    if not windows:
        return []
    whole = Window(windows[0].starts_at, windows[-1].ends_at)
    cars = list(
        Enrollment.objects.filter(program=program, enrolled_at__lt=whole.ends_at)
        .exclude(ended_at__lte=whole.starts_at)
        .select_related("vehicle", "site")
    )
    sums: list[Fraction | None] = [None] * len(windows)
    if len(cars) < fewest:
        return [None] * len(windows)
    grades = [MEASURED] * len(windows)
    for place in range(0, len(cars), BATCH):
        batch = cars[place : place + BATCH]
        readings = _readings([row.vehicle_id for row in batch], whole)
        for row in batch:
            _add_car(row, readings.get(row.vehicle_id, []), windows, sums, grades)
    return [None if energy is None else (energy, grade) for energy, grade in zip(sums, grades, strict=True)]


def _readings(vehicle_ids: Sequence[int], whole: Window) -> dict[int, list[tuple[bool | None, Reading]]]:
    rows = ChargeReading.objects.filter(
        vehicle__in=vehicle_ids,
        observed_at__gte=whole.starts_at - MAX_EDGE_GAP,
        observed_at__lte=whole.ends_at + MAX_EDGE_GAP,
    ).order_by("observed_at")
    found: defaultdict[int, list[tuple[bool | None, Reading]]] = defaultdict(list)
    names = ("vehicle", "is_at_home", "observed_at", "soc_percent", "imported_wh", "exported_wh")
    for vehicle_id, is_at_home, *values in rows.values_list(*names).iterator(chunk_size=10_000):
        found[vehicle_id].append((is_at_home, Reading(*values)))
    return found


def _add_car(
    row: Enrollment,
    readings: Sequence[tuple[bool | None, Reading]],
    windows: Sequence[Window],
    sums: list[Fraction | None],
    grades: list[str],
) -> None:
    vehicle = row.vehicle
    car = Car(
        capacity_wh=vehicle.capacity_wh,
        charge_efficiency=vehicle.charge_efficiency,
        power_w=min(vehicle.max_charge_w, row.site.evse_max_charge_w),
    )
    for place, window in enumerate(windows):
        if row.enrolled_at > window.starts_at or (row.ended_at is not None and row.ended_at < window.ends_at):
            continue
        energy, grade = _energy(readings, window, car)
        if energy is None or grade != MEASURED:
            grades[place] = "derived"
        if energy is not None:
            sums[place] = (sums[place] or Fraction(0)) + energy


def _energy(readings: Sequence[tuple[bool | None, Reading]], window: Window, car: Car) -> tuple[Fraction | None, str]:
    near = [
        (is_at_home, reading)
        for is_at_home, reading in readings
        if window.starts_at - MAX_EDGE_GAP <= reading.observed_at <= window.ends_at + MAX_EDGE_GAP
    ]
    before = [is_at_home for is_at_home, reading in near if reading.observed_at <= window.starts_at]
    after = [is_at_home for is_at_home, reading in near if reading.observed_at >= window.ends_at]
    within = [at_home for at_home, reading in near if window.starts_at < reading.observed_at < window.ends_at]
    if before and after and {before[-1], after[0], *within} == {False}:
        return _NOTHING
    flow = net_energy(readings=[reading for at_home, reading in near if at_home], window=window, car=car)
    return flow.net_wh, flow.grade
