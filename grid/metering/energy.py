"""Net energy of a car over a window, from running meters where they are served, else from the state of charge.

Meters and SoC are read every few minutes, never exactly at an event's edge: values at an edge are interpolated
linearly between the readings on both sides. Where they lie more than `MAX_EDGE_GAP` apart and the value moved in
between, nobody can say how much of it fell into the event, and the value is unknown: unknown, never zero.
"""

from bisect import bisect_left
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from fractions import Fraction
from itertools import islice
from operator import itemgetter
from typing import Any

from grid.metering.cases import Car, Reading, Window

MAX_EDGE_GAP = timedelta(hours=1)
MICROSECOND = timedelta(microseconds=1)
MEASURED, DERIVED, MISSING = "measured", "derived", "missing"
TIME, SOC, IMPORTED, EXPORTED = (Reading._fields.index(name) for name in Reading._fields)
VALUE = 1  # of a point

Point = tuple[datetime, Fraction | Decimal | int]


@dataclass(frozen=True)
class Energy:
    """What flowed in one window, AC side, Wh, with the values at its edges. `grade` says how it is known."""

    window: Window
    grade: str
    imported_wh: Fraction | None = None
    exported_wh: Fraction | None = None
    edges: tuple[tuple[str, Fraction, Fraction], ...] = ()

    @property
    def net_wh(self) -> Fraction | None:
        """Imported less exported, or None where it is not known."""
        if self.imported_wh is None or self.exported_wh is None:
            return None
        return self.imported_wh - self.exported_wh


def value_at(points: Sequence[Point], at: datetime) -> Fraction | None:
    """Return the value at `at`, interpolated between the points (in order of time) around it, or None."""
    return _value_at(points, VALUE, at)


def _value_at(rows: Sequence[Any], place: int, at: datetime) -> Fraction | None:
    """Return the same of rows that begin with their time, of the value at `place` of each; None = it says nothing."""
    found = bisect_left(rows, (at,))
    after = next((row for row in islice(rows, found, None) if row[place] is not None), None)
    last = found
    while last < len(rows) and rows[last][TIME] == at:
        last += 1
    before = next((rows[k] for k in range(last - 1, -1, -1) if rows[k][place] is not None), None)
    if before is None or after is None:
        return None
    # Exact numbers are slow to make: of all the values only these two are turned into them.
    low, high = Fraction(before[place]), Fraction(after[place])
    if low == high:
        return low
    if after[TIME] - before[TIME] > MAX_EDGE_GAP:
        return None
    share = Fraction((at - before[TIME]) // MICROSECOND, (after[TIME] - before[TIME]) // MICROSECOND)
    return low + (high - low) * share


def net_energy(*, readings: Iterable[Reading], window: Window, car: Car) -> Energy:
    """Return the energy of one window of a stay: measured, else derived from the SoC, else missing.

    Derived energy never counts as export: a battery that sinks a little in the cold is no delivery to the grid, so
    discharging must be metered to be paid.
    """
    ordered = sorted(readings, key=itemgetter(TIME))
    return _measured(ordered, window) or _derived(ordered, window, car) or Energy(window, MISSING)


def _measured(readings: Sequence[Reading], window: Window) -> Energy | None:
    imported = _edges(readings, IMPORTED, window)
    exported = None if imported is None else _edges(readings, EXPORTED, window)
    if imported is None or exported is None or imported[1] < imported[0] or exported[1] < exported[0]:
        # A counter that ran backwards was replaced or reset: its difference means nothing.
        return None
    return Energy(
        window,
        MEASURED,
        imported_wh=imported[1] - imported[0],
        exported_wh=exported[1] - exported[0],
        edges=(("imported_wh", *imported), ("exported_wh", *exported)),
    )


def _derived(readings: Sequence[Reading], window: Window, car: Car) -> Energy | None:
    soc = _edges(readings, SOC, window)
    if soc is None:
        return None
    gained = max(Fraction(0), soc[1] - soc[0])
    return Energy(
        window,
        DERIVED,
        imported_wh=gained / 100 * car.capacity_wh / Fraction(car.charge_efficiency),
        exported_wh=Fraction(0),
        edges=(("soc_percent", *soc),),
    )


def _edges(readings: Sequence[Reading], place: int, window: Window) -> tuple[Fraction, Fraction] | None:
    start = _value_at(readings, place, window.starts_at)
    end = None if start is None else _value_at(readings, place, window.ends_at)
    return None if start is None or end is None else (start, end)
