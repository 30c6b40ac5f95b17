"""Announcing: each enrolled car once, with the reason where it cannot help; each owner one notice."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from pytest_django import DjangoAssertNumQueries

from accounts.flows.consents import revoke_consent
from accounts.flows.notices import read_aloud
from accounts.models import Consent, Notice, User
from grid.flows.events import announcing
from grid.flows.events.events import announce_due_events
from grid.models import EventParticipation, GridEvent, PlanningState, Site
from tests.factories import grid as make
from vehicles.automakers.base import Capabilities
from vehicles.models import ChargeOverride, ChargePreference, Vehicle, VehicleLink

pytestmark = pytest.mark.django_db

IN, OUT, UNABLE = EventParticipation.State.IN, EventParticipation.State.OPTED_OUT, EventParticipation.State.UNABLE


def test_enrolled_car_takes_part_and_its_owner_is_told(alice: User, now: datetime) -> None:
    enrolled = make.enrollment(alice, now=now)
    later = now + timedelta(hours=9)
    PlanningState.objects.create(vehicle=enrolled.vehicle, due_at=later, dispatch_at=later)
    event = make.event(now=now)
    assert announce_due_events(now=now, limit=5) == 1
    event.refresh_from_db()
    part = EventParticipation.objects.get()
    assert (event.state, event.announced_at, event.lease_until) == ("announced", now, None)
    assert (part.enrollment, part.state, part.invited_at) == (enrolled, IN, now)
    assert PlanningState.objects.get().due_at == now
    notice = read_aloud(Notice.objects.get(user=alice), reader=alice)
    assert " ".join(notice.title.split()) == "The grid asks for help on Wed, Nov 18, 6:05 PM"
    assert "$2.00 per kWh" in notice.body


def test_sweep_twice_invites_and_tells_once(alice: User, now: datetime) -> None:
    make.enrollment(alice, now=now)
    make.event(now=now)
    assert [announce_due_events(now=now, limit=5) for _ in range(2)] == [1, 0]
    assert EventParticipation.objects.count() == 1
    assert Notice.objects.count() == 1


def test_sweep_goes_on_where_it_died(alice: User, bob: User, now: datetime) -> None:
    first = make.enrollment(alice, now=now)
    make.enrollment(bob, now=now)
    event = make.event(now=now, lease_until=datetime(2020, 1, 1, tzinfo=UTC))
    EventParticipation.objects.create(event=event, enrollment=first, invited_at=now)
    announce_due_events(now=now, limit=5)
    assert EventParticipation.objects.filter(state=IN).count() == 2


def test_owner_of_two_cars_is_told_once(alice: User, now: datetime) -> None:
    make.enrollment(alice, now=now)
    make.enrollment(alice, now=now, nickname="Mach-E")
    make.event(now=now)
    announce_due_events(now=now, limit=5)
    assert EventParticipation.objects.filter(state=IN).count() == 2
    assert Notice.objects.count() == 1


def _withdraw_consent(now: datetime) -> None:
    revoke_consent(user=User.objects.get(), purpose=Consent.Purpose.GRID_PARTICIPATION, now=now)


START_STOP = Capabilities(can_start_stop=True, hold_ends="start_stop").as_json()


@pytest.mark.parametrize(
    ("kind", "spoil", "reason"),
    [
        ("hold", lambda _: Vehicle.objects.update(state=Vehicle.State.UNLINKED), "not_active"),
        ("hold", lambda _: VehicleLink.objects.update(state="needs_relink"), "needs_relink"),
        ("hold", _withdraw_consent, "no_consent"),
        ("hold", lambda _: ChargePreference.objects.update(is_paused=True), "paused"),
        ("hold", lambda _: Vehicle.objects.update(capabilities={}), "cannot_hold"),
        ("absorb", lambda _: ChargePreference.objects.update(is_paused=True), "paused"),
    ],
)
def test_car_that_cannot_help_is_unable_with_the_reason(
    alice: User, now: datetime, kind: str, spoil: Callable[[datetime], object], reason: str
) -> None:
    make.enrollment(alice, now=now)
    spoil(now)
    make.event(now=now, kind=kind)
    announce_due_events(now=now, limit=5)
    part = EventParticipation.objects.get()
    assert (part.state, part.reason) == (UNABLE, reason)
    assert not Notice.objects.exists()


@pytest.mark.parametrize(
    ("spoil", "reason"),
    [
        (lambda _: Vehicle.objects.update(capabilities=START_STOP), "no_v2g_car"),
        (lambda _: Vehicle.objects.update(max_discharge_w=0), "no_v2g_car"),
        (lambda _: ChargePreference.objects.update(is_v2g_allowed=False), "no_v2g_preference"),
        (
            lambda _: Site.objects.update(is_evse_bidirectional=False, has_export_permission=False),
            "no_v2g_charger",
        ),
        (lambda _: Site.objects.update(has_export_permission=False), "no_v2g_export_permission"),
        (
            lambda now: Site.objects.update(export_permission_ends_on_date=now.date() - timedelta(days=1)),
            "no_v2g_export_permission",
        ),
    ],
)
def test_car_that_cannot_discharge_takes_part_by_holding_back(
    alice: User, now: datetime, spoil: Callable[[datetime], object], reason: str
) -> None:
    make.enrollment(alice, now=now)
    spoil(now)
    make.event(now=now, kind="discharge")
    announce_due_events(now=now, limit=5)
    part = EventParticipation.objects.get()
    assert (part.state, part.reason) == (IN, reason)
    assert Notice.objects.count() == 1


@pytest.mark.parametrize(
    ("kind", "capabilities"),
    [("hold", START_STOP), ("absorb", {}), ("discharge", None)],
    ids=["start/stop car holds", "any car absorbs", "V2G car discharges"],
)
def test_car_that_can_help_takes_part(
    alice: User, now: datetime, kind: str, capabilities: dict[str, Any] | None
) -> None:
    make.enrollment(alice, now=now)
    if capabilities is not None:
        Vehicle.objects.update(capabilities=capabilities)
    make.event(now=now, kind=kind)
    announce_due_events(now=now, limit=5)
    assert EventParticipation.objects.get().state == IN


@pytest.mark.parametrize(("hours", "state", "reason"), [(2, OUT, "skipped"), (1, IN, "")])
def test_owner_who_skips_tonight_stays_out(alice: User, now: datetime, hours: int, state: str, reason: str) -> None:
    enrolled = make.enrollment(alice, now=now)
    ChargeOverride.objects.create(
        vehicle=enrolled.vehicle, kind="skip", starts_at=now - timedelta(hours=1), ends_at=now + timedelta(hours=hours)
    )
    make.event(now=now)
    announce_due_events(now=now, limit=5)
    part = EventParticipation.objects.get()
    assert (part.state, part.reason) == (state, reason)


def test_other_programs_and_ended_enrollments_are_left_alone(alice: User, bob: User, now: datetime) -> None:
    make.enrollment(alice, now=now, of=make.program(slug="other"))
    ended = make.enrollment(bob, now=now)
    ended.ended_at = now
    ended.save()
    make.event(now=now)
    announce_due_events(now=now, limit=5)
    assert not EventParticipation.objects.exists()


def test_event_without_cars_is_announced_all_the_same(now: datetime) -> None:
    event = make.event(now=now)
    assert announce_due_events(now=now, limit=5) == 1
    event.refresh_from_db()
    assert event.state == GridEvent.State.ANNOUNCED


@pytest.mark.parametrize(
    "fields",
    [
        pytest.param({"announce_at": datetime(2026, 11, 18, 23, 6, tzinfo=UTC)}, id="later"),
        pytest.param({"state": "draft"}, id="not approved"),
        pytest.param({"state": "cancelled"}, id="cancelled"),
        pytest.param({"lease_until": datetime(2126, 1, 1, tzinfo=UTC)}, id="somebody is at work on it"),
    ],
)
def test_event_waits(alice: User, now: datetime, fields: dict[str, Any]) -> None:
    make.enrollment(alice, now=now)
    make.event(now=now, **fields)
    assert announce_due_events(now=now, limit=5) == 0
    assert not EventParticipation.objects.exists()


@pytest.mark.parametrize(
    ("state", "reason"),
    [("draft", "not approved before its start"), ("scheduled", "not announced before its start")],
)
def test_event_whose_start_has_come_is_cancelled(alice: User, now: datetime, state: str, reason: str) -> None:
    make.enrollment(alice, now=now)
    event = make.event(now=now, state=state)
    assert announce_due_events(now=event.starts_at, limit=5) == 0
    event.refresh_from_db()
    assert (event.state, event.cancel_reason) == ("cancelled", reason)
    assert not EventParticipation.objects.exists()


def test_one_broken_event_leaves_the_others_alone(alice: User, now: datetime, monkeypatch: pytest.MonkeyPatch) -> None:
    broken = make.event(now=now, announce_at=now - timedelta(hours=1), starts_at=now + timedelta(hours=9))
    fine = make.event(now=now)
    announce = announcing._announce

    def stumble(event: GridEvent, at: datetime) -> bool:
        if event == broken:
            raise RuntimeError("no such car")
        return announce(event, at)

    monkeypatch.setattr(announcing, "_announce", stumble)
    assert announce_due_events(now=now, limit=5) == 1
    fine.refresh_from_db()
    assert fine.state == GridEvent.State.ANNOUNCED


def test_many_cars_take_as_many_queries_as_few(
    alice: User, now: datetime, django_assert_max_num_queries: DjangoAssertNumQueries
) -> None:
    for place in range(30):
        make.enrollment(alice, now=now, nickname=f"car {place}")
    make.event(now=now)
    with django_assert_max_num_queries(46):
        announce_due_events(now=now, limit=5)
    assert EventParticipation.objects.filter(state=IN).count() == 30


def test_event_for_more_cars_than_a_sweep_takes_goes_on(
    alice: User, now: datetime, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(announcing, "BATCH", 1)
    monkeypatch.setattr(announcing, "MOST_BATCHES", 2)
    for place in range(3):
        make.enrollment(alice, now=now, nickname=f"car {place}")
    make.event(now=now)
    assert announce_due_events(now=now, limit=5) == 0
    assert EventParticipation.objects.count() == 2
    assert announce_due_events(now=now, limit=5) == 1
    assert EventParticipation.objects.count() == 3
