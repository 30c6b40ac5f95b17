"""The utilities that ask for help."""

import uuid
from datetime import date
from typing import Any
from zoneinfo import ZoneInfo

from django.core.exceptions import ValidationError
from django.db import models
from django.db.models import Q
from django.utils.translation import gettext_lazy as _


def check_dates(value: Any) -> None:
    """Refuse what is no list of dates."""
    try:
        dates = [date.fromisoformat(one) for one in value]
    except (TypeError, ValueError):
        dates = []
    if not isinstance(value, list) or len(dates) != len(value):
        raise ValidationError(_('Type a list of dates, such as ["2026-12-25", "2027-01-01"].'))


class Utility(models.Model):
    """A utility or system operator: a paying customer."""

    public_id = models.UUIDField(default=uuid.uuid4, unique=True, editable=False)
    slug = models.SlugField(unique=True)
    name = models.CharField(max_length=120)
    country = models.CharField(max_length=2)
    region = models.CharField(max_length=40, help_text="State or province.")
    currency = models.CharField(max_length=3)
    time_zone = models.CharField(max_length=64)
    holidays = models.JSONField(
        default=list,
        blank=True,
        validators=[check_dates],
        help_text='Days that are no working days to its baselines: ["2026-12-25", ...], local dates.',
    )
    is_demo = models.BooleanField(default=False, help_text="Invented for demonstration; no such utility exists.")
    two_person_limit_w = models.PositiveBigIntegerField(
        default=5_000_000, help_text="Events that ask for more power need the approval of a second admin."
    )

    switch_percent = models.FloatField(
        default=5.0, help_text="Of its enrolled cars' power, the most that is switched in ten seconds."
    )
    offset_seconds = models.PositiveIntegerField(
        default=600, help_text="Cars begin up to so much before an event and end up to so much after it, each its own."
    )

    class Meta:
        ordering = ["name"]
        verbose_name_plural = "utilities"
        constraints = [
            models.CheckConstraint(condition=Q(currency__in=["USD", "CAD"]), name="utility_currency_known"),
            models.CheckConstraint(
                condition=Q(switch_percent__gt=0, switch_percent__lte=100, offset_seconds__lte=1800),
                name="utility_switches_gently",
            ),
        ]

    def __str__(self) -> str:
        return self.name

    @property
    def zone(self) -> ZoneInfo:
        """The utility's own time zone."""
        return ZoneInfo(self.time_zone)
