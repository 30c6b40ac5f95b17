"""What a payment processor pushed to us."""

from datetime import datetime

from django.db import models
from django.db.models import Q

from foundation.fields import EncryptedTextField


class WebhookEventQuerySet(models.QuerySet["WebhookEvent"]):
    """Finds events that wait to be applied; `at` is wall time."""

    def to_apply(self, *, at: datetime, most_attempts: int) -> "WebhookEventQuerySet":
        """Events not applied yet whose next try is due, oldest first; given up after `most_attempts`."""
        due = Q(due_at__isnull=True) | Q(due_at__lte=at)
        return self.filter(due, applied_at__isnull=True, attempts__lt=most_attempts).order_by("pk")


class WebhookEvent(models.Model):
    """One event a processor pushed, kept as it came; applied by re-fetching the object it names."""

    processor = models.CharField(max_length=16, default="stripe")
    external_id = models.CharField(max_length=80)
    kind = models.CharField(max_length=120)
    account_external_id = models.CharField(max_length=64, blank=True, help_text="Whose event, where not our own.")
    object_external_id = models.CharField(max_length=80, blank=True, help_text="What to fetch anew.")
    body = EncryptedTextField(help_text="The raw body, byte by byte; it may name a person.")
    received_at = models.DateTimeField()
    due_at = models.DateTimeField(null=True, blank=True, help_text="Wall time of the next try.")
    applied_at = models.DateTimeField(null=True, blank=True)
    attempts = models.PositiveSmallIntegerField(default=0)
    failure = models.CharField(max_length=160, blank=True)

    objects = WebhookEventQuerySet.as_manager()

    class Meta:
        ordering = ["-received_at"]
        indexes = [models.Index(fields=["applied_at", "due_at"], name="webhook_event_due")]
        constraints = [models.UniqueConstraint(fields=["processor", "external_id"], name="one_row_per_webhook_event")]

    def __str__(self) -> str:
        return self.kind
