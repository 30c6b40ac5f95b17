"""Every way to ask for much power takes two people: at once, in parts, by enlarging, by a utility's server."""

from collections.abc import Callable
from datetime import datetime, timedelta

import pytest

from accounts.models import User
from grid.flows.events.changing import change_event
from grid.flows.events.events import UnableToSaveEvent, approve_event, create_event
from grid.models import EventApproval, GridEvent, ProgramTerms
from tests.factories import grid

pytestmark = pytest.mark.django_db

HOUR = timedelta(hours=1)
LIMIT_W = 5_000_000
State = GridEvent.State


@pytest.fixture
def terms(now: datetime) -> list[ProgramTerms]:
    """Two programs of one utility."""
    return [grid.terms(grid.program(slug=slug), now=now) for slug in ("one", "two")]


def ask(
    terms: ProgramTerms, now: datetime, *, mw: float, by: User | None = None, after: timedelta = 3 * HOUR
) -> GridEvent:
    return create_event(
        terms=terms,
        kind="hold",
        starts_at=now + after,
        ends_at=now + after + HOUR,
        target_w=round(mw * 1_000_000),
        created_by=by,
        now=now,
    )


def enlarge(event: GridEvent, now: datetime, *, mw: float, hours: float = 1) -> GridEvent:
    ends_at = event.starts_at + timedelta(hours=hours)
    return change_event(
        event=event, starts_at=event.starts_at, ends_at=ends_at, target_w=round(mw * 1_000_000), now=now
    )


def at_once(terms: list[ProgramTerms], now: datetime, ada: User) -> GridEvent:
    return ask(terms[0], now, mw=5.1, by=ada)


def in_parts(terms: list[ProgramTerms], now: datetime, ada: User) -> GridEvent:
    ask(terms[0], now, mw=3, by=ada)
    return ask(terms[1], now, mw=2.1, by=ada)


def in_parts_that_overlap_a_little(terms: list[ProgramTerms], now: datetime, ada: User) -> GridEvent:
    ask(terms[0], now, mw=3, by=ada)
    return ask(terms[1], now, mw=2.1, by=ada, after=3.9 * HOUR)


def by_enlarging(terms: list[ProgramTerms], now: datetime, ada: User) -> GridEvent:
    return enlarge(ask(terms[0], now, mw=1, by=ada), now, mw=5.1)


def by_lengthening_into_another(terms: list[ProgramTerms], now: datetime, ada: User) -> GridEvent:
    ask(terms[1], now, mw=3, by=ada, after=4 * HOUR)
    return enlarge(ask(terms[0], now, mw=3, by=ada), now, mw=3, hours=1.5)


def by_enlarging_what_two_agreed_to(terms: list[ProgramTerms], now: datetime, ada: User) -> GridEvent:
    event = ask(terms[0], now, mw=6)
    GridEvent.objects.filter(pk=event.pk).update(created_by=ada)
    grace = User.objects.create_superuser("grace@example.org", "charge-the-grid", name="Grace")
    approve_event(event=event, approved_by=grace, now=now)
    return enlarge(event, now, mw=6.1)


def by_a_server(terms: list[ProgramTerms], now: datetime, ada: User) -> GridEvent:
    event = ask(terms[0], now, mw=5.1)
    return approve_event(event=event, approved_by=ada, now=now)


PATHS = [
    at_once,
    in_parts,
    in_parts_that_overlap_a_little,
    by_enlarging,
    by_lengthening_into_another,
    by_enlarging_what_two_agreed_to,
    by_a_server,
]


@pytest.mark.parametrize("path", PATHS, ids=lambda path: path.__name__)
def test_more_than_the_limit_waits_for_a_second_person(
    path: Callable[[list[ProgramTerms], datetime, User], GridEvent],
    terms: list[ProgramTerms],
    ada: User,
    now: datetime,
) -> None:
    event = path(terms, now, ada)

    event.refresh_from_db()
    assert event.state == State.DRAFT
    assert not EventApproval.objects.filter(event=event).exists()
    with pytest.raises(UnableToSaveEvent) as refused:
        approve_event(event=event, approved_by=ada, now=now)
    assert refused.value.reason_code == "same_person"
    hopper = User.objects.create_superuser("hopper@example.org", "charge-the-grid", name="Hopper")
    assert approve_event(event=event, approved_by=hopper, now=now).state == State.SCHEDULED
    assert EventApproval.objects.get(event=event).target_w == event.target_w


def test_what_owners_know_of_goes_on_as_it_was(terms: list[ProgramTerms], ada: User, now: datetime) -> None:
    event = ask(terms[0], now, mw=4, by=ada)
    GridEvent.objects.filter(pk=event.pk).update(state=State.ANNOUNCED, announced_at=now)

    with pytest.raises(UnableToSaveEvent) as refused:
        enlarge(event, now, mw=5.1)

    assert refused.value.reason_code == "needs_two_people"
    event.refresh_from_db()
    assert (event.state, event.target_w) == (State.ANNOUNCED, 4_000_000)


def test_one_person_may_ask_for_the_limit(terms: list[ProgramTerms], ada: User, now: datetime) -> None:
    ask(terms[0], now, mw=3, by=ada)

    assert ask(terms[1], now, mw=2, by=ada).state == State.SCHEDULED
    assert ask(terms[1], now, mw=5, by=ada, after=4 * HOUR).state == State.SCHEDULED


def test_what_two_agreed_to_may_become_less(terms: list[ProgramTerms], ada: User, now: datetime) -> None:
    event = ask(terms[0], now, mw=7, by=ada)
    grace = User.objects.create_superuser("grace@example.org", "charge-the-grid", name="Grace")
    approve_event(event=event, approved_by=grace, now=now)

    assert enlarge(event, now, mw=6).state == State.SCHEDULED
    assert enlarge(event, now, mw=7).state == State.SCHEDULED
    assert enlarge(event, now, mw=7.1).state == State.DRAFT
