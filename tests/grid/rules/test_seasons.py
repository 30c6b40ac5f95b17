"""Months, hours and days by which programs ask and count, on wall clocks that jump and on those that do not."""

from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from foundation.windows import Span, is_in_windows, parse_windows, spans_between
from grid.rules.seasons import day_of, is_in_season, parse_months, season_of

WEEK = [0, 1, 2, 3, 4, 5, 6]
HOUR = timedelta(hours=1)


def windows(*hours: tuple[str, str], weekdays: list[int] = WEEK) -> Any:
    return parse_windows([{"weekdays": weekdays, "from": begin, "to": end} for begin, end in hours])


def local(text: str, zone: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=ZoneInfo(zone)).astimezone(UTC)


@pytest.mark.parametrize(
    ("starts", "hours", "is_right"),
    [
        pytest.param("2026-11-18T16:00", 5, True, id="the whole window"),
        pytest.param("2026-11-18T15:45", 1, False, id="a quarter hour too early"),
        pytest.param("2026-11-18T20:15", 1, False, id="a quarter hour too long"),
        pytest.param("2026-11-21T16:00", 1, False, id="a Saturday"),
        pytest.param("2026-11-18T16:07", 1, True, id="off the quarter hour"),
    ],
)
def test_event_lies_in_its_window(starts: str, hours: int, is_right: object) -> None:
    begins = local(starts, "America/Chicago")
    evening = windows(("16:00", "21:00"), weekdays=[0, 1, 2, 3, 4])
    assert is_in_windows(evening, Span(begins, begins + hours * HOUR), zone=ZoneInfo("America/Chicago")) is is_right


@pytest.mark.parametrize(
    ("zone", "date", "hours"),
    [
        pytest.param("America/New_York", "2026-03-08", 7, id="New York loses an hour in spring"),
        pytest.param("America/New_York", "2026-11-01", 9, id="New York gains an hour in autumn"),
        pytest.param("America/St_Johns", "2026-03-08", 7, id="St. John's loses an hour in spring"),
        pytest.param("America/St_Johns", "2026-11-01", 9, id="St. John's gains an hour in autumn"),
        pytest.param("America/Regina", "2026-03-08", 8, id="Regina keeps its clock in spring"),
        pytest.param("America/Phoenix", "2026-11-01", 8, id="Phoenix keeps its clock in autumn"),
    ],
)
def test_night_window_is_as_long_as_the_wall_says(zone: str, date: str, hours: int) -> None:
    day = day_of(local(f"{date}T12:00", zone), zone=ZoneInfo(zone))
    (night,) = spans_between(windows(("00:00", "08:00")), day, zone=ZoneInfo(zone))
    assert night == Span(day.starts_at, day.starts_at + hours * HOUR)
    assert is_in_windows(windows(("00:00", "08:00")), night, zone=ZoneInfo(zone))
    longer = Span(night.starts_at, night.ends_at + timedelta(minutes=15))
    assert not is_in_windows(windows(("00:00", "08:00")), longer, zone=ZoneInfo(zone))


def test_hour_that_comes_twice_is_left_in_between() -> None:
    # 01:00 to 01:30 comes twice: between the two the clock shows 01:30 to 02:00.
    zone, first = ZoneInfo("America/New_York"), local("2026-11-01T01:00", "America/New_York")
    assert spans_between(windows(("01:00", "01:30")), Span(first, first + 3 * HOUR), zone=zone) == [
        Span(first, first + HOUR / 2),
        Span(first + HOUR, first + 1.5 * HOUR),
    ]


def test_window_over_midnight_is_two_and_an_event_may_lie_in_both() -> None:
    begins = local("2026-11-18T22:30", "America/Chicago")
    night = windows(("22:00", "24:00"), ("00:00", "06:00"))
    assert is_in_windows(night, Span(begins, begins + 4 * HOUR), zone=ZoneInfo("America/Chicago"))


@pytest.mark.parametrize(
    ("at", "months", "first", "after"),
    [
        pytest.param("2026-07-10", [5, 6, 7, 8, 9, 10], "2026-05-01", "2026-11-01", id="a summer"),
        pytest.param("2026-01-10", [11, 12, 1, 2, 3], "2025-11-01", "2026-04-01", id="a winter over the new year"),
        pytest.param("2026-12-31", [11, 12, 1, 2, 3], "2026-11-01", "2027-04-01", id="its other end"),
        pytest.param("2026-07-10", [1, 7], "2026-07-01", "2026-08-01", id="one of two short seasons"),
        pytest.param("2026-07-10", [], "2026-01-01", "2027-01-01", id="no season: the calendar year"),
        pytest.param("2026-07-10", list(range(1, 13)), "2026-01-01", "2027-01-01", id="every month likewise"),
    ],
)
def test_season_is_the_run_of_months(at: str, months: list[int], first: str, after: str) -> None:
    zone = ZoneInfo("America/Toronto")
    season = season_of(local(f"{at}T12:00", zone.key), months, zone=zone)
    assert season == Span(local(f"{first}T00:00", zone.key), local(f"{after}T00:00", zone.key))


def test_event_over_the_last_midnight_of_a_season_is_out_of_it() -> None:
    zone, last = ZoneInfo("America/Chicago"), local("2026-10-31T23:00", "America/Chicago")
    assert is_in_season([10], Span(last, last + HOUR), zone=zone)
    assert not is_in_season([10], Span(last, last + HOUR + timedelta(minutes=1)), zone=zone)


@pytest.mark.parametrize(
    ("parse", "record", "complaint"),
    [
        (parse_months, [0], "1 to 12"),
        (parse_months, [True], "1 to 12"),
        (parse_months, "summer", "1 to 12"),
        (parse_months, [5, 5], "twice"),
        (parse_windows, {}, "windows are a list"),
        (parse_windows, [{"weekdays": WEEK, "from": "16:00"}], "window 1 needs exactly"),
        (parse_windows, [{"weekdays": WEEK, "from": "16:00", "to": "15:00"}], "window 1 ends before"),
        (parse_windows, [{"weekdays": WEEK, "from": "16:10", "to": "17:00"}], "quarter hour"),
        (parse_windows, [{"weekdays": [7], "from": "16:00", "to": "17:00"}], "window 1: weekdays"),
    ],
)
def test_nonsense_is_refused(parse: Any, record: object, complaint: str) -> None:
    with pytest.raises(ValueError, match=complaint):
        parse(record)
