"""Events in the admin: local times, refusals beside their fields, a second admin's yes, an audit trail."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import time_machine
from django.contrib.admin.models import LogEntry
from django.test import Client

from accounts.models import User
from grid.models import EventApproval, GridEvent, ProgramTerms
from tests.factories import grid as make

pytestmark = pytest.mark.django_db

ADD = "/admin/grid/gridevent/add/"


@pytest.fixture(autouse=True)
def _clock(now: datetime) -> Any:
    with time_machine.travel(now, tick=False):
        yield


@pytest.fixture
def terms(now: datetime) -> ProgramTerms:
    return make.terms(now=now)


@pytest.fixture
def desk(client: Client, ada: User) -> Client:
    client.force_login(ada)
    return client


def form(of: ProgramTerms, **changes: str) -> dict[str, str]:
    return {
        "terms": str(of.pk),
        "kind": "hold",
        "starts_at_0": "2026-11-18",
        "starts_at_1": "18:00",
        "ends_at_0": "2026-11-18",
        "ends_at_1": "20:00:00",
        "target_kw": "30",
    } | changes


def test_form_names_the_clock_by_which_times_are_read(desk: Client, terms: ProgramTerms) -> None:
    page = desk.get(ADD).content.decode()
    assert "Evening Relief v1, Lone Star: 2.0000 USD/kWh; times in America/Chicago" in page


def test_typed_times_are_the_utilitys_own(desk: Client, terms: ProgramTerms, ada: User) -> None:
    answer = desk.post(ADD, form(terms))
    event = GridEvent.objects.get()
    assert answer.status_code == 302
    assert event.starts_at == datetime(2026, 11, 19, 0, 0, tzinfo=UTC)
    assert event.ends_at == datetime(2026, 11, 19, 2, 0, tzinfo=UTC)
    assert (event.target_w, event.created_by, event.state) == (30_000, ada, "scheduled")
    assert event.reward_micros_per_kwh == 2_000_000


def test_better_reward_and_later_announcement_are_kept(desk: Client, terms: ProgramTerms) -> None:
    desk.post(ADD, form(terms, reward="2.25", announce_at_0="2026-11-18", announce_at_1="17:30"))
    event = GridEvent.objects.get()
    assert event.reward_micros_per_kwh == 2_250_000
    assert event.announce_at == datetime(2026, 11, 18, 23, 30, tzinfo=UTC)


def test_adding_leaves_an_audit_entry(desk: Client, terms: ProgramTerms, ada: User) -> None:
    desk.post(ADD, form(terms))
    entry = LogEntry.objects.get()
    assert (entry.user, entry.object_id) == (ada, str(GridEvent.objects.get().pk))
    assert entry.is_addition()


@pytest.mark.parametrize(
    ("changes", "field", "complaint"),
    [
        ({"ends_at_1": "17:30"}, "ends_at", "ends before it starts"),
        ({"starts_at_1": "16:00"}, "starts_at", "starts in the past"),
        ({"ends_at_1": "21:01"}, "ends_at", "at most 180 minutes"),
        ({"target_kw": "0"}, "target_kw", "more than 0 kW"),
        ({"target_kw": "lots"}, "target_kw", "whole number"),
        ({"reward": "1.50"}, "reward", "promised more"),
        ({"announce_at_0": "2026-11-18", "announce_at_1": "17:59"}, "announce_at", "at least 15 minutes"),
        ({"starts_at_0": "tomorrow"}, "starts_at", "valid date"),
        ({"terms": "999999"}, "terms", "valid choice"),
        ({"kind": "levitate"}, "kind", "valid choice"),
    ],
)
def test_refusal_stands_beside_its_field(
    desk: Client, terms: ProgramTerms, changes: dict[str, str], field: str, complaint: str
) -> None:
    page = desk.post(ADD, form(terms, **changes))
    assert page.status_code == 200
    assert complaint in " ".join(page.context["adminform"].form.errors[field])
    assert not GridEvent.objects.exists()


@pytest.mark.parametrize(
    ("zone", "at", "says"),
    [
        ("America/New_York", "2027-03-14 02:30", "does not exist in America/New_York"),
        ("America/New_York", "2027-11-07 01:30", "comes twice in America/New_York"),
        ("America/St_Johns", "2027-03-14 02:30", "does not exist in America/St_Johns"),
        ("America/St_Johns", "2027-11-07 01:30", "comes twice in America/St_Johns"),
    ],
)
def test_hour_that_the_clock_skips_or_repeats_is_refused(
    desk: Client, now: datetime, zone: str, at: str, says: str
) -> None:
    terms = make.terms(make.program(make.utility(time_zone=zone)), now=now)
    day, clock = at.split()
    wishes = form(terms, starts_at_0=day, starts_at_1=clock, ends_at_0=day, ends_at_1="04:00")
    page = desk.post(ADD, wishes)
    assert says in " ".join(page.context["adminform"].form.errors["starts_at"])


@pytest.mark.parametrize("zone", ["America/Regina", "America/Phoenix"])
def test_places_that_keep_their_clock_know_every_hour(desk: Client, now: datetime, zone: str) -> None:
    terms = make.terms(make.program(make.utility(time_zone=zone)), now=now)
    for day in ("2027-03-14", "2027-11-07"):
        desk.post(ADD, form(terms, starts_at_0=day, starts_at_1="01:30", ends_at_0=day, ends_at_1="02:30"))
    assert [event.ends_at - event.starts_at for event in GridEvent.objects.all()] == [timedelta(hours=1)] * 2


def test_event_is_shown_in_local_time_and_not_edited(desk: Client, terms: ProgramTerms, now: datetime) -> None:
    event = make.event(now=now, of=terms, starts_at=datetime(2026, 11, 19, 0, 0, tzinfo=UTC))
    page = desk.get(f"/admin/grid/gridevent/{event.pk}/change/")
    assert "2026-11-18 18:00 CST" in page.content.decode()
    assert desk.post(f"/admin/grid/gridevent/{event.pk}/change/", {"kind": "absorb"}).status_code == 403
    assert desk.get("/admin/grid/gridevent/").status_code == 200


def draft(now: datetime, terms: ProgramTerms, creator: User) -> GridEvent:
    return make.event(now=now, of=terms, state=GridEvent.State.DRAFT, created_by=creator, target_w=6_000_000)


def test_second_admin_approves_after_a_question(
    desk: Client, terms: ProgramTerms, ada: User, alice: User, now: datetime
) -> None:
    event = draft(now, terms, alice)
    address = f"/admin/grid/gridevent/{event.pk}/approve/"
    assert "Approve this event?" in desk.get(address).content.decode()
    assert not EventApproval.objects.exists()
    desk.post(address)
    event.refresh_from_db()
    assert event.state == GridEvent.State.SCHEDULED
    assert EventApproval.objects.get().approved_by == ada
    assert LogEntry.objects.get().change_message == "Approved."


def test_creator_is_told_that_it_needs_another(desk: Client, terms: ProgramTerms, ada: User, now: datetime) -> None:
    event = draft(now, terms, ada)
    page = desk.post(f"/admin/grid/gridevent/{event.pk}/approve/", follow=True)
    assert "you created it yourself" in page.content.decode()
    assert not LogEntry.objects.exists()


def test_cancelling_asks_first_and_keeps_the_reason(desk: Client, terms: ProgramTerms, now: datetime) -> None:
    event = make.event(now=now, of=terms)
    address = f"/admin/grid/gridevent/{event.pk}/cancel/"
    desk.get(address)
    event.refresh_from_db()
    assert event.state == GridEvent.State.SCHEDULED
    desk.post(address, {"reason": "storm passed"})
    event.refresh_from_db()
    assert (event.state, event.cancel_reason) == (GridEvent.State.CANCELLED, "storm passed")
    assert LogEntry.objects.get().change_message == "Cancelled: storm passed"


def test_approving_and_cancelling_need_the_right(client: Client, terms: ProgramTerms, now: datetime) -> None:
    helper = User.objects.create_user("helper@example.org", "charge-the-grid", is_staff=True)
    client.force_login(helper)
    event = make.event(now=now, of=terms)
    for verb in ("approve", "cancel"):
        assert client.post(f"/admin/grid/gridevent/{event.pk}/{verb}/").status_code == 403
    event.refresh_from_db()
    assert event.state == GridEvent.State.SCHEDULED


def test_event_that_is_not_there_is_not_found(desk: Client) -> None:
    assert desk.get("/admin/grid/gridevent/999/cancel/").status_code == 404


def test_owner_is_sent_away(client: Client, alice: User) -> None:
    client.force_login(alice)
    assert client.get(ADD).status_code in {302, 403}


def test_stranger_signs_in_through_the_platforms_own_door(client: Client) -> None:
    answer = client.get("/admin/", follow=True)
    assert answer.redirect_chain[-1][0].startswith("/account/login/")
