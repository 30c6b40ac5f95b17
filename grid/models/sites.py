"""Where cars charge: homes, and the tariffs under which they buy and sell."""

import uuid
from typing import Any

from django.conf import settings
from django.db import models
from django.db.models import Q
from django.utils.translation import gettext_lazy as _

from foundation.fields import EncryptedTextField
from grid.models.feeders import Feeder
from grid.models.series import Feed
from grid.models.utilities import Utility
from grid.rules.tariffs import MONTH_KWH


class Tariff(models.Model):
    """What a kWh costs and earns at a site: fixed, by time of use, or the market price plus a delivery charge.

    Rates are micro-currency per kWh. `periods` (time of use) is a list of
    `{"weekdays": [0..6], "from": "HH:MM", "to": "HH:MM", "rate": micros}` in the utility's local time, half-open; `to`
    "24:00" is midnight; the first that fits counts, else `flat_rate_micros_per_kwh`. Months, export rates and tiers
    are told in docs/feeds.md. The row holds the newest version; the ones before it stay, to compute again by.
    """

    class Kind(models.TextChoices):
        """How the price is formed."""

        FLAT = "flat", _("one price")
        TIME_OF_USE = "time_of_use", _("by time of use")
        MARKET = "market", _("market price")

    utility = models.ForeignKey(Utility, on_delete=models.PROTECT, related_name="tariffs")
    slug = models.SlugField(unique=True)
    name = models.CharField(max_length=120)
    kind = models.CharField(max_length=12, choices=Kind)
    flat_rate_micros_per_kwh = models.BigIntegerField(default=0)
    periods = models.JSONField(default=list, blank=True)
    price_feed = models.ForeignKey(
        Feed, null=True, blank=True, on_delete=models.PROTECT, related_name="tariffs", help_text="Market price."
    )
    delivery_micros_per_kwh = models.BigIntegerField(default=0, help_text="Added to the market price when buying.")
    export_rate_micros_per_kwh = models.BigIntegerField(default=0, help_text="Paid for energy delivered to the grid.")
    carbon_feed = models.ForeignKey(
        Feed, null=True, blank=True, on_delete=models.PROTECT, related_name="carbon_tariffs"
    )
    holidays = models.JSONField(
        default=list, blank=True, help_text='Days that count as Sundays: ["2026-12-25", ...], local dates.'
    )
    month_kwh = models.PositiveIntegerField(
        default=MONTH_KWH, help_text="What a household is taken to use in a month before its car; it decides the tier."
    )
    fixed_charge = models.CharField(
        max_length=60, blank=True, help_text="What is paid however much is used, in words; no plan depends on it."
    )
    version = models.PositiveIntegerField(default=1)
    valid_from_date = models.DateField(null=True, blank=True, help_text="The first day, local. Empty: always was.")
    valid_until_date = models.DateField(
        null=True, blank=True, help_text="The first day on which it no longer holds. Empty: until further notice."
    )
    other_versions = models.JSONField(default=list, blank=True, editable=False)
    source = models.CharField(max_length=200, blank=True, help_text="Where the rates were read.")
    as_of_date = models.DateField(null=True, blank=True, help_text="The day on which the source said so.")

    class Meta:
        ordering = ["utility", "name"]
        constraints = [
            models.CheckConstraint(
                condition=~Q(kind="market") | Q(price_feed__isnull=False), name="market_tariff_has_a_feed"
            ),
            models.CheckConstraint(
                condition=Q(valid_from_date__isnull=True)
                | Q(valid_until_date__isnull=True)
                | Q(valid_until_date__gt=models.F("valid_from_date")),
                name="tariff_holds_for_a_day",
            ),
        ]

    def __str__(self) -> str:
        return self.name

    @property
    def rules(self) -> dict[str, Any]:
        """The version held by the row, as `rules.tariffs.parse_rates` reads it and as `other_versions` keeps it."""
        begins, ends = self.valid_from_date, self.valid_until_date
        return {
            "version": self.version,
            "valid_from_date": begins.isoformat() if begins else None,
            "valid_until_date": ends.isoformat() if ends else None,
            "kind": self.kind,
            "flat": self.flat_rate_micros_per_kwh,
            "periods": self.periods,
            "delivery": self.delivery_micros_per_kwh,
            "export": self.export_rate_micros_per_kwh,
            "holidays": self.holidays,
            "month_kwh": self.month_kwh,
            "source": self.source,
        }


class CarbonChoice(models.TextChoices):
    """How much carbon weighs beside money when cars are planned, from not at all to before everything."""

    MONEY = "money", _("Money only")
    MOSTLY_MONEY = "mostly_money", _("Mostly money")
    BALANCED = "balanced", _("Balanced")
    MOSTLY_CARBON = "mostly_carbon", _("Mostly carbon")
    CARBON = "carbon", _("Carbon first")


class Site(models.Model):
    """An owner's home: where it is, who supplies it, what its charger can do and may export."""

    public_id = models.UUIDField(default=uuid.uuid4, unique=True, editable=False)
    owner = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="sites")
    address = EncryptedTextField(blank=True)
    postal_code_prefix = models.CharField(max_length=5, blank=True)
    time_zone = models.CharField(max_length=64)
    tariff = models.ForeignKey(Tariff, on_delete=models.PROTECT, related_name="sites")
    evse_max_charge_w = models.PositiveIntegerField()
    is_evse_bidirectional = models.BooleanField(default=False)
    has_export_permission = models.BooleanField(default=False)
    export_limit_w = models.PositiveIntegerField(default=0)
    export_permission_ends_on_date = models.DateField(null=True, blank=True)
    carbon_choice = models.CharField(
        max_length=16,
        choices=CarbonChoice,
        default=CarbonChoice.MOSTLY_MONEY,
        help_text="How plans weigh carbon beside money.",
    )
    month_kwh = models.PositiveIntegerField(
        null=True,
        blank=True,
        help_text="What the home uses in a month besides its car, as its owner says; empty: as the tariff takes it.",
    )
    feeder = models.ForeignKey(
        Feeder, null=True, blank=True, on_delete=models.SET_NULL, related_name="sites", help_text="What it hangs on."
    )
    created_at = models.DateTimeField()
    version = models.PositiveIntegerField(default=1)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["owner"], name="one_home_per_owner"),
            models.CheckConstraint(
                condition=Q(evse_max_charge_w__gte=1000, evse_max_charge_w__lte=25000), name="evse_power_plausible"
            ),
            models.CheckConstraint(
                condition=Q(has_export_permission=False) | Q(is_evse_bidirectional=True),
                name="export_needs_bidirectional_evse",
            ),
        ]

    def __str__(self) -> str:
        return f"home {str(self.public_id)[:8]}"
