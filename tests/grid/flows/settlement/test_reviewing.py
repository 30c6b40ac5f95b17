"""A utility's word on a result: approved, objected to, resolved by two, or left to lapse; owners' money follows."""

from datetime import datetime, timedelta
from typing import Any

import pytest

from accounts.models import Notice, User
from grid.flows.settlement.groups import correct_group
from grid.flows.settlement.reviewing import (
    UnableToReview,
    approve_group,
    close_reviews,
    object_to_group,
    resolve_dispute,
)
from grid.flows.settlement.settling import post_due_settlements, settle_due
from grid.models import Dispute, GroupSettlement, Settlement
from rewards import ledger
from rewards.models import LedgerAccount
from tests.desk_world import DeskWorld, build_desk, elsewhere

Review = GroupSettlement.Review
HOUR, DAY = timedelta(hours=1), timedelta(days=1)


@pytest.fixture
def desk(db: None, now: datetime) -> DeskWorld:
    """A result that the utility may object to for two days."""
    return build_desk(now=now, cars=3)


def owed(desk: DeskWorld) -> tuple[int, int]:
    """Return what the utility owes for sure, and what is pending."""
    account = ledger.account(LedgerAccount.Kind.UTILITY_RECEIVABLE, desk.utility.slug, "USD")
    account.refresh_from_db()
    parts = [account, *account.parts.all()]
    return sum(p.debits_posted - p.credits_posted for p in parts), sum(p.debits_pending for p in parts)


def staff(name: str) -> User:
    return User.objects.create_user(f"{name}@example.org", None, name=name, is_staff=True)


def test_credits_are_pending_until_the_utility_approves(desk: DeskWorld) -> None:
    assert owed(desk) == (0, desk.group.amount_minor)

    approve_group(group=desk.group, reviewed_by=desk.reviewer, now=desk.settled_at + HOUR)
    approve_group(group=desk.group, reviewed_by=desk.lead, now=desk.settled_at + 2 * HOUR)
    post_due_settlements(now=desk.settled_at + HOUR, limit=100)

    desk.group.refresh_from_db()
    assert (desk.group.review, desk.group.reviewed_by) == (Review.APPROVED, desk.reviewer)
    assert owed(desk) == (desk.group.amount_minor, 0)


def test_time_to_object_passes_by_itself_and_once(desk: DeskWorld) -> None:
    assert close_reviews(now=desk.group.objection_ends_at - HOUR, limit=10) == 0
    assert close_reviews(now=desk.group.objection_ends_at, limit=10) == 1
    assert close_reviews(now=desk.group.objection_ends_at, limit=10) == 0
    post_due_settlements(now=desk.group.objection_ends_at, limit=100)
    assert owed(desk) == (desk.group.amount_minor, 0)


def test_utilitys_people_hear_of_a_result_once(desk: DeskWorld) -> None:
    for _ in range(2):
        close_reviews(now=desk.settled_at + HOUR, limit=10)
    told = Notice.objects.filter(kind="utility_result").values_list("user__email", flat=True)
    assert sorted(told) == sorted([desk.reader.email, desk.reviewer.email, desk.lead.email])


def test_nobody_but_the_utilitys_reviewers_has_a_word(desk: DeskWorld, charlie: User, now: datetime) -> None:
    for person in (desk.reader, charlie, elsewhere(now=now)):
        with pytest.raises(UnableToReview) as refused:
            approve_group(group=desk.group, reviewed_by=person, now=desk.settled_at)
        assert refused.value.reason_code == "not_a_reviewer"
        with pytest.raises(UnableToReview):
            object_to_group(group=desk.group, reason="No", raised_by=person, now=desk.settled_at)


def test_objection_needs_a_reason_and_comes_in_time(desk: DeskWorld) -> None:
    with pytest.raises(UnableToReview, match="Say in a sentence"):
        object_to_group(group=desk.group, reason="  ", raised_by=desk.lead, now=desk.settled_at)
    with pytest.raises(UnableToReview, match="time to object is over"):
        object_to_group(group=desk.group, reason="Late", raised_by=desk.lead, now=desk.group.objection_ends_at)


def test_disputed_result_pays_nobody_until_two_of_staff_agree_that_it_stands(desk: DeskWorld) -> None:
    dispute = object_to_group(group=desk.group, reason="Our meter differs", raised_by=desk.lead, now=desk.settled_at)
    close_reviews(now=desk.group.objection_ends_at + HOUR, limit=10)
    post_due_settlements(now=desk.group.objection_ends_at + HOUR, limit=100)
    assert owed(desk) == (0, desk.group.amount_minor)

    verdict: dict[str, Any] = {
        "dispute": dispute,
        "is_upheld": False,
        "resolution": "Meters agree",
        "now": desk.settled_at + HOUR,
    }
    one, two = staff("one"), staff("two")
    for _ in range(2):
        assert resolve_dispute(**verdict, resolved_by=one).state == Dispute.State.OPEN
    with pytest.raises(UnableToReview, match="judged by people of the platform"):
        resolve_dispute(**verdict, resolved_by=desk.reviewer)
    assert resolve_dispute(**verdict, resolved_by=two).state == Dispute.State.REJECTED
    with pytest.raises(UnableToReview, match="resolved already"):
        resolve_dispute(**verdict, resolved_by=one)

    post_due_settlements(now=desk.settled_at + 2 * HOUR, limit=100)
    assert owed(desk) == (desk.group.amount_minor, 0)
    assert Notice.objects.filter(kind="utility_dispute").count() == 3


def test_second_person_of_another_mind_starts_anew(desk: DeskWorld) -> None:
    dispute = object_to_group(group=desk.group, reason="Too much", raised_by=desk.lead, now=desk.settled_at)
    common: dict[str, Any] = {"dispute": dispute, "resolution": "Looked at", "now": desk.settled_at}
    resolve_dispute(**common, is_upheld=True, resolved_by=staff("one"))
    found = resolve_dispute(**common, is_upheld=False, resolved_by=staff("two"))
    assert found.proposed_by is not None
    assert (found.state, found.proposed_state, found.proposed_by.name) == ("open", "rejected", "two")


def test_upheld_objection_works_the_group_out_anew_without_the_car(desk: DeskWorld) -> None:
    left_out = Settlement.objects.filter(group=desk.group).order_by("delivered_wh").last()
    assert left_out is not None
    dispute = object_to_group(group=desk.group, reason="That car moved", raised_by=desk.lead, now=desk.settled_at)
    for name in ("one", "two"):
        resolve_dispute(
            dispute=dispute, is_upheld=True, resolution="So it did", resolved_by=staff(name),
            now=desk.settled_at + HOUR, excluded_cars=[str(left_out.participation.public_id)],
        )  # fmt: skip

    old, new = GroupSettlement.objects.filter(event=desk.event).order_by("revision")
    assert (old.review, new.review) == (Review.REPLACED, Review.OPEN)
    assert new.amount_minor < old.amount_minor
    settle_due(now=desk.settled_at + HOUR, limit=10)
    approve_group(group=new, reviewed_by=desk.reviewer, now=desk.settled_at + HOUR)
    for _ in range(2):
        post_due_settlements(now=desk.settled_at + 2 * HOUR, limit=100)
    assert owed(desk) == (new.amount_minor, 0)
    assert not ledger.check()


def test_late_readings_wait_for_the_verdict_on_a_disputed_result(desk: DeskWorld) -> None:
    dispute = object_to_group(group=desk.group, reason="Our meter differs", raised_by=desk.lead, now=desk.settled_at)
    car = desk.event.participations.order_by("pk")[0].enrollment.vehicle
    late = car.readings.filter(observed_at__gt=desk.event.starts_at + HOUR)
    late.update(imported_wh=109_000, fetched_at=desk.settled_at + HOUR)

    assert settle_due(now=desk.settled_at + 2 * HOUR, limit=10) == 0
    for name in ("one", "two"):
        resolve_dispute(
            dispute=dispute, is_upheld=False, resolution="It stands", resolved_by=staff(name),
            now=desk.settled_at + 8 * DAY,
        )  # fmt: skip
    desk.group.refresh_from_db()
    assert desk.group.review == Review.LAPSED
    # Then they are looked at, however long the verdict took.
    settle_due(now=desk.settled_at + 9 * DAY, limit=10)
    reviews = GroupSettlement.objects.order_by("revision").values_list("review", flat=True)
    assert list(reviews) == [Review.REPLACED, Review.OPEN]


def test_verdict_on_a_result_that_was_replaced_meanwhile_does_not_bring_it_back(desk: DeskWorld) -> None:
    dispute = object_to_group(group=desk.group, reason="Our meter differs", raised_by=desk.lead, now=desk.settled_at)
    correct_group(event=desk.event, reason="by hand", now=desk.settled_at + HOUR, settled_by=staff("zero"))
    for name in ("one", "two"):
        resolve_dispute(dispute=dispute, is_upheld=False, resolution="It stands", resolved_by=staff(name),
                        now=desk.settled_at + HOUR)  # fmt: skip
    post_due_settlements(now=desk.settled_at + HOUR, limit=100)

    reviews = GroupSettlement.objects.order_by("revision").values_list("review", flat=True)
    assert list(reviews) == [Review.REPLACED, Review.OPEN]
    assert owed(desk) == (0, desk.group.amount_minor)
