"""What stops everything, how much power may be switched at once, and who says that it is alive."""

import uuid

from django.conf import settings
from django.db import models
from django.db.models import F, Q


class StopOrder(models.Model):
    """The kill switch, thrown: from `made_at` until `lifted_at` nothing that adds risk is asked for or sent.

    One is in force at a time. Throwing it takes one person; lifting it takes two.
    """

    public_id = models.UUIDField(default=uuid.uuid4, unique=True, editable=False)
    scope = models.CharField(max_length=8, default="all", editable=False)
    reason = models.CharField(max_length=200)
    made_by = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="stop_orders")
    made_at = models.DateTimeField()
    lift_asked_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, blank=True, on_delete=models.PROTECT, related_name="+"
    )
    lift_asked_at = models.DateTimeField(null=True, blank=True)
    lifted_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, blank=True, on_delete=models.PROTECT, related_name="+"
    )
    lifted_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        ordering = ["-made_at"]
        constraints = [
            models.UniqueConstraint(
                fields=["scope"], condition=Q(lifted_at__isnull=True), name="one_stop_order_in_force"
            ),
            models.CheckConstraint(
                condition=Q(lifted_at__isnull=True)
                | (Q(lift_asked_by__isnull=False, lifted_by__isnull=False) & ~Q(lifted_by=F("lift_asked_by"))),
                name="stop_is_lifted_by_two_people",
            ),
        ]

    def __str__(self) -> str:
        return f"stop of {self.made_at:%Y-%m-%d %H:%M}Z"


class SwitchLimit(models.Model):
    """How much power of one group of cars may be switched in ten seconds, and until when that is spent.

    `free_at` is platform time: the power of every command that was let go moves it on by its share of the limit.
    """

    group = models.SlugField(max_length=60, unique=True, help_text="The utility's slug.")
    limit_w = models.PositiveBigIntegerField(default=0, help_text="In any ten seconds; 0 = not known yet: no limit.")
    free_at = models.DateTimeField(null=True, blank=True, help_text="The next command may go then (platform time).")

    class Meta:
        ordering = ["group"]

    def __str__(self) -> str:
        return f"{self.group}: {self.limit_w / 1000:,.0f} kW in 10 s"


class Heartbeat(models.Model):
    """A process that works beside Celery says that it is alive; wall time."""

    kind = models.CharField(max_length=20)
    place = models.CharField(max_length=120, help_text="Host and process.")
    started_at = models.DateTimeField()
    beat_at = models.DateTimeField()
    failures = models.PositiveIntegerField(default=0, help_text="Rounds that failed since it was started.")

    class Meta:
        ordering = ["kind", "-beat_at"]
        constraints = [models.UniqueConstraint(fields=["kind", "place"], name="one_heartbeat_a_process")]

    def __str__(self) -> str:
        return f"{self.kind} at {self.place}"
