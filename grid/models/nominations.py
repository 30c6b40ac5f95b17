"""What a program's cars can be counted on for, told a day ahead; and programs tried out on recorded days."""

import uuid
from datetime import datetime, timedelta

from django.conf import settings
from django.db import models
from django.db.models import Q

from grid.models.programs import Program
from grid.models.utilities import Utility


class Nomination(models.Model):
    """One hour of one program: power that was there on nine of ten such hours. Told once, never edited.

    `inputs` holds the days' values of which the quantile is one, so that it can be taken again.
    """

    public_id = models.UUIDField(default=uuid.uuid4, unique=True, editable=False)
    program = models.ForeignKey(Program, on_delete=models.PROTECT, related_name="nominations")
    starts_at = models.DateTimeField(help_text="The start of its hour.")
    hold_w = models.PositiveBigIntegerField(help_text="Charging that could be held.")
    discharge_w = models.PositiveBigIntegerField(help_text="What could be given back.")
    cars = models.PositiveIntegerField(help_text="Enrolled when it was made.")
    method = models.SlugField(max_length=40)
    method_version = models.PositiveSmallIntegerField(default=1)
    inputs = models.JSONField()
    made_at = models.DateTimeField()

    class Meta:
        ordering = ["program", "starts_at"]
        constraints = [models.UniqueConstraint(fields=["program", "starts_at"], name="one_nomination_per_hour")]

    def __str__(self) -> str:
        return f"{self.hold_w} W at {self.starts_at:%Y-%m-%d %H:%M}Z"

    @property
    def ends_at(self) -> datetime:
        """The end of its hour."""
        return self.starts_at + timedelta(hours=1)


class Rehearsal(models.Model):
    """A draft of a program tried on recorded days and cars: what was asked, what it was tried on, what came of it."""

    public_id = models.UUIDField(default=uuid.uuid4, unique=True, editable=False)
    utility = models.ForeignKey(Utility, null=True, blank=True, on_delete=models.PROTECT, related_name="rehearsals")
    name = models.CharField(max_length=120)
    draft = models.JSONField(help_text="The terms as they were typed.")
    inputs = models.JSONField(help_text="Days, cars and assumptions: with the draft, all that it depends on.")
    result = models.JSONField()
    method_version = models.PositiveSmallIntegerField(default=1)
    made_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, blank=True, on_delete=models.PROTECT, related_name="rehearsals"
    )
    made_at = models.DateTimeField()

    class Meta:
        ordering = ["-made_at"]
        constraints = [models.CheckConstraint(condition=~Q(name=""), name="rehearsal_has_a_name")]

    def __str__(self) -> str:
        return f"rehearsal of {self.name}"
