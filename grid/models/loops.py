"""How an event goes while it runs."""

from django.db import models

from grid.models.events import GridEvent


class EventProgress(models.Model):
    """One look at a running event: what its cars were told to give, what readings show, and what was made up for.

    Powers are of the whole group, W, positive where they help. `unknown_w` was told to cars that no fresh reading
    speaks of: it counts neither as delivered nor as missing.
    """

    event = models.ForeignKey(GridEvent, on_delete=models.CASCADE, related_name="progress")
    at = models.DateTimeField()
    asked_w = models.BigIntegerField()
    planned_w = models.BigIntegerField(default=0, help_text="What the cars called were told to give.")
    measured_w = models.BigIntegerField(default=0, help_text="What fresh readings show of it.")
    unknown_w = models.BigIntegerField(default=0, help_text="Told to cars of which nothing fresh is known.")
    moved_w = models.BigIntegerField(default=0, help_text="Asked of other cars at this look.")
    missing_w = models.BigIntegerField(default=0, help_text="What nobody could make up for.")
    called_cars = models.PositiveIntegerField(default=0)
    measured_cars = models.PositiveIntegerField(default=0, help_text="Seen by their own power or meter.")
    derived_cars = models.PositiveIntegerField(default=0, help_text="Seen by what they said they do.")
    unknown_cars = models.PositiveIntegerField(default=0)
    straggling_cars = models.PositiveIntegerField(default=0)
    reserve_cars = models.PositiveIntegerField(default=0)

    class Meta:
        ordering = ["event", "at"]
        verbose_name_plural = "event progress"
        constraints = [models.UniqueConstraint(fields=["event", "at"], name="one_look_an_instant")]

    def __str__(self) -> str:
        return f"{self.event} at {self.at:%H:%M:%S}Z"
