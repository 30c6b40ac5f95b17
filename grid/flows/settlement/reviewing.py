"""A utility looks at what its event came to: it approves, objects, or lets the time to object pass.

Owners' credits stay pending meanwhile; they are posted by the sweep of settlements once the review is over.
"""

import logging
from collections.abc import Sequence
from datetime import datetime, timedelta
from uuid import UUID

from django.db import transaction
from django.db.models import Exists, OuterRef
from django.utils.translation import gettext

from accounts.flows.notices import notify, notify_all
from accounts.models import Notice, User
from foundation.refusals import Refusal
from grid.flows.desk.membership import member_of, people_of
from grid.models import Dispute, GroupSettlement, UtilityMember

logger = logging.getLogger(__name__)

TOLD_FOR = timedelta(days=2)  # what an outage kept back is told for so long
Review = GroupSettlement.Review


class UnableToReview(Refusal):
    """The result and its review stay as they were."""


@transaction.atomic
def approve_group(*, group: GroupSettlement, reviewed_by: User, now: datetime) -> GroupSettlement:
    """Let the result stand before the time to object is over; approving again changes nothing.

    Raises UnableToReview where the person may not review for this utility, and where the result is not open.
    """
    group = _locked(group)
    _check_reviewer(group, reviewed_by)
    if group.review == Review.APPROVED:
        return group
    _check_open(group)
    group.review, group.reviewed_by, group.reviewed_at = Review.APPROVED, reviewed_by, now
    group.save(update_fields=["review", "reviewed_by", "reviewed_at"])
    return group


@transaction.atomic
def object_to_group(
    *, group: GroupSettlement, reason: str, raised_by: User, now: datetime, evidence: str = ""
) -> Dispute:
    """Object to a result, and return the dispute; credits stay pending until it is resolved.

    Raises UnableToReview as `approve_group` does, for an objection that comes too late, and for one without a reason.
    """
    group = _locked(group)
    _check_reviewer(group, raised_by)
    if not reason.strip():
        raise UnableToReview(gettext("Say in a sentence what is wrong."), code="reason_needed", field="reason")
    _check_open(group)
    if now >= group.objection_ends_at:
        raise UnableToReview(gettext("The time to object is over; the result stands."), code="objection_too_late")
    group.review = Review.DISPUTED
    group.save(update_fields=["review"])
    return Dispute.objects.create(
        group=group, reason=reason.strip()[:200], evidence=evidence.strip(), raised_by=raised_by, raised_at=now
    )


@transaction.atomic
def resolve_dispute(
    *,
    dispute: Dispute,
    is_upheld: bool,
    resolution: str,
    resolved_by: User,
    now: datetime,
    excluded_cars: Sequence[str] = (),
) -> Dispute:
    """Propose a verdict, or as the second of two people of one mind make it hold; return the dispute.

    The first call proposes and leaves it open. A second person's call with the same verdict resolves it: upheld, the
    group is worked out anew without `excluded_cars` (participations' public ids); rejected, the result stands. Another
    verdict takes the first one's place. Raises UnableToReview for a dispute that is resolved, an empty resolution, and
    for anybody of the utility.
    """
    dispute = Dispute.objects.select_for_update(of=("self",)).select_related("group__event").get(pk=dispute.pk)
    verdict = Dispute.State.UPHELD if is_upheld else Dispute.State.REJECTED
    _check_verdict(dispute, resolution, resolved_by)
    cars = _car_numbers(excluded_cars) if is_upheld else []
    is_same = (dispute.proposed_state, dispute.excluded_cars) == (verdict, cars)
    if dispute.proposed_by_id in {None, resolved_by.pk} or not is_same:
        dispute.proposed_state, dispute.proposed_by, dispute.proposed_at = verdict, resolved_by, now
        dispute.excluded_cars, dispute.resolution = cars, resolution.strip()
        dispute.save(update_fields=["proposed_state", "proposed_by", "proposed_at", "excluded_cars", "resolution"])
        return dispute
    dispute.state, dispute.resolution = verdict, resolution.strip()
    dispute.resolved_by, dispute.resolved_at = resolved_by, now
    dispute.save(update_fields=["state", "resolution", "resolved_by", "resolved_at"])
    _carry_out(dispute, now)
    _tell_of_verdict(dispute, now)
    return dispute


def close_reviews(*, now: datetime, limit: int) -> int:
    """Let results stand whose time to object has passed, up to `limit`, and return how many did.

    The utility's people are told of new results on the way, each once.
    """
    for group in _untold(now, limit):
        try:
            _tell_of_result(group, now)
        except Exception:
            logger.exception("nobody was told of result %s", group.public_id)
    due = GroupSettlement.objects.filter(review=Review.OPEN, objection_ends_at__lte=now)
    keys = list(due.order_by("objection_ends_at", "pk").values_list("pk", flat=True)[:limit])
    still_open = GroupSettlement.objects.filter(pk__in=keys, review=Review.OPEN)
    return still_open.update(review=Review.LAPSED, reviewed_at=now)


def _locked(group: GroupSettlement) -> GroupSettlement:
    rows = GroupSettlement.objects.select_for_update(of=("self",)).select_related("event__terms__program__utility")
    return rows.get(pk=group.pk)


def _check_reviewer(group: GroupSettlement, person: User) -> None:
    member = member_of(person)
    if member is None or member.utility_id != group.event.terms.program.utility_id or not member.can_review:
        raise UnableToReview(
            gettext("Only the utility's own reviewers may approve its results or object to them."),
            code="not_a_reviewer",
        )


def _check_open(group: GroupSettlement) -> None:
    if group.review != Review.OPEN:
        raise UnableToReview(
            gettext("This result is not open any more: %(state)s.") % {"state": group.get_review_display()},
            code="result_not_open",
        )


def _check_verdict(dispute: Dispute, resolution: str, person: User) -> None:
    if dispute.state != Dispute.State.OPEN:
        raise UnableToReview(gettext("This objection has been resolved already."), code="dispute_resolved")
    if not resolution.strip():
        raise UnableToReview(
            gettext("Say what was found, so that both sides can read it."), code="resolution_needed", field="resolution"
        )
    if person.pk == dispute.raised_by_id or member_of(person) is not None:
        raise UnableToReview(gettext("An objection is judged by people of the platform."), code="own_dispute")


def _car_numbers(numbers: Sequence[str]) -> list[str]:
    try:
        return sorted({str(UUID(str(number))) for number in numbers})
    except ValueError:
        raise UnableToReview(
            gettext("Name cars by their whole numbers in the event, as its file has them."), code="unknown_car"
        ) from None


def _carry_out(dispute: Dispute, now: datetime) -> None:
    group = dispute.group
    if dispute.state == Dispute.State.REJECTED:
        # A result that was replaced meanwhile stays replaced.
        disputed = GroupSettlement.objects.filter(pk=group.pk, review=Review.DISPUTED)
        disputed.update(review=Review.LAPSED, reviewed_at=now)
        return
    from grid.flows.settlement.groups import correct_group  # noqa: PLC0415 - settling groups looks at reviews, too

    correct_group(
        event=group.event,
        reason=f"dispute:{dispute.public_id}",
        now=now,
        settled_by=dispute.resolved_by,
        excluded_cars=dispute.excluded_cars,
    )


def _untold(now: datetime, limit: int) -> list[GroupSettlement]:
    """Return new results of utilities that have people, as far as nobody was told of them."""
    has_people = UtilityMember.objects.filter(
        utility=OuterRef("event__terms__program__utility"), ended_at__isnull=True, user__is_active=True
    )
    rows = GroupSettlement.objects.filter(Exists(has_people), created_at__gt=now - TOLD_FOR, created_at__lte=now)
    fresh = list(
        rows.select_related("event__terms__program__utility").defer("evidence").order_by("-created_at")[:limit]
    )
    told = set(Notice.objects.filter(key__in=[_key(group) for group in fresh]).values_list("key", flat=True))
    return [group for group in fresh if _key(group) not in told]


def _key(group: GroupSettlement) -> str:
    return f"group:{group.public_id}"


def _tell_of_result(group: GroupSettlement, now: datetime) -> None:
    program = group.event.terms.program
    notify_all(
        user_ids=people_of(program.utility),
        kind="utility_result",
        key=_key(group),
        params={
            "program": program.name,
            "starts_at": group.event.starts_at.isoformat(),
            "objection_ends_at": group.objection_ends_at.isoformat(),
            "amount_minor": group.amount_minor,
            "currency": group.currency,
        },
        now=now,
    )


def _tell_of_verdict(dispute: Dispute, now: datetime) -> None:
    event = dispute.group.event
    params = {
        "program": event.terms.program.name,
        "starts_at": event.starts_at.isoformat(),
        "why": dispute.state,
        "resolution": dispute.resolution,
    }
    for user in User.objects.filter(pk__in=people_of(event.terms.program.utility)):
        notify(user=user, kind="utility_dispute", key=f"dispute:{dispute.public_id}", params=params, now=now)
