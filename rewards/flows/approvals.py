"""Four eyes: a payout that is large or unlike the owner's others waits until two people have approved it."""

from collections import defaultdict
from collections.abc import Collection, Sequence
from datetime import datetime
from statistics import median

from django.conf import settings
from django.db import IntegrityError, transaction
from django.db.models import Q, Window
from django.db.models.functions import RowNumber

from accounts.flows.notices import notify
from accounts.models import User
from rewards import ledger
from rewards.models import Payout, PayoutAccount, PayoutApproval
from rewards.refusals import UnableToApprove

APPROVALS_NEEDED = 2
PATTERN_OF = 12  # the owner's latest payouts, whose median is the pattern
PATTERN_NEEDS = 3  # fewer are none


def why_approvals_are_needed(wanted: Sequence[tuple[PayoutAccount, int]]) -> list[str]:
    """Return why two people must look at each payout of this amount, as `wording.approval_text` reads it, or ""."""
    past = _past_amounts({account.pk for account, _ in wanted})
    return [_why(amount_minor, past[account.pk]) for account, amount_minor in wanted]


def _past_amounts(accounts: Collection[int]) -> defaultdict[int, list[int]]:
    """Return the latest amounts that were paid to each account, newest first."""
    newest_first = Window(RowNumber(), partition_by="account", order_by="-pk")
    paid = Payout.objects.filter(~Q(state=Payout.State.CANCELLED), account__in=accounts)
    latest = paid.annotate(place=newest_first).filter(place__lte=PATTERN_OF).order_by("account", "place")
    amounts = defaultdict[int, list[int]](list)
    for account, amount_minor in latest.values_list("account", "amount_minor"):
        amounts[account].append(amount_minor)
    return amounts


def _why(amount_minor: int, past: Sequence[int]) -> str:
    limit_minor = settings.PAYOUT_APPROVAL_MINOR
    if amount_minor > limit_minor:
        return f"larger_than:{limit_minor}"
    if len(past) < PATTERN_NEEDS or amount_minor <= settings.PAYOUT_UNUSUAL_FLOOR_MINOR:
        return ""
    usual_minor = round(median(past))
    if amount_minor <= settings.PAYOUT_UNUSUAL_FACTOR * usual_minor:
        return ""
    return f"unusual:{usual_minor}"


def approve_payout(*, payout: Payout, by: User, now: datetime) -> Payout:
    """Record one person's yes; with the second the payout may leave. Returns the payout.

    Raises UnableToApprove: not waiting, may not approve, approved by the same person before, one's own payout.
    """
    _refuse_person(payout, by)
    with transaction.atomic():
        locked = _waiting(payout)
        given = locked.approvals.count()
        try:
            with transaction.atomic():
                PayoutApproval.objects.create(payout=locked, position=given + 1, approved_by=by, approved_at=now)
        except IntegrityError as error:
            raise UnableToApprove("You have approved it already. Another person must.", code="same_person") from error
        if given + 1 >= APPROVALS_NEEDED:
            locked.approved_at = now
            locked.save(update_fields=["approved_at"])
    return locked


def decline_payout(*, payout: Payout, by: User, reason: str, now: datetime) -> Payout:
    """Give a waiting payout back to the owner's balance, on one person's word; returns it. Raises UnableToApprove."""
    _refuse_person(payout, by)
    with transaction.atomic():
        locked = _waiting(payout)
        locked.state, locked.failure = Payout.State.CANCELLED, (reason.strip() or "not approved")[:120]
        locked.save(update_fields=["state", "failure"])
        ledger.void(of=locked.reservation, key=f"payout:{locked.public_id}:void", now=now)
        notify(
            user=locked.account.owner,
            kind="payout_cancelled",
            key=f"payout_cancelled:{locked.public_id}",
            params={"amount_minor": locked.amount_minor, "currency": locked.currency},
            now=now,
        )
    return locked


def _waiting(payout: Payout) -> Payout:
    rows = Payout.objects.select_for_update(of=("self",)).select_related("reservation", "account__owner")
    locked = rows.get(pk=payout.pk)
    if not locked.is_waiting_for_approval:
        raise UnableToApprove("This payout does not wait for approval.", code="not_waiting")
    return locked


def _refuse_person(payout: Payout, by: User) -> None:
    if not by.has_perm("rewards.change_payout"):
        raise UnableToApprove("You may not approve payouts.", code="not_allowed")
    if payout.account.owner_id == by.pk:
        raise UnableToApprove("Nobody approves a payout to themselves.", code="own_payout")
