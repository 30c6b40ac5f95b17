"""Carrying payouts out, each exactly once, whatever dies in between.

A payout is claimed and its key committed before the processor is called; no transaction is open during the call; what
came of it is recorded in one transaction with the ledger. A call without a definite answer makes the payout unknown,
and an unknown payout is looked up: found, it is adopted; not found, it is repeated under the same key while the
processor still remembers keys, and under a new one only after two witnesses know nothing of it.

A sweep has several threads (`PAYOUT_SENDERS`), because most of its time is spent waiting for the processor. Each payout
is claimed by one of them, just before its call, so a rule that holds for two workers holds for two threads.
"""

import logging
import threading
from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta

from django.conf import settings
from django.db import transaction
from django.db.models import F
from django.utils.translation import gettext

from accounts.flows.notices import notify
from foundation import clock
from foundation.rounds import work_through
from rewards import gateway, ledger
from rewards.flows.pauses import payouts_are_paused
from rewards.models import Payout, PayoutAccount
from rewards.processors.base import (
    Declined,
    InsufficientFunds,
    KeyReused,
    PayoutProcessor,
    ProcessorError,
    SentTransfer,
    TransferOrder,
)
from rewards.refusals import UnableToPayOut

logger = logging.getLogger(__name__)

LEASE = timedelta(seconds=90)  # longer than a task may live
KEY_LIFE = timedelta(hours=23)  # the processor forgets keys after 24 hours; repeating later would pay again
EMPTY_LOOKUPS_NEEDED = 2
LOOK_UP_AGAIN = timedelta(seconds=30)
CONFIRM_AGAIN = timedelta(minutes=10)
FUNDS_AGAIN = timedelta(minutes=10)
FOLLOW_FIRST = timedelta(minutes=1)

_ADOPTING_STATES = (Payout.State.REQUESTED, Payout.State.SENDING, Payout.State.UNKNOWN)


def send_due_payouts(*, now: datetime, limit: int) -> int:
    """Send payouts that were requested; returns how many were carried out, none while payouts are paused."""
    if payouts_are_paused():
        return 0
    due = Payout.objects.to_send(at=clock.wall()).order_by("pk")[:limit]
    return _sweep(due, now=now, is_lookup=False)


def resolve_unknown_payouts(*, now: datetime, limit: int) -> int:
    """Find out what became of payouts without a definite answer; returns how many turned out carried out."""
    due = Payout.objects.to_resolve(at=clock.wall()).order_by("retry_at", "pk")[:limit]
    return _sweep(due, now=now, is_lookup=True)


def adopt_transfer(*, payout: Payout, sent: SentTransfer, now: datetime) -> bool:
    """Record that the processor carried the payout out, together with its ledger posting; once, whoever finds out.

    Returns whether this call recorded it. A transfer that is not exactly the payout's order freezes it.
    """
    with transaction.atomic(durable=True):
        locked = Payout.objects.select_for_update().select_related("reservation", "account__owner").get(pk=payout.pk)
        if locked.state not in _ADOPTING_STATES:
            if locked.external_id != sent.external_id:
                _flag(locked, f"a second transfer {sent.external_id}")
            return False
        if locked.is_waiting_for_approval:
            _freeze(locked, f"transfer {sent.external_id} was sent before anybody approved it")
            return False
        if not sent.carries_out(order_of(locked)):
            _freeze(locked, f"transfer {sent.external_id} differs from the order")
            return False
        ledger.post_pending(of=locked.reservation, key=f"payout:{locked.public_id}:post", now=now)
        locked.state = Payout.State.SENT
        locked.external_id, locked.payment_id = sent.external_id, sent.payment_id
        locked.sent_at, locked.failure, locked.lease_until = now, "", None
        locked.retry_at = clock.wall() + FOLLOW_FIRST
        locked.save()
        notify(
            user=locked.account.owner,
            kind="payout_sent",
            key=f"payout_sent:{locked.public_id}",
            params={"amount_minor": locked.amount_minor, "currency": locked.currency},
            now=now,
        )
    return True


def look_up_frozen_payout(*, payout: Payout) -> None:
    """Hand a frozen payout back to the look-up, after a person has compared it with the processor's books.

    Raises UnableToPayOut where it is not frozen.
    """
    thawed = Payout.objects.filter(pk=payout.pk, state=Payout.State.FROZEN).update(
        state=Payout.State.UNKNOWN, retry_at=clock.wall()
    )
    if not thawed:
        raise UnableToPayOut(gettext("Only a frozen payout can be looked up again."), code="not_frozen")


def order_of(payout: Payout) -> TransferOrder:
    """Return what the processor is asked to do: every try of a payout asks for exactly this."""
    return TransferOrder(payout.amount_minor, payout.currency, payout.destination, str(payout.public_id))


class _Desk(threading.local):
    """Each thread's own processor: an HTTP session is not for two threads at once."""

    def __init__(self) -> None:
        self.processor = gateway.open_processor()


def _sweep(due: Iterable[Payout], *, now: datetime, is_lookup: bool) -> int:
    payouts = list(due)
    if not payouts:
        return 0
    desk = _Desk()  # refuses here, once, where nobody may be paid

    def carry_out(payout: Payout) -> bool:
        at = clock.wall()
        if not is_lookup and payouts_are_paused():
            return False  # paused since the sweep began
        if not payout.claim(at=at, until=at + LEASE):
            return False
        step = _look_up if is_lookup else _send
        return step(payout, desk.processor, now=now)

    return work_through(payouts, carry_out, workers=settings.PAYOUT_SENDERS)


def _send(payout: Payout, processor: PayoutProcessor, *, now: datetime) -> bool:
    try:
        sent = processor.send_transfer(key=payout.idempotency_key, order=order_of(payout))
    except KeyReused as error:
        _freeze(payout, str(error))
        return False
    except Declined as error:
        return _refused(payout, processor, error, now=now)
    except ProcessorError as error:
        _set_unknown(payout, str(error), again=LOOK_UP_AGAIN)
        return False
    return adopt_transfer(payout=payout, sent=sent, now=now)


def _refused(payout: Payout, processor: PayoutProcessor, refused: Declined, *, now: datetime) -> bool:
    # An earlier try under this key may have been carried out, so even a definite refusal is believed only after a look.
    try:
        found = processor.find_transfers(group=str(payout.public_id))
    except ProcessorError as error:
        _set_unknown(payout, str(error), again=LOOK_UP_AGAIN)
        return False
    if found:
        return _adopt_found(payout, found, now=now)
    if isinstance(refused, InsufficientFunds):
        # The refused key would replay its refusal for a day, even after the balance was topped up.
        _start_over(payout, str(refused), again=FUNDS_AGAIN)
    else:
        _give_back(payout, str(refused), now=now)
    return False


def _look_up(payout: Payout, processor: PayoutProcessor, *, now: datetime) -> bool:
    try:
        found = processor.find_transfers(group=str(payout.public_id))
        if found:
            return _adopt_found(payout, found, now=now)
        if _key_is_young(payout):
            if payouts_are_paused():
                _set_unknown(payout, "not found; repeated once payouts go on", again=CONFIRM_AGAIN)
                return False
            return _send(payout, processor, now=now)
        return _confirm_nothing(payout, processor, now=now)
    except ProcessorError as error:
        _set_unknown(payout, str(error), again=LOOK_UP_AGAIN)
        return False


def _key_is_young(payout: Payout) -> bool:
    return payout.first_sent_at is not None and clock.wall() - payout.first_sent_at < KEY_LIFE


def _confirm_nothing(payout: Payout, processor: PayoutProcessor, *, now: datetime) -> bool:
    since = min(payout.first_sent_at or payout.requested_at, payout.requested_at) - timedelta(days=1)
    found = processor.find_transfers_in_books(group=str(payout.public_id), since=since)
    if found:
        return _adopt_found(payout, found, now=now)
    if payout.empty_lookups + 1 >= EMPTY_LOOKUPS_NEEDED:
        _start_over(payout, "never carried out", again=timedelta(0))
        return False
    Payout.objects.filter(pk=payout.pk).update(empty_lookups=F("empty_lookups") + 1)
    _set_unknown(payout, "not found; being confirmed", again=CONFIRM_AGAIN)
    return False


def _adopt_found(payout: Payout, found: Sequence[SentTransfer], *, now: datetime) -> bool:
    if len(found) > 1:
        _freeze(payout, f"{len(found)} transfers found where there may be one")
        return False
    return adopt_transfer(payout=payout, sent=found[0], now=now)


def _set_unknown(payout: Payout, failure: str, *, again: timedelta) -> None:
    logger.warning("payout %s: unknown: %s", payout.public_id, failure)
    _update_held(
        payout, state=Payout.State.UNKNOWN, failure=failure[:120], lease_until=None, retry_at=clock.wall() + again
    )


def _start_over(payout: Payout, failure: str, *, again: timedelta) -> None:
    _update_held(
        payout,
        state=Payout.State.REQUESTED,
        attempt=F("attempt") + 1,
        first_sent_at=None,
        empty_lookups=0,
        failure=failure[:120],
        lease_until=None,
        retry_at=clock.wall() + again,
    )


def _give_back(payout: Payout, failure: str, *, now: datetime) -> None:
    logger.warning("payout %s: given back: %s", payout.public_id, failure)
    with transaction.atomic(durable=True):
        if _update_held(payout, state=Payout.State.CANCELLED, failure=failure[:120], lease_until=None, retry_at=None):
            ledger.void(of=payout.reservation, key=f"payout:{payout.public_id}:void", now=now)
            notify(
                user=payout.account.owner,
                kind="payout_cancelled",
                key=f"payout_cancelled:{payout.public_id}",
                params={"amount_minor": payout.amount_minor, "currency": payout.currency},
                now=now,
            )
            # Often it is the account that has changed: ask before the next payday.
            PayoutAccount.objects.filter(pk=payout.account_id).update(refresh_at=clock.wall())


def _freeze(payout: Payout, failure: str) -> None:
    logger.error("payout %s: frozen: %s", payout.public_id, failure)
    Payout.objects.filter(pk=payout.pk, state__in=_ADOPTING_STATES).update(
        state=Payout.State.FROZEN, failure=failure[:120], lease_until=None, retry_at=None
    )


def _flag(payout: Payout, failure: str) -> None:
    logger.error("payout %s (%s): %s", payout.public_id, payout.state, failure)
    Payout.objects.filter(pk=payout.pk).update(failure=failure[:120])


def _update_held(payout: Payout, **changes: object) -> bool:
    # The lease is the fence: whoever lost it to another sweep, or to a pushed message, changes nothing any more.
    return bool(
        Payout.objects.filter(pk=payout.pk, state=Payout.State.SENDING, lease_until=payout.lease_until).update(
            **changes
        )
    )
