"""WattTime's answers: tokens that run out, forecasts, measurements, nonsense."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import responses

from foundation.http import open_session
from grid.feeds.base import FeedBusy, FeedRefused, FeedUnavailable, FeedUnreadable
from grid.feeds.watttime import WattTimeMarginal

BASE = "https://watttime.test"
LOGIN, FORECAST, HISTORY = f"{BASE}/login", f"{BASE}/v3/forecast", f"{BASE}/v3/historical"
NOW = datetime(2026, 11, 18, 23, 5, tzinfo=UTC)


def source() -> WattTimeMarginal:
    return WattTimeMarginal(session=open_session(), api_base=BASE, username="us", password="pass")


def series(*values: object, starts_at: datetime = NOW) -> dict[str, Any]:
    rows = [
        {"point_time": (starts_at + timedelta(minutes=5 * place)).isoformat().replace("+00:00", "Z"), "value": value}
        for place, value in enumerate(values)
    ]
    return {"data": rows, "meta": {"units": "lbs_co2_per_mwh"}}


def fetch(adapter: WattTimeMarginal | None = None, *, behind: int = 0, ahead: int = 2) -> list[Any]:
    return (adapter or source()).fetch(
        zone="CAISO_NORTH", starts_at=NOW - timedelta(hours=behind), ends_at=NOW + timedelta(hours=ahead), now=NOW
    )


@responses.activate
def test_pounds_a_megawatthour_become_millionths_of_kg_a_kwh() -> None:
    responses.get(LOGIN, json={"token": "t1"})
    responses.get(FORECAST, json=series(1000, -10.5))
    first, second = fetch()
    assert (first.value_micros, second.value_micros) == (453_592, -4_763)
    assert (first.unit, first.ends_at - first.starts_at) == ("kg/kWh", timedelta(minutes=5))


@responses.activate
def test_measured_values_win_over_forecast_ones() -> None:
    responses.get(LOGIN, json={"token": "t1"})
    responses.get(HISTORY, json=series(100, 200, starts_at=NOW - timedelta(minutes=5)))
    responses.get(FORECAST, json=series(999, 300))
    points = fetch(behind=1)
    assert [point.value_micros for point in points] == [45_359, 90_718, 136_078]


@responses.activate
def test_login_is_basic_and_the_token_is_used() -> None:
    responses.get(LOGIN, json={"token": "t1"})
    responses.get(FORECAST, json=series(1))
    fetch()
    assert responses.calls[0].request.headers["Authorization"] == "Basic dXM6cGFzcw=="
    assert responses.calls[1].request.headers["Authorization"] == "Bearer t1"


@responses.activate
def test_token_that_ran_out_is_renewed_once() -> None:
    adapter = source()
    responses.get(LOGIN, json={"token": "t1"})
    responses.get(FORECAST, json=series(1))
    fetch(adapter)
    responses.replace(responses.GET, LOGIN, json={"token": "t2"})
    responses.replace(responses.GET, FORECAST, status=401)
    responses.get(FORECAST, json=series(2))
    assert fetch(adapter)[0].value_micros == 907
    assert responses.calls[-1].request.headers["Authorization"] == "Bearer t2"


@responses.activate
def test_credentials_that_are_refused_end_the_try() -> None:
    responses.get(LOGIN, status=403)
    with pytest.raises(FeedRefused):
        fetch()


@responses.activate
def test_token_refused_twice_ends_the_try() -> None:
    responses.get(LOGIN, json={"token": "t1"})
    responses.get(FORECAST, status=401)
    with pytest.raises(FeedRefused):
        fetch()
    assert len(responses.calls) == 4


@pytest.mark.parametrize("answer", [{}, {"token": ""}, {"token": 5}, [], {"token": "a\u2028b"}])
@responses.activate
def test_login_without_a_token_is_refused(answer: Any) -> None:
    responses.get(LOGIN, json=answer)
    with pytest.raises(FeedUnreadable):
        fetch()


@pytest.mark.parametrize(
    "answer",
    [
        pytest.param([], id="a list"),
        pytest.param({"data": {}}, id="data is no list"),
        pytest.param({"data": [1]}, id="a row is no object"),
        pytest.param({"data": [{"value": 1}]}, id="no time"),
        pytest.param({"data": [{"point_time": "tonight", "value": 1}]}, id="time in words"),
        pytest.param({"data": [{"point_time": "2026-11-18T23:05:00", "value": 1}]}, id="time without zone"),
        pytest.param({"data": [{"point_time": "2026-11-18T23:05:00Z"}]}, id="no value"),
        pytest.param({"data": [{"point_time": "2026-11-18T23:05:00Z", "value": 1e7}]}, id="beyond reason"),
    ],
)
@responses.activate
def test_answer_that_cannot_be_read_is_refused(answer: Any) -> None:
    responses.get(LOGIN, json={"token": "t1"})
    responses.get(FORECAST, json=answer)
    with pytest.raises(FeedUnreadable):
        fetch()


@responses.activate
def test_hole_stays_a_hole() -> None:
    answer = series(1, 2, 3)
    del answer["data"][1]
    responses.get(LOGIN, json={"token": "t1"})
    responses.get(FORECAST, json=answer)
    first, third = fetch()
    assert first.ends_at < third.starts_at


@responses.activate
def test_busy_and_broken_sources_are_told_apart() -> None:
    responses.get(LOGIN, json={"token": "t1"})
    responses.get(FORECAST, status=429, headers={"Retry-After": "7"})
    with pytest.raises(FeedBusy):
        fetch()
    responses.replace(responses.GET, FORECAST, status=503)
    with pytest.raises(FeedUnavailable):
        fetch()


def test_window_begins_at_the_edge_of_a_point() -> None:
    starts_at, ends_at = source().window(NOW + timedelta(minutes=3, seconds=7))
    assert (starts_at, ends_at) == (NOW - timedelta(hours=6), NOW + timedelta(hours=48, minutes=3, seconds=7))
