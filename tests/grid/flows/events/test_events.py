"""Events are made, refused, approved, cancelled."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from accounts.models import Notice, User
from grid.flows.events.events import UnableToSaveEvent, approve_event, cancel_event, create_event
from grid.models import EventApproval, EventParticipation, GridEvent, ProgramTerms
from tests.factories import grid as make

pytestmark = pytest.mark.django_db


@pytest.fixture
def terms(now: datetime) -> ProgramTerms:
    return make.terms(now=now)


@pytest.fixture
def grace(db: None) -> User:
    return User.objects.create_superuser("grace@example.org", "charge-the-grid", name="Grace")


def ask(terms: ProgramTerms, ada: User, now: datetime, **changes: Any) -> GridEvent:
    wishes: dict[str, Any] = {
        "terms": terms,
        "kind": "hold",
        "starts_at": now + timedelta(hours=1),
        "ends_at": now + timedelta(hours=3),
        "target_w": 30_000,
        "created_by": ada,
        "now": now,
    }
    return create_event(**(wishes | changes))


def test_event_freezes_the_reward_of_its_terms(terms: ProgramTerms, ada: User, now: datetime) -> None:
    event = ask(terms, ada, now)
    assert (event.state, event.reward_micros_per_kwh, event.announce_at) == ("scheduled", 2_000_000, now)
    assert event.settle_at == event.ends_at + timedelta(minutes=30)
    ProgramTerms.objects.update(reward_micros_per_kwh=1)
    event.refresh_from_db()
    assert event.reward_micros_per_kwh == 2_000_000


def test_event_may_pay_more_than_its_terms(terms: ProgramTerms, ada: User, now: datetime) -> None:
    assert ask(terms, ada, now, reward_micros_per_kwh=2_500_000).reward_micros_per_kwh == 2_500_000


def test_announcement_in_the_past_means_at_once(terms: ProgramTerms, ada: User, now: datetime) -> None:
    assert ask(terms, ada, now, announce_at=now - timedelta(days=1)).announce_at == now


@pytest.mark.parametrize(
    ("wishes", "code"),
    [
        pytest.param({"starts_at": 120, "ends_at": 60}, "ends_before_start", id="ends before it starts"),
        pytest.param({"starts_at": 60, "ends_at": 60}, "ends_before_start", id="has no length"),
        pytest.param({"starts_at": -60, "ends_at": 60}, "in_the_past", id="began an hour ago"),
        pytest.param({"starts_at": 0, "ends_at": 60}, "in_the_past", id="begins now"),
        pytest.param(
            {"starts_at": 60 * 24 * 367, "ends_at": 60 * 24 * 367 + 60}, "too_far_ahead", id="next year but one"
        ),
        pytest.param({"starts_at": 60, "ends_at": 60 + 181}, "too_long", id="a minute too long"),
        pytest.param({"starts_at": 14, "ends_at": 60}, "notice_too_short", id="a minute too soon"),
        pytest.param(
            {"starts_at": 60, "ends_at": 120, "announce_at": 46}, "notice_too_short", id="announced a minute too late"
        ),
        pytest.param(
            {"starts_at": 60, "ends_at": 120, "kind": "levitate"}, "kind_not_allowed", id="a kind nobody knows"
        ),
        pytest.param({"starts_at": 60, "ends_at": 120, "target_w": 0}, "absurd_power", id="no power"),
        pytest.param({"starts_at": 60, "ends_at": 120, "target_w": -5_000}, "absurd_power", id="negative power"),
        pytest.param(
            {"starts_at": 60, "ends_at": 120, "target_w": 1_000_000_001}, "absurd_power", id="more than a power station"
        ),
        pytest.param(
            {"starts_at": 60, "ends_at": 120, "reward_micros_per_kwh": 1_999_999},
            "below_terms",
            id="pays less than promised",
        ),
        pytest.param(
            {"starts_at": 60, "ends_at": 120, "reward_micros_per_kwh": 100_000_001},
            "absurd_reward",
            id="pays beyond reason",
        ),
    ],
)
def test_event_that_cannot_be_is_refused(
    terms: ProgramTerms, ada: User, now: datetime, wishes: dict[str, Any], code: str
) -> None:
    moments = {
        name: now + timedelta(minutes=wishes[name])
        for name in ("starts_at", "ends_at", "announce_at")
        if name in wishes
    }
    with pytest.raises(UnableToSaveEvent) as refused:
        ask(terms, ada, now, **(wishes | moments))
    assert refused.value.reason_code == code
    assert not GridEvent.objects.exists()


@pytest.mark.parametrize(("starts", "ends"), [(90, 150), (30, 90), (30, 240), (61, 119), (60, 120)], ids=str)
def test_overlap_with_an_open_event_of_the_program_is_refused(
    terms: ProgramTerms, ada: User, now: datetime, starts: int, ends: int
) -> None:
    make.event(now=now, of=terms, starts_at=now + timedelta(hours=1), ends_at=now + timedelta(hours=2))
    with pytest.raises(UnableToSaveEvent, match="2026-11-18 18:05 to 19:05 CST") as refused:
        ask(
            terms,
            ada,
            now,
            starts_at=now + timedelta(minutes=starts),
            ends_at=now + timedelta(minutes=min(ends, starts + 180)),
        )
    assert refused.value.reason_code == "overlap"


def test_event_may_begin_when_another_ends(terms: ProgramTerms, ada: User, now: datetime) -> None:
    make.event(now=now, of=terms, starts_at=now + timedelta(hours=1), ends_at=now + timedelta(hours=2))
    assert ask(terms, ada, now, starts_at=now + timedelta(hours=2), ends_at=now + timedelta(hours=3)).pk


def test_cancelled_event_and_another_program_are_no_overlap(terms: ProgramTerms, ada: User, now: datetime) -> None:
    make.event(now=now, of=terms, state=GridEvent.State.CANCELLED)
    make.event(now=now, of=make.terms(make.program(slug="other"), now=now))
    assert ask(terms, ada, now).pk


def test_time_without_a_zone_is_refused(terms: ProgramTerms, ada: User, now: datetime) -> None:
    with pytest.raises(UnableToSaveEvent, match="time zone"):
        ask(terms, ada, now, starts_at=(now + timedelta(hours=1)).replace(tzinfo=None))


def test_closed_program_asks_for_nothing(terms: ProgramTerms, ada: User, now: datetime) -> None:
    terms.program.status = "closed"
    terms.program.save()
    with pytest.raises(UnableToSaveEvent) as refused:
        ask(terms, ada, now)
    assert refused.value.reason_code == "program_closed"


def test_terms_that_were_replaced_by_then_are_refused(terms: ProgramTerms, ada: User, now: datetime) -> None:
    make.terms(terms.program, now=now, version=2, valid_from_at=now + timedelta(minutes=30))
    with pytest.raises(UnableToSaveEvent) as refused:
        ask(terms, ada, now)
    assert refused.value.reason_code == "terms_not_in_force"


def test_kind_that_the_terms_leave_out_is_refused_naming_the_others(
    terms: ProgramTerms, ada: User, now: datetime
) -> None:
    terms.kinds = ["hold"]
    terms.save()
    with pytest.raises(UnableToSaveEvent, match="allows only: hold charging"):
        ask(terms, ada, now, kind="discharge")


def test_event_above_the_limit_waits_for_a_second_admin(
    terms: ProgramTerms, ada: User, grace: User, now: datetime
) -> None:
    event = ask(terms, ada, now, target_w=5_000_001)
    assert event.state == GridEvent.State.DRAFT
    approved = approve_event(event=event, approved_by=grace, now=now + timedelta(minutes=5))
    assert (approved.state, approved.announce_at) == ("scheduled", now + timedelta(minutes=5))
    assert EventApproval.objects.get().approved_by == grace


def test_event_at_the_limit_needs_one_admin(terms: ProgramTerms, ada: User, now: datetime) -> None:
    assert ask(terms, ada, now, target_w=5_000_000).state == GridEvent.State.SCHEDULED


def test_creator_cannot_approve(terms: ProgramTerms, ada: User, now: datetime) -> None:
    event = ask(terms, ada, now, target_w=6_000_000)
    with pytest.raises(UnableToSaveEvent) as refused:
        approve_event(event=event, approved_by=ada, now=now)
    assert refused.value.reason_code == "same_person"
    event.refresh_from_db()
    assert event.state == GridEvent.State.DRAFT


def test_owner_cannot_approve(terms: ProgramTerms, ada: User, alice: User, now: datetime) -> None:
    event = ask(terms, ada, now, target_w=6_000_000)
    with pytest.raises(UnableToSaveEvent, match="Only an admin"):
        approve_event(event=event, approved_by=alice, now=now)


def test_approval_that_leaves_too_little_notice_is_refused(
    terms: ProgramTerms, ada: User, grace: User, now: datetime
) -> None:
    event = ask(terms, ada, now, target_w=6_000_000)
    with pytest.raises(UnableToSaveEvent) as refused:
        approve_event(event=event, approved_by=grace, now=now + timedelta(minutes=46))
    assert refused.value.reason_code == "notice_too_short"


def test_event_is_approved_once(terms: ProgramTerms, ada: User, grace: User, now: datetime) -> None:
    event = ask(terms, ada, now, target_w=6_000_000)
    approve_event(event=event, approved_by=grace, now=now)
    with pytest.raises(UnableToSaveEvent, match="does not wait"):
        approve_event(event=event, approved_by=grace, now=now)


def test_cancelling_tells_the_owners_who_take_part(alice: User, bob: User, now: datetime) -> None:
    part = make.participation(make.enrollment(alice, now=now), now=now)
    out = make.participation(make.enrollment(bob, now=now), now=now, in_event=part.event)
    EventParticipation.objects.filter(pk=out.pk).update(state=EventParticipation.State.OPTED_OUT)
    event = cancel_event(event=part.event, now=now, reason="storm passed")
    assert (event.state, event.cancelled_at, event.cancel_reason) == ("cancelled", now, "storm passed")
    assert [notice.user for notice in Notice.objects.filter(kind="event_cancelled")] == [alice]


def test_event_that_has_begun_ends_now_and_is_settled(alice: User, now: datetime) -> None:
    part = make.participation(make.enrollment(alice, now=now), now=now)
    later = part.event.starts_at + timedelta(minutes=40)
    event = cancel_event(event=part.event, now=later)
    assert (event.state, event.ends_at, event.settle_at) == ("announced", later, later + timedelta(minutes=30))
    assert event.version == 2
    assert Notice.objects.get().kind == "event_shortened"


def test_event_that_is_over_is_not_cancelled(alice: User, now: datetime) -> None:
    event = make.event(now=now, state=GridEvent.State.ANNOUNCED)
    with pytest.raises(UnableToSaveEvent, match="over"):
        cancel_event(event=event, now=event.ends_at)
    with pytest.raises(UnableToSaveEvent, match="over"):
        cancel_event(event=make.event(now=now, state=GridEvent.State.CANCELLED), now=now)


@pytest.mark.parametrize(
    ("zone", "starts_at"),
    [
        pytest.param("America/New_York", datetime(2026, 11, 1, 5, tzinfo=UTC), id="New York, autumn"),
        pytest.param("America/New_York", datetime(2027, 3, 14, 6, tzinfo=UTC), id="New York, spring"),
        pytest.param("America/St_Johns", datetime(2026, 11, 1, 3, 30, tzinfo=UTC), id="St. John's, autumn"),
        pytest.param("America/Regina", datetime(2026, 11, 1, 6, tzinfo=UTC), id="Regina"),
        pytest.param("America/Phoenix", datetime(2026, 11, 1, 7, tzinfo=UTC), id="Phoenix"),
    ],
)
def test_length_is_counted_in_real_hours_on_both_nights(zone: str, starts_at: datetime, ada: User) -> None:
    now = starts_at - timedelta(days=1)
    supplier = make.utility(time_zone=zone)
    terms = make.terms(make.program(supplier), now=now)
    local_end = (starts_at + timedelta(hours=3)).astimezone(supplier.zone)
    event = ask(terms, ada, now, starts_at=starts_at.astimezone(supplier.zone), ends_at=local_end)
    event.refresh_from_db()
    assert event.ends_at - event.starts_at == timedelta(hours=3)
    with pytest.raises(UnableToSaveEvent) as refused:
        ask(terms, ada, now, starts_at=starts_at, ends_at=starts_at + timedelta(hours=3, minutes=1))
    assert refused.value.reason_code == "too_long"
