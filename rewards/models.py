"""The money: a double-entry ledger, payout accounts, payouts, and what the processor told us."""

import uuid

from django.conf import settings
from django.db import models
from django.db.models import F, Q


class LedgerAccount(models.Model):
    """One side of transfers, in one currency. Counters only grow; balance = credits - debits, in minor units."""

    class Kind(models.TextChoices):
        """What the account holds."""

        UTILITY_RECEIVABLE = "utility_receivable", "owed by a utility"
        OWNER_PAYABLE = "owner_payable", "owed to an owner"
        PAID_OUT = "paid_out", "sent to owners through the processor"

    kind = models.CharField(max_length=24, choices=Kind)
    key = models.CharField(max_length=80, help_text="Whose: the owner's public id or the utility's slug.")
    owner = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, blank=True, on_delete=models.PROTECT, related_name="ledger_accounts"
    )
    currency = models.CharField(max_length=3)
    debits_posted = models.BigIntegerField(default=0)
    credits_posted = models.BigIntegerField(default=0)
    debits_pending = models.BigIntegerField(default=0)
    credits_pending = models.BigIntegerField(default=0)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["kind", "key", "currency"], name="one_account_per_kind_key_currency"),
            models.CheckConstraint(
                condition=Q(debits_posted__gte=0, credits_posted__gte=0, debits_pending__gte=0, credits_pending__gte=0),
                name="counters_not_negative",
            ),
            models.CheckConstraint(
                condition=~Q(kind="owner_payable") | Q(credits_posted__gte=F("debits_posted") + F("debits_pending")),
                name="owner_payable_never_overdrawn",
            ),
            models.CheckConstraint(condition=Q(currency__in=["USD", "CAD"]), name="ledger_currency_known"),
        ]

    def __str__(self) -> str:
        return f"{self.kind} {self.currency}"


class Transfer(models.Model):
    """One movement: one debit, one credit, a positive amount. Rows are never edited or deleted.

    `pending` reserves; `post` and `void` end a pending one; `reversal` undoes a posted one.
    """

    class Kind(models.TextChoices):
        """What the row does."""

        SINGLE = "single", "posted at once"
        PENDING = "pending", "reserved"
        POST = "post", "reservation posted"
        VOID = "void", "reservation lifted"
        REVERSAL = "reversal", "undone"

    public_id = models.UUIDField(default=uuid.uuid4, unique=True, editable=False)
    key = models.CharField(max_length=160, unique=True)
    kind = models.CharField(max_length=8, choices=Kind)
    debit = models.ForeignKey(LedgerAccount, on_delete=models.PROTECT, related_name="debit_transfers")
    credit = models.ForeignKey(LedgerAccount, on_delete=models.PROTECT, related_name="credit_transfers")
    amount_minor = models.BigIntegerField()
    currency = models.CharField(max_length=3)
    label = models.CharField(max_length=160, blank=True)
    of = models.OneToOneField(
        "self",
        null=True,
        blank=True,
        on_delete=models.PROTECT,
        related_name="ended_by",
        help_text="The pending or posted transfer that this one ends or undoes.",
    )
    created_at = models.DateTimeField()

    class Meta:
        ordering = ["-pk"]
        constraints = [
            models.CheckConstraint(condition=Q(amount_minor__gt=0), name="transfer_amount_positive"),
            models.CheckConstraint(condition=~Q(debit=F("credit")), name="transfer_between_two_accounts"),
            models.CheckConstraint(
                condition=(Q(kind__in=["single", "pending"]) & Q(of__isnull=True))
                | (Q(kind__in=["post", "void", "reversal"]) & Q(of__isnull=False)),
                name="transfer_refers_where_it_must",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.kind} {self.amount_minor} {self.currency}"


class PayoutAccount(models.Model):
    """An owner's account at the payment processor; the processor keeps the bank details, we keep its id."""

    class State(models.TextChoices):
        """Whether money may be sent."""

        NEW = "new", "not set up"
        PENDING = "pending", "waiting for the processor"
        ACTIVE = "active", "ready for payouts"
        RESTRICTED = "restricted", "the processor needs more from the owner"

    public_id = models.UUIDField(default=uuid.uuid4, unique=True, editable=False)
    owner = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="payout_accounts")
    processor = models.CharField(max_length=16, default="stripe")
    country = models.CharField(max_length=2)
    currency = models.CharField(max_length=3)
    external_id = models.CharField(max_length=64, blank=True)
    state = models.CharField(max_length=12, choices=State, default=State.NEW)
    is_paused = models.BooleanField(default=False)
    threshold_minor = models.BigIntegerField(default=100)
    next_payout_at = models.DateTimeField(null=True, blank=True)
    created_at = models.DateTimeField()

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["owner", "currency"], name="one_payout_account_per_owner_and_currency"),
            models.UniqueConstraint(
                fields=["processor", "external_id"], condition=~Q(external_id=""), name="one_row_per_processor_account"
            ),
            models.CheckConstraint(condition=Q(threshold_minor__gt=0), name="payout_threshold_positive"),
        ]

    def __str__(self) -> str:
        return f"{self.processor} {self.currency} {self.state}"


class Payout(models.Model):
    """One payment to an owner. The row is its identity; its idempotency key is `payout-<public_id>-t<attempt>`.

    Sending times are wall time (the processor forgets keys after 24 real hours); scheduling is simulated time.
    """

    class State(models.TextChoices):
        """How far the money came."""

        REQUESTED = "requested", "waiting to be sent"
        SENDING = "sending", "being sent"
        UNKNOWN = "unknown", "outcome unknown, being looked up"
        SENT = "sent", "on its way to the bank"
        PAID = "paid", "arrived at the bank"
        BANK_FAILED = "bank_failed", "the bank refused it; the money waits at the processor"
        CANCELLED = "cancelled", "not sent; the money is back in the balance"
        FROZEN = "frozen", "a person must look"

    OPEN_STATES = ("requested", "sending", "unknown", "frozen")

    public_id = models.UUIDField(default=uuid.uuid4, unique=True, editable=False)
    account = models.ForeignKey(PayoutAccount, on_delete=models.PROTECT, related_name="payouts")
    amount_minor = models.BigIntegerField()
    currency = models.CharField(max_length=3)
    destination = models.CharField(max_length=64, help_text="The processor's account id, frozen at request.")
    state = models.CharField(max_length=12, choices=State, default=State.REQUESTED)
    attempt = models.PositiveSmallIntegerField(default=1)
    reservation = models.OneToOneField(Transfer, on_delete=models.PROTECT, related_name="payout")
    external_id = models.CharField(max_length=64, blank=True)
    failure = models.CharField(max_length=120, blank=True)
    requested_at = models.DateTimeField()
    first_sent_at = models.DateTimeField(null=True, blank=True, help_text="Wall time.")
    lease_until = models.DateTimeField(null=True, blank=True, help_text="Wall time.")
    retry_at = models.DateTimeField(null=True, blank=True, help_text="Wall time.")
    sent_at = models.DateTimeField(null=True, blank=True)
    paid_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        ordering = ["-requested_at"]
        constraints = [
            models.CheckConstraint(condition=Q(amount_minor__gt=0), name="payout_amount_positive"),
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


class WebhookEvent(models.Model):
    """One event a processor pushed, kept as it came; applied by re-fetching the object it names."""

    processor = models.CharField(max_length=16, default="stripe")
    external_id = models.CharField(max_length=80)
    kind = models.CharField(max_length=120)
    body = models.JSONField()
    received_at = models.DateTimeField()
    applied_at = models.DateTimeField(null=True, blank=True)
    attempts = models.PositiveSmallIntegerField(default=0)
    failure = models.CharField(max_length=160, blank=True)

    class Meta:
        ordering = ["-received_at"]
        constraints = [models.UniqueConstraint(fields=["processor", "external_id"], name="one_row_per_webhook_event")]

    def __str__(self) -> str:
        return self.kind
