"""Asking for payouts: at once because the owner says so, or on schedule (`paydays.py`). Sending is `sending.py`'s."""

from datetime import datetime

from django.db import IntegrityError, transaction
from django.utils.translation import gettext

from accounts.models import User
from rewards import ledger
from rewards.flows.pauses import refuse_while_paused
from rewards.flows.paydays import request_due_payouts
from rewards.flows.requesting import Wanted, request_payouts
from rewards.flows.sending import resolve_unknown_payouts, send_due_payouts
from rewards.models import Payout, PayoutAccount
from rewards.refusals import UnableToPayOut

__all__ = ["UnableToPayOut", "pay_now", "request_due_payouts", "resolve_unknown_payouts", "send_due_payouts"]


def pay_now(*, owner: User, currency: str, now: datetime) -> Payout:
    """Request a payout of everything available, whatever threshold and schedule; returns it.

    Raises UnableToPayOut: payouts paused, no account, account not ready, a payout under way, nothing available.
    """
    refuse_while_paused()
    account = PayoutAccount.objects.filter(owner=owner, currency=currency).first()
    if account is None or account.state == PayoutAccount.State.NEW:
        raise UnableToPayOut(
            gettext("Set up payouts first, so that we know where to send your money."), code="not_set_up"
        )
    if account.state != PayoutAccount.State.ACTIVE:
        raise UnableToPayOut(
            gettext("The payment processor still needs something from you. Please continue the set-up."),
            code="not_ready",
        )
    if account.is_paused:
        raise UnableToPayOut(gettext("Your payouts are paused. Resume them first."), code="paused")
    available_minor = ledger.owner_balance(owner, currency).available_minor
    if available_minor < 1:
        raise UnableToPayOut(gettext("There is nothing to pay out yet."), code="nothing_available")
    return _request(account, available_minor, now=now)


def _request(account: PayoutAccount, amount_minor: int, *, now: datetime) -> Payout:
    try:
        with transaction.atomic():
            return request_payouts([Wanted(account, amount_minor)], now=now)[0]
    except ledger.Overdrawn as error:
        raise UnableToPayOut(
            gettext("Your balance has just changed. Please try again."), code="balance_changed"
        ) from error
    except IntegrityError as error:
        raise UnableToPayOut(gettext("A payout is already under way."), code="already_under_way") from error
