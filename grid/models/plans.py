"""Tonight's plan for each car, and when the next one is due."""

import uuid

from django.db import models
from django.db.models import Q

from vehicles.models import Vehicle


class PlanningState(models.Model):
    """When a car's next plan is due, and what the last one was made from."""

    vehicle = models.OneToOneField(Vehicle, on_delete=models.CASCADE, related_name="planning")
    due_at = models.DateTimeField()
    reason = models.CharField(max_length=40, blank=True)
    lease_until = models.DateTimeField(null=True, blank=True, help_text="A planner is at work until then (wall time).")

    class Meta:
        indexes = [models.Index(fields=["due_at"], name="plan_due")]

    def __str__(self) -> str:
        return f"plan of {self.vehicle} due {self.due_at:%Y-%m-%d %H:%M}"


class Plan(models.Model):
    """A plan over slots of `slot_minutes` from `starts_at`. The newest one of a car counts.

    `problem` is the planner's input and `solution` its output, as docs/planner-format.md fixes them, so that a plan
    can be recomputed. `inputs` names the versions it was made from (preference, site, events, feed issues, reading).
    """

    public_id = models.UUIDField(default=uuid.uuid4, unique=True, editable=False)
    vehicle = models.ForeignKey(Vehicle, on_delete=models.CASCADE, related_name="plans")
    made_at = models.DateTimeField()
    reason = models.CharField(max_length=40, blank=True)
    starts_at = models.DateTimeField()
    slot_minutes = models.PositiveSmallIntegerField(default=15)
    departure_at = models.DateTimeField(null=True, blank=True)
    problem = models.JSONField()
    solution = models.JSONField()
    inputs = models.JSONField(default=dict)
    is_current = models.BooleanField(default=True)

    class Meta:
        ordering = ["-made_at", "-pk"]
        indexes = [models.Index(fields=["vehicle", "-made_at"], name="plan_newest")]
        constraints = [
            models.UniqueConstraint(
                fields=["vehicle"], condition=Q(is_current=True), name="one_current_plan_per_vehicle"
            )
        ]

    def __str__(self) -> str:
        return f"plan {self.made_at:%Y-%m-%d %H:%M}"
