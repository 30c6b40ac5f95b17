"""Two at once, on a database that lets them: one event, one announcement, one fetch, one enrollment."""

import threading
from collections.abc import Callable
from datetime import datetime, timedelta

import pytest
import responses
from django.db import connection
from pytest_django.fixtures import Settings

from accounts.models import Notice, User
from foundation.refusals import Refusal
from grid.flows.events.events import announce_due_events, approve_event, create_event
from grid.flows.prices.feeds import fetch_due_feeds
from grid.flows.programs.enrollment import enroll_vehicle
from grid.models import Enrollment, EventApproval, EventParticipation, GridEvent, Program, ProgramTerms
from tests.factories import grid as make

pytestmark = [
    pytest.mark.django_db(transaction=True),
    pytest.mark.postgres,
    pytest.mark.skipif("postgres" not in connection.vendor, reason="SQLite lets one writer in at a time"),
]

HOUR = timedelta(hours=1)


def together(*acts: Callable[[], object]) -> list[object]:
    """Do the acts at once, each on a connection of its own; return results, a refusal as its code."""
    gate, results = threading.Barrier(len(acts)), []

    def run(act: Callable[[], object]) -> None:
        try:
            gate.wait(timeout=60)
            results.append(act())
        except Refusal as refusal:
            results.append(refusal.reason_code)
        finally:
            connection.close()

    threads = [threading.Thread(target=run, args=(act,)) for act in acts]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout=60)
    return results


def test_two_admins_make_one_of_two_overlapping_events(ada: User, now: datetime) -> None:
    terms = make.terms(now=now)

    def ask() -> object:
        return create_event(
            terms=terms,
            kind="hold",
            starts_at=now + timedelta(hours=1),
            ends_at=now + timedelta(hours=2),
            target_w=1000,
            created_by=ada,
            now=now,
        )

    results = together(ask, ask, ask)
    assert results.count("overlap") == 2
    assert GridEvent.objects.count() == 1


def test_two_approvals_are_one(ada: User, alice: User, bob: User, now: datetime) -> None:
    User.objects.filter(pk=alice.pk).update(is_staff=True)
    alice.refresh_from_db()
    event = make.event(now=now, state=GridEvent.State.DRAFT, created_by=bob)
    results = together(
        lambda: approve_event(event=event, approved_by=ada, now=now),
        lambda: approve_event(event=event, approved_by=alice, now=now),
    )
    assert "not_a_draft" in results
    assert EventApproval.objects.count() == 1


def test_two_sweeps_announce_an_event_once(alice: User, now: datetime) -> None:
    make.enrollment(alice, now=now)
    make.event(now=now)
    results = together(*[lambda: announce_due_events(now=now, limit=5)] * 3)
    assert sorted(map(str, results)) == ["0", "0", "1"]
    assert (EventParticipation.objects.count(), Notice.objects.count()) == (1, 1)


def test_two_clicks_enroll_once(alice: User, now: datetime) -> None:
    program = make.terms(now=now).program
    make.home(alice, now=now)
    make.agree(alice, now=now)
    car = make.car(alice, now=now)
    results = together(*[lambda: enroll_vehicle(vehicle=car, program=program, now=now)] * 3)
    assert len(set(results)) == 1
    assert Enrollment.objects.count() == 1


def test_two_clicks_for_two_programs_enroll_in_one(alice: User, now: datetime) -> None:
    programs: list[Program] = [make.terms(make.program(slug=slug), now=now).program for slug in ("one", "two")]
    make.home(alice, now=now)
    make.agree(alice, now=now)
    car = make.car(alice, now=now)
    results = together(
        lambda: enroll_vehicle(vehicle=car, program=programs[0], now=now),
        lambda: enroll_vehicle(vehicle=car, program=programs[1], now=now),
    )
    assert "enrolled_elsewhere" in results
    assert Enrollment.objects.filter(ended_at__isnull=True).count() == 1
    ProgramTerms.objects.update(goes_with=["one", "two"])
    together(*[lambda one=one: enroll_vehicle(vehicle=car, program=one, now=now) for one in programs * 2])
    assert Enrollment.objects.filter(ended_at__isnull=True).count() == 2


def test_two_events_that_are_announced_at_once_leave_a_car_in_two_programs_in_one(alice: User, now: datetime) -> None:
    first = make.enrollment(alice, now=now)
    other = make.terms(make.program(slug="two"), now=now)
    Enrollment.objects.create(program=other.program, vehicle=first.vehicle, site=first.site, enrolled_at=now - HOUR)
    for terms in (make.terms(now=now), other):
        make.event(now=now, of=terms)
    together(*[lambda: announce_due_events(now=now, limit=1)] * 4)
    announce_due_events(now=now, limit=5)
    assert sorted(EventParticipation.objects.values_list("state", "reason")) == [("in", ""), ("unable", "yields_order")]
    assert (
        Notice.objects.filter(kind="event_announced").count() - Notice.objects.filter(kind="event_gave_way").count()
        == 1
    )


@responses.activate
def test_two_sweeps_fetch_a_feed_once(now: datetime, settings: Settings) -> None:
    settings.FEEDS = {"ercot": {"api_base": "https://ercot.test", "subscription_key": "k"}}
    fields = ("deliveryDate", "hourEnding", "settlementPoint", "settlementPointPrice", "DSTFlag")
    responses.get(
        "https://ercot.test/np4-190-cd/dam_stlmnt_pnt_prices",
        json={"_meta": {"totalPages": 1}, "fields": [{"name": name} for name in fields], "data": []},
    )
    make.feed()
    results = together(*[lambda: fetch_due_feeds(now=now, limit=5)] * 3)
    assert sorted(map(str, results)) == ["0", "0", "1"]
    assert len(responses.calls) == 1
