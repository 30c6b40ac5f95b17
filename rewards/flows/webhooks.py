"""What the processor pushes: verified, kept once, and applied later by asking the processor itself.

The body of a message decides nothing but where to look, so forged, doubled, late and shuffled messages all end in the
state that the processor has now.
"""

import logging
from datetime import datetime, timedelta
from uuid import UUID

from foundation import clock
from rewards import gateway
from rewards.flows.banking import follow_bank_payout
from rewards.flows.budget import in_time
from rewards.flows.onboarding import refresh_account
from rewards.flows.sending import adopt_transfer
from rewards.models import Payout, PayoutAccount, WebhookEvent
from rewards.processors.base import BadSignature, NotFound, PayoutProcessor
from rewards.refusals import UnableToReceive

logger = logging.getLogger(__name__)

MOST_ATTEMPTS = 12
LEASE = timedelta(seconds=90)


def receive_webhook(*, raw_body: bytes, signature: str, now: datetime) -> WebhookEvent:
    """Keep one pushed message, byte by byte, once by its id; returns the row (the first one for a repeat).

    Raises UnableToReceive where no configured secret signed these bytes in the last five minutes; nothing is kept then.
    """
    if not gateway.is_configured() or not gateway.has_webhook_secret():
        raise UnableToReceive("This installation expects no messages.", code="not_configured")
    processor = gateway.open_processor()
    try:
        event = processor.read_event(raw_body=raw_body, signature=signature)
    except BadSignature as error:
        raise UnableToReceive("The message is not signed as it must be.", code="bad_signature") from error
    row = WebhookEvent(
        processor=processor.slug,
        external_id=event.external_id,
        kind=event.kind,
        account_external_id=event.account_id,
        object_external_id=event.object_id,
        body=raw_body.decode(),
        received_at=now,
    )
    WebhookEvent.objects.bulk_create([row], ignore_conflicts=True)
    return WebhookEvent.objects.get(processor=processor.slug, external_id=event.external_id)


def apply_due_webhooks(*, now: datetime, limit: int) -> int:
    """Apply kept messages that wait; returns how many were applied. Failures are tried again, ever later."""
    at = clock.wall()
    waiting = list(WebhookEvent.objects.to_apply(at=at, most_attempts=MOST_ATTEMPTS)[:limit])
    if not waiting:
        return 0
    processor, applied = gateway.open_processor(), 0
    for event in in_time(waiting):
        mine = WebhookEvent.objects.filter(pk=event.pk, applied_at__isnull=True, attempts=event.attempts)
        if not mine.update(attempts=event.attempts + 1, due_at=at + LEASE):
            continue
        try:
            _apply(event, processor, now=now)
        except Exception as error:  # whatever it is must not hold up the messages behind it
            logger.exception("webhook %s (%s): not applied", event.external_id, event.kind)
            again = clock.wall() + timedelta(seconds=2 ** (event.attempts + 2))
            WebhookEvent.objects.filter(pk=event.pk).update(
                due_at=again, failure=f"{type(error).__name__}: {error}"[:160]
            )
            continue
        WebhookEvent.objects.filter(pk=event.pk).update(applied_at=now, failure="")
        applied += 1
    return applied


def _apply(event: WebhookEvent, processor: PayoutProcessor, *, now: datetime) -> None:
    try:
        if event.kind.startswith("payout."):
            _apply_bank_payout(event, processor, now=now)
        elif event.kind.startswith("transfer."):
            _apply_transfer(event, processor, now=now)
        elif event.kind == "account.updated" or event.kind.startswith("v2.core.account"):
            _apply_account(event, now=now)
    except NotFound:
        logger.warning("webhook %s (%s): its object is gone", event.external_id, event.kind)


def _apply_bank_payout(event: WebhookEvent, processor: PayoutProcessor, *, now: datetime) -> None:
    if not Payout.objects.filter(destination=event.account_external_id).exists():
        return  # the platform's own bank payments, or an account that is not ours
    bank = processor.read_bank_payout(account_id=event.account_external_id, external_id=event.object_external_id)
    follow_bank_payout(processor, bank=bank, now=now)


def _apply_transfer(event: WebhookEvent, processor: PayoutProcessor, *, now: datetime) -> None:
    sent = processor.read_transfer(external_id=event.object_external_id)
    payout = Payout.objects.filter(public_id=sent.group).first() if _is_uuid(sent.group) else None
    if payout is not None:
        adopt_transfer(payout=payout, sent=sent, now=now)


def _apply_account(event: WebhookEvent, *, now: datetime) -> None:
    account = PayoutAccount.objects.filter(
        external_id__in=[event.object_external_id, event.account_external_id]
    ).exclude(external_id="")
    for mine in account:
        refresh_account(account=mine, now=now)


def _is_uuid(text: str) -> bool:
    try:
        return str(UUID(text)) == text
    except ValueError:
        return False
