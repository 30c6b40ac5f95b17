"""The wires that cars share."""

import uuid

from django.db import models
from django.db.models import Q

from grid.models.utilities import Utility


class Feeder(models.Model):
    """A feeder or transformer that cars share, and how much they may draw through it together, as its utility says."""

    class Kind(models.TextChoices):
        """What it is."""

        FEEDER = "feeder", "feeder"
        TRANSFORMER = "transformer", "transformer"

    public_id = models.UUIDField(default=uuid.uuid4, unique=True, editable=False)
    utility = models.ForeignKey(Utility, on_delete=models.PROTECT, related_name="feeders")
    name = models.CharField(max_length=60, help_text="As the utility names it.")
    kind = models.CharField(max_length=12, choices=Kind, default=Kind.TRANSFORMER)
    cap_w = models.PositiveBigIntegerField(help_text="What enrolled cars together may draw.")
    above = models.ForeignKey(
        "self", null=True, blank=True, on_delete=models.PROTECT, related_name="below", help_text="The feeder above it."
    )
    over_since = models.DateTimeField(
        null=True, blank=True, editable=False, help_text="Since when its cars draw more than they may."
    )
    load_w = models.BigIntegerField(default=0, editable=False, help_text="What its cars drew when last looked at.")
    looked_at = models.DateTimeField(null=True, blank=True, editable=False)

    class Meta:
        ordering = ["utility", "name"]
        constraints = [
            models.UniqueConstraint(fields=["utility", "name"], name="one_feeder_a_name"),
            models.CheckConstraint(condition=Q(cap_w__gt=0), name="feeder_carries_something"),
        ]

    def __str__(self) -> str:
        return f"{self.kind} {self.name}"
