"""Following payouts to the bank: by what the processor pushes, and by looking, so that no lost message matters.

A bank payment may be paid and still fail days later. Then the money waits in the owner's balance at the processor,
which pays it again once the owner has mended the bank details: the platform never sends it a second time.
"""

import logging
from collections.abc import Sequence
from datetime import datetime, timedelta

from django.db import transaction
from django.db.models import Q

from accounts.flows.notices import notify
from foundation import clock
from rewards import gateway
from rewards.flows.budget import in_time
from rewards.models import Payout
from rewards.processors.base import BankPayout, BankState, PayoutProcessor, ProcessorError

logger = logging.getLogger(__name__)

# Wall time: look often while the payout is young, ever less later, and no more when no bank can refuse it.
LOOK_SOONEST = timedelta(minutes=1)
LOOK_LATEST = timedelta(hours=6)
FOLLOWED_FOR = timedelta(days=14)


def follow_bank_payouts(*, now: datetime, limit: int) -> int:
    """Look at the bank payments of accounts whose payouts are due for a look; returns how many payouts changed."""
    at = clock.wall()
    due = list(Payout.objects.to_follow(at=at).order_by("retry_at", "pk")[:limit])
    if not due:
        return 0
    processor = gateway.open_processor()
    changed = 0
    for destination in in_time(dict.fromkeys(payout.destination for payout in due)):
        mine = [payout for payout in due if payout.destination == destination]
        for payout in mine:
            _look_again_later(payout, at=at)
        try:
            changed += follow_account(processor, account_id=destination, now=now)
        except ProcessorError as error:
            logger.warning("payouts of one account: not followed: %s", error)
        except Exception:
            logger.exception("payouts of one account: not followed")
    return changed


def follow_account(processor: PayoutProcessor, *, account_id: str, now: datetime) -> int:
    """Apply the latest bank payments of one account, oldest first; returns how many payouts changed."""
    changed = 0
    for bank in reversed(processor.list_bank_payouts(account_id=account_id)):
        if bank.state != BankState.UNDERWAY and not _is_applied(bank):
            changed += follow_bank_payout(processor, bank=bank, now=now)
    return changed


def follow_bank_payout(processor: PayoutProcessor, *, bank: BankPayout, now: datetime) -> int:
    """Apply one bank payment, as read just now, to the payouts it is made of; returns how many changed."""
    if bank.state == BankState.UNDERWAY:
        return 0
    sources = processor.list_bank_payout_sources(account_id=bank.account_id, external_id=bank.external_id)
    carried = Q(payment_id__in=sources) | Q(bank_payout_id__in=[*sources, bank.external_id])
    payouts = Payout.objects.filter(carried, destination=bank.account_id)
    return sum(_apply(payout, bank, sources, now=now) for payout in payouts.order_by("pk"))


def _apply(payout: Payout, bank: BankPayout, sources: Sequence[str], *, now: datetime) -> bool:
    with transaction.atomic(durable=True):
        locked = Payout.objects.select_for_update().select_related("account__owner").get(pk=payout.pk)
        if not _may_become(locked, bank, sources):
            return False
        locked.bank_payout_id = bank.external_id
        if bank.state == BankState.PAID:
            locked.state, locked.paid_at, locked.failure = Payout.State.PAID, now, ""
        else:
            locked.state, locked.paid_at, locked.failure = Payout.State.BANK_FAILED, None, bank.failure[:120]
            notify(
                user=locked.account.owner,
                kind="payout_failed",
                key=f"payout_failed:{locked.public_id}:{bank.external_id}"[:120],
                params={"amount_minor": locked.amount_minor, "currency": locked.currency},
                now=now,
            )
        locked.save(update_fields=["state", "bank_payout_id", "paid_at", "failure"])
    return True


def _may_become(payout: Payout, bank: BankPayout, sources: Sequence[str]) -> bool:
    """Return whether this news is newer than what the payout knows: messages come late, doubled and in any order."""
    if payout.state not in Payout.FOLLOWED_STATES:
        return False
    if payout.bank_payout_id in {"", bank.external_id}:
        # The same bank payment goes from paid to failed, never back.
        wanted = Payout.State.PAID if bank.state == BankState.PAID else Payout.State.BANK_FAILED
        return payout.state != wanted and (payout.state != Payout.State.BANK_FAILED or payout.bank_payout_id == "")
    return payout.bank_payout_id in sources


def _is_applied(bank: BankPayout) -> bool:
    state = Payout.State.PAID if bank.state == BankState.PAID else Payout.State.BANK_FAILED
    return Payout.objects.filter(bank_payout_id=bank.external_id, state=state).exists()


def _look_again_later(payout: Payout, *, at: datetime) -> None:
    age = at - (payout.first_sent_at or at)
    again = at + min(max(age / 4, LOOK_SOONEST), LOOK_LATEST)
    Payout.objects.filter(pk=payout.pk).update(retry_at=None if age > FOLLOWED_FOR else again)
