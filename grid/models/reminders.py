"""What owners were reminded of, and when it is looked again."""

from django.db import models

from grid.models.events import GridEvent
from grid.models.programs import ProgramTerms
from vehicles.models import Vehicle


class EventReminder(models.Model):
    """Who takes part in this version of an event was reminded shortly before it."""

    event = models.ForeignKey(GridEvent, on_delete=models.CASCADE, related_name="reminders")
    version = models.PositiveIntegerField()
    reminded_at = models.DateTimeField()

    class Meta:
        constraints = [models.UniqueConstraint(fields=["event", "version"], name="one_reminder_per_event_version")]

    def __str__(self) -> str:
        return f"reminder of {self.event} v{self.version}"


class PlugReminder(models.Model):
    """When it is next looked whether a car waits at its home plug, an hour after it usually does."""

    vehicle = models.OneToOneField(Vehicle, on_delete=models.CASCADE, related_name="plug_reminder")
    due_at = models.DateTimeField()
    lease_until = models.DateTimeField(null=True, blank=True, help_text="Somebody is at work on it (wall time).")

    class Meta:
        indexes = [models.Index(fields=["due_at"], name="plug_reminder_due")]

    def __str__(self) -> str:
        return f"look at {self.vehicle} {self.due_at:%Y-%m-%d %H:%M}"


class TermsNotice(models.Model):
    """The owners in the program were told of this version of its terms."""

    terms = models.OneToOneField(ProgramTerms, on_delete=models.CASCADE, related_name="told")
    told_at = models.DateTimeField()

    def __str__(self) -> str:
        return f"told of {self.terms}"


class RiskWatch(models.Model):
    """How far plans were looked through for departures at risk; one row."""

    after = models.BigIntegerField(default=0, help_text="Plans up to this key were looked at.")

    def __str__(self) -> str:
        return f"plans looked at up to {self.after}"
