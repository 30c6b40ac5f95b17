"""Reports that an event of OpenADR 3 asks for by its descriptors, and the names under which cars are told singly."""

import uuid
from datetime import date

from django.db import models
from django.db.models import Q

from grid.models.operators import OperatorEvent, OperatorProgram
from grid.models.programs import Enrollment

OPT_OUTS = "opt-outs"  # the wish of the report on owners who said no
NOMINATIONS = "nominations"  # the wish of what is told a day ahead; its number is the day's ordinal


class OperatorResource(models.Model):
    """The opaque name under which one car is told to one program of one server; it is random, and used nowhere else."""

    program = models.ForeignKey(OperatorProgram, on_delete=models.CASCADE, related_name="resources")
    enrollment = models.ForeignKey(Enrollment, on_delete=models.CASCADE, related_name="operator_resources")
    name = models.CharField(max_length=64, default=uuid.uuid4, unique=True)
    remote_id = models.CharField(max_length=128, blank=True, help_text="The resource's id at the server.")

    class Meta:
        constraints = [models.UniqueConstraint(fields=["program", "enrollment"], name="one_resource_per_enrollment")]

    def __str__(self) -> str:
        return f"resource {self.name[:8]}"


class OwedReport(models.Model):
    """One report that an event's descriptors ask for. Due times are simulated, waits after failures wall time.

    `windows` are the intervals told: id, start, end. It is told again, in the same place at the server, when more is
    known: `due_at` is then set anew; empty: nothing more is owed.
    """

    event = models.ForeignKey(OperatorEvent, on_delete=models.CASCADE, related_name="owed_reports")
    wish = models.CharField(max_length=16, help_text="Which descriptors it answers.")
    number = models.PositiveIntegerField(help_text="Which repetition.")
    types = models.JSONField()
    windows = models.JSONField()
    targets = models.JSONField(default=list, blank=True)
    is_ahead = models.BooleanField(help_text="It tells what will be.")
    is_aggregate = models.BooleanField(help_text="All cars together, not one by one.")
    due_at = models.DateTimeField(null=True, blank=True)
    is_tried = models.BooleanField(default=False, help_text="It may have reached the server: look before sending.")
    remote_id = models.CharField(max_length=128, blank=True)
    body = models.JSONField(default=dict, blank=True)
    told_at = models.DateTimeField(null=True, blank=True)
    told_mark = models.BigIntegerField(default=0, help_text="The newest settlement that it speaks from.")
    sent_at = models.DateTimeField(null=True, blank=True)
    failure = models.CharField(max_length=120, blank=True)
    failures = models.PositiveIntegerField(default=0)
    next_try_at = models.DateTimeField(null=True, blank=True, help_text="Wall time; empty: at once.")

    class Meta:
        ordering = ["-due_at", "pk"]
        indexes = [models.Index(fields=["due_at"], condition=Q(due_at__isnull=False), name="owed_report_due")]
        constraints = [models.UniqueConstraint(fields=["event", "wish", "number"], name="one_owed_report_per_wish")]

    def __str__(self) -> str:
        return self.name

    @property
    def name(self) -> str:
        """What the server knows it by; unique within its event."""
        if self.wish == NOMINATIONS:
            return f"nomination {date.fromordinal(self.number):%Y-%m-%d}"
        return f"{str(self.types[0]).lower()} {self.number + 1} {self.wish}"
