"""Four eyes: a payout that is large or unlike the owner's others waits until two people have approved it."""

from datetime import datetime
from statistics import median

from django.conf import settings
from django.db import IntegrityError, transaction
from django.db.models import Q

from accounts.flows.notices import notify
from accounts.models import User
from foundation.money import major_units
from rewards import ledger
from rewards.models import Payout, PayoutAccount, PayoutApproval
from rewards.refusals import UnableToApprove

APPROVALS_NEEDED = 2
PATTERN_OF = 12  # the owner's latest payouts, whose median is the pattern
PATTERN_NEEDS = 3  # fewer are none


def why_approval_is_needed(*, account: PayoutAccount, amount_minor: int) -> str:
    """Return why two people must look at a payout of this amount, in a sentence for owner and admin; "" if nobody."""
    limit_minor = settings.PAYOUT_APPROVAL_MINOR
    if amount_minor > limit_minor:
        return f"It is larger than {_money(limit_minor, account.currency)}."
    past = Payout.objects.filter(~Q(state=Payout.State.CANCELLED), account=account).order_by("-pk")
    amounts = list(past.values_list("amount_minor", flat=True)[:PATTERN_OF])
    if len(amounts) < PATTERN_NEEDS or amount_minor <= settings.PAYOUT_UNUSUAL_FLOOR_MINOR:
        return ""
    usual_minor = round(median(amounts))
    if amount_minor <= settings.PAYOUT_UNUSUAL_FACTOR * usual_minor:
        return ""
    return f"It is much larger than the usual {_money(usual_minor, account.currency)}."


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


def _money(amount_minor: int, currency: str) -> str:
    return f"{major_units(amount_minor=amount_minor, currency=currency):,.2f} {currency}"
