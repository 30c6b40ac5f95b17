"""How much pages ask of the database: fifteen queries at most, however much an owner has.

Two worlds are compared, one with a row of everything and one with many: a page that asks once a row shows at once.
"""

from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import responses
from django.core.cache import cache
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from accounts.flows.notices import notify
from accounts.models import User
from grid.models import Enrollment, EventParticipation, GridEvent, Settlement
from rewards.flows.payouts import pay_now
from rewards.models import Payout
from tests.api_world import build_api_world, forget_payees, read_out, values_of
from tests.factories import grid
from tests.factories import vehicles as make
from tests.factories.rewards import earn
from tests.page_world import World, stop_clock
from tests.url_map import BY_SIGNATURE, places
from vehicles.models import Vehicle

MOST = 15
MANY = 12


@pytest.fixture
def world(alice: User, now: datetime, settings: Any, tmp_path: Path) -> World:
    """Alice with many of everything."""
    cache.clear()
    stop_clock(settings, tmp_path, now)
    built = build_api_world(alice, now=now)
    enrolled = Enrollment.objects.get()
    for number in range(MANY):
        _another_evening(enrolled, days=number + 3, now=now)
        notify(user=alice, kind="payout_sent", key=f"many-{number}", params={}, now=now)
        Payout.objects.exclude(state="paid").update(state="paid", paid_at=now, sent_at=now)
        earn(alice, 500 + number, now=now)
        pay_now(owner=alice, currency="USD", now=now)
    other = make.link(alice, subject_hash="other")
    for number in range(3):
        car = make.vehicle(other, now=now, nickname=f"Car {number}", external_id_hash=f"other-{number}")
        make.reading(car, at=now - timedelta(minutes=5))
    assert Vehicle.objects.filter(owner=alice, state="active").count() == 4
    return built


def _another_evening(enrolled: Enrollment, *, days: int, now: datetime) -> None:
    starts_at = now - timedelta(days=days)
    event = grid.event(
        now=starts_at - timedelta(hours=2), starts_at=starts_at, state=GridEvent.State.SETTLED, announced_at=starts_at
    )
    part = grid.participation(enrolled, now=starts_at, in_event=event)
    like = Settlement.objects.order_by("pk")[0]
    like.pk, like._state.adding, like.participation = None, True, part
    like.public_id = part.public_id
    like.save()
    assert EventParticipation.objects.filter(enrollment=enrolled).count() > 2


@pytest.fixture
def outside() -> Iterator[responses.RequestsMock]:
    """A payment processor that knows nobody."""
    with responses.RequestsMock(assert_all_requests_are_fired=False) as mock:
        forget_payees(mock)
        yield mock


def counted(client: Client, address: str) -> tuple[int, str]:
    """Return how many queries an address takes, and the ones that came most often."""
    read_out(client.get(address))  # fills caches that outlive a request
    with CaptureQueriesContext(
        connection,
    ) as queries:
        answer = read_out(client.get(address))
    assert answer.status_code < 500
    texts = [query["sql"][:160] for query in queries if "SAVEPOINT" not in query["sql"]]
    most = sorted(set(texts), key=texts.count, reverse=True)[:4]
    return len(texts), "\n".join(f"  {texts.count(text)} x {text}" for text in most)


def test_no_page_and_no_call_asks_the_database_much(
    world: World, client: Client, settings: Any, outside: responses.RequestsMock
) -> None:
    client.force_login(world.owner)
    settings.STRIPE_API_KEY = "sk_test_queries"
    greedy, seen = [], 0
    for place in places():
        if place.room not in {"web", "api"} or place.name in BY_SIGNATURE:
            continue
        values: dict[str, Any] = dict.fromkeys(place.arguments, "ford") | values_of(world)
        if place.room == "api" and "public_id" in place.arguments:
            values["public_id"] = place.view.cls.queryset.model.objects.order_by("pk")[0].public_id
        address = place.at(values)
        count, most = counted(client, address)
        seen += 1
        if count > MOST and place.name not in {"proof", "proof-list"}:  # files of a whole account
            greedy.append(f"{address} ({place.name}) takes {count} queries, most often\n{most}")
    assert not greedy, f"{MOST} are allowed:\n" + "\n".join(greedy)
    assert seen > 80
