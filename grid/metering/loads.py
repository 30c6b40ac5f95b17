"""What many cars took at home in each slot of a day, by columns: the same as `net_energy` says of each, to the Wh.

Values at a slot's edges are worked out as whole numbers and a remainder each, so that only a sum of remainders is
rounded by the machine. Where that leaves any doubt about a whole Wh, and where a stay begins or ends within a slot, the
car's slot is worked out exactly, by itself.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from fractions import Fraction

import numpy as np
from numpy.typing import NDArray

from grid.metering.cases import Car, Reading, Window
from grid.metering.energy import MAX_EDGE_GAP, net_energy

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
MICROSECOND = timedelta(microseconds=1)
NONE = -(2**63)  # what stands for a value that a reading does not say
DOUBT = 1e-6  # Wh around a half in which rounding is left to exact numbers


@dataclass(frozen=True, slots=True)
class Seen:
    """Readings of some cars as columns, in order of car and time. Times are microseconds since 1970.

    `car` is a place in the list of cars; `soc` in hundredths of a percent; NONE where a reading says nothing.
    """

    car: Ints
    at: Ints
    soc: Ints
    imported_wh: Ints
    exported_wh: Ints


@dataclass(frozen=True, slots=True)
class Stayed:
    """Stays at the plug as columns: which car, from when to when, in microseconds since 1970."""

    car: Ints
    begins: Ints
    ends: Ints


@dataclass(frozen=True, slots=True)
class _Value:
    """A value at the edges of slots, [cars, edges]: `whole` + `part`, where it `is_known`."""

    whole: Ints
    part: Floats
    is_known: Bools

    def rise(self) -> tuple[Floats, Bools]:
        """Return by how much it grows in each slot, and where that is known."""
        grown = np.diff(self.whole, axis=1) + np.diff(self.part, axis=1)
        return grown, self.is_known[:, :-1] & self.is_known[:, 1:]


def loads(cars: Sequence[Car], seen: Seen, stayed: Stayed, slots: Sequence[Window]) -> list[list[int]]:
    """Return for each of the slots, which follow each other, what the cars took, Wh, and of how many it is known.

    Of a car of which nothing was read nothing is known: it may have been anywhere.
    """
    edges = np.array([micros(slot.starts_at) for slot in slots] + [micros(slots[-1].ends_at)], dtype=np.int64)
    taken, is_known, is_doubtful = _taken(cars, seen, edges)
    touching, covering = _stays_in(len(cars), stayed, edges)
    taken[touching == 0], is_known[touching == 0], is_doubtful[touching == 0] = 0.0, True, False
    is_doubtful |= (touching > 0) & ((touching > 1) | (covering != touching))
    was_read = np.bincount(seen.car, minlength=len(cars)) > 0
    is_known &= was_read[:, None]
    is_doubtful &= was_read[:, None]
    whole = np.rint(np.where(is_known & ~is_doubtful, taken, 0.0)).astype(np.int64)
    told = [[int(wh), int(count)] for wh, count in zip(
        whole.sum(axis=0), (is_known & ~is_doubtful).sum(axis=0), strict=True
    )]  # fmt: skip
    for car in np.flatnonzero(is_doubtful.any(axis=1)).tolist():
        readings, stays = _readings(seen, car), _windows(stayed, car)
        for slot in np.flatnonzero(is_doubtful[car]).tolist():
            wh = taken_exactly(slots[slot], stays, readings, cars[car])
            if wh is not None:
                told[slot] = [told[slot][0] + wh, told[slot][1] + 1]
    return told


def taken_exactly(slot: Window, stays: Sequence[Window], readings: Sequence[Reading], car: Car) -> int | None:
    """Return what one car took at home in a slot, whole Wh; None where nobody knows."""
    if not readings:
        return None
    energies = [
        net_energy(readings=readings, window=shared, car=car).net_wh
        for stay in stays
        if (shared := stay.clip(slot)) is not None
    ]
    known = [wh for wh in energies if wh is not None]
    return round(sum(known, Fraction(0))) if len(known) == len(energies) else None


def micros(at: datetime) -> int:
    """Return the microseconds from 1970 to an instant."""
    return (at - EPOCH) // MICROSECOND


def _taken(cars: Sequence[Car], seen: Seen, edges: Ints) -> tuple[Floats, Bools, Bools]:
    """Return what each car took in each slot if it was at the plug, whether that is known, and whether in doubt."""
    imported, has_imported = _at_edges(len(cars), seen, seen.imported_wh, edges).rise()
    exported, has_exported = _at_edges(len(cars), seen, seen.exported_wh, edges).rise()
    gained, has_soc = _at_edges(len(cars), seen, seen.soc, edges).rise()
    has_meters = has_imported & has_exported
    least = np.minimum(imported, exported)
    is_backward = has_meters & (least < 0.0)
    is_unsure = has_meters & (least != 0.0) & (np.abs(least) < DOUBT)
    wh_a_hundredth = np.array([car.capacity_wh / 10_000 / float(car.charge_efficiency) for car in cars])[:, None]
    is_measured = has_meters & ~is_backward
    taken = np.where(is_measured, imported - exported, np.maximum(gained, 0.0) * wh_a_hundredth)
    is_near_half = (np.abs(taken - np.floor(taken) - 0.5) < DOUBT) & (is_measured | has_soc)
    return taken, is_measured | has_soc, is_unsure | is_near_half


def _at_edges(cars: int, seen: Seen, values: Ints, edges: Ints) -> _Value:
    """Return a column's value at the edges, interpolated as `energy.value_at` does."""
    said = np.flatnonzero(values != NONE)
    car, at, value = seen.car[said], seen.at[said], values[said]
    known = np.zeros((cars, len(edges)), dtype=bool)
    if not len(said):
        return _Value(np.zeros_like(known, dtype=np.int64), np.zeros(known.shape), known)
    first = min(int(at.min()), int(edges[0]))
    span = max(int(at.max()), int(edges[-1])) - first + 2
    keys, wanted = car * span + (at - first), np.arange(cars)[:, None] * span + (edges - first)[None, :]
    after, before = np.searchsorted(keys, wanted, "left"), np.searchsorted(keys, wanted, "right") - 1
    own = np.arange(cars)[:, None]
    known = (after < len(keys)) & (before >= 0)
    after, before = np.minimum(after, len(keys) - 1), np.maximum(before, 0)
    known &= (car[after] == own) & (car[before] == own)
    low, rise, gap = value[before], value[after] - value[before], at[after] - at[before]
    known &= (rise == 0) | (gap <= MAX_EDGE_GAP // MICROSECOND)
    gap = np.where(known & (rise != 0) & (gap > 0), gap, 1)
    whole, rest = np.divmod(np.where(known & (gap > 1), rise * (edges[None, :] - at[before]), 0), gap)
    return _Value(np.where(known, low + whole, 0), rest / gap, known)


def _stays_in(cars: int, stayed: Stayed, edges: Ints) -> tuple[Ints, Ints]:
    """Return how many stays touch each car's slots, and how many of these go on for a whole slot, [cars, slots]."""
    begins, ends = edges[None, :-1], edges[None, 1:]
    touching, covering = np.zeros((cars, len(edges) - 1), np.int64), np.zeros((cars, len(edges) - 1), np.int64)
    from_at, until = stayed.begins[:, None], stayed.ends[:, None]
    np.add.at(touching, stayed.car, (np.maximum(from_at, begins) < np.minimum(until, ends)).astype(np.int64))
    np.add.at(covering, stayed.car, ((from_at <= begins) & (until >= ends)).astype(np.int64))
    return touching, covering


def _readings(seen: Seen, car: int) -> list[Reading]:
    begin, end = np.searchsorted(seen.car, [car, car + 1])
    columns = (column[begin:end].tolist() for column in (seen.at, seen.soc, seen.imported_wh, seen.exported_wh))
    return [
        Reading(
            _instant(at),
            None if soc == NONE else Decimal(soc).scaleb(-2),
            None if imported == NONE else imported,
            None if exported == NONE else exported,
        )
        for at, soc, imported, exported in zip(*columns, strict=True)
    ]


def _windows(stayed: Stayed, car: int) -> list[Window]:
    places = np.flatnonzero(stayed.car == car).tolist()
    return [Window(_instant(int(stayed.begins[place])), _instant(int(stayed.ends[place]))) for place in places]


def _instant(at: int) -> datetime:
    return EPOCH + timedelta(microseconds=at)
