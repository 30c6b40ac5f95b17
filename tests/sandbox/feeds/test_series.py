import itertools
from datetime import UTC, date, datetime, timedelta

import pytest

from sandbox.feeds import series

# The nights of 2026 replay those of 2022; in 2027 the clocks change a week later than in the replayed year.
SPRING, AUTUMN = date(2026, 3, 8), date(2026, 11, 1)
LATER_SPRING, LATER_AUTUMN = date(2027, 3, 14), date(2027, 11, 7)


@pytest.mark.parametrize("ahead", range(0, 800, 13))
def test_replayed_day_is_the_same_weekday_of_2022(ahead: int) -> None:
    day = date(2026, 1, 1) + timedelta(days=ahead)
    real = series.price_source_date(day)
    assert real.weekday() == day.weekday()
    assert real.year == 2022


def test_fifty_two_weeks_pass_before_a_day_is_replayed_again() -> None:
    days = [series.price_source_date(date(2026, 1, 1) + timedelta(days=ahead)) for ahead in range(365)]
    assert len(set(days[:364])) == 364
    assert days[364] == days[0]


def test_november_replays_november() -> None:
    assert series.price_source_date(date(2026, 11, 18)) == date(2022, 11, 23)


def test_ordinary_day_has_the_real_prices() -> None:
    # 2022-11-23, LZ_AEN, hours ending 01:00 and 18:00 of ERCOT's report
    hours = series.day_ahead_prices("LZ_AEN", date(2026, 11, 18))
    assert [hour.hour_ending for hour in hours] == [f"{hour:02d}:00" for hour in range(1, 25)]
    assert not any(hour.is_repeated for hour in hours)
    assert (hours[0].usd_per_mwh, hours[17].usd_per_mwh) == (31.77, 58.89)


@pytest.mark.parametrize("night", [SPRING, LATER_SPRING])
def test_spring_night_has_23_hours_and_skips_three_o_clock(night: date) -> None:
    hours = [hour.hour_ending for hour in series.day_ahead_prices("LZ_WEST", night)]
    assert len(hours) == 23
    assert hours[:3] == ["01:00", "02:00", "04:00"]


@pytest.mark.parametrize("night", [AUTUMN, LATER_AUTUMN])
def test_autumn_night_has_a_second_two_o_clock(night: date) -> None:
    hours = series.day_ahead_prices("LZ_WEST", night)
    assert [(hour.hour_ending, hour.is_repeated) for hour in hours[:4]] == [
        ("01:00", False),
        ("02:00", False),
        ("02:00", True),
        ("03:00", False),
    ]
    assert len(hours) == 25


def test_second_two_o_clock_is_the_real_one_where_there_was_one_else_the_first_again() -> None:
    real, repeated = (series.day_ahead_prices("HB_HUBAVG", night)[1:3] for night in (AUTUMN, LATER_AUTUMN))
    assert real[0].usd_per_mwh != real[1].usd_per_mwh
    assert repeated[0].usd_per_mwh == repeated[1].usd_per_mwh


def test_replayed_spring_night_gets_its_missing_hour_from_its_neighbours() -> None:
    day = LATER_SPRING - timedelta(weeks=1)
    assert series.price_source_date(day) == date(2022, 3, 13)
    hours = series.day_ahead_prices("HB_HUBAVG", day)
    assert len(hours) == 24
    assert hours[2].usd_per_mwh == round((hours[1].usd_per_mwh + hours[3].usd_per_mwh) / 2, 2)


def test_replayed_autumn_night_loses_its_second_two_o_clock() -> None:
    day = LATER_AUTUMN - timedelta(weeks=1)
    assert series.price_source_date(day) == date(2022, 11, 6)
    assert len(series.day_ahead_prices("HB_HUBAVG", day)) == 24


def test_negative_prices_are_replayed() -> None:
    prices = [
        hour.usd_per_mwh
        for ahead in range(364)
        for hour in series.day_ahead_prices("LZ_WEST", date(2026, 1, 1) + timedelta(days=ahead))
    ]
    assert sum(price < 0 for price in prices) > 200


@pytest.mark.parametrize(
    ("now", "newest"),
    [
        (datetime(2026, 11, 18, 19, 29, tzinfo=UTC), date(2026, 11, 18)),  # 13:29 in winter
        (datetime(2026, 11, 18, 19, 30, tzinfo=UTC), date(2026, 11, 19)),
        (datetime(2026, 7, 1, 18, 29, tzinfo=UTC), date(2026, 7, 1)),  # 13:29 in summer
        (datetime(2026, 7, 1, 18, 30, tzinfo=UTC), date(2026, 7, 2)),
        (datetime(2026, 11, 19, 5, 59, tzinfo=UTC), date(2026, 11, 19)),  # still the evening before in Texas
    ],
)
def test_tomorrow_is_published_at_half_past_one_in_texas(now: datetime, newest: date) -> None:
    assert series.published_through(now) == newest


def test_carbon_keeps_the_local_hour_and_weekday() -> None:
    # Wednesday 2026-11-18 18:00 in California (winter) replays Wednesday 2021-05-12 18:00 (summer, 01:00 UTC)
    (point,) = series.marginal_carbon(
        "CAISO_NORTH", datetime(2026, 11, 19, 2, tzinfo=UTC), datetime(2026, 11, 19, 2, 5, tzinfo=UTC)
    )
    real = series.moer_source_date(point.point_time)
    assert real.strftime("%A") == "Wednesday"
    assert point.lbs_per_mwh == 574.4  # 0.260544 kg/kWh


@pytest.mark.parametrize(("night", "hours"), [(SPRING, 23), (AUTUMN, 25), (date(2026, 6, 1), 24)])
def test_carbon_has_a_point_every_five_minutes_of_any_night(night: date, hours: int) -> None:
    starts_at, ends_at = (
        datetime(night.year, night.month, night.day, tzinfo=series.MOER_ZONE).astimezone(UTC),
        datetime.combine(night + timedelta(days=1), datetime.min.time(), tzinfo=series.MOER_ZONE).astimezone(UTC),
    )
    points = series.marginal_carbon("SGIP_CAISO_SCE", starts_at, ends_at)
    assert len(points) == hours * 12
    assert {later.point_time - earlier.point_time for earlier, later in itertools.pairwise(points)} == {
        timedelta(minutes=5)
    }


def test_unknown_places_are_refused() -> None:
    with pytest.raises(KeyError):
        series.day_ahead_prices("LZ_NOWHERE", date(2026, 1, 1))
    with pytest.raises(KeyError):
        series.marginal_carbon("NOWHERE", datetime(2026, 1, 1, tzinfo=UTC), datetime(2026, 1, 2, tzinfo=UTC))
