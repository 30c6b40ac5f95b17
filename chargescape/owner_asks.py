"""What owners ask of the whole house: a copy of everything held about them, and the end of their account."""

import uuid

from django.conf import settings
from django.db import models
from django.db.models import Q


class DataExport(models.Model):
    """One copy of everything held about an owner, made once and kept for a day. Leases and ends are wall time."""

    class State(models.TextChoices):
        """How far it came."""

        DUE = "due", "waiting to be made"
        READY = "ready", "ready"
        FAILED = "failed", "could not be made"

    public_id = models.UUIDField(default=uuid.uuid4, unique=True, editable=False)
    user = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="exports")
    state = models.CharField(max_length=8, choices=State, default=State.DUE)
    requested_at = models.DateTimeField()
    lease_until = models.DateTimeField(null=True, blank=True, help_text="Somebody makes it until then (wall time).")
    attempts = models.PositiveSmallIntegerField(default=0)
    ready_at = models.DateTimeField(null=True, blank=True)
    expires_at = models.DateTimeField(help_text="Forgotten then (wall time).")
    content = models.BinaryField(default=bytes, help_text="The zip file, encrypted.")
    size_bytes = models.PositiveBigIntegerField(default=0)
    row_count = models.PositiveIntegerField(default=0)

    class Meta:
        ordering = ["-pk"]
        constraints = [
            models.UniqueConstraint(fields=["user"], condition=Q(state="due"), name="one_export_under_way_per_user")
        ]

    def __str__(self) -> str:
        return f"export {str(self.public_id)[:8]} {self.state}"


class AccountClosing(models.Model):
    """An owner's wish to be forgotten, carried out as soon as nothing is owed any more; the row stays as proof."""

    user = models.OneToOneField(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="closing")
    requested_at = models.DateTimeField()
    try_at = models.DateTimeField(help_text="When to look again whether the account can be closed.")
    waiting_for = models.CharField(max_length=32, blank=True, help_text="Why not yet, as a key.")
    closed_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        ordering = ["-pk"]
        indexes = [models.Index(fields=["try_at"], condition=Q(closed_at__isnull=True), name="closing_due")]

    def __str__(self) -> str:
        return f"closing of account {self.user_id}"
