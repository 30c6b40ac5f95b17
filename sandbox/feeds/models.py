"""Faults of the feeds that somebody switched on."""

from datetime import datetime
from typing import ClassVar

from django.db import models
from django.db.models import Q


class Fault(models.Model):
    """One thing that goes wrong with one feed, until a simulated instant or until it is lifted."""

    class Feed(models.TextChoices):
        """Whose."""

        ERCOT = "ercot", "ERCOT prices"
        WATTTIME = "watttime", "WattTime carbon"

    class Kind(models.TextChoices):
        """What goes wrong."""

        SILENCE = "silence", "nothing newer is published"
        OUTAGE = "outage", "503 on every call"
        RATE_LIMIT = "rate_limit", "429 on every call"
        UNAUTHORIZED = "unauthorized", "401 on every call"
        CORRECTION = "correction", "values are off by an offset, and corrected when this ends"

    feed = models.CharField(max_length=12, choices=Feed)
    kind = models.CharField(max_length=16, choices=Kind)
    starts_at = models.DateTimeField()
    ends_at = models.DateTimeField(null=True, blank=True)
    offset = models.FloatField(default=0, help_text="USD/MWh or lbs/MWh, for a correction.")

    objects: ClassVar[models.Manager["Fault"]] = models.Manager()

    class Meta:
        ordering = ["pk"]
        constraints = [
            models.CheckConstraint(
                condition=Q(ends_at__isnull=True) | Q(ends_at__gt=models.F("starts_at")),
                name="feed_fault_ends_after_start",
            )
        ]

    def __str__(self) -> str:
        return f"{self.feed}: {self.Kind(self.kind).label}"

    @classmethod
    def in_force(cls, feed: str, *, now: datetime) -> dict[str, "Fault"]:
        """Return the feed's faults in force at the simulated instant `now`, by kind."""
        rows = cls.objects.filter(Q(ends_at__isnull=True) | Q(ends_at__gt=now), feed=feed)
        return {fault.kind: fault for fault in rows}
