"""What the car was seen to be."""

from typing import Any

from django.db import models
from django.db.models import F, Q
from django.utils.translation import gettext_lazy as _

from vehicles.models.cars import Vehicle

PERCENT: dict[str, Any] = {"max_digits": 5, "decimal_places": 2}


class PlugSession(models.Model):
    """One stay at the plug, as readings showed it; the counterfactual baseline starts from what is frozen here."""

    vehicle = models.ForeignKey(Vehicle, on_delete=models.CASCADE, related_name="plug_sessions")
    plugged_in_at = models.DateTimeField()
    soc_percent = models.DecimalField(**PERCENT, help_text="At plug-in.")
    limit_percent = models.DecimalField(**PERCENT, help_text="The car's own charge limit at plug-in.")
    is_at_home = models.BooleanField()
    unplugged_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        ordering = ["-plugged_in_at"]
        indexes = [models.Index(fields=["unplugged_at"], name="plugsession_ended")]
        constraints = [
            models.UniqueConstraint(
                fields=["vehicle"], condition=Q(unplugged_at__isnull=True), name="one_open_plug_session"
            ),
            models.CheckConstraint(
                condition=Q(unplugged_at__isnull=True) | Q(unplugged_at__gte=F("plugged_in_at")),
                name="unplugged_after_plugged_in",
            ),
        ]

    def __str__(self) -> str:
        return f"plugged in {self.plugged_in_at:%Y-%m-%d %H:%M}"


class ChargeReading(models.Model):
    """What the car was seen to be. `observed_at` is the car's time, `fetched_at` ours; null = the car did not say.

    `power_w` > 0 charges, < 0 discharges. `imported_wh` and `exported_wh` are running AC-side meters of the charger
    or car, where the maker serves them.
    """

    class Source(models.TextChoices):
        """How the value reached us."""

        POLL = "poll", _("asked")
        STREAM = "stream", _("streamed")
        WEBHOOK = "webhook", _("pushed")

    vehicle = models.ForeignKey(Vehicle, on_delete=models.CASCADE, related_name="readings")
    observed_at = models.DateTimeField()
    fetched_at = models.DateTimeField()
    source = models.CharField(max_length=8, choices=Source, default=Source.POLL)
    soc_percent = models.DecimalField(**PERCENT, null=True, blank=True)
    limit_percent = models.DecimalField(**PERCENT, null=True, blank=True)
    is_plugged_in = models.BooleanField(null=True, blank=True)
    is_at_home = models.BooleanField(null=True, blank=True)
    charge_state = models.CharField(max_length=16, default="unknown")
    power_w = models.IntegerField(null=True, blank=True)
    imported_wh = models.BigIntegerField(null=True, blank=True)
    exported_wh = models.BigIntegerField(null=True, blank=True)

    class Meta:
        ordering = ["-observed_at"]
        constraints = [
            models.UniqueConstraint(fields=["vehicle", "observed_at"], name="one_reading_per_instant"),
            models.CheckConstraint(
                condition=Q(soc_percent__isnull=True) | Q(soc_percent__gte=0, soc_percent__lte=100),
                name="soc_in_range",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.soc_percent} % at {self.observed_at:%Y-%m-%d %H:%M}"
