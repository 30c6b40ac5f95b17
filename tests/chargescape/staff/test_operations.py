"""The operations page: what waits, what is wrong, and only what the reader may see; as many queries as ever."""

from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from django.contrib.auth.models import Group
from django.test import Client
from django.urls import reverse

from accounts.models import User
from chargescape.staff.operations import look_around
from chargescape.staff.roles import make_roles
from foundation import clock
from grid.models import EventProgress, Feed, GridEvent
from rewards.flows.pauses import pause_payouts
from tests.page_world import World, build_world, stop_clock
from vehicles.models import Vehicle, VehicleLink

pytestmark = pytest.mark.django_db
PAGE = "/admin/operations/"
KIND = Feed.Kind.choices[0][0]


@pytest.fixture
def desk(client: Client, ada: User) -> Client:
    client.force_login(ada)
    return client


@pytest.fixture
def world(alice: User, now: datetime, settings: Any, tmp_path: Path) -> World:
    stop_clock(settings, tmp_path, now)
    return build_world(alice, now=now)


def words(desk: Client) -> str:
    answer = desk.get(PAGE)
    assert answer.status_code == 200
    return answer.content.decode()


def everything(_right: str) -> bool:
    return True


def test_page_shows_fleet_events_queues_links_and_payouts(desk: Client, world: World) -> None:
    page = words(desk)
    for part in ("Fleet now", "Events now and within a day", "Work that waits", "Links", "Payouts", "To look at now"):
        assert part in page
    assert reverse("admin:grid_gridevent_change", args=[world.coming.event.pk]) in page


def test_newest_settled_event_is_drawn_with_its_table(desk: Client, world: World) -> None:
    page = words(desk)
    assert 'id="group-data"' in page
    assert f"{world.past.event.terms.program}, {world.past.event.starts_at:%b}" in page


def test_running_event_is_drawn_while_it_runs(desk: Client, world: World, now: datetime) -> None:
    event = world.coming.event
    GridEvent.objects.filter(pk=event.pk).update(starts_at=now - timedelta(minutes=10), state="announced")
    EventProgress.objects.create(event=event, at=now, asked_w=40_000, planned_w=31_000, measured_w=28_500)
    page = desk.get(PAGE).content.decode()
    assert "chart.js" in page  # nothing is drawn without it
    assert '"name": "seen"' in page
    assert "28500" in page


def test_each_trouble_is_an_alert_that_leads_to_its_list(world: World, now: datetime) -> None:
    before = {alert.text for alert in look_around(may_see=everything, now=now, wall=clock.wall()).alerts}
    VehicleLink.objects.update(state=VehicleLink.State.NEEDS_RELINK)
    Feed.objects.create(source="ercot", zone="LZ_AUSTIN", kind=KIND, failures=3, failure="silent for a day")
    behind = {"source": "caiso", "kind": KIND, "fetched_at": now}  # answers, and has nothing new to say
    for hours, zone in ((7, "STALE"), (5, "FRESH")):
        Feed.objects.create(**behind, zone=zone, latest_ends_at=now - timedelta(hours=hours))
    GridEvent.objects.filter(pk=world.coming.event.pk).update(state=GridEvent.State.DRAFT)
    pause_payouts(reason="3 cents too many", now=now)

    new = [a for a in look_around(may_see=everything, now=now, wall=clock.wall()).alerts if a.text not in before]

    texts = " ".join(alert.text for alert in new)
    for part in ("link again", "silent for a day", "second person", "3 cents too many"):
        assert part in texts
    assert "caiso STALE day_ahead_price brings nothing new" in texts
    assert "FRESH" not in texts
    assert all(alert.href.startswith("/admin/") for alert in new)


def test_work_that_waits_too_long_asks_after_the_workers(world: World, now: datetime) -> None:
    Vehicle.objects.update(next_read_at=now - timedelta(minutes=20))
    VehicleLink.objects.update(state=VehicleLink.State.ACTIVE)

    slow = look_around(may_see=everything, now=now, wall=clock.wall())
    fast = look_around(may_see=everything, now=now, wall=clock.wall(), rate=60)

    (queue,) = [queue for queue in slow.queues if queue.name == "readings"]
    assert (queue.due, queue.oldest) == (Vehicle.objects.filter(state="active").count(), timedelta(minutes=20))
    assert any(alert.text.startswith("Readings") for alert in slow.alerts)
    assert not any(alert.text.startswith("Readings") for alert in fast.alerts)  # 20 seconds on a clock 60 times as fast


def test_reader_sees_what_their_role_may_see(client: Client, world: World) -> None:
    make_roles()
    for role, sees, sees_not in (
        ("finance", ("Payouts",), ("Fleet now", "readings")),
        ("operations", ("Fleet now", "readings"), ("on its way to the bank",)),
    ):
        staff = User.objects.create_user(f"{role}@example.com", "x", is_staff=True)
        staff.groups.add(Group.objects.get(name=role))
        client.force_login(staff)
        page = words(client)
        assert all(part in page for part in sees)
        assert not any(part in page for part in sees_not)


def test_queries_do_not_grow_with_rows(
    desk: Client, world: World, now: datetime, django_assert_max_num_queries: Any
) -> None:
    feeds = [Feed(source="ercot", zone=f"zone-{n}", kind=KIND, failures=5) for n in range(30)]
    Feed.objects.bulk_create(feeds)
    words(desk)
    with django_assert_max_num_queries(44):
        words(desk)


def test_owners_and_strangers_see_nothing(client: Client, alice: User) -> None:
    assert client.get(PAGE).status_code == 302
    client.force_login(alice)
    assert client.get(PAGE).status_code in {302, 403}
