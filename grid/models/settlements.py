"""What a car delivered in an event and what it earned: computed once, kept with everything it was computed from."""

import uuid

from django.db import models
from django.db.models import Q
from django.utils.translation import gettext_lazy as _

from grid.models.events import EventParticipation


class Settlement(models.Model):
    """One car's result in one event. Never edited: a correction is a new row with the next `revision`.

    Energies are Wh over the event, net at the AC side (+ from the grid, - to the grid). `delivered_wh` = baseline - net
    (for absorb: net - baseline). `evidence` holds the method's inputs: readings, baseline series, formula.
    """

    class Grade(models.TextChoices):
        """How the net energy is known."""

        MEASURED = "measured", _("measured by the charger's or car's meter")
        DERIVED = "derived", _("derived from the state of charge")
        MISSING = "missing", _("not known")

    public_id = models.UUIDField(default=uuid.uuid4, unique=True, editable=False)
    participation = models.ForeignKey(EventParticipation, on_delete=models.PROTECT, related_name="settlements")
    revision = models.PositiveSmallIntegerField(default=1)
    method = models.SlugField(max_length=40)
    method_version = models.PositiveSmallIntegerField(default=1)
    baseline_wh = models.BigIntegerField()
    net_wh = models.BigIntegerField(null=True, blank=True, help_text="Empty: not known, which is not zero.")
    delivered_wh = models.BigIntegerField(null=True, blank=True)
    credited_wh = models.BigIntegerField()
    reward_micros_per_kwh = models.BigIntegerField()
    amount_minor = models.BigIntegerField()
    currency = models.CharField(max_length=3)
    grade = models.CharField(max_length=12, choices=Grade)
    reason = models.CharField(max_length=40, blank=True, help_text="Why nothing was credited.")
    evidence = models.JSONField()
    created_at = models.DateTimeField()
    posted_at = models.DateTimeField(null=True, blank=True, help_text="When it reached the ledger.")

    class Meta:
        ordering = ["-created_at"]
        constraints = [
            models.UniqueConstraint(fields=["participation", "revision"], name="one_settlement_per_revision"),
            models.CheckConstraint(condition=Q(amount_minor__gte=0), name="settlement_never_charges_the_owner"),
            models.CheckConstraint(condition=Q(credited_wh__gte=0), name="settlement_credits_no_less_than_nothing"),
            models.CheckConstraint(
                condition=Q(grade="missing", net_wh__isnull=True, delivered_wh__isnull=True, credited_wh=0)
                | (~Q(grade="missing") & Q(net_wh__isnull=False, delivered_wh__isnull=False)),
                name="settlement_missing_means_unknown",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.delivered_wh} Wh, {self.amount_minor} {self.currency}"
