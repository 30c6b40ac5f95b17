"""Loads of many cars by columns are those of each car by itself, to the Wh."""

from datetime import timedelta
from decimal import Decimal

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from grid.metering.cases import Car, Reading, Window
from grid.metering.loads import NONE, Seen, Stayed, loads, micros, taken_exactly
from tests.grid.metering.cases import at

MINUTE = timedelta(minutes=1)
SLOTS = [Window(at("18:00") + 30 * MINUTE * place, at("18:30") + 30 * MINUTE * place) for place in range(4)]

minutes = st.integers(min_value=-90, max_value=220)
values = st.one_of(st.none(), st.integers(min_value=0, max_value=40))
reading = st.tuples(minutes, values, values, values)
stay = st.tuples(minutes, st.integers(min_value=0, max_value=300))
car = st.tuples(st.lists(reading, max_size=9, unique_by=lambda one: one[0]), st.lists(stay, max_size=2), st.booleans())


def _of(told: tuple[list[tuple[int, int | None, int | None, int | None]], list[tuple[int, int]], bool]) -> tuple[
    Car, list[Reading], list[Window]
]:  # fmt: skip
    read, stays, is_counting = told
    total_in, total_out, readings = 0, 0, []
    for minute, soc, imported, exported in sorted(read, key=lambda one: one[0]):
        total_in, total_out = total_in + (imported or 0) * 37, total_out + (exported or 0)
        readings.append(
            Reading(
                at("18:00") + minute * MINUTE, None if soc is None else Decimal(soc * 5) / 2,
                None if imported is None else total_in if is_counting else imported * 100,
                None if exported is None else total_out,
            )
        )  # fmt: skip
    windows = [Window(at("18:00") + begin * MINUTE, at("18:00") + (begin + long) * MINUTE) for begin, long in stays]
    return Car(70_000, Decimal("0.9"), 7_000), readings, windows


@settings(max_examples=150, deadline=None)
@given(fleet=st.lists(car, min_size=1, max_size=6))
def test_loads_by_columns_are_those_of_each_car(fleet: list[tuple[list[object], list[object], bool]]) -> None:
    cars, readings, stays = zip(*(_of(one) for one in fleet), strict=True)  # type: ignore[arg-type]
    rows = [
        (place, micros(one.observed_at), NONE if one.soc_percent is None else int(one.soc_percent * 100),
         NONE if one.imported_wh is None else one.imported_wh, NONE if one.exported_wh is None else one.exported_wh)
        for place, own in enumerate(readings) for one in own
    ]  # fmt: skip
    edges = [
        (place, micros(one.starts_at), micros(one.ends_at)) for place, own in enumerate(stays) for one in own
    ]  # fmt: skip
    seen = Seen(*np.array(rows, dtype=np.int64).reshape(-1, 5).T)
    stayed = Stayed(*np.array(edges, dtype=np.int64).reshape(-1, 3).T)

    taken = [[taken_exactly(slot, *one) for one in zip(stays, readings, cars, strict=True)] for slot in SLOTS]
    known = [[wh for wh in slot if wh is not None] for slot in taken]
    assert loads(cars, seen, stayed, SLOTS) == [[sum(slot), len(slot)] for slot in known]
