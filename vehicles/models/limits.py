"""The charge limit that we keep in a car, and the one it had before."""

from django.db import models

from vehicles.models.cars import Vehicle


class ChargeLimit(models.Model):
    """A car whose limit we set to its owner's target; `before_percent` comes back when it leaves us."""

    vehicle = models.OneToOneField(Vehicle, on_delete=models.CASCADE, related_name="charge_limit")
    before_percent = models.PositiveSmallIntegerField(help_text="The car's own limit before we first set one.")
    wanted_percent = models.PositiveSmallIntegerField(help_text="What we last asked for.")
    asked = models.PositiveIntegerField(default=0, help_text="How often a limit was asked for; part of the keys.")
    asked_at = models.DateTimeField(null=True, blank=True)

    def __str__(self) -> str:
        return f"{self.wanted_percent} % instead of {self.before_percent} %"
