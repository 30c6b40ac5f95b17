"""Report descriptors become reports with intervals and due times, as OpenADR 3.1.0 and 3.0.1 define their counts."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from grid.operators.base import ReportWish
from grid.operators.openadr3.wishes import MOST_REPORTS, Owed, Span, owed_by

START = datetime(2026, 11, 19, 0, 0, tzinfo=UTC)
HOUR = timedelta(hours=1)
FOUR: list[Span] = [(place, START + place * HOUR, START + (place + 1) * HOUR) for place in range(4)]


def owed(*wishes: dict[str, Any], intervals: list[Span] | None = None) -> list[Owed]:
    found, _ = owed_by(
        [ReportWish(**({"payload_type": "USAGE"} | wish)) for wish in wishes], FOUR if intervals is None else intervals
    )
    return found


def shown(found: list[Owed]) -> list[tuple[list[int], float | None]]:
    return [
        ([number for number, _, _ in one.windows], None if one.due_at is None else (one.due_at - START) / HOUR)
        for one in found
    ]


@pytest.mark.parametrize(
    ("wish", "expected"),
    [
        ({}, [([0, 1, 2, 3], 4)]),
        ({"num_intervals": 2}, [([2, 3], 4)]),
        ({"start_interval": 2}, [([0, 1], 2)]),
        ({"start_interval": 2, "num_intervals": 1}, [([1], 2)]),
        ({"start_interval": 0, "num_intervals": 1}, [([0], 1)]),  # nothing comes before interval 0
        (
            {"start_interval": 1, "num_intervals": 1, "frequency": 1, "repeat": -1},
            [([0], 1), ([1], 2), ([2], 3), ([3], 4)],
        ),
        ({"start_interval": 1, "num_intervals": 1, "frequency": 1, "repeat": 2}, [([0], 1), ([1], 2)]),
        ({"start_interval": 2, "num_intervals": 2, "repeat": -1}, [([0, 1], 2), ([2, 3], 4)]),
        ({"start_interval": 3, "num_intervals": 3, "repeat": -1}, [([0, 1, 2], 3), ([1, 2, 3], 4)]),
        ({"is_historical": False, "start_interval": 0}, [([0, 1, 2, 3], None)]),
        ({"is_historical": False}, [([0, 1, 2, 3], None)]),
        ({"is_historical": False, "start_interval": 2, "num_intervals": 1}, [([2], 2)]),
        (
            {"is_historical": False, "start_interval": 0, "num_intervals": 2, "repeat": -1},
            [([0, 1], None), ([2, 3], 2)],
        ),
        ({"payload_type": "USAGE_FORECAST"}, [([0, 1, 2, 3], None)]),  # never backwards
        ({"payload_type": "MOON_PHASE"}, []),
        ({"start_interval": 9}, []),
        ({"num_intervals": 0}, []),
        ({"frequency": 0, "num_intervals": 4, "start_interval": 4}, [([0, 1, 2, 3], 4)]),
    ],
)
def test_counts_say_what_is_told_and_when(wish: dict[str, Any], expected: list[Any]) -> None:
    assert shown(owed(wish)) == expected


def test_descriptors_that_agree_make_one_report() -> None:
    both = owed({}, {"payload_type": "BASELINE"}, {"payload_type": "DEMAND", "is_aggregate": True})
    assert [one.types for one in both] == [("USAGE", "BASELINE"), ("DEMAND",)]
    assert len({one.wish for one in both}) == 2
    assert owed({})[0].wish == both[0].wish  # its name stays while the descriptors do


@pytest.mark.parametrize("how", ["SUB_INTERVALS", "OPEN_INTERVALS"])
def test_finer_intervals_are_quarter_hours_and_end_with_their_own(how: str) -> None:
    odd: list[Span] = [(7, START, START + timedelta(minutes=40))]
    (one,) = owed({"intervals": how}, intervals=odd)
    assert [(last - first) / timedelta(minutes=1) for _, first, last in one.windows] == [15, 15, 10]


@pytest.mark.parametrize(
    ("wish", "word"),
    [
        ({"payload_type": "MOON_PHASE"}, "not told here"),
        ({"units": "GALLONS"}, "usual unit"),
        ({"units": "KW"}, "usual unit"),
        ({"intervals": "SOME"}, "not known"),
        ({"start_interval": 9}, "does not have"),
    ],
)
def test_what_is_not_clear_is_a_question(wish: dict[str, Any], word: str) -> None:
    _, questions = owed_by([ReportWish(**({"payload_type": "USAGE"} | wish)), ReportWish("BASELINE")], FOUR)
    assert [word in question for question in questions] == [True]


COUNTS = st.integers(-1, 10**6)


@given(
    st.lists(
        st.builds(
            ReportWish,
            payload_type=st.sampled_from(["USAGE", "USAGE_FORECAST", "DEMAND", "X"]),
            is_historical=st.booleans(),
            start_interval=COUNTS,
            num_intervals=COUNTS,
            frequency=COUNTS,
            repeat=COUNTS,
        ),
        max_size=4,
    ),
    st.integers(0, 40),
)
def test_no_descriptor_breaks_the_schedule(wishes: list[ReportWish], count: int) -> None:
    intervals = [(place, START + place * HOUR, START + (place + 1) * HOUR) for place in range(count)]
    found, _ = owed_by(wishes, intervals)
    assert len(found) <= MOST_REPORTS
    assert len({(one.wish, one.number) for one in found}) == len(found)
    for one in found:
        assert set(one.windows) <= set(intervals)
        if not one.is_ahead:  # nothing is told before it is over
            assert one.due_at == max(ends_at for _, _, ends_at in one.windows)
        elif one.due_at is not None:
            assert one.due_at == one.windows[0][1]
