"""An owner's account at the payment processor: opening it, asking how it stands, and how its owner wants to be paid."""

import hashlib
import logging
from datetime import datetime, timedelta

from django.conf import settings
from django.db import IntegrityError
from django.db.models import Q
from django.utils.translation import gettext

from accounts.models import User
from foundation import clock, formats
from rewards import gateway
from rewards.flows.budget import in_time
from rewards.models import PayoutAccount
from rewards.processors.base import Declined, PayoutProcessor, ProcessorError, RecipientOrder, RecipientState
from rewards.refusals import UnableToSetUpPayouts

logger = logging.getLogger(__name__)

SMALLEST_THRESHOLD_MINOR = 100
LARGEST_THRESHOLD_MINOR = 100_000
# Pushed messages bring news sooner; these looks make sure that none is lost for good. Wall time.
LOOK_AGAIN = {
    PayoutAccount.State.NEW: timedelta(minutes=1),
    PayoutAccount.State.PENDING: timedelta(minutes=5),
    PayoutAccount.State.RESTRICTED: timedelta(minutes=10),
    PayoutAccount.State.ACTIVE: timedelta(hours=12),
}
_STATES = {
    RecipientState.PENDING: PayoutAccount.State.PENDING,
    RecipientState.ACTIVE: PayoutAccount.State.ACTIVE,
    RecipientState.RESTRICTED: PayoutAccount.State.RESTRICTED,
}


def begin_onboarding(*, owner: User, return_url: str, refresh_url: str, now: datetime) -> str:
    """Open the owner's payout account if there is none, and return the processor's page to send the browser to.

    One account per owner and currency. The row is committed before the processor is asked, and the row's id is the
    key, so that a repeat after a crash finds the same account. Raises UnableToSetUpPayouts.
    """
    if not gateway.is_configured():
        raise UnableToSetUpPayouts(gettext("Payouts are not set up on this installation yet."), code="not_configured")
    account = _own_account(owner, now=now)
    processor = gateway.open_processor()
    try:
        if not account.external_id:
            _open_at_processor(account, processor)
        return processor.create_onboarding_link(
            external_id=account.external_id, return_url=return_url, refresh_url=refresh_url
        )
    except Declined as error:
        logger.warning("payout account %s: %s", account.public_id, error)
        raise UnableToSetUpPayouts(
            gettext("The payment processor does not accept this account. Please contact us."), code="declined"
        ) from error
    except ProcessorError as error:
        logger.warning("payout account %s: %s", account.public_id, error)
        raise UnableToSetUpPayouts(
            gettext("The payment processor does not answer just now. Please try again in a minute."), code="try_again"
        ) from error


def refresh_account(*, account: PayoutAccount, now: datetime) -> PayoutAccount:
    """Ask the processor how the account stands and keep the answer; returns the account.

    Becoming ready for the first time schedules the first payout. Raises UnableToSetUpPayouts where it cannot be asked.
    """
    if not account.external_id:
        raise UnableToSetUpPayouts(gettext("Set up payouts first."), code="not_set_up")
    try:
        recipient = gateway.open_processor().read_recipient(external_id=account.external_id)
    except ProcessorError as error:
        logger.warning("payout account %s: %s", account.public_id, error)
        raise UnableToSetUpPayouts(
            gettext("The payment processor does not answer just now. We ask again by ourselves."), code="try_again"
        ) from error
    state = _STATES[recipient.state]
    mine = PayoutAccount.objects.filter(pk=account.pk)
    mine.update(state=state, refresh_at=clock.wall() + LOOK_AGAIN[state])
    if state == PayoutAccount.State.ACTIVE:
        mine.filter(next_payout_at__isnull=True).update(next_payout_at=now + settings.PAYOUT_INTERVAL)
    account.refresh_from_db()
    return account


def refresh_due_accounts(*, now: datetime, limit: int) -> int:
    """Ask about accounts not heard of for a while; returns how many answered."""
    at = clock.wall()
    due = PayoutAccount.objects.filter(~Q(external_id=""), refresh_at__lte=at).order_by("refresh_at")
    refreshed = 0
    for account in in_time(due[:limit]):
        if not PayoutAccount.objects.filter(pk=account.pk, refresh_at=account.refresh_at).update(
            refresh_at=at + LOOK_AGAIN[PayoutAccount.State(account.state)]
        ):
            continue  # another sweep asks
        try:
            refresh_account(account=account, now=now)
            refreshed += 1
        except UnableToSetUpPayouts:
            continue  # logged there; the next look is scheduled
    return refreshed


def save_payout_settings(
    *,
    account: PayoutAccount,
    now: datetime,
    threshold_minor: int | None = None,
    is_paused: bool | None = None,
    rhythm: str | None = None,
) -> PayoutAccount:
    """Keep from which balance on and how often the owner is paid, and whether payouts pause; None leaves as it is.

    Resuming after a missed payday makes today the payday. Raises UnableToSetUpPayouts for a threshold out of range.
    """
    if threshold_minor is not None:
        if not SMALLEST_THRESHOLD_MINOR <= threshold_minor <= LARGEST_THRESHOLD_MINOR:
            reader = formats.reader_in(account.country)
            raise UnableToSetUpPayouts(
                gettext("Choose a threshold from {least} to {most}.").format(
                    least=formats.money(SMALLEST_THRESHOLD_MINOR, account.currency, reader=reader),
                    most=formats.money(LARGEST_THRESHOLD_MINOR, account.currency, reader=reader),
                ),
                code="threshold",
                field="threshold_minor",
            )
        account.threshold_minor = threshold_minor
    if is_paused is not None:
        if account.is_paused and not is_paused:
            PayoutAccount.objects.filter(pk=account.pk, next_payout_at__lt=now).update(next_payout_at=now)
        account.is_paused = is_paused
    if rhythm is not None and rhythm != account.rhythm:
        _keep_rhythm(account, rhythm, now=now)
    account.save(update_fields=["threshold_minor", "is_paused", "rhythm"])
    account.refresh_from_db()
    return account


def _keep_rhythm(account: PayoutAccount, rhythm: str, *, now: datetime) -> None:
    if rhythm not in PayoutAccount.Rhythm.values:
        raise UnableToSetUpPayouts(gettext("Choose one of the rhythms."), code="rhythm", field="rhythm")
    before, account.rhythm = account.interval, rhythm
    if account.next_payout_at is None:
        return
    # Paid less often from now on: a whole interval from today; more often: no later than that.
    in_an_interval = now + account.interval
    is_longer = account.interval > before
    payday = in_an_interval if is_longer else min(account.next_payout_at, in_an_interval)
    PayoutAccount.objects.filter(pk=account.pk).update(next_payout_at=payday)


def _own_account(owner: User, *, now: datetime) -> PayoutAccount:
    return PayoutAccount.objects.get_or_create(
        owner=owner, currency=owner.currency, defaults={"country": owner.country, "created_at": now}
    )[0]


def _open_at_processor(account: PayoutAccount, processor: PayoutProcessor) -> None:
    order = RecipientOrder(account.country, account.currency, account.owner.email, str(account.public_id))
    # The same key with another e-mail address would be refused for ever, so the key names the order's content too.
    content = f"{order.country}|{order.currency}|{order.email}"
    digest = hashlib.sha256(content.encode()).hexdigest()[:12]
    recipient = processor.create_recipient(key=f"account-{account.public_id}-{digest}", order=order)
    try:
        PayoutAccount.objects.filter(pk=account.pk, external_id="").update(
            external_id=recipient.external_id,
            state=PayoutAccount.State.PENDING,
            refresh_at=clock.wall() + LOOK_AGAIN[PayoutAccount.State.PENDING],
        )
    except IntegrityError as error:
        raise UnableToSetUpPayouts(gettext("This payout account belongs to somebody else."), code="taken") from error
    account.refresh_from_db()
