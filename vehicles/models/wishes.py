"""What the owner wants of one car."""

import uuid

from django.db import models
from django.db.models import F, Q
from django.utils.translation import gettext_lazy as _

from vehicles.models.cars import Vehicle
from vehicles.schedule import Dated


class ChargePreference(models.Model):
    """What the owner wants of one car. `version` grows with every change, and makes older plans stale."""

    vehicle = models.OneToOneField(Vehicle, on_delete=models.CASCADE, related_name="preference")
    target_soc_percent = models.PositiveSmallIntegerField(default=80)
    minimum_soc_percent = models.PositiveSmallIntegerField(default=20)
    reserve_soc_percent = models.PositiveSmallIntegerField(default=30)
    is_v2g_allowed = models.BooleanField(default=False)
    is_paused = models.BooleanField(default=False)
    version = models.PositiveIntegerField(default=1)
    changed_at = models.DateTimeField()

    class Meta:
        constraints = [
            models.CheckConstraint(
                condition=Q(minimum_soc_percent__lte=F("reserve_soc_percent")), name="minimum_at_most_reserve"
            ),
            models.CheckConstraint(
                condition=Q(reserve_soc_percent__lte=F("target_soc_percent")), name="reserve_at_most_target"
            ),
            models.CheckConstraint(condition=Q(target_soc_percent__lte=100), name="target_at_most_full"),
        ]

    def __str__(self) -> str:
        return f"ready with {self.target_soc_percent} %"


class Departure(models.Model):
    """When the car leaves on one weekday (0 = Monday), local time of its site; no row = no departure that day."""

    preference = models.ForeignKey(ChargePreference, on_delete=models.CASCADE, related_name="departures")
    weekday = models.PositiveSmallIntegerField()
    leaves_at_local = models.TimeField()

    class Meta:
        ordering = ["weekday"]
        constraints = [
            models.UniqueConstraint(fields=["preference", "weekday"], name="one_departure_per_weekday"),
            models.CheckConstraint(condition=Q(weekday__lte=6), name="weekday_in_week"),
        ]

    def __str__(self) -> str:
        return f"{self.weekday} {self.leaves_at_local:%H:%M}"


class DatedDeparture(models.Model):
    """What holds on some dates in place of the weekday's departure: another time, none at all, or the car is away.

    Dates are local to the car's home, both included. Rows of one car never overlap; the flow keeps it so.
    """

    class Kind(models.TextChoices):
        """What the owner said of these dates."""

        LEAVES = "leaves", _("leaves at another time")
        STAYS = "stays", _("does not leave")
        AWAY = "away", _("away")

    public_id = models.UUIDField(default=uuid.uuid4, unique=True, editable=False)
    vehicle = models.ForeignKey(Vehicle, on_delete=models.CASCADE, related_name="dated_departures")
    kind = models.CharField(max_length=8, choices=Kind)
    first_date = models.DateField()
    last_date = models.DateField()
    leaves_at_local = models.TimeField(null=True, blank=True)
    created_at = models.DateTimeField()

    class Meta:
        ordering = ["first_date"]
        indexes = [models.Index(fields=["vehicle", "last_date"], name="dated_by_vehicle")]
        constraints = [
            models.CheckConstraint(condition=Q(last_date__gte=F("first_date")), name="dated_ends_after_start"),
            models.CheckConstraint(
                condition=Q(kind="away")
                | Q(kind="leaves", leaves_at_local__isnull=False)
                | Q(kind="stays", leaves_at_local__isnull=True),
                name="dated_time_fits_kind",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.kind} {self.first_date} to {self.last_date}"

    @property
    def dated(self) -> Dated:
        """The row as schedules read it."""
        return Dated(self.first_date, self.last_date, self.leaves_at_local, self.kind == self.Kind.AWAY)


class ChargeOverride(models.Model):
    """The owner's word over every plan for a while: charge now, or leave the car alone."""

    class Kind(models.TextChoices):
        """What the owner asked."""

        CHARGE_NOW = "charge_now", _("charge now")
        SKIP = "skip", _("no grid help")

    public_id = models.UUIDField(default=uuid.uuid4, unique=True, editable=False)
    vehicle = models.ForeignKey(Vehicle, on_delete=models.CASCADE, related_name="overrides")
    kind = models.CharField(max_length=16, choices=Kind)
    starts_at = models.DateTimeField()
    ends_at = models.DateTimeField()
    cancelled_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        ordering = ["-starts_at"]
        constraints = [
            models.CheckConstraint(condition=Q(ends_at__gt=F("starts_at")), name="override_ends_after_start"),
            models.UniqueConstraint(
                fields=["vehicle", "kind"], condition=Q(cancelled_at__isnull=True), name="one_open_override_per_kind"
            ),
        ]

    def __str__(self) -> str:
        return self.kind
