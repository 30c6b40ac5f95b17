"""Prices a slot, on the wall clocks of utilities from Phoenix to St. John's."""

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from grid.tariffs import Period, Rates, export_prices, import_prices, parse_periods, rate_at

NIGHT, PEAK, REST = 28_000, 284_000, 122_000
WEEK = [0, 1, 2, 3, 4, 5, 6]
PERIODS = parse_periods(
    [
        {"weekdays": WEEK, "from": "00:00", "to": "07:00", "rate": NIGHT},
        {"weekdays": WEEK, "from": "23:00", "to": "24:00", "rate": NIGHT},
        {"weekdays": [0, 1, 2, 3, 4], "from": "16:00", "to": "21:00", "rate": PEAK},
    ]
)


def time_of_use(zone: str) -> Rates:
    return Rates("time_of_use", ZoneInfo(zone), flat_micros_per_kwh=REST, periods=PERIODS)


def night_slots(zone: str, year: int, month: int, day: int) -> int:
    """Count the quarter hours at the night rate from one local midnight to the next."""
    midnight = datetime(year, month, day, tzinfo=ZoneInfo(zone))
    starts_at, ends_at = midnight.astimezone(UTC), (midnight + timedelta(days=1)).astimezone(UTC)
    count = (ends_at - starts_at) // timedelta(minutes=15)
    return import_prices(time_of_use(zone), starts_at=starts_at, slot_minutes=15, slot_count=count).count(NIGHT)


@pytest.mark.parametrize(
    ("zone", "month", "day", "hours"),
    [
        pytest.param("America/New_York", 11, 18, 8, id="an ordinary night"),
        pytest.param("America/New_York", 3, 8, 7, id="New York loses an hour in spring"),
        pytest.param("America/New_York", 11, 1, 9, id="New York gains an hour in autumn"),
        pytest.param("America/St_Johns", 3, 8, 7, id="St. John's loses an hour in spring"),
        pytest.param("America/St_Johns", 11, 1, 9, id="St. John's gains an hour in autumn"),
        pytest.param("America/Regina", 3, 8, 8, id="Regina keeps its clock in spring"),
        pytest.param("America/Regina", 11, 1, 8, id="Regina keeps its clock in autumn"),
        pytest.param("America/Phoenix", 3, 8, 8, id="Phoenix keeps its clock in spring"),
        pytest.param("America/Phoenix", 11, 1, 8, id="Phoenix keeps its clock in autumn"),
    ],
)
def test_night_rate_lasts_as_long_as_the_clock_on_the_wall_says(zone: str, month: int, day: int, hours: int) -> None:
    assert night_slots(zone, 2026, month, day) == hours * 4


def test_first_period_that_fits_counts() -> None:
    rates = Rates(
        "time_of_use",
        ZoneInfo("UTC"),
        flat_micros_per_kwh=3,
        periods=(Period(frozenset(WEEK), 0, 60, 1), Period(frozenset(WEEK), 0, 120, 2)),
    )
    wednesday = datetime(2026, 11, 18, tzinfo=UTC)
    assert [rate_at(rates, wednesday + timedelta(hours=hour)) for hour in range(3)] == [1, 2, 3]


def test_weekday_is_the_local_one() -> None:
    friday_evening = datetime(2026, 11, 21, 0, 30, tzinfo=UTC)  # Saturday by the clock of the prime meridian
    assert rate_at(time_of_use("America/Toronto"), friday_evening) == PEAK


def test_market_price_gets_the_delivery_charge_and_keeps_its_gaps() -> None:
    rates = Rates("market", ZoneInfo("America/Chicago"), delivery_micros_per_kwh=48_000)
    prices = import_prices(
        rates,
        starts_at=datetime(2026, 11, 18, tzinfo=UTC),
        slot_minutes=15,
        slot_count=3,
        market_micros=[-60_000, None, 9_000_000],
    )
    assert prices == [-12_000, None, 9_048_000]


def test_market_series_of_another_length_is_refused() -> None:
    with pytest.raises(ValueError, match="2 market prices are needed, 1 are here"):
        import_prices(
            Rates("market", ZoneInfo("UTC")),
            starts_at=datetime(2026, 11, 18, tzinfo=UTC),
            slot_minutes=15,
            slot_count=2,
            market_micros=[1],
        )


def test_flat_price_is_the_same_in_every_slot() -> None:
    rates = Rates("flat", ZoneInfo("UTC"), flat_micros_per_kwh=99_000, export_micros_per_kwh=30_000)
    starts_at = datetime(2026, 11, 18, tzinfo=UTC)
    assert import_prices(rates, starts_at=starts_at, slot_minutes=15, slot_count=2) == [99_000, 99_000]
    assert export_prices(rates, slot_count=2) == [30_000, 30_000]


def test_unknown_kind_is_refused() -> None:
    with pytest.raises(ValueError, match="demand"):
        Rates("demand", ZoneInfo("UTC"))


@pytest.mark.parametrize(
    ("record", "complaint"),
    [
        pytest.param({"weekdays": [7], "from": "00:00", "to": "07:00", "rate": 1}, "weekdays", id="weekday 7"),
        pytest.param({"weekdays": [True], "from": "00:00", "to": "07:00", "rate": 1}, "weekdays", id="weekday true"),
        pytest.param({"weekdays": [], "from": "00:00", "to": "07:00", "rate": 1}, "weekdays", id="no weekday"),
        pytest.param({"weekdays": [0], "from": "23:00", "to": "07:00", "rate": 1}, "ends before", id="over midnight"),
        pytest.param({"weekdays": [0], "from": "07:00", "to": "07:00", "rate": 1}, "ends before", id="no length"),
        pytest.param({"weekdays": [0], "from": "07:00", "to": "25:00", "rate": 1}, "00:00 to 24:00", id="hour 25"),
        pytest.param({"weekdays": [0], "from": "07:07", "to": "08:00", "rate": 1}, "quarter", id="off the quarter"),
        pytest.param({"weekdays": [0], "from": 7, "to": "08:00", "rate": 1}, "from is a time", id="time as number"),
        pytest.param({"weekdays": [0], "from": "07:00", "to": "08:00", "rate": 0.1}, "whole number", id="fraction"),
        pytest.param({"weekdays": [0], "from": "07:00", "to": "08:00"}, "exactly", id="no rate"),
        pytest.param("07:00-08:00", "exactly", id="no object"),
    ],
)
def test_period_that_makes_no_sense_is_refused_by_its_number(record: object, complaint: str) -> None:
    fine = {"weekdays": [0], "from": "00:00", "to": "01:00", "rate": 1}
    with pytest.raises(ValueError, match=f"Period 2.*{complaint}"):
        parse_periods([fine, record])


def test_periods_that_are_no_list_are_refused() -> None:
    with pytest.raises(ValueError, match="list"):
        parse_periods({"weekdays": [0]})


@given(
    quarter=st.integers(0, 96 * 366),
    zone=st.sampled_from(["America/New_York", "America/St_Johns", "America/Regina", "America/Phoenix"]),
)
def test_every_minute_of_a_slot_costs_the_same(quarter: int, zone: str) -> None:
    starts_at = datetime(2026, 1, 1, tzinfo=UTC) + timedelta(minutes=15) * quarter
    rates = time_of_use(zone)
    assert {rate_at(rates, starts_at + timedelta(minutes=minute)) for minute in range(15)} == {
        rate_at(rates, starts_at)
    }
