"""Net energy of a car over a window, from running meters where they are served, else from the state of charge.

Meters and SoC are read every few minutes, never exactly at an event's edge: values at an edge are interpolated
linearly between the readings on both sides. Where they lie more than `MAX_EDGE_GAP` apart and the value moved in
between, nobody can say how much of it fell into the event, and the value is unknown: unknown, never zero.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from fractions import Fraction

from grid.metering.cases import Car, Reading, Window

MAX_EDGE_GAP = timedelta(hours=1)
MEASURED, DERIVED, MISSING = "measured", "derived", "missing"

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
    before = next((point for point in reversed(points) if point[0] <= at), None)
    after = next((point for point in points if point[0] >= at), None)
    if before is None or after is None:
        return None
    # Exact numbers are slow to make: of all the points only these two are turned into them.
    (from_at, low), (to_at, high) = ((at, Fraction(value)) for at, value in (before, after))
    if low == high:
        return low
    if to_at - from_at > MAX_EDGE_GAP:
        return None
    share = Fraction((at - from_at) // timedelta(microseconds=1), (to_at - from_at) // timedelta(microseconds=1))
    return low + (high - low) * share


def net_energy(*, readings: Iterable[Reading], window: Window, car: Car) -> Energy:
    """Return the energy of one window of a stay: measured, else derived from the SoC, else missing.

    Derived energy never counts as export: a battery that sinks a little in the cold is no delivery to the grid, so
    discharging must be metered to be paid.
    """
    ordered = sorted(readings, key=lambda reading: reading.observed_at)
    return _measured(ordered, window) or _derived(ordered, window, car) or Energy(window, MISSING)


def _measured(readings: Sequence[Reading], window: Window) -> Energy | None:
    imported = _edges(_points(readings, lambda reading: reading.imported_wh), window)
    exported = _edges(_points(readings, lambda reading: reading.exported_wh), window)
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
    soc = _edges(_points(readings, lambda reading: reading.soc_percent), window)
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


def _points(readings: Iterable[Reading], value: Callable[[Reading], Decimal | int | None]) -> list[Point]:
    known = ((reading.observed_at, value(reading)) for reading in readings)
    return [(at, number) for at, number in known if number is not None]


def _edges(points: Sequence[Point], window: Window) -> tuple[Fraction, Fraction] | None:
    start, end = value_at(points, window.starts_at), value_at(points, window.ends_at)
    return None if start is None or end is None else (start, end)
