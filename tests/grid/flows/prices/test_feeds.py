"""Feeds are fetched when due, keep what they knew when their source is silent, and are read back by slots."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest
import responses
import time_machine
from pytest_django.fixtures import Settings

from grid.feeds.ercot import ErcotDayAhead
from grid.flows.prices.feeds import fetch_due_feeds, values_between
from grid.models import Feed, SeriesPoint
from tests.factories import grid as make

URL = "https://ercot.test/np4-190-cd/dam_stlmnt_pnt_prices"
LOCAL = ZoneInfo("America/Chicago")
FIELDS = [
    {"name": name} for name in ("deliveryDate", "hourEnding", "settlementPoint", "settlementPointPrice", "DSTFlag")
]
Row = tuple[str, str, float]

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def _sources(settings: Settings) -> None:
    settings.FEEDS = {"ercot": {"api_base": "https://ercot.test", "subscription_key": "k"}}


@pytest.fixture
def http() -> Iterator[responses.RequestsMock]:
    with responses.RequestsMock(assert_all_requests_are_fired=False) as door:
        yield door


def answer(*rows: Row) -> dict[str, Any]:
    data = [[day, hour, "LZ_AEN", price, False] for day, hour, price in rows]
    return {"_meta": {"totalPages": 1}, "fields": FIELDS, "data": data}


def whole_days(*days: str, price: float = 20.0) -> list[Row]:
    return [(day, f"{hour:02}:00", price) for day in days for hour in range(1, 25)]


def hour_of(now: datetime) -> datetime:
    return now.replace(minute=0, second=0, microsecond=0)


def test_due_feed_is_fetched_and_the_next_time_is_set(http: responses.RequestsMock, now: datetime) -> None:
    feed = make.feed()
    http.get(URL, json=answer(("2026-11-18", "18:00", 31.5)))
    assert fetch_due_feeds(now=now, limit=5) == 1
    feed.refresh_from_db()
    point = SeriesPoint.objects.get()
    assert (point.starts_at, point.value, point.unit, point.issued_at) == (hour_of(now), 31_500, "USD/kWh", now)
    assert (feed.fetched_at, feed.latest_ends_at) == (now, hour_of(now) + timedelta(hours=1))
    assert feed.next_fetch_at == now + timedelta(hours=1)
    assert (feed.failure, feed.lease_until) == ("", None)


def test_second_sweep_at_once_fetches_nothing(http: responses.RequestsMock, now: datetime) -> None:
    make.feed()
    http.get(URL, json=answer())
    assert [fetch_due_feeds(now=now, limit=5) for _ in range(2)] == [1, 0]
    assert len(http.calls) == 1


def test_unchanged_value_is_kept_once(http: responses.RequestsMock, now: datetime) -> None:
    make.feed()
    http.get(URL, json=answer(("2026-11-18", "18:00", 31.5)))
    fetch_due_feeds(now=now, limit=5)
    fetch_due_feeds(now=now + timedelta(hours=2), limit=5)
    assert len(http.calls) == 2
    assert SeriesPoint.objects.count() == 1


def test_late_correction_is_a_newer_issue_that_counts(http: responses.RequestsMock, now: datetime) -> None:
    feed = make.feed()
    http.get(URL, json=answer(("2026-11-18", "18:00", 31.5)))
    fetch_due_feeds(now=now, limit=5)
    http.replace("GET", URL, json=answer(("2026-11-18", "18:00", 30.0)))
    fetch_due_feeds(now=now + timedelta(hours=2), limit=5)
    assert list(SeriesPoint.objects.order_by("issued_at").values_list("value", flat=True)) == [31_500, 30_000]
    start = hour_of(now)
    assert values_between(feed=feed, starts_at=start, ends_at=start + timedelta(hours=1), slot_minutes=60) == [30_000]


def test_correction_back_to_an_older_value_counts_too(http: responses.RequestsMock, now: datetime) -> None:
    feed = make.feed()
    for place, price in enumerate((10.0, 20.0, 10.0)):
        http.upsert("GET", URL, json=answer(("2026-11-18", "18:00", price)))
        fetch_due_feeds(now=now + timedelta(hours=2 * place), limit=5)
    start = hour_of(now)
    assert values_between(feed=feed, starts_at=start, ends_at=start + timedelta(hours=1), slot_minutes=60) == [10_000]


def test_gap_is_recorded_and_closed_when_the_value_comes(http: responses.RequestsMock, now: datetime) -> None:
    feed = make.feed()
    rows = whole_days("2026-11-17", "2026-11-18", "2026-11-19")
    http.get(URL, json=answer(*rows[:30], *rows[32:]))
    fetch_due_feeds(now=now, limit=5)
    feed.refresh_from_db()
    assert feed.gaps == [["2026-11-18T12:00:00+00:00", "2026-11-18T14:00:00+00:00"]]
    http.replace("GET", URL, json=answer(*rows))
    fetch_due_feeds(now=now + timedelta(hours=2), limit=5)
    feed.refresh_from_db()
    assert feed.gaps == []


def test_silent_source_leaves_age_and_last_good_values(http: responses.RequestsMock, now: datetime) -> None:
    feed = make.feed()
    http.get(URL, json=answer(("2026-11-18", "18:00", 31.5)))
    fetch_due_feeds(now=now, limit=5)
    http.replace("GET", URL, status=503)
    later = now + timedelta(hours=3)
    assert fetch_due_feeds(now=later, limit=5) == 0
    feed.refresh_from_db()
    assert (feed.failure, feed.failures, feed.age(later)) == ("unavailable", 1, timedelta(hours=3))
    start = hour_of(now)
    assert values_between(feed=feed, starts_at=start, ends_at=start + timedelta(hours=1), slot_minutes=60) == [31_500]


def test_failing_source_is_asked_again_after_a_wait_that_doubles(http: responses.RequestsMock, now: datetime) -> None:
    make.feed()
    http.get(URL, status=503)
    with time_machine.travel(now, tick=False) as wall:
        for seconds in (14, 1, 29, 1):
            fetch_due_feeds(now=now, limit=5)
            wall.shift(seconds)
        fetch_due_feeds(now=now, limit=5)
    assert len(http.calls) == 3  # at once, after 15 s, after 30 s more


def test_busy_source_is_left_alone_as_long_as_it_says(http: responses.RequestsMock, now: datetime) -> None:
    feed = make.feed()
    http.get(URL, status=429, headers={"Retry-After": "600"})
    with time_machine.travel(now, tick=False) as wall:
        fetch_due_feeds(now=now, limit=5)
        wall.shift(599)
        fetch_due_feeds(now=now, limit=5)
        assert len(http.calls) == 1
        wall.shift(1)
        fetch_due_feeds(now=now, limit=5)
    assert len(http.calls) == 2
    feed.refresh_from_db()
    assert feed.failure == "busy"


def test_answer_that_cannot_be_read_changes_no_value(http: responses.RequestsMock, now: datetime) -> None:
    feed = make.feed()
    http.get(URL, json=answer(("2026-11-18", "18:00", 31.5), ("2026-11-18", "26:00", 1.0)))
    assert fetch_due_feeds(now=now, limit=5) == 0
    feed.refresh_from_db()
    assert feed.failure == "unreadable answer"
    assert not SeriesPoint.objects.exists()


def test_source_without_an_adapter_is_named(now: datetime) -> None:
    feed = make.feed(source="oracle")
    assert fetch_due_feeds(now=now, limit=5) == 0
    feed.refresh_from_db()
    assert feed.failure == "unknown source"


def test_adapter_that_breaks_is_a_failure_of_its_feed_alone(
    http: responses.RequestsMock, now: datetime, monkeypatch: pytest.MonkeyPatch
) -> None:
    broken, fine = make.feed(), make.feed(zone="LZ_WEST")
    http.get(URL, json=answer())
    fetch = ErcotDayAhead.fetch

    def stumble(source: ErcotDayAhead, **question: Any) -> Any:
        if question["zone"] == broken.zone:
            raise ZeroDivisionError
        return fetch(source, **question)

    monkeypatch.setattr(ErcotDayAhead, "fetch", stumble)
    assert fetch_due_feeds(now=now, limit=5) == 1
    broken.refresh_from_db()
    fine.refresh_from_db()
    assert (broken.failure, fine.failure) == ("internal error", "")


def test_one_broken_feed_leaves_the_others_alone(http: responses.RequestsMock, now: datetime) -> None:
    make.feed(source="oracle")
    make.feed()
    http.get(URL, json=answer(("2026-11-18", "18:00", 31.5)))
    assert fetch_due_feeds(now=now, limit=5) == 1


@pytest.mark.parametrize(
    "fields",
    [
        pytest.param({"is_active": False}, id="switched off"),
        pytest.param({"next_fetch_at": datetime(2026, 11, 19, tzinfo=UTC)}, id="not due"),
        pytest.param({"lease_until": datetime(2126, 1, 1, tzinfo=UTC)}, id="another fetcher is at work"),
    ],
)
def test_feed_is_left_alone(http: responses.RequestsMock, now: datetime, fields: dict[str, Any]) -> None:
    Feed.objects.filter(pk=make.feed().pk).update(**fields)
    assert fetch_due_feeds(now=now, limit=5) == 0
    assert len(http.calls) == 0


def test_sweep_keeps_to_its_limit(http: responses.RequestsMock, now: datetime) -> None:
    make.feed()
    make.feed(zone="LZ_WEST")
    http.get(URL, json=answer())
    assert fetch_due_feeds(now=now, limit=1) == 1


def test_days_of_silence_are_caught_up(http: responses.RequestsMock, now: datetime) -> None:
    feed = make.feed()
    Feed.objects.filter(pk=feed.pk).update(latest_ends_at=now - timedelta(days=9))
    http.get(URL, json=answer())
    fetch_due_feeds(now=now, limit=5)
    assert http.calls[0].request.params["deliveryDateFrom"] == "2026-11-09"  # type: ignore[attr-defined]


def test_slots_of_an_hour_share_its_price_and_unknown_ones_are_none(now: datetime) -> None:
    feed, start = make.feed(), hour_of(now)
    _point(feed, start, 60, 40_000, now)
    values = values_between(feed=feed, starts_at=start, ends_at=start + timedelta(minutes=90), slot_minutes=15)
    assert values == [40_000, 40_000, 40_000, 40_000, None, None]


def test_slot_is_the_mean_of_its_five_minutes(now: datetime) -> None:
    feed, start = make.feed(), hour_of(now)
    for place, value in enumerate((100, 200, 301)):
        _point(feed, start + timedelta(minutes=5 * place), 5, value, now)
    assert values_between(feed=feed, starts_at=start, ends_at=start + timedelta(minutes=15), slot_minutes=15) == [200]


def test_slot_with_a_hole_is_none(now: datetime) -> None:
    feed, start = make.feed(), hour_of(now)
    for place in (0, 2):
        _point(feed, start + timedelta(minutes=5 * place), 5, 100, now)
    assert values_between(feed=feed, starts_at=start, ends_at=start + timedelta(minutes=15), slot_minutes=15) == [None]


def test_slots_before_and_amid_a_value_are_read(now: datetime) -> None:
    feed, start = make.feed(), hour_of(now)
    _point(feed, start, 60, 40_000, now)
    begin = start - timedelta(minutes=15)
    values = values_between(feed=feed, starts_at=begin, ends_at=begin + timedelta(minutes=30), slot_minutes=15)
    assert values == [None, 40_000]
    middle = start + timedelta(minutes=30)
    assert values_between(feed=feed, starts_at=middle, ends_at=middle + timedelta(minutes=15), slot_minutes=15) == [
        40_000
    ]


def test_finer_value_inside_a_coarse_one_takes_over_from_its_start(now: datetime) -> None:
    feed, start = make.feed(), hour_of(now)
    _point(feed, start, 60, 40_000, now)
    _point(feed, start + timedelta(minutes=30), 30, 80_000, now)
    values = values_between(feed=feed, starts_at=start, ends_at=start + timedelta(hours=1), slot_minutes=30)
    assert values == [40_000, 80_000]


def test_stretch_that_is_no_number_of_slots_is_refused(now: datetime) -> None:
    with pytest.raises(ValueError, match="whole number"):
        values_between(feed=make.feed(), starts_at=now, ends_at=now + timedelta(minutes=20), slot_minutes=15)


def test_other_feeds_values_are_not_read(now: datetime) -> None:
    start = hour_of(now)
    _point(make.feed(zone="LZ_WEST"), start, 60, 40_000, now)
    read = values_between(feed=make.feed(), starts_at=start, ends_at=start + timedelta(hours=1), slot_minutes=60)
    assert read == [None]


def _point(feed: Feed, starts_at: datetime, minutes: int, value: int, now: datetime) -> None:
    ends_at = starts_at + timedelta(minutes=minutes)
    SeriesPoint.objects.create(
        feed=feed, starts_at=starts_at, ends_at=ends_at, value=value, unit="USD/kWh", issued_at=now
    )
