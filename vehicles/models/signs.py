"""Signs that somebody else steers a car too: a schedule in the car, in its maker's app or in the wall box."""

from django.db import models
from django.db.models import Q

from vehicles.models.cars import Vehicle


class ForeignSign(models.Model):
    """A car did at the plug what nobody here told it; open until it behaves again."""

    class Kind(models.TextChoices):
        """What it did."""

        STOPPED = "stopped", "stopped charging"
        STARTED = "started", "charged while it was held"
        WAITED = "waited", "did not charge when plugged in"

    vehicle = models.ForeignKey(Vehicle, on_delete=models.CASCADE, related_name="foreign_signs")
    kind = models.CharField(max_length=8, choices=Kind)
    seen_at = models.DateTimeField(help_text="By the reading that first showed it.")
    last_seen_at = models.DateTimeField()
    readings = models.PositiveSmallIntegerField(default=1, help_text="How many readings showed it.")
    over_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        ordering = ["-seen_at"]
        indexes = [models.Index(fields=["vehicle", "-seen_at"], name="foreignsign_newest")]
        constraints = [
            models.UniqueConstraint(
                fields=["vehicle"], condition=Q(over_at__isnull=True), name="one_open_foreign_sign_per_vehicle"
            )
        ]

    def __str__(self) -> str:
        return f"{self.kind} {self.seen_at:%Y-%m-%d %H:%M}"
