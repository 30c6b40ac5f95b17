"""What a plan asked of a car in one stretch of time, and the commands that carried it."""

import uuid
from datetime import datetime

from django.db import models
from django.db.models import F, Q

from grid.models.events import EventParticipation
from grid.models.plans import Plan
from vehicles.models import Command, Vehicle


class Dispatch(models.Model):
    """One stretch `[starts_at, ends_at)` of a plan in which the car holds or discharges.

    Each hold or discharge is carried by commands of 15 minutes at most; `command` is the newest of them.
    """

    class Mode(models.TextChoices):
        """What the car shall do."""

        HOLD = "hold", "hold"
        DISCHARGE = "discharge", "discharge"

    public_id = models.UUIDField(default=uuid.uuid4, unique=True, editable=False)
    vehicle = models.ForeignKey(Vehicle, on_delete=models.PROTECT, related_name="dispatches")
    plan = models.ForeignKey(Plan, null=True, blank=True, on_delete=models.SET_NULL, related_name="dispatches")
    participation = models.ForeignKey(
        EventParticipation, null=True, blank=True, on_delete=models.PROTECT, related_name="dispatches"
    )
    mode = models.CharField(max_length=12, choices=Mode)
    power_w = models.IntegerField(default=0, help_text="AC side; < 0 discharges.")
    starts_at = models.DateTimeField()
    ends_at = models.DateTimeField()
    command = models.ForeignKey(Command, null=True, blank=True, on_delete=models.PROTECT, related_name="dispatches")
    renewals = models.PositiveIntegerField(default=0, help_text="Commands asked for so far; part of their keys.")
    created_at = models.DateTimeField()
    stopped_at = models.DateTimeField(null=True, blank=True)
    stop_reason = models.CharField(max_length=60, blank=True)

    class Meta:
        ordering = ["-starts_at"]
        verbose_name_plural = "dispatches"
        constraints = [
            models.CheckConstraint(condition=Q(ends_at__gt=F("starts_at")), name="dispatch_ends_after_start"),
            models.UniqueConstraint(
                fields=["vehicle"], condition=Q(stopped_at__isnull=True), name="one_open_dispatch_per_vehicle"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.mode} {self.starts_at:%H:%M}-{self.ends_at:%H:%M}Z"

    def stop(self, *, reason: str, now: datetime) -> None:
        """Close the dispatch: nothing is renewed any more."""
        self.stopped_at, self.stop_reason = now, reason
        self.save(update_fields=["stopped_at", "stop_reason"])

    def command_key(self) -> str:
        """Return the key of the next command: the intent is this dispatch and how often it was renewed."""
        return f"dispatch:{self.public_id}:{self.renewals + 1}"

    @property
    def resume_key(self) -> str:
        """The key of the one command that gives the car back before its time."""
        return f"dispatch:{self.public_id}:resume"
