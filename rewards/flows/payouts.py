"""Asking for payouts: on schedule, or at once because the owner says so. Sending them is `sending.py`'s."""

import logging
import uuid
from datetime import datetime

from django.conf import settings
from django.db import IntegrityError, transaction

from accounts.models import User
from rewards import ledger
from rewards.flows.approvals import why_approval_is_needed
from rewards.flows.pauses import payouts_are_paused, refuse_while_paused
from rewards.flows.sending import resolve_unknown_payouts, send_due_payouts
from rewards.models import LedgerAccount, Payout, PayoutAccount
from rewards.refusals import UnableToPayOut

__all__ = ["UnableToPayOut", "pay_now", "request_due_payouts", "resolve_unknown_payouts", "send_due_payouts"]

logger = logging.getLogger(__name__)


def request_due_payouts(*, now: datetime, limit: int) -> int:
    """Request a payout for each account whose simulated payday has come; returns how many were requested.

    Only accounts that are ready and not paused, with at least the owner's threshold available. The next payday is set
    in the same transaction, so that a sweep run twice pays once. While payouts are paused nothing is requested.
    """
    if payouts_are_paused():
        return 0
    due = PayoutAccount.objects.filter(state=PayoutAccount.State.ACTIVE, is_paused=False, next_payout_at__lte=now)
    requested = 0
    for account in due.select_related("owner").order_by("next_payout_at", "pk")[:limit]:
        try:
            requested += _request_scheduled(account, now=now)
        except Exception:
            logger.exception("payout account %s: nothing requested", account.public_id)
    return requested


def pay_now(*, owner: User, currency: str, now: datetime) -> Payout:
    """Request a payout of everything available, whatever threshold and schedule; returns it.

    Raises UnableToPayOut: payouts paused, no account, account not ready, a payout under way, nothing available.
    """
    refuse_while_paused()
    account = PayoutAccount.objects.filter(owner=owner, currency=currency).first()
    if account is None or account.state == PayoutAccount.State.NEW:
        raise UnableToPayOut("Set up payouts first, so that we know where to send your money.", code="not_set_up")
    if account.state != PayoutAccount.State.ACTIVE:
        raise UnableToPayOut(
            "The payment processor still needs something from you. Please continue the set-up.", code="not_ready"
        )
    if account.is_paused:
        raise UnableToPayOut("Your payouts are paused. Resume them first.", code="paused")
    available_minor = ledger.owner_balance(owner, currency).available_minor
    if available_minor < 1:
        raise UnableToPayOut("There is nothing to pay out yet.", code="nothing_available")
    with transaction.atomic():
        return _request(account, available_minor, now=now)


def _request_scheduled(account: PayoutAccount, *, now: datetime) -> bool:
    with transaction.atomic():
        taken = PayoutAccount.objects.filter(
            pk=account.pk,
            state=PayoutAccount.State.ACTIVE,
            is_paused=False,
            next_payout_at=account.next_payout_at,
        ).update(next_payout_at=_next_payday(account, now=now))
        available_minor = ledger.owner_balance(account.owner, account.currency).available_minor
        if not taken or available_minor < account.threshold_minor:
            return False
        try:
            _request(account, available_minor, now=now)
        except UnableToPayOut as refusal:
            logger.info("payout account %s: %s", account.public_id, refusal.reason_code)
            return False
    return True


def _next_payday(account: PayoutAccount, *, now: datetime) -> datetime:
    # Paydays keep their hour: after an outage the next one is the first on the schedule that lies ahead.
    interval, last = settings.PAYOUT_INTERVAL, account.next_payout_at or now
    return last + interval * ((now - last) // interval + 1)


def _request(account: PayoutAccount, amount_minor: int, *, now: datetime) -> Payout:
    """Reserve the money and write the payout, both or neither."""
    public_id = uuid.uuid4()
    try:
        with transaction.atomic():
            reservation = ledger.reserve(
                key=f"payout:{public_id}",
                debit=ledger.owner_account(account.owner, account.currency),
                credit=ledger.account(LedgerAccount.Kind.PAID_OUT, account.processor, account.currency),
                amount_minor=amount_minor,
                label="Payout to your bank",
                now=now,
            )
            return Payout.objects.create(
                public_id=public_id,
                account=account,
                amount_minor=amount_minor,
                currency=account.currency,
                destination=account.external_id,
                reservation=reservation,
                approval_reason=why_approval_is_needed(account=account, amount_minor=amount_minor),
                requested_at=now,
            )
    except ledger.Overdrawn as error:
        raise UnableToPayOut("Your balance has just changed. Please try again.", code="balance_changed") from error
    except IntegrityError as error:
        raise UnableToPayOut("A payout is already under way.", code="already_under_way") from error
