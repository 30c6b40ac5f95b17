"""What the processor's books were compared with ours for, what differed, and the pause that a difference brings."""

import uuid
from datetime import datetime

from django.conf import settings
from django.db import models
from django.db.models import Q

from rewards.models.payouts import Payout


class ReconciliationQuerySet(models.QuerySet["Reconciliation"]):
    """Finds comparisons to be made."""

    def to_run(self, *, now: datetime, at: datetime) -> "ReconciliationQuerySet":
        """Comparisons due at simulated `now` that nobody works on at wall time `at`."""
        free = Q(lease_until__isnull=True) | Q(lease_until__lte=at)
        return self.filter(free, due_at__lte=now, finished_at__isnull=True)


class Reconciliation(models.Model):
    """One comparison of a processor's books with ours; the row is due first and tells what came of it afterwards."""

    public_id = models.UUIDField(default=uuid.uuid4, unique=True, editable=False)
    processor = models.CharField(max_length=16, default="stripe")
    due_at = models.DateTimeField()
    lease_until = models.DateTimeField(null=True, blank=True, help_text="Wall time.")
    since_at = models.DateTimeField(null=True, blank=True, help_text="From when on it compared; empty: from the start.")
    finished_at = models.DateTimeField(null=True, blank=True)
    rows_compared = models.PositiveIntegerField(default=0)
    top_ups_booked = models.PositiveIntegerField(default=0)
    new_findings = models.PositiveIntegerField(default=0, help_text="Differences that no admin has accepted before.")
    failure = models.CharField(max_length=160, blank=True, help_text="Why the last try could not be finished.")

    objects = ReconciliationQuerySet.as_manager()

    class Meta:
        ordering = ["-due_at"]
        constraints = [
            models.UniqueConstraint(
                fields=["processor"],
                condition=Q(finished_at__isnull=True),
                name="one_open_reconciliation_per_processor",
            )
        ]

    def __str__(self) -> str:
        return f"{self.processor} {self.due_at:%Y-%m-%d}"


class ReconciliationFinding(models.Model):
    """One row that differs. `subject` is the processor's id, or ours where only we have the row."""

    class Kind(models.TextChoices):
        """How the two books differ."""

        TRANSFER_UNKNOWN = "transfer_unknown", "money was sent that no payout asked for"
        TRANSFER_TWICE = "transfer_twice", "a payout was sent twice"
        TRANSFER_MISSING = "transfer_missing", "a payout counts as sent, but the processor does not know it"
        TRANSFER_DIFFERS = "transfer_differs", "amount, currency or receiver is not the payout's"
        STATE_DIFFERS = "state_differs", "money was sent for a payout that counts as not sent"
        REVERSAL_DIFFERS = "reversal_differs", "what was taken back is not what the ledger says"
        ENTRY_MISSING = "entry_missing", "the processor's balance history lacks the movement"
        ENTRY_DIFFERS = "entry_differs", "the processor's balance moved by another amount"
        ENTRY_UNKNOWN = "entry_unknown", "the processor's balance moved for a reason we do not know"
        LEDGER_DIFFERS = "ledger_differs", "the ledger's line is not the payout's"
        LEDGER_UNKNOWN = "ledger_unknown", "the ledger says that money left, but no payout does"
        TOP_UP_DIFFERS = "top_up_differs", "a top-up is not what the ledger says"
        TOP_UP_MISSING = "top_up_missing", "the ledger has a top-up that the processor does not know"

    reconciliation = models.ForeignKey(Reconciliation, on_delete=models.PROTECT, related_name="findings")
    kind = models.CharField(max_length=20, choices=Kind)
    subject = models.CharField(max_length=120)
    payout = models.ForeignKey(Payout, null=True, blank=True, on_delete=models.PROTECT, related_name="findings")
    currency = models.CharField(max_length=3, blank=True)
    ours_minor = models.BigIntegerField(null=True, blank=True)
    theirs_minor = models.BigIntegerField(null=True, blank=True)
    detail = models.CharField(max_length=200, blank=True)
    accepted_at = models.DateTimeField(null=True, blank=True)
    accepted_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, blank=True, on_delete=models.PROTECT, related_name="accepted_findings"
    )
    note = models.CharField(max_length=200, blank=True, help_text="What the admin who accepted it found out.")

    class Meta:
        ordering = ["-pk"]
        indexes = [models.Index(fields=["subject", "kind"], name="finding_by_subject")]
        constraints = [
            models.UniqueConstraint(fields=["reconciliation", "kind", "subject"], name="one_finding_per_row_and_kind")
        ]

    def __str__(self) -> str:
        return f"{self.kind} {self.subject}"


class PayoutPause(models.Model):
    """From `paused_at` until `resumed_at` nothing is paid to anybody. Only a person ends it."""

    reconciliation = models.ForeignKey(
        Reconciliation, null=True, blank=True, on_delete=models.PROTECT, related_name="pauses"
    )
    processor = models.CharField(max_length=16, default="stripe")
    reason = models.CharField(max_length=200)
    paused_at = models.DateTimeField()
    resumed_at = models.DateTimeField(null=True, blank=True)
    resumed_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, blank=True, on_delete=models.PROTECT, related_name="ended_payout_pauses"
    )
    note = models.CharField(max_length=200, blank=True)

    class Meta:
        ordering = ["-pk"]
        constraints = [
            models.UniqueConstraint(
                fields=["processor"], condition=Q(resumed_at__isnull=True), name="payouts_are_paused_once_at_a_time"
            ),
            models.CheckConstraint(
                condition=Q(resumed_at__isnull=True) | Q(resumed_by__isnull=False),
                name="payouts_are_resumed_by_a_person",
            ),
        ]

    def __str__(self) -> str:
        return self.reason
