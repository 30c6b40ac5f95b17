"""What the stand-in remembers: accounts, money, events. `created_at` and all money's times are simulated.

Wall time rules what rules in real time at Stripe too: key ages, link expiry, deliveries; those fields say so.
"""

from typing import ClassVar

from django.db import models
from django.db.models import F, Q


class Thing(models.Model):
    """Anything with a Stripe id."""

    object_id = models.CharField(max_length=40, unique=True)
    created_at = models.DateTimeField()

    class Meta:
        abstract = True
        ordering = ["pk"]

    def __str__(self) -> str:
        return self.object_id


class Account(Thing):
    """A connected account, made by the v2 API. `transfers_status` is the capability that gates money."""

    class Status(models.TextChoices):
        """The capability's status."""

        PENDING = "pending"
        ACTIVE = "active"
        RESTRICTED = "restricted"

    contact_email = models.CharField(max_length=254, blank=True)
    display_name = models.CharField(max_length=200, blank=True)
    country = models.CharField(max_length=2)
    currency = models.CharField(max_length=3)
    entity_type = models.CharField(max_length=24, blank=True)
    dashboard = models.CharField(max_length=8, default="none")
    fees_collector = models.CharField(max_length=24, default="application")
    losses_collector = models.CharField(max_length=12, default="application")
    is_recipient = models.BooleanField(default=False)
    has_requested_transfers = models.BooleanField(default=False)
    transfers_status = models.CharField(max_length=12, choices=Status, default=Status.PENDING)
    is_closed = models.BooleanField(default=False)
    metadata = models.JSONField(default=dict)

    objects: ClassVar[models.Manager["Account"]] = models.Manager()

    @property
    def bank(self) -> "BankAccount | None":
        """The bank account that payouts go to: the newest."""
        return BankAccount.objects.filter(account=self).order_by("-pk").first()


class BankAccount(Thing):
    """Where payouts go. `fate` is the failure that every payout to it meets; the pretend number decides."""

    account = models.ForeignKey(Account, on_delete=models.CASCADE, related_name="bank_accounts")
    country = models.CharField(max_length=2)
    currency = models.CharField(max_length=3)
    routing_number = models.CharField(max_length=16)
    last4 = models.CharField(max_length=4)
    fate = models.CharField(max_length=40, blank=True)
    is_errored = models.BooleanField(default=False)

    objects: ClassVar[models.Manager["BankAccount"]] = models.Manager()


class AccountLink(models.Model):
    """A single-use address of the onboarding page. Its times are wall time."""

    token = models.CharField(max_length=40, unique=True)
    account = models.ForeignKey(Account, on_delete=models.CASCADE, related_name="links")
    return_url = models.CharField(max_length=2000)
    refresh_url = models.CharField(max_length=2000)
    expires_at = models.DateTimeField()
    finished_at = models.DateTimeField(null=True, blank=True)

    objects: ClassVar[models.Manager["AccountLink"]] = models.Manager()

    def __str__(self) -> str:
        return f"link of {self.account}"


class TopUp(Thing):
    """Money that the platform brought in."""

    amount = models.BigIntegerField()
    currency = models.CharField(max_length=3)
    description = models.CharField(max_length=5000, blank=True)
    statement_descriptor = models.CharField(max_length=15, blank=True)
    transfer_group = models.CharField(max_length=5000, blank=True)
    metadata = models.JSONField(default=dict)

    objects: ClassVar[models.Manager["TopUp"]] = models.Manager()


class Transfer(Thing):
    """Money from the platform's balance to a connected account's; `payment_id` is its twin over there."""

    account = models.ForeignKey(Account, on_delete=models.PROTECT, related_name="transfers")
    amount = models.BigIntegerField()
    currency = models.CharField(max_length=3)
    amount_reversed = models.BigIntegerField(default=0)
    description = models.CharField(max_length=5000, blank=True)
    transfer_group = models.CharField(max_length=5000, blank=True, db_index=True)
    payment_id = models.CharField(max_length=40, unique=True)
    metadata = models.JSONField(default=dict)

    objects: ClassVar[models.Manager["Transfer"]] = models.Manager()

    class Meta(Thing.Meta):
        constraints = [
            models.CheckConstraint(
                condition=Q(amount__gt=0, amount_reversed__gte=0, amount_reversed__lte=F("amount")),
                name="stripe_transfer_reversed_at_most_once",
            )
        ]


class Reversal(Thing):
    """Money of a transfer taken back; `refund_id` is its twin on the connected account."""

    transfer = models.ForeignKey(Transfer, on_delete=models.PROTECT, related_name="reversals")
    amount = models.BigIntegerField()
    refund_id = models.CharField(max_length=40, unique=True)
    metadata = models.JSONField(default=dict)

    objects: ClassVar[models.Manager["Reversal"]] = models.Manager()


class Payout(Thing):
    """A connected account's balance on its way to the bank. `planned_failure` strikes at `fails_at`."""

    class Status(models.TextChoices):
        """How far it came."""

        IN_TRANSIT = "in_transit"
        PAID = "paid"
        FAILED = "failed"

    account = models.ForeignKey(Account, on_delete=models.PROTECT, related_name="payouts")
    bank = models.ForeignKey(BankAccount, on_delete=models.PROTECT, related_name="payouts")
    amount = models.BigIntegerField()
    currency = models.CharField(max_length=3)
    status = models.CharField(max_length=12, choices=Status, default=Status.IN_TRANSIT, db_index=True)
    arrives_at = models.DateTimeField()
    planned_failure = models.CharField(max_length=40, blank=True)
    fails_at = models.DateTimeField(null=True, blank=True)
    failure_code = models.CharField(max_length=40, blank=True)

    objects: ClassVar[models.Manager["Payout"]] = models.Manager()

    class Meta(Thing.Meta):
        indexes = [
            models.Index(fields=["status", "arrives_at"], name="stripe_payouts_by_arrival"),
            models.Index(fields=["fails_at"], condition=~Q(planned_failure=""), name="stripe_payouts_to_fail"),
        ]


class BalanceEntry(Thing):
    """One balance transaction: what an account's balance gained or lost. `account` null is the platform's own."""

    account = models.ForeignKey(Account, null=True, blank=True, on_delete=models.PROTECT, related_name="entries")
    kind = models.CharField(max_length=24)
    amount = models.BigIntegerField()
    currency = models.CharField(max_length=3)
    source = models.CharField(max_length=40, db_index=True)
    available_at = models.DateTimeField()
    exchange_rate = models.FloatField(null=True, blank=True)
    paid_by = models.ForeignKey(Payout, null=True, blank=True, on_delete=models.PROTECT, related_name="paid_entries")

    objects: ClassVar[models.Manager["BalanceEntry"]] = models.Manager()

    class Meta(Thing.Meta):
        indexes = [
            models.Index(fields=["account", "currency", "available_at", "amount"], name="stripe_entries_of_balance"),
            models.Index(
                fields=["account"], condition=Q(account__isnull=False, paid_by=None), name="stripe_entries_not_paid"
            ),
        ]


class Event(Thing):
    """Something happened. v1 events carry a snapshot in `body`; v2 events are thin and carry a related object.

    `next_attempt_at`, `delivered_at`: wall time; `next_attempt_at` null means that no delivery is due any more.
    """

    kind = models.CharField(max_length=120, db_index=True)
    account = models.ForeignKey(Account, null=True, blank=True, on_delete=models.CASCADE, related_name="events")
    is_thin = models.BooleanField(default=False)
    body = models.JSONField(default=dict)
    previous = models.JSONField(default=dict)
    request_id = models.CharField(max_length=40, blank=True)
    idempotency_key = models.CharField(max_length=255, blank=True)
    attempts = models.PositiveIntegerField(default=0)
    next_attempt_at = models.DateTimeField(null=True, blank=True, db_index=True)
    delivered_at = models.DateTimeField(null=True, blank=True)
    failure = models.CharField(max_length=200, blank=True)

    objects: ClassVar[models.Manager["Event"]] = models.Manager()


class StoredReply(models.Model):
    """What a call under an idempotency key was answered; `status` 0 while the first call still runs. Wall time."""

    key = models.CharField(max_length=255)
    scope = models.CharField(max_length=64)
    request_hash = models.CharField(max_length=64)
    status = models.PositiveSmallIntegerField(default=0)
    body = models.TextField(blank=True)
    request_id = models.CharField(max_length=40)
    stored_at = models.DateTimeField()
    expires_at = models.DateTimeField(db_index=True)

    objects: ClassVar[models.Manager["StoredReply"]] = models.Manager()

    class Meta:
        constraints = [models.UniqueConstraint(fields=["key", "scope"], name="one_reply_per_key_and_scope")]

    def __str__(self) -> str:
        return self.key


class Fault(models.Model):
    """Something that goes wrong on demand: `remaining` times, or for webhook outages until `until_at` (wall time)."""

    class Kind(models.TextChoices):
        """What goes wrong."""

        CUT = "cut", "the effect happens, then the connection is cut"
        TRUNCATED = "truncated", "the effect happens, the 200's JSON is cut short"
        SHORT = "short", "the effect happens, the 200's body ends before its length"
        SERVER_ERROR = "server_error", "500 without effect, remembered under the key"
        SERVER_ERROR_AFTER = "server_error_after", "500 although the effect happened, remembered under the key"
        CONFLICT = "conflict", "409 lock timeout"
        RATE_LIMITED = "rate_limited", "429"
        INSUFFICIENT = "insufficient", "balance_insufficient"
        SLOW = "slow", "the answer takes some seconds"
        PAYOUT_FAILS = "payout_fails", "the next payout is refused by the bank"
        PAYOUT_PAID_THEN_FAILS = "payout_paid_then_fails", "the next payout is paid, then comes back"
        WEBHOOK_OUTAGE = "webhook_outage", "no webhook gets through for some real seconds"
        WEBHOOK_TWICE = "webhook_twice", "each webhook is delivered twice"

    kind = models.CharField(max_length=24, choices=Kind)
    operation = models.CharField(max_length=60, blank=True, help_text='Such as "transfers.create"; empty: any.')
    remaining = models.PositiveIntegerField(default=1)
    seconds = models.FloatField(default=0)
    until_at = models.DateTimeField(null=True, blank=True)

    objects: ClassVar[models.Manager["Fault"]] = models.Manager()

    class Meta:
        ordering = ["pk"]

    def __str__(self) -> str:
        return self.Kind(self.kind).label


class Knobs(models.Model):
    """The one row of what can be turned: the bank's delay (simulated), the lifetime of keys and links (real)."""

    payout_delay_seconds = models.PositiveIntegerField(default=3600)
    key_lifetime_seconds = models.PositiveIntegerField(default=24 * 3600)
    link_lifetime_seconds = models.PositiveIntegerField(default=600)

    objects: ClassVar[models.Manager["Knobs"]] = models.Manager()

    class Meta:
        constraints = [models.CheckConstraint(condition=Q(id=1), name="one_row_of_stripe_knobs")]

    def __str__(self) -> str:
        return "knobs"

    @classmethod
    def current(cls) -> "Knobs":
        """Return the row, with defaults where nobody turned anything."""
        return cls.objects.filter(id=1).first() or cls(id=1)
