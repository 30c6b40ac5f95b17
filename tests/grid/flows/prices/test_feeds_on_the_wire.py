"""The feeds against the sandbox's own process: both nights of the clock, faults, recovery."""

from collections.abc import Iterator
from datetime import UTC, datetime, time, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest
import requests
from django.core.management import call_command
from pytest_django.fixtures import Settings

from grid.flows.prices.feeds import fetch_due_feeds, values_between
from grid.models import Feed, SeriesPoint
from tests.sandbox_process import SandboxProcess, start_sandbox

pytestmark = [pytest.mark.django_db, pytest.mark.slow]


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SandboxProcess]:
    started = start_sandbox(tmp_path_factory)
    yield started
    started.stop()


@pytest.fixture
def feeds(world: SandboxProcess, settings: Settings) -> Iterator[SandboxProcess]:
    """The demo's feeds, pointed at the sandbox."""
    settings.FEEDS = {
        "ercot": {"api_base": f"{world.url}/feeds/ercot", "subscription_key": "a-key"},
        "watttime": {"api_base": f"{world.url}/feeds/watttime", "username": "name", "password": "word"},
    }
    call_command("load_programs", verbosity=0)
    yield world
    requests.delete(f"{world.url}/feeds/control/faults", timeout=30).raise_for_status()


def at(world: SandboxProcess, moment: datetime) -> datetime:
    """Stop the world's clock at `moment`."""
    world.control("PUT", "clock", simulated_at=moment.isoformat(), rate=0)
    return moment


def fault(world: SandboxProcess, feed: str, kind: str, **settings: float) -> None:
    body = {"feed": feed, "kind": kind, **settings}
    requests.post(f"{world.url}/feeds/control/faults", json=body, timeout=30).raise_for_status()


@pytest.mark.parametrize(
    ("moment", "hours"),
    [
        pytest.param(datetime(2026, 11, 18, 23, 5, tzinfo=UTC), 72, id="ordinary nights"),
        pytest.param(datetime(2026, 11, 1, 23, 5, tzinfo=UTC), 73, id="the night that gains an hour"),
        pytest.param(datetime(2027, 3, 14, 23, 5, tzinfo=UTC), 71, id="the night that loses an hour"),
    ],
)
def test_prices_and_carbon_come_without_gaps(feeds: SandboxProcess, moment: datetime, hours: int) -> None:
    now = at(feeds, moment)
    assert fetch_due_feeds(now=now, limit=10) == 2
    assert [(feed.failure, feed.gaps) for feed in Feed.objects.filter(is_active=True)] == [("", []), ("", [])]
    prices = Feed.objects.get(source="ercot")
    assert prices.points.count() == hours
    starts_at = now.replace(minute=0)
    slots = values_between(feed=prices, starts_at=starts_at, ends_at=starts_at + timedelta(hours=24), slot_minutes=15)
    assert None not in slots
    carbon = Feed.objects.get(source="watttime")
    slots = values_between(feed=carbon, starts_at=starts_at, ends_at=starts_at + timedelta(hours=47), slot_minutes=15)
    assert None not in slots


def test_fetching_again_brings_nothing_twice(feeds: SandboxProcess, now: datetime) -> None:
    fetch_due_feeds(now=at(feeds, now), limit=10)
    count = SeriesPoint.objects.count()
    Feed.objects.update(next_fetch_at=None)
    assert fetch_due_feeds(now=now + timedelta(minutes=1), limit=10) == 2
    assert SeriesPoint.objects.count() == count


@pytest.mark.parametrize(
    ("kind", "failure"),
    [("outage", "unavailable"), ("rate_limit", "busy"), ("unauthorized", "credentials refused")],
)
@pytest.mark.parametrize("source", ["ercot", "watttime"])
def test_failing_source_keeps_its_values_and_recovers(
    feeds: SandboxProcess, now: datetime, source: str, kind: str, failure: str
) -> None:
    fetch_due_feeds(now=at(feeds, now), limit=10)
    feed = Feed.objects.get(source=source)
    count = feed.points.count()
    Feed.objects.update(next_fetch_at=None)
    fault(feeds, source, kind)
    assert fetch_due_feeds(now=now + timedelta(minutes=1), limit=10) == 1
    feed.refresh_from_db()
    assert (feed.failure, feed.fetched_at, feed.points.count()) == (failure, now, count)
    requests.delete(f"{feeds.url}/feeds/control/faults", timeout=30).raise_for_status()
    Feed.objects.update(lease_until=None)
    assert fetch_due_feeds(now=now + timedelta(minutes=2), limit=10) == 1
    feed.refresh_from_db()
    assert (feed.failure, feed.failures) == ("", 0)


def test_late_correction_becomes_a_newer_issue(feeds: SandboxProcess, now: datetime) -> None:
    fetch_due_feeds(now=at(feeds, now), limit=10)
    prices = Feed.objects.get(source="ercot")
    starts_at = now.replace(minute=0)
    span: dict[str, Any] = {
        "feed": prices,
        "starts_at": starts_at,
        "ends_at": starts_at + timedelta(hours=1),
        "slot_minutes": 60,
    }
    before = values_between(**span)[0]
    fault(feeds, "ercot", "correction", offset=10)
    Feed.objects.update(next_fetch_at=None)
    fetch_due_feeds(now=now + timedelta(hours=1), limit=10)
    assert before is not None
    assert values_between(**span) == [before + 10_000]
    assert prices.points.filter(starts_at=starts_at).count() == 2


@pytest.mark.parametrize(
    "moment", [datetime(2026, 11, 18, 23, 5, tzinfo=UTC), datetime(2026, 11, 1, 23, 5, tzinfo=UTC)]
)
def test_california_comes_as_its_operator_packs_it_with_the_gaps_that_its_series_has(
    feeds: SandboxProcess, settings: Settings, moment: datetime
) -> None:
    settings.FEEDS = {"caiso": {"api_base": f"{feeds.url}/feeds/caiso"}}
    Feed.objects.update(is_active=False)
    kind = Feed.Kind.DAY_AHEAD_PRICE
    prices = Feed.objects.create(source="caiso", zone="DLAP_SCE-APND", kind=kind)
    nowhere = Feed.objects.create(source="caiso", zone="NOWHERE", kind=kind)
    assert fetch_due_feeds(now=at(feeds, moment), limit=10) == 2
    prices.refresh_from_db()
    local = ZoneInfo("America/Los_Angeles")
    nights = [datetime.fromisoformat(begins).astimezone(local).hour for begins, _ in prices.gaps]
    assert (prices.failure, nights) == ("", [0, 0, 0])  # each of the three days lacks the hours before nine
    assert prices.points.count() == 3 * 15
    assert prices.latest_ends_at == datetime.combine(
        moment.astimezone(local).date() + timedelta(days=2), time(), tzinfo=local
    )
    nowhere.refresh_from_db()
    assert (nowhere.failure, nowhere.points.count(), len(nowhere.gaps)) == ("", 0, 1)
