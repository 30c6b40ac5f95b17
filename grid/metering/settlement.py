"""From readings to money for one car in one event. docs/settlement.md states the formula and works an example."""

from bisect import bisect_left
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from fractions import Fraction
from operator import itemgetter

from foundation.money import reward_minor
from grid.metering.baselines import Segment, hours, method_of
from grid.metering.cases import Case, Reading, Window
from grid.metering.energy import DERIVED, MEASURED, MISSING, TIME, Energy, net_energy

FORMULA = (
    "baseline_wh = sum over stays of power_w x hours of [plugged_in_at, plugged_in_at + (limit - soc) / 100 x "
    "capacity_wh / charge_efficiency / power_w) inside the event and the stay; "
    "net_wh = sum over stays of imported - exported inside the event; "
    "delivered_wh = baseline_wh - net_wh (absorb: net_wh - baseline_wh); "
    "credited_wh = max(0, delivered_wh); amount = credited_wh x rate / 1000, rounded once to minor units; "
    "whole Wh and minor units are rounded half to even."
)
GROUP_FORMULA = (
    "baseline_wh, net_wh and delivered_wh as of a car that is settled alone; signed, and priced with its group's."
)
SERIES_STEP = timedelta(minutes=15)


@dataclass(frozen=True, slots=True)
class Result:
    """What one car delivered and earned. Energies are whole Wh, AC side; None = not known. `reason` says why zero."""

    baseline_wh: int
    net_wh: int | None
    delivered_wh: int | None
    credited_wh: int
    amount_minor: int
    grade: str
    reason: str
    segments: tuple[Segment, ...]
    flows: tuple[Energy, ...]


@dataclass(frozen=True, slots=True)
class Interval:
    """One interval of the event for a chart: mean powers in W; `net_w` None = not known."""

    starts_at: datetime
    baseline_w: int
    net_w: int | None


def settle(case: Case) -> Result:
    """Return what the car delivered in the event and what it earns.

    Rounds once each: baseline and net to whole Wh, the amount to minor units. Raises ValueError for a baseline
    method that is not known, KeyError for a currency in which nobody is paid.
    """
    segments = method_of(case.method, case.method_version).estimate(case)
    baseline_wh = round(sum((segment.energy_wh for segment in segments), Fraction(0)))
    windows = [window for stay in case.stays if (window := stay.within(case.event)) is not None]
    flows = tuple(net_energy(readings=case.readings, window=window, car=case.car) for window in windows)
    if not is_seen_after(case):
        # Nobody knows yet whether the car came back to the plug, or what it did there.
        flows = (*flows, Energy(case.event, MISSING))
    net_wh = _net(flows)
    delivered_wh = None if net_wh is None else _delivered(case.kind, baseline_wh=baseline_wh, net_wh=net_wh)
    credited_wh = max(0, delivered_wh or 0)
    return Result(
        baseline_wh=baseline_wh,
        net_wh=net_wh,
        delivered_wh=delivered_wh,
        credited_wh=credited_wh,
        amount_minor=reward_minor(
            energy_wh=credited_wh, rate_micros_per_kwh=case.rate_micros_per_kwh, currency=case.currency
        ),
        grade=_grade(flows),
        reason=_reason_for_nothing(case, flows, baseline_wh, credited_wh),
        segments=segments,
        flows=flows,
    )


def metered_wh(case: Case, result: Result) -> int | None:
    """Return what the car's meters say it gave to the grid in the event (absorb: took); None where it was not read.

    A car without a meter gave nothing that can be counted; of one whose meter was not read all along nobody knows.
    """
    has_meter = any(reading.imported_wh is not None or reading.exported_wh is not None for reading in case.readings)
    if result.net_wh is None or (has_meter and any(flow.grade != MEASURED for flow in result.flows)):
        return None
    metered = [flow for flow in result.flows if flow.grade == MEASURED]
    values = [flow.imported_wh if case.kind == "absorb" else flow.exported_wh for flow in metered]
    return round(sum((value for value in values if value is not None), Fraction(0)))


def is_seen_after(case: Case) -> bool:
    """Say whether the car was seen at the event's end or later; until then its part cannot be settled."""
    return any(reading.observed_at >= case.event.ends_at for reading in reversed(case.readings))


def _net(flows: tuple[Energy, ...]) -> int | None:
    parts = [flow.net_wh for flow in flows]
    known = [part for part in parts if part is not None]
    return round(sum(known, Fraction(0))) if len(known) == len(parts) else None


def _delivered(kind: str, *, baseline_wh: int, net_wh: int) -> int:
    return net_wh - baseline_wh if kind == "absorb" else baseline_wh - net_wh


def _grade(flows: tuple[Energy, ...]) -> str:
    # The weakest part decides. A car that was seen elsewhere drew nothing here: known, though by no meter.
    grades = {flow.grade for flow in flows} or {DERIVED}
    return next(grade for grade in (MISSING, DERIVED, MEASURED) if grade in grades)


def _reason_for_nothing(case: Case, flows: tuple[Energy, ...], baseline_wh: int, credited_wh: int) -> str:
    if credited_wh:
        return ""
    if _grade(flows) == MISSING:
        return "readings_missing"
    if not flows:
        return "not_plugged_in"
    if case.kind == "absorb":
        return "no_increase"
    return "no_reduction" if baseline_wh else "nothing_to_shift"


def series(case: Case) -> tuple[Interval, ...]:
    """Return the event in quarter hours, baseline beside what flowed, for a chart (the money never uses it)."""
    segments = method_of(case.method, case.method_version).estimate(case)
    intervals, starts_at = [], case.event.starts_at
    while starts_at < case.event.ends_at:
        window = Window(starts_at, min(starts_at + SERIES_STEP, case.event.ends_at))
        intervals.append(_interval(case, segments, window))
        starts_at = window.ends_at
    return tuple(intervals)


def _interval(case: Case, segments: tuple[Segment, ...], window: Window) -> Interval:
    length = hours(window.ends_at - window.starts_at)
    shared = [(segment, segment.window.clip(window)) for segment in segments]
    baseline = sum((Segment(part, segment.power_w).energy_wh for segment, part in shared if part), Fraction(0))
    parts = [part for stay in case.stays if (part := stay.within(window)) is not None]
    net = [net_energy(readings=case.readings, window=part, car=case.car).net_wh for part in parts]
    known = [energy for energy in net if energy is not None]
    net_w = round(sum(known, Fraction(0)) / length) if len(known) == len(net) else None
    return Interval(window.starts_at, round(baseline / length), net_w)


def readings_needed(readings: tuple[Reading, ...], event: Window) -> tuple[Reading, ...]:
    """Return the readings inside the event and the nearest ones on both sides that give each value at its edges."""
    ordered = sorted(readings, key=itemgetter(TIME))
    begins = bisect_left(ordered, (event.starts_at,))
    kept = set(range(begins, _until(ordered, begins, event.ends_at)))
    before = range(_until(ordered, begins, event.starts_at) - 1, -1, -1)
    after = range(bisect_left(ordered, (event.ends_at,)), len(ordered))
    for place in range(len(Reading._fields)):
        kept.update(_nearest(ordered, place, before))
        kept.update(_nearest(ordered, place, after))
    return tuple(dict.fromkeys(ordered[number] for number in sorted(kept)))


def fewer_readings(readings: Sequence[Reading], instants: Iterable[datetime], *, most: int) -> Sequence[Reading]:
    """Return about `most` of the readings, which are in order of time, that give the same values at the instants."""
    if len(readings) <= most:
        return readings
    kept = set(range(0, len(readings), -(-len(readings) // most)))
    for at in instants:
        after, before = bisect_left(readings, (at,)), _until(readings, bisect_left(readings, (at,)), at) - 1
        for place in range(len(Reading._fields)):
            kept.update(_nearest(readings, place, range(after, len(readings))))
            kept.update(_nearest(readings, place, range(before, -1, -1)))
    return [readings[number] for number in sorted(kept)]


def _until(ordered: Sequence[Reading], number: int, at: datetime) -> int:
    """Return the number of the first reading later than `at`, looking from `number` on."""
    while number < len(ordered) and ordered[number].observed_at <= at:
        number += 1
    return number


def _nearest(ordered: Sequence[Reading], place: int, numbers: Iterable[int]) -> list[int]:
    """Return the first of the numbers whose reading has the value at `place`, as a list; empty where none has."""
    return next(([number] for number in numbers if ordered[number][place] is not None), [])
