"""Pages and answers that are kept for a moment: never another's, never old, never without a fresh token."""

import re
from collections.abc import Callable, Iterator
from datetime import date, datetime, time, timedelta
from pathlib import Path
from typing import Any

import pytest
from django.core.cache import caches
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from accounts.flows.notices import notify
from accounts.flows.profiles import save_profile
from accounts.models import Consent, Notice, User
from foundation import statements
from foundation.stamps import Stamp
from grid.flows.events.taking_part import opt_out
from grid.flows.plans.planning import plan_due
from grid.models import PlanningState, Settlement
from grid.stamps import EARNINGS, SETTLEMENTS, TONIGHT
from rewards.models import Earning, PayoutPause, PayTerms
from rewards.stamps import BALANCES
from tests.api_world import build_api_world
from tests.factories import nights
from tests.factories.rewards import earn
from tests.page_world import World, stop_clock
from vehicles.flows.preferences import cancel_override, charge_now, save_preference, set_paused, skip_tonight
from vehicles.models import VehicleLink
from vehicles.stamps import LISTED

TOKEN = re.compile(rb'name="csrfmiddlewaretoken" value="([A-Za-z0-9]+)"')
KEPT = (
    *("/tonight/", "/earnings/"),
    *("/api/v1/tonight/", "/api/v1/vehicles/", "/api/v1/settlements/", "/api/v1/balances/"),
)


@pytest.fixture
def world(alice: User, now: datetime, settings: Any, tmp_path: Path) -> Iterator[World]:
    """Alice with everything that the pages show."""
    caches["pages"].clear()
    stop_clock(settings, tmp_path, now)
    yield build_api_world(alice, now=now)
    caches["pages"].clear()


@pytest.fixture
def her(world: World, client: Client) -> Client:
    """Alice's browser."""
    client.force_login(world.owner)
    return client


def read(client: Client, address: str) -> bytes:
    """Return what an address shows, without its tokens, which differ each time."""
    answer = client.get(address)
    assert answer.status_code == 200, address
    return TOKEN.sub(b"", answer.content)


def counted(client: Client, address: str) -> int:
    """Return how many queries an address takes."""
    with CaptureQueriesContext(connection) as queries:
        client.get(address)
    return len([query for query in queries if "SAVEPOINT" not in query["sql"] and "PREPARE" not in query["sql"]])


@pytest.mark.parametrize("address", KEPT)
def test_unchanged_answer_is_made_once(her: Client, address: str) -> None:
    first = read(her, address)
    assert counted(her, address) <= 3  # session, owner, stamp
    assert read(her, address) == first


def test_cursor_that_knows_this_state_is_answered_by_the_state_alone(her: Client, world: World, now: datetime) -> None:
    cursor = her.get("/api/v1/changes/?limit=500").json()["cursor"]
    address = f"/api/v1/changes/?since={cursor}"
    assert her.get(address).json()["changes"] == []
    assert counted(her, address) <= 3  # session, owner, state
    notify(user=world.owner, kind="payout_sent", key="more", params={}, now=now)
    assert [one["kind"] for one in her.get(address).json()["changes"]] == ["notice"]


def test_each_change_shows_at_once(her: Client, world: World, now: datetime) -> None:
    unnoticed = []
    for name, address, change in _changes(world, now):
        before = read(her, address)
        assert read(her, address) == before
        change()
        if read(her, address) == before:
            unnoticed.append(f"{name} at {address}")
    assert not unnoticed


def _changes(world: World, now: datetime) -> Iterator[tuple[str, str, Callable[[], Any]]]:
    """Yield (what changes, where it must show, how it is done), each upon the one before."""
    car, owner = world.vehicle, world.owner
    tonight, earnings = "/tonight/", "/earnings/"
    yield "a new reading", tonight, lambda: nights.reading(car, at=now - timedelta(minutes=2), soc=61)
    yield "a newer reading", "/api/v1/tonight/", lambda: nights.reading(car, at=now - timedelta(minutes=1), soc=62)
    cars = "/api/v1/vehicles/"
    yield "a reading of the car", cars, lambda: nights.reading(car, at=now - timedelta(seconds=30), soc=63)
    yield "trouble with the car", cars, lambda: type(car).objects.update(read_failure="asleep")
    yield "the word taken back", tonight, lambda: cancel_override(override=world.override, now=now)
    yield "skip tonight", cars, lambda: skip_tonight(vehicle=car, now=now)
    yield "charge now", "/api/v1/tonight/", lambda: charge_now(vehicle=car, now=now)
    yield "a plan made anew", tonight, lambda: _plan_again(now)
    yield "an event left out", tonight, lambda: opt_out(participation=world.coming, now=now)
    wishes: dict[str, Any] = {"target_soc_percent": 70, "minimum_soc_percent": 20, "reserve_soc_percent": 30}
    yield (
        "other wishes",
        tonight,
        lambda: save_preference(
            vehicle=car, **wishes, is_v2g_allowed=False, departures=dict.fromkeys(range(7), time(6)), now=now
        ),
    )
    yield "a pause", tonight, lambda: set_paused(vehicle=car, is_paused=True, now=now)
    yield "the end of a pause", tonight, lambda: set_paused(vehicle=car, is_paused=False, now=now)
    yield "the car's name", tonight, lambda: type(car).objects.update(nickname="Redder")
    yield "the car's name", earnings, lambda: type(car).objects.update(nickname="Reddest")
    yield "a link that broke", tonight, lambda: VehicleLink.objects.update(state="needs_relink")
    for address in (tonight, earnings):
        yield (
            "news",
            address,
            lambda: notify(user=owner, kind="payout_sent", key=f"{Notice.objects.count()}", params={}, now=now),
        )
        yield "news read", address, lambda: Notice.objects.update(read_at=now)
    yield "a language", earnings, lambda: save_profile(user=owner, language="fr-ca")
    yield "another language", tonight, lambda: save_profile(user=owner, language="es")
    for address in (earnings, "/api/v1/balances/"):
        yield "money", address, lambda: earn(owner, 777, now=now)
    for address in (earnings, "/api/v1/settlements/"):
        yield "a correction", address, lambda: _correct(world.settlement)
    yield "a bonus", earnings, lambda: _pay_bonus(owner, now)
    yield "a stop of payouts", earnings, lambda: PayoutPause.objects.create(reason="a look", paused_at=now)
    yield "a consent taken back", tonight, lambda: Consent.objects.filter(user=owner).update(revoked_at=now)


def _plan_again(now: datetime) -> None:
    PlanningState.objects.update(due_at=now - timedelta(minutes=1), reason="asked")
    assert plan_due(now=now, limit=5)


def _correct(first: Settlement) -> None:
    values = {field.attname: getattr(first, field.attname) for field in Settlement._meta.concrete_fields}
    for name in ("id", "public_id"):
        del values[name]
    newest = Settlement.objects.filter(participation=first.participation).order_by("-revision")[0]
    Settlement.objects.create(**values | {"revision": newest.revision + 1, "amount_minor": newest.amount_minor + 1})


def _pay_bonus(owner: User, now: datetime) -> None:
    first, terms = Earning.objects.get(), PayTerms.objects.get()
    Earning.objects.create(
        owner=owner, terms=terms, form=first.form, position=1, title="More", about=first.about, amount_minor=0,
        reason=first.reason, period_date=date(2026, 10, 1), currency="USD", calculation=first.calculation,
        created_at=now,
    )  # fmt: skip


def test_pages_of_two_owners_never_meet(her: Client, bob: User, world: World) -> None:
    his = Client()
    his.force_login(bob)
    for address in KEPT:
        mine = read(her, address)
        theirs = his.get(address)
        assert theirs.content != mine
        assert world.vehicle.nickname.encode() not in theirs.content
        assert read(her, address) == mine


def test_strangers_are_refused_before_anything_kept_is_looked_at(her: Client) -> None:
    for address in KEPT:
        read(her, address)
        stranger = Client().get(address)
        assert stranger.status_code in {302, 401, 403}, address
    her.logout()
    assert her.get("/tonight/").status_code == 302


def test_kept_page_carries_a_token_of_its_own_that_works(world: World) -> None:
    browser = Client(enforce_csrf_checks=True)
    browser.force_login(world.owner)
    first, second = (TOKEN.findall(browser.get("/tonight/").content) for _ in range(2))
    assert first
    assert first[0] != second[0]
    cancel = f"/overrides/{world.override.public_id}/cancel/"
    assert browser.post(cancel, {"csrfmiddlewaretoken": "x" * 64}).status_code == 403
    assert browser.post(cancel, {"csrfmiddlewaretoken": second[0].decode(), "next": "dashboard"}).status_code == 302
    # What the answer says is told once, on the next page alone.
    told, after = browser.get("/tonight/").content, browser.get("/tonight/").content
    assert b'class="messages"' in told
    assert b'class="messages"' not in after


def test_ages_follow_the_minute_and_browsers_keep_nothing(
    her: Client, world: World, now: datetime, settings: Any, tmp_path: Path
) -> None:
    nights.reading(world.vehicle, at=now, soc=61)
    assert b"just now" in read(her, "/tonight/")
    stop_clock(settings, tmp_path, now + timedelta(minutes=2))
    answer = her.get("/tonight/")
    assert b"2 minutes ago" in answer.content
    assert her.get("/tonight/").headers["Cache-Control"] == answer.headers["Cache-Control"] == "no-store, private"
    call = her.get("/api/v1/tonight/")
    assert her.get("/api/v1/tonight/").headers["Cache-Control"] == call.headers["Cache-Control"] == "private, no-cache"
    assert her.get("/api/v1/tonight/", headers={"If-None-Match": call.headers["ETag"]}).status_code == 304


ASIDE = {
    "django_session",  # who asks
    "accounts_user",  # is part of the key
    "rewards_transfer",  # each moves its accounts' counters, which are watched
    "grid_programterms",  # a new version is a new row; events keep theirs
    "grid_feed",  # joined for planners; shown nowhere
    "vehicles_command",  # joined for dispatchers; shown nowhere
}


@pytest.mark.parametrize(
    ("address", "stamp"),
    [
        ("/tonight/", TONIGHT),
        ("/earnings/", EARNINGS),
        ("/api/v1/tonight/", TONIGHT),
        ("/api/v1/vehicles/", LISTED),
        ("/api/v1/settlements/", SETTLEMENTS),
        ("/api/v1/balances/", BALANCES),
    ],
)
def test_every_table_that_is_shown_is_watched(her: Client, address: str, stamp: Stamp) -> None:
    def tables(sql: str) -> set[str]:
        return set(re.findall(r'(?:FROM|JOIN) "([a-z_]+)"', sql))

    her.get(address)
    caches["pages"].clear()
    _forget_prepared()
    with CaptureQueriesContext(connection) as queries:
        her.get(address)
    asked = {table for query in queries for table in tables(query["sql"])}
    assert len(asked) > 3
    assert sorted(asked - tables(stamp.statement.sql) - ASIDE) == []


def _forget_prepared() -> None:
    """Let statements be prepared anew, so that they are told in words and not by name alone."""
    if connection.vendor == "postgresql":
        with connection.cursor() as cursor:
            cursor.execute("DEALLOCATE ALL")
        statements._PREPARED.clear()
