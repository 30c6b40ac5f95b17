"""Prices a slot, on the wall clocks of utilities from Phoenix to St. John's."""

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from grid.rules.tariffs import (
    Period,
    Rates,
    export_prices,
    import_prices,
    parse_periods,
    parse_rates,
    rate_at,
    slots_out_of_validity,
)

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
    assert export_prices(rates, starts_at=starts_at, slot_minutes=15, slot_count=2) == [30_000, 30_000]


def test_unknown_kind_is_refused() -> None:
    with pytest.raises(ValueError, match="demand"):
        Rates("demand", ZoneInfo("UTC"))


FINE: dict[str, Any] = {"weekdays": [0], "from": "00:00", "to": "01:00", "rate": 1}


def tiered(tiers: list[dict[str, Any]], **more: Any) -> dict[str, Any]:
    """A period over the whole week, with tiers."""
    return {"weekdays": WEEK, "from": "00:00", "to": "24:00", "tiers": tiers, **more}


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
        pytest.param({**FINE, "months": [0]}, "months", id="month 0"),
        pytest.param({**FINE, "months": []}, "months", id="no month"),
        pytest.param({**FINE, "export": 0.5}, "whole number", id="export as fraction"),
        pytest.param({**FINE, "tiers": [{"rate": 1}]}, "exactly", id="rate and tiers"),
        pytest.param(tiered([]), "tiers are a list", id="no tier"),
        pytest.param(tiered([{"rate": 1}], tiers_per="year"), "per month or per day", id="tiers a year"),
        pytest.param(tiered([{"rate": 1}, {"rate": 2}]), "each tier needs", id="tier without end"),
        pytest.param(tiered([{"up_to_wh": 9, "rate": 1}]), "each tier needs", id="last tier with an end"),
        pytest.param(
            tiered([{"up_to_wh": 9, "rate": 1}, {"up_to_wh": 9, "rate": 1}, {"rate": 2}]), "rise", id="ends do not rise"
        ),
        pytest.param(tiered([{"up_to_wh": 9, "rate": "1"}, {"rate": 2}]), "whole number", id="rate of a tier as text"),
    ],
)
def test_period_that_makes_no_sense_is_refused_by_its_number(record: object, complaint: str) -> None:
    with pytest.raises(ValueError, match=f"Period 2.*{complaint}"):
        parse_periods([FINE, record])


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


def rules(**changes: Any) -> dict[str, Any]:
    return {"kind": "time_of_use", "flat": REST, "periods": [], **changes}


NEW_YORK = ZoneInfo("America/New_York")


def local(*told: int) -> datetime:
    return datetime(*told, tzinfo=NEW_YORK)  # type: ignore[arg-type, misc]


def test_months_are_those_of_the_local_clock() -> None:
    summer = [{"weekdays": WEEK, "months": [6, 7, 8, 9], "from": "00:00", "to": "24:00", "rate": PEAK}]
    rates = parse_rates(rules(periods=summer), zone=NEW_YORK)
    ends_at = local(2026, 10, 1)
    assert [rate_at(rates, ends_at + timedelta(minutes=15) * slot) for slot in (-1, 0)] == [PEAK, REST]
    assert (ends_at - timedelta(minutes=15)).astimezone(UTC).month == 10  # where the prime meridian is ahead


def test_holiday_counts_as_a_sunday() -> None:
    weekdays = [{"weekdays": [0, 1, 2, 3, 4], "from": "16:00", "to": "21:00", "rate": PEAK}]
    rates = parse_rates(rules(periods=weekdays, holidays=["2026-12-25"]), zone=NEW_YORK)
    assert [rate_at(rates, local(2026, 12, day, 17)) for day in (24, 25, 26)] == [PEAK, REST, REST]
    assert rate_at(rates, local(2026, 12, 24, 20, 45)) == PEAK  # already the 25th by the prime meridian


@pytest.mark.parametrize(
    ("month_kwh", "per", "rate"),
    [
        (0, "month", 10),
        (599, "month", 10),
        pytest.param(600, "month", 20, id="the next kWh after the last cheap one"),
        (100_000, "month", 20),
        pytest.param(600, "day", 10, id="19.7 kWh a day"),
        pytest.param(18_300, "day", 20, id="601.6 kWh a day"),
    ],
)
def test_tier_is_that_of_the_next_kwh(month_kwh: int, per: str, rate: int) -> None:
    record = tiered([{"up_to_wh": 600_000, "rate": 10}, {"rate": 20, "export": 5}], tiers_per=per)
    (period,) = parse_periods([record], month_kwh=month_kwh)
    assert (period.rate_micros_per_kwh, period.export_micros_per_kwh) == (rate, 5 if rate == 20 else None)


def test_export_follows_its_period() -> None:
    evening = [{"weekdays": WEEK, "from": "16:00", "to": "21:00", "rate": PEAK, "export": 90_000}]
    rates = parse_rates(rules(periods=evening, export=30_000), zone=NEW_YORK)
    earned = export_prices(rates, starts_at=local(2026, 11, 18, 20, 45), slot_minutes=15, slot_count=2)
    assert earned == [90_000, 30_000]


def test_each_day_is_priced_by_the_version_in_force() -> None:
    first = parse_rates(rules(kind="flat", flat=1, valid_until_date="2026-11-01"), zone=NEW_YORK)
    second = rules(kind="flat", flat=2, version=2, valid_from_date="2026-11-01", valid_until_date="2026-11-03")
    both = replace(parse_rates(second, zone=NEW_YORK), others=(first,))
    starts_at, hours = local(2026, 10, 31), 24 * 4 + 1  # one night is an hour longer
    told: dict[str, Any] = {"starts_at": starts_at.astimezone(UTC), "slot_minutes": 60, "slot_count": hours}
    assert import_prices(both, **told) == [1] * 24 + [2] * 73
    assert slots_out_of_validity(both, **told) == [False] * 73 + [True] * 24


def test_version_of_another_kind_needs_its_market() -> None:
    market = parse_rates(rules(kind="market", delivery=7, version=2, valid_from_date="2026-11-02"), zone=NEW_YORK)
    both = replace(market, others=(parse_rates(rules(kind="flat", valid_until_date="2026-11-02"), zone=NEW_YORK),))
    told: dict[str, Any] = {"starts_at": local(2026, 11, 1, 23).astimezone(UTC), "slot_minutes": 60, "slot_count": 3}
    assert import_prices(both, **told, market_micros=[1, -2, None]) == [REST, 5, None]
    with pytest.raises(ValueError, match="3 market prices are needed"):
        import_prices(both, **told)


@pytest.mark.parametrize(
    ("changes", "complaint"),
    [
        ({"holidays": ["25.12.2026"]}, "no date"),
        ({"holidays": "2026-12-25"}, "list of dates"),
        ({"valid_from_date": "2026-11-01", "valid_until_date": "2026-11-01"}, "at least one day"),
        ({"valid_from_date": 5}, "no date"),
    ],
)
def test_version_that_makes_no_sense_is_refused(changes: dict[str, Any], complaint: str) -> None:
    with pytest.raises(ValueError, match=complaint):
        parse_rates(rules(**changes), zone=NEW_YORK)


def test_nearest_version_holds_where_none_is_in_force() -> None:
    early = Rates("flat", NEW_YORK, 1, valid_from_date=date(2026, 1, 1), valid_until_date=date(2026, 2, 1))
    late = Rates("flat", NEW_YORK, 2, version=2, valid_from_date=date(2026, 3, 1), others=(early,))
    days = [date(2025, 1, 1), date(2026, 2, 5), date(2026, 2, 25), date(2030, 1, 1)]
    assert [late.version_on(day).version for day in days] == [1, 1, 2, 2]
