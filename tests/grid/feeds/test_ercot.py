"""ERCOT's answers, good and bad, on ordinary days and on both nights of the clock."""

from collections.abc import Iterable
from datetime import UTC, date, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest
import requests
import responses

from foundation.http import open_session
from grid.feeds.base import FeedBusy, FeedError, FeedRefused, FeedUnavailable, FeedUnreadable, holes
from grid.feeds.ercot import ErcotDayAhead, ErcotRealTime, read_hour_ending

BASE = "https://ercot.test/api"
URL = f"{BASE}/np4-190-cd/dam_stlmnt_pnt_prices"
NOW = datetime(2026, 11, 18, 23, 5, tzinfo=UTC)
FIELDS = [
    {"name": name} for name in ("deliveryDate", "hourEnding", "settlementPoint", "settlementPointPrice", "DSTFlag")
]
LOCAL = ZoneInfo("America/Chicago")


def source() -> ErcotDayAhead:
    return ErcotDayAhead(session=open_session(), api_base=BASE, subscription_key="the-key")


def page(rows: Iterable[list[Any]], *, pages: object = 1) -> dict[str, Any]:
    return {"_meta": {"totalPages": pages, "currentPage": 1}, "fields": FIELDS, "data": list(rows)}


def row(day: str = "2026-11-18", hour: str = "18:00", *, price: object = 23.4, flag: object = False) -> list[Any]:
    return [day, hour, "LZ_AEN", price, flag]


def day_of_rows(day: date) -> list[list[Any]]:
    """Return a whole local day as ERCOT writes it: 24 hours, 23 in spring, 25 in autumn."""
    at = datetime(day.year, day.month, day.day, tzinfo=LOCAL).astimezone(UTC)
    rows: list[list[Any]] = []
    while at.astimezone(LOCAL).date() == day:
        local = at.astimezone(LOCAL)
        hour = f"{local.hour + 1:02}:00"
        rows.append(row(day.isoformat(), hour, price=len(rows), flag=bool(local.fold)))
        at += timedelta(hours=1)
    return rows


def fetch(starts_at: datetime = NOW - timedelta(days=1), ends_at: datetime = NOW + timedelta(days=1)) -> list[Any]:
    return source().fetch(zone="LZ_AEN", starts_at=starts_at, ends_at=ends_at, now=NOW)


@responses.activate
def test_prices_become_millionths_a_kwh_in_utc() -> None:
    responses.get(URL, json=page([row(), row(hour="19:00", price=-4.25), row(hour="20:00", price="9000.00")]))
    first, second, third = fetch()
    assert (first.starts_at, first.ends_at) == (
        datetime(2026, 11, 18, 23, tzinfo=UTC),
        datetime(2026, 11, 19, 0, tzinfo=UTC),
    )
    assert [point.value_micros for point in (first, second, third)] == [23_400, -4_250, 9_000_000]
    assert (first.unit, first.issued_at) == ("USD/kWh", NOW)


@responses.activate
def test_question_names_key_zone_and_local_days() -> None:
    responses.get(URL, json=page([]))
    assert fetch() == []
    request = responses.calls[0].request
    assert request.headers["Ocp-Apim-Subscription-Key"] == "the-key"
    assert request.params == {  # type: ignore[attr-defined]
        "deliveryDateFrom": "2026-11-17",
        "deliveryDateTo": "2026-11-19",
        "settlementPoint": "LZ_AEN",
        "page": "1",
        "size": "1000",
    }


@responses.activate
def test_every_page_is_read() -> None:
    responses.get(URL, json=page([row(hour="18:00")], pages=2))
    responses.get(URL, json=page([row(hour="19:00")], pages=2))
    assert len(fetch()) == 2
    assert len(responses.calls) == 2


@responses.activate
def test_endless_pages_are_refused() -> None:
    responses.get(URL, json=page([row()], pages=10**9))
    with pytest.raises(FeedUnreadable, match="pages"):
        fetch()


@responses.activate
def test_columns_are_found_by_name() -> None:
    names = [field["name"] for field in reversed(FIELDS)]
    answer = {"_meta": {"totalPages": 1}, "fields": [{"name": name} for name in names], "data": [row()[::-1]]}
    responses.get(URL, json=answer)
    assert fetch()[0].value_micros == 23_400


@responses.activate
def test_hours_outside_the_window_are_left_out() -> None:
    responses.get(URL, json=page([row(hour="17:00"), row(hour="18:00"), row(hour="19:00")]))
    points = fetch(datetime(2026, 11, 18, 23, tzinfo=UTC), datetime(2026, 11, 19, 0, tzinfo=UTC))
    assert [point.starts_at.hour for point in points] == [23]


@pytest.mark.parametrize(
    ("day", "hours"),
    [
        pytest.param(date(2026, 3, 7), 24, id="ordinary day"),
        pytest.param(date(2026, 3, 8), 23, id="spring"),
        pytest.param(date(2026, 11, 1), 25, id="autumn"),
    ],
)
@responses.activate
def test_a_day_is_without_holes_whatever_the_clock_does(day: date, hours: int) -> None:
    responses.get(URL, json=page(day_of_rows(day)))
    starts_at = datetime(day.year, day.month, day.day, tzinfo=LOCAL).astimezone(UTC)
    ends_at = starts_at + timedelta(hours=hours)
    points = fetch(starts_at, ends_at)
    assert [point.value_micros for point in points] == [hour * 1000 for hour in range(hours)]
    assert holes(points, starts_at=starts_at, ends_at=ends_at) == []


def test_second_two_oclock_of_autumn_comes_an_hour_later() -> None:
    first = read_hour_ending("2026-11-01", "02:00", is_repeated=False)
    second = read_hour_ending("2026-11-01", "02:00", is_repeated=True)
    assert (first, second) == (datetime(2026, 11, 1, 6, tzinfo=UTC), datetime(2026, 11, 1, 7, tzinfo=UTC))


def test_hour_ending_24_is_the_last_of_the_day() -> None:
    assert read_hour_ending("2026-11-18", "24:00", is_repeated=False) == datetime(2026, 11, 19, 5, tzinfo=UTC)


@pytest.mark.parametrize(
    "bad",
    [
        pytest.param(row("2026-03-08", "03:00"), id="an hour that spring skips"),
        pytest.param(row("2026-11-18", "02:00", flag=True), id="repeated on an ordinary night"),
        pytest.param(row(hour="00:00"), id="hour ending 00:00"),
        pytest.param(row(hour="25:00"), id="hour ending 25:00"),
        pytest.param(row(hour="18:30"), id="half an hour"),
        pytest.param(row(day="18/11/2026"), id="another date format"),
        pytest.param(row(day="2026-02-30"), id="a date that is none"),
        pytest.param(row(price=None), id="no price"),
        pytest.param(row(price=True), id="true as a price"),
        pytest.param(row(price="NaN"), id="not a number"),
        pytest.param(row(price=1e9), id="a price beyond reason"),
        pytest.param(row(flag="maybe"), id="a flag that is none"),
        pytest.param(row(flag=[]), id="a list as a flag"),
        pytest.param(row()[:3], id="too few columns"),
        pytest.param(["2026-11-18", "18:00", "LZ_WEST", 1.0, False], id="another zone"),
        pytest.param("row", id="no row"),
    ],
)
@responses.activate
def test_row_that_cannot_be_read_is_refused(bad: Any) -> None:
    responses.get(URL, json=page([row(hour="17:00"), bad]))
    with pytest.raises(FeedUnreadable):
        fetch()


@pytest.mark.parametrize(
    "answer",
    [
        pytest.param([], id="a list"),
        pytest.param({}, id="nothing"),
        pytest.param({"_meta": {}, "fields": [], "data": []}, id="no columns"),
        pytest.param({"_meta": {}, "fields": [{"name": []}], "data": []}, id="a column without a name"),
        pytest.param({"_meta": None, "fields": FIELDS, "data": []}, id="no meta"),
        pytest.param({"_meta": {"totalPages": "many"}, "fields": FIELDS, "data": []}, id="pages in words"),
    ],
)
@responses.activate
def test_answer_of_another_shape_is_refused(answer: Any) -> None:
    responses.get(URL, json=answer)
    with pytest.raises(FeedUnreadable):
        fetch()


@responses.activate
def test_page_that_is_no_json_is_refused_without_quoting_it() -> None:
    responses.get(URL, body="<html>secret</html>")
    with pytest.raises(FeedUnreadable) as refused:
        fetch()
    assert "secret" not in str(refused.value)


@pytest.mark.parametrize(
    ("status", "error"),
    [(401, FeedRefused), (403, FeedRefused), (404, FeedUnreadable), (302, FeedUnreadable), (500, FeedUnavailable)],
)
@responses.activate
def test_status_says_what_went_wrong(status: int, error: type[FeedError]) -> None:
    responses.get(URL, status=status)
    with pytest.raises(error):
        fetch()


@pytest.mark.parametrize(("header", "seconds"), [("30", 30.0), ("Wed, 18 Nov 2026 23:06:00 GMT", None), ("-1", None)])
@responses.activate
def test_busy_source_says_how_long_to_wait(header: str, seconds: float | None) -> None:
    responses.get(URL, status=429, headers={"Retry-After": header})
    with pytest.raises(FeedBusy) as busy:
        fetch()
    assert busy.value.retry_after_seconds == seconds


@responses.activate
def test_source_that_does_not_answer_is_unavailable() -> None:
    responses.get(URL, body=requests.ConnectTimeout("too slow"))
    with pytest.raises(FeedUnavailable, match="ConnectTimeout"):
        fetch()


def test_tomorrow_is_expected_from_half_past_one_on() -> None:
    before, after = (datetime(2026, 11, 18, 13, minute, tzinfo=LOCAL) for minute in (29, 30))
    assert source().expected_until(before) == datetime(2026, 11, 19, 6, tzinfo=UTC)
    assert source().expected_until(after) == datetime(2026, 11, 20, 6, tzinfo=UTC)


def test_publication_is_fetched_when_it_comes() -> None:
    almost = datetime(2026, 11, 18, 13, 10, tzinfo=LOCAL)
    assert source().next_fetch_at(almost) == datetime(2026, 11, 18, 13, 30, tzinfo=LOCAL)
    assert source().next_fetch_at(NOW) == NOW + timedelta(hours=1)


def quarters_of(day: date) -> list[list[Any]]:
    """Return a whole local day of real time: an hour's number and its four quarters."""
    return [
        [day.isoformat(), int(hour[:2]), quarter, "LZ_AEN", price * 4 + quarter - 1, flag]
        for _, hour, _, price, flag in day_of_rows(day)
        for quarter in (1, 2, 3, 4)
    ]


def ask_real_time(rows: list[list[Any]], starts_at: datetime, ends_at: datetime) -> list[Any]:
    names = ("deliveryDate", "deliveryHour", "deliveryInterval", "settlementPoint", "settlementPointPrice", "DSTFlag")
    answer = page(rows) | {"fields": [{"name": name} for name in names]}
    responses.upsert("GET", f"{BASE}/np6-905-cd/spp_node_zone_hub", json=answer)
    real_time = ErcotRealTime(session=open_session(), api_base=BASE, subscription_key="the-key")
    return real_time.fetch(zone="LZ_AEN", starts_at=starts_at, ends_at=ends_at, now=NOW)


@responses.activate
@pytest.mark.parametrize(("day", "hours"), [(date(2026, 3, 8), 23), (date(2026, 11, 1), 25), (date(2026, 11, 18), 24)])
def test_real_time_has_every_quarter_of_every_night(day: date, hours: int) -> None:
    starts_at = datetime(day.year, day.month, day.day, tzinfo=LOCAL).astimezone(UTC)
    ends_at = starts_at + timedelta(hours=hours)
    points = ask_real_time(quarters_of(day), starts_at, ends_at)
    assert [point.value_micros for point in points] == [place * 1000 for place in range(hours * 4)]
    assert holes(points, starts_at=starts_at, ends_at=ends_at) == []


@responses.activate
@pytest.mark.parametrize(("hour", "quarter"), [(0, 1), (25, 1), (1, 0), (1, 5), ("1", 1), (True, 1), (1, None)])
def test_real_time_quarter_that_is_none_is_refused(hour: object, quarter: object) -> None:
    with pytest.raises(FeedUnreadable):
        ask_real_time([["2026-11-18", hour, quarter, "LZ_AEN", 1, False]], NOW, NOW + timedelta(hours=1))
