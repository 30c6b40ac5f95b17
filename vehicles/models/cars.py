"""The car, and where it is at home."""

import uuid

from django.conf import settings
from django.db import models
from django.db.models import Q
from django.utils.translation import gettext_lazy as _

from foundation.fields import EncryptedTextField
from vehicles.automakers.base import Capabilities, read_capabilities
from vehicles.models.links import VehicleLink


class Vehicle(models.Model):
    """One car. At most one link controls a VIN; a second route to the same car is read-only."""

    class State(models.TextChoices):
        """What we do with the car."""

        OFFERED = "offered", _("seen at the maker, not chosen")
        ACTIVE = "active", _("taking part")
        UNLINKED = "unlinked", _("no longer linked")

    public_id = models.UUIDField(default=uuid.uuid4, unique=True, editable=False)
    owner = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="vehicles")
    link = models.ForeignKey(VehicleLink, on_delete=models.PROTECT, related_name="vehicles")
    external_id = EncryptedTextField()
    external_id_hash = models.CharField(max_length=64)
    vin = EncryptedTextField(blank=True)
    vin_hash = models.CharField(max_length=64, blank=True)
    make = models.CharField(max_length=40)
    model = models.CharField(max_length=60)
    model_year = models.PositiveSmallIntegerField(null=True, blank=True)
    trim = models.CharField(max_length=60, blank=True)
    nickname = models.CharField(max_length=60, blank=True)
    state = models.CharField(max_length=16, choices=State, default=State.OFFERED)
    is_controlling = models.BooleanField(default=False)
    capabilities = models.JSONField(
        default=dict, help_text="automakers.base.Capabilities as they count now: the maker's, or with the wall box's."
    )
    own_capabilities = models.JSONField(
        default=dict, blank=True, help_text="The maker's, while a wall box's count too; empty: nothing was added."
    )
    capacity_wh = models.PositiveIntegerField(help_text="Usable battery energy.")
    max_charge_w = models.PositiveIntegerField(help_text="AC side.")
    max_discharge_w = models.PositiveIntegerField(default=0, help_text="AC side; 0 = charging only.")
    has_assumed_specs = models.BooleanField(
        default=False, help_text="Battery and charger are guessed: the owner should say what they are."
    )
    charge_efficiency = models.DecimalField(max_digits=4, decimal_places=3, default="0.900")
    discharge_efficiency = models.DecimalField(max_digits=4, decimal_places=3, default="0.900")
    next_read_at = models.DateTimeField(null=True, blank=True, help_text="When a reading is due (simulated time).")
    lease_until = models.DateTimeField(null=True, blank=True, help_text="A reader is at work until then (wall time).")
    read_failure = models.CharField(max_length=40, blank=True, help_text="Why the last reading failed, as a key.")
    read_failures = models.PositiveSmallIntegerField(default=0, help_text="Failed readings in a row.")
    created_at = models.DateTimeField()

    class Meta:
        ordering = ["make", "model", "pk"]
        indexes = [models.Index(fields=["state", "next_read_at"], name="vehicle_due_reading")]
        constraints = [
            models.UniqueConstraint(
                fields=["vin_hash"],
                condition=Q(is_controlling=True) & ~Q(vin_hash=""),
                name="one_controlling_link_per_vin",
            ),
            models.UniqueConstraint(fields=["link", "external_id_hash"], name="one_vehicle_per_link_and_external_id"),
            models.CheckConstraint(
                condition=Q(charge_efficiency__gt=0, charge_efficiency__lte=1)
                & Q(discharge_efficiency__gt=0, discharge_efficiency__lte=1),
                name="efficiency_in_range",
            ),
            models.CheckConstraint(condition=Q(capacity_wh__gt=0, max_charge_w__gt=0), name="vehicle_can_charge"),
        ]

    def __str__(self) -> str:
        return self.nickname or f"{self.make} {self.model}"

    @property
    def can(self) -> Capabilities:
        """What the car can do where it stands: as its maker granted it, or with the wall box it is at."""
        return read_capabilities(self.capabilities)

    @property
    def own(self) -> Capabilities:
        """What the car can do by itself, as its maker granted it."""
        return read_capabilities(self.own_capabilities or self.capabilities)


class HomePlace(models.Model):
    """Where an owner's cars are at home, as one of them once stood there. Readings keep only near or not."""

    owner = models.OneToOneField(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="home_place")
    latitude = EncryptedTextField()
    longitude = EncryptedTextField()
    radius_m = models.PositiveIntegerField(default=200, help_text="Parking on the street still counts as home.")
    set_at = models.DateTimeField()

    def __str__(self) -> str:
        return f"home of owner {self.owner_id}"
