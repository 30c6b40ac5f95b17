"""Where owners are paid, and each payment's way to the bank."""

import uuid
from datetime import datetime, timedelta
from typing import ClassVar

from django.conf import settings
from django.db import models, transaction
from django.db.models import F, Q, Value
from django.db.models.functions import Coalesce
from django.utils.translation import gettext_lazy as _

from foundation.formats import reader_in
from rewards import wording
from rewards.models.ledger import Transfer


class PayoutAccount(models.Model):
    """An owner's account at the payment processor; the processor keeps the bank details, we keep its id."""

    class State(models.TextChoices):
        """Whether money may be sent."""

        NEW = "new", _("not set up")
        PENDING = "pending", _("waiting for the processor")
        ACTIVE = "active", _("ready for payouts")
        RESTRICTED = "restricted", _("the processor needs more from the owner")

    class TaxForm(models.TextChoices):
        """Which tax form of the owner is on file."""

        MISSING = "missing", _("none on file")
        REQUESTED = "requested", _("asked for")
        W9 = "w9", _("W-9 on file")
        W8 = "w8", _("W-8 on file")
        NOT_NEEDED = "not_needed", _("none needed")

    class Rhythm(models.TextChoices):
        """How often the owner wants to be paid, at the most."""

        EVERY = "every", _("Every payday")
        WEEKLY = "weekly", _("Once a week")
        FOUR_WEEKLY = "four_weekly", _("Every four weeks")

    public_id = models.UUIDField(default=uuid.uuid4, unique=True, editable=False)
    owner = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="payout_accounts")
    processor = models.CharField(max_length=16, default="stripe")
    country = models.CharField(max_length=2)
    currency = models.CharField(max_length=3)
    external_id = models.CharField(max_length=64, blank=True)
    state = models.CharField(max_length=12, choices=State, default=State.NEW)
    is_paused = models.BooleanField(default=False)
    tax_form = models.CharField(max_length=12, choices=TaxForm, default=TaxForm.MISSING)
    threshold_minor = models.BigIntegerField(default=100)
    rhythm = models.CharField(max_length=12, choices=Rhythm, default=Rhythm.EVERY)
    next_payout_at = models.DateTimeField(null=True, blank=True)
    refresh_at = models.DateTimeField(null=True, blank=True, help_text="Wall time of the next look at the processor.")
    created_at = models.DateTimeField()

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["owner", "currency"], name="one_payout_account_per_owner_and_currency"),
            models.UniqueConstraint(
                fields=["processor", "external_id"], condition=~Q(external_id=""), name="one_row_per_processor_account"
            ),
            models.CheckConstraint(condition=Q(threshold_minor__gt=0), name="payout_threshold_positive"),
        ]
        indexes = [models.Index(fields=["state", "next_payout_at"], name="payout_account_due")]

    def __str__(self) -> str:
        return f"{self.processor} {self.currency} {self.state}"

    @property
    def interval(self) -> timedelta:
        """How long after one payday the next one is; never shorter than the platform's own."""
        days = {self.Rhythm.WEEKLY: 7, self.Rhythm.FOUR_WEEKLY: 28}.get(self.Rhythm(self.rhythm), 0)
        usual: timedelta = settings.PAYOUT_INTERVAL
        return max(usual, timedelta(days=days))


class PayoutQuerySet(models.QuerySet["Payout"]):
    """Finds payouts that something must be done about; times are wall times."""

    def to_send(self, *, at: datetime) -> "PayoutQuerySet":
        """Requested payouts whose next try is due, those aside that wait for two people."""
        return self.filter(_due(at), _may_leave(), state=Payout.State.REQUESTED)

    def to_approve(self) -> "PayoutQuerySet":
        """Payouts that wait for two people."""
        return self.exclude(_may_leave()).filter(state=Payout.State.REQUESTED)

    def to_resolve(self, *, at: datetime) -> "PayoutQuerySet":
        """Payouts whose outcome must be looked up: unknown ones, and ones whose sender died (its lease lapsed)."""
        unknown = Q(state=Payout.State.UNKNOWN) & _due(at) & _free(at)
        return self.filter(unknown | Q(state=Payout.State.SENDING, lease_until__lte=at))

    def to_follow(self, *, at: datetime) -> "PayoutQuerySet":
        """Sent payouts whose fate at the bank should be looked at again; `retry_at` empty = followed long enough."""
        return self.filter(retry_at__lte=at, state__in=Payout.FOLLOWED_STATES)


def _may_leave() -> Q:
    return Q(approval_reason="") | Q(approved_at__isnull=False)


def _due(at: datetime) -> Q:
    return Q(retry_at__isnull=True) | Q(retry_at__lte=at)


def _free(at: datetime) -> Q:
    return Q(lease_until__isnull=True) | Q(lease_until__lte=at)


class Payout(models.Model):
    """One payment to an owner. The row is its identity; its idempotency key is `payout-<public_id>-t<attempt>`.

    Sending times are wall time (the processor forgets keys after 24 real hours); scheduling is simulated time.
    """

    class State(models.TextChoices):
        """How far the money came."""

        REQUESTED = "requested", _("waiting to be sent")
        SENDING = "sending", _("being sent")
        UNKNOWN = "unknown", _("outcome unknown, being looked up")
        SENT = "sent", _("on its way to the bank")
        PAID = "paid", _("arrived at the bank")
        BANK_FAILED = "bank_failed", _("the bank refused it; the money waits at the processor")
        CANCELLED = "cancelled", _("not sent; the money is back in the balance")
        FROZEN = "frozen", _("a person must look")

    OPEN_STATES: ClassVar = ("requested", "sending", "unknown", "frozen")
    FOLLOWED_STATES: ClassVar = ("sent", "paid", "bank_failed")

    public_id = models.UUIDField(default=uuid.uuid4, unique=True, editable=False)
    account = models.ForeignKey(PayoutAccount, on_delete=models.PROTECT, related_name="payouts")
    amount_minor = models.BigIntegerField()
    currency = models.CharField(max_length=3)
    destination = models.CharField(max_length=64, help_text="The processor's account id, frozen at request.")
    state = models.CharField(max_length=12, choices=State, default=State.REQUESTED)
    attempt = models.PositiveSmallIntegerField(default=1)
    reservation = models.OneToOneField(Transfer, on_delete=models.PROTECT, related_name="payout")
    external_id = models.CharField(max_length=64, blank=True, help_text="The processor's id of the transfer.")
    payment_id = models.CharField(
        max_length=64, blank=True, db_index=True, help_text="The processor's id of its arrival at the owner's account."
    )
    bank_payout_id = models.CharField(
        max_length=64, blank=True, db_index=True, help_text="The processor's id of the payment to the bank."
    )
    failure = models.CharField(max_length=120, blank=True)
    approval_reason = models.CharField(
        max_length=160, blank=True, help_text="Why two people must approve it; empty: nobody has to."
    )
    approved_at = models.DateTimeField(null=True, blank=True, help_text="When the second person approved it.")
    empty_lookups = models.PositiveSmallIntegerField(
        default=0, help_text="How often the processor knew nothing of it after its key had grown too old to repeat."
    )
    requested_at = models.DateTimeField()
    first_sent_at = models.DateTimeField(null=True, blank=True, help_text="Wall time of this attempt's first sending.")
    lease_until = models.DateTimeField(null=True, blank=True, help_text="Wall time.")
    retry_at = models.DateTimeField(null=True, blank=True, help_text="Wall time of the next try, look-up or look.")
    sent_at = models.DateTimeField(null=True, blank=True)
    paid_at = models.DateTimeField(null=True, blank=True)

    objects = PayoutQuerySet.as_manager()

    class Meta:
        ordering = ["-requested_at"]
        indexes = [models.Index(fields=["state", "retry_at"], name="payout_by_state_and_retry")]
        constraints = [
            models.CheckConstraint(condition=Q(amount_minor__gt=0), name="payout_amount_positive"),
            models.CheckConstraint(
                condition=Q(state__in=["requested", "frozen", "cancelled"])
                | Q(approval_reason="")
                | Q(approved_at__isnull=False),
                name="payout_leaves_only_when_approved",
            ),
            models.UniqueConstraint(
                fields=["account"],
                condition=Q(state__in=["requested", "sending", "unknown", "frozen"]),
                name="one_open_payout_per_account",
            ),
            models.UniqueConstraint(
                fields=["external_id"], condition=~Q(external_id=""), name="one_payout_per_provider_transfer"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.amount_minor} {self.currency} {self.state}"

    def claim(self, *, at: datetime, until: datetime) -> bool:
        """Take this payout for sending or looking up until `until`; False where somebody else was first.

        Commits the state, the lease and the first sending time before anything leaves the house. Afterwards the row
        in memory is as in the database.
        """
        free = Payout.objects.filter(_free(at), pk=self.pk, state=self.state, attempt=self.attempt)
        with transaction.atomic(durable=True):  # refuses a caller whose own transaction would delay the commit
            claimed = free.update(
                state=self.State.SENDING,
                lease_until=until,
                first_sent_at=Coalesce(F("first_sent_at"), Value(at)),
            )
        if claimed:
            self.refresh_from_db()
        return bool(claimed)

    @property
    def idempotency_key(self) -> str:
        """The key under which the processor carries this attempt out once."""
        return f"payout-{self.public_id}-t{self.attempt}"

    @property
    def is_waiting_for_approval(self) -> bool:
        """Whether two people must look at it before it leaves."""
        return self.state == self.State.REQUESTED and bool(self.approval_reason) and self.approved_at is None

    @property
    def approval_text(self) -> str:
        """Why two people must look at it, in the reader's language; "" where nobody has to."""
        return wording.approval_text(
            self.approval_reason, currency=self.currency, reader=reader_in(self.account.country)
        )

    @property
    def failure_text(self) -> str:
        """What went wrong, as far as its owner can mend it; the very words of the person who declined it."""
        was_declined = self.state == self.State.CANCELLED and self.approval_reason and self.approved_at is None
        return self.failure if was_declined else wording.failure_text(self.failure)

    @property
    def is_open(self) -> bool:
        """Whether the money is still reserved."""
        return self.state in self.OPEN_STATES


class PayoutApproval(models.Model):
    """One person's yes to one payout. Two are needed, and the database lets no person give both."""

    payout = models.ForeignKey(Payout, on_delete=models.PROTECT, related_name="approvals")
    position = models.PositiveSmallIntegerField(help_text="The first or the second yes.")
    approved_by = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="payout_approvals")
    approved_at = models.DateTimeField()

    class Meta:
        ordering = ["payout", "position"]
        constraints = [
            models.UniqueConstraint(fields=["payout", "position"], name="payout_approved_once_in_each_position"),
            models.UniqueConstraint(fields=["payout", "approved_by"], name="payout_approved_by_two_distinct_people"),
            models.CheckConstraint(condition=Q(position__in=[1, 2]), name="payout_approved_first_or_second"),
        ]

    def __str__(self) -> str:
        return f"approval {self.position} of {self.payout_id}"
