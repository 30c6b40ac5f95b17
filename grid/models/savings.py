"""What steering saved in each finished stay at the home plug: an estimate, kept apart from any money that is paid."""

from django.db import models

from grid.models.series import Feed
from vehicles.models import PlugSession


class StaySaving(models.Model):
    """One stay beside its counterfactual, the same car charging at once at full power.

    `saved_micros` is less on the bill (> 0) in millionths of `currency`; `saved_g` is less CO2, in grams at the rates
    of `carbon_feed`. What is null is not known, which is not zero. Weighed once, an hour after the car left.
    """

    plug_session = models.OneToOneField(PlugSession, on_delete=models.CASCADE, related_name="saving")
    is_known = models.BooleanField(help_text="Whether enough was read to say anything.")
    drawn_wh = models.BigIntegerField(null=True, blank=True, help_text="Net at the AC side; < 0 gave back more.")
    saved_micros = models.BigIntegerField(null=True, blank=True)
    currency = models.CharField(max_length=3)
    drawn_g = models.BigIntegerField(null=True, blank=True, help_text="CO2 of what was drawn.")
    saved_g = models.BigIntegerField(null=True, blank=True)
    carbon_feed = models.ForeignKey(Feed, null=True, blank=True, on_delete=models.SET_NULL, related_name="+")
    weighed_at = models.DateTimeField()

    class Meta:
        ordering = ["-pk"]
        constraints = [
            models.CheckConstraint(
                condition=models.Q(is_known=False, saved_micros__isnull=True, saved_g__isnull=True)
                | models.Q(is_known=True, saved_micros__isnull=False, drawn_wh__isnull=False),
                name="saving_known_or_not",
            )
        ]

    def __str__(self) -> str:
        return f"{self.saved_micros} {self.currency}, {self.saved_g} g"
