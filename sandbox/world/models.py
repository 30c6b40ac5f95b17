"""What the whole sandbox shares: its clock."""

from datetime import datetime, timedelta
from typing import ClassVar

from django.db import models


class ClockAnchor(models.Model):
    """The one row that ties simulated time to wall time; `rate` is simulated seconds per wall second (0 = frozen)."""

    simulated_at = models.DateTimeField()
    wall_at = models.DateTimeField()
    rate = models.FloatField()

    objects: ClassVar[models.Manager["ClockAnchor"]] = models.Manager()

    class Meta:
        constraints = [models.CheckConstraint(condition=models.Q(id=1), name="one_clock")]

    def __str__(self) -> str:
        return f"{self.simulated_at} at {self.wall_at}, x{self.rate}"

    def simulated(self, wall: datetime) -> datetime:
        """Return the simulated instant that belongs to the wall instant `wall`."""
        return self.simulated_at + timedelta(seconds=(wall - self.wall_at).total_seconds() * self.rate)
