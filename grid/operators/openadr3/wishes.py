"""From an event's report descriptors to reports that are owed: when each is due and which intervals it tells. Pure.

Descriptors that agree in everything but what is told make one report. A report of what was (`historical`) is due when
interval `startInterval` begins and tells the intervals before it; one of what will be is due then and tells those from
it on. Read so, where the specification leaves room: nothing comes before interval 0, so that a report of what was that
starts there is first due once its intervals are over; -1 means the end of the last interval, for what will be the
whole event; of a report that repeats for ever, the intervals left at the end get one of their own. What can only be
said ahead (forecasts, capabilities) is never asked for backwards, whatever `historical` says, for its default is true.
Source: OpenADR 3.1.0, `reportDescriptor`; 3.0.1 has the same words but for `reportIntervals`.
"""

import hashlib
import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from grid.operators.base import ReportWish

FINE_STEP = timedelta(minutes=15)
MOST_REPORTS = 500  # of one event; more is a slip
MOST_WINDOWS = 3000
ENERGY = {"USAGE", "BASELINE", "DELTA_USAGE", "USAGE_FORECAST", "STORAGE_DISPATCH_FORECAST"}
POWER = {
    "DEMAND",
    "LOAD_SHED_DELTA_AVAILABLE",
    "GENERATION_DELTA_AVAILABLE",
    "UP_REGULATION_AVAILABLE",
    "DOWN_REGULATION_AVAILABLE",
    "STORAGE_MAX_DISCHARGE_POWER",
    "STORAGE_MAX_CHARGE_POWER",
}
STATES = {"OPERATING_STATE", "DATA_QUALITY"}
KNOWN = ENERGY | POWER | STATES | {"STORAGE_CHARGE_LEVEL"}
ONLY_AHEAD = (ENERGY | POWER) - {"USAGE", "BASELINE", "DELTA_USAGE", "DEMAND"}
ONLY_BACK = {"DELTA_USAGE"}
NOMINATED = ("LOAD_SHED_DELTA_AVAILABLE", "GENERATION_DELTA_AVAILABLE")  # told a day ahead, whatever is asked
UNITS = {"KWH": ENERGY, "KW": POWER, "PERCENT": {"STORAGE_CHARGE_LEVEL"}}

Span = tuple[int, datetime, datetime]  # an interval's number, start and end


@dataclass(frozen=True)
class Owed:
    """One report. `wish` names the descriptors it answers, `number` counts its repetitions from 0.

    `due_at` None: at once. `windows` are what it tells: an interval's id, start and end.
    """

    wish: str
    number: int
    types: tuple[str, ...]
    windows: tuple[Span, ...]
    due_at: datetime | None
    is_ahead: bool
    is_aggregate: bool
    targets: tuple[str, ...]


@dataclass(frozen=True)
class _Shape:
    is_ahead: bool
    is_aggregate: bool
    start: int
    count: int
    frequency: int
    repeat: int
    intervals: str
    targets: tuple[str, ...]

    @property
    def name(self) -> str:
        """A short name that stays as long as the descriptors do."""
        text = json.dumps([str(value) for value in vars(self).values()])
        return hashlib.sha256(text.encode()).hexdigest()[:8]


def owed_by(wishes: Iterable[ReportWish], intervals: Sequence[Span]) -> tuple[list[Owed], list[str]]:
    """Return the reports that the descriptors ask for over the event's intervals, and questions to a person."""
    shapes: dict[_Shape, list[str]] = {}
    questions: list[str] = []
    for wish in wishes:
        why = _why_unclear(wish)
        if why:
            questions.append(why)
        if wish.payload_type in KNOWN:
            types = shapes.setdefault(_shape_of(wish), [])
            types += [wish.payload_type] if wish.payload_type not in types else []
    owed: list[Owed] = []
    for shape, types in shapes.items():
        found = _repeat(shape, tuple(types), intervals)
        if not found and intervals:
            questions.append(f"a report on {', '.join(types)} names intervals that the event does not have")
        owed += found
    if len(owed) > MOST_REPORTS or sum(len(one.windows) for one in owed) > MOST_REPORTS * 100:
        questions.append(f"more than {MOST_REPORTS} reports are asked for; those due first are sent")
        owed = owed[:MOST_REPORTS]
    return owed, list(dict.fromkeys(questions))


def _why_unclear(wish: ReportWish) -> str:
    name = wish.payload_type
    if name not in KNOWN:
        return f"a report on {name[:40]} is asked for, which is not told here"
    if wish.units and wish.units.upper() not in {"", *UNITS}:
        return f"a report on {name} is asked for in {wish.units[:20]}; it is told in its usual unit"
    if wish.units and name in ENERGY | POWER and name not in UNITS[wish.units.upper()]:
        return f"a report on {name} is asked for in {wish.units[:20]}; it is told in its usual unit"
    if wish.intervals not in {"INTERVALS", "SUB_INTERVALS", "OPEN_INTERVALS"}:
        return f"reportIntervals {wish.intervals[:20]} is not known; the event's own are told"
    return ""


def _shape_of(wish: ReportWish) -> _Shape:
    name = wish.payload_type
    return _Shape(
        is_ahead=name in ONLY_AHEAD or (not wish.is_historical and name not in ONLY_BACK),
        is_aggregate=wish.is_aggregate,
        start=wish.start_interval,
        count=wish.num_intervals,
        frequency=wish.frequency,
        repeat=wish.repeat,
        intervals=wish.intervals,
        targets=wish.targets,
    )


def _repeat(shape: _Shape, types: tuple[str, ...], intervals: Sequence[Span]) -> list[Owed]:
    whole = len(intervals)
    count = whole if shape.count == -1 else min(shape.count, whole)
    if count == 0:
        return []
    every = max(1, count if shape.frequency <= 0 else shape.frequency)
    most = MOST_REPORTS + 1 if shape.repeat == -1 else min(shape.repeat, MOST_REPORTS + 1)
    if shape.is_ahead:
        spans = _spans_ahead(shape.start, count, every, whole)
    else:
        spans = _spans_back(shape.start, count, every, whole, is_endless=shape.repeat == -1)
    return [
        Owed(
            wish=shape.name,
            number=number,
            types=types,
            windows=tuple(_cut(intervals[first:last], shape.intervals)),
            due_at=_due_at(shape, intervals, first, last),
            is_ahead=shape.is_ahead,
            is_aggregate=shape.is_aggregate,
            targets=shape.targets,
        )
        for number, (first, last) in enumerate(spans[:most])
    ]


def _spans_back(start: int, count: int, every: int, whole: int, *, is_endless: bool) -> list[tuple[int, int]]:
    """Return which intervals, `[first, last)`, each report of what was tells."""
    at = whole if start == -1 else start or count
    ends = list(range(at, whole + 1, every))
    if is_endless and ends and ends[-1] < whole:
        ends.append(whole)
    return [(max(0, end - count), end) for end in ends]


def _spans_ahead(start: int, count: int, every: int, whole: int) -> list[tuple[int, int]]:
    return [(first, min(first + count, whole)) for first in range(max(0, start), whole, every)]


def _due_at(shape: _Shape, intervals: Sequence[Span], first: int, last: int) -> datetime | None:
    if shape.is_ahead:
        return intervals[first][1] if first else None
    return max(ends_at for _, _, ends_at in intervals[first:last])


def _cut(intervals: Sequence[Span], how: str) -> list[Span]:
    """Return the intervals as they are told: as the event has them, or in quarter hours."""
    if how not in {"SUB_INTERVALS", "OPEN_INTERVALS"}:
        return list(intervals)
    found: list[Span] = []
    for _, starts_at, ends_at in intervals:
        at = starts_at
        while at < ends_at and len(found) < MOST_WINDOWS:
            found.append((len(found), at, min(at + FINE_STEP, ends_at)))
            at += FINE_STEP
    return found
