"""Bidirectional wall boxes: linked like cars, serving the car that their owner names."""

import uuid

from django.db import models
from django.db.models import Q
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from foundation.fields import EncryptedTextField
from vehicles.automakers.base import Capabilities, read_capabilities
from vehicles.models.cars import Vehicle
from vehicles.models.links import VehicleLink


class HomeCharger(models.Model):
    """One wall box behind a link, and what it last said. It charges and discharges whatever car is at it."""

    class State(models.TextChoices):
        """What we do with the box."""

        OFFERED = "offered", _("seen at its maker, serves no car")
        ACTIVE = "active", _("serving a car")
        UNLINKED = "unlinked", _("no longer linked")

    public_id = models.UUIDField(default=uuid.uuid4, unique=True, editable=False)
    link = models.ForeignKey(VehicleLink, on_delete=models.PROTECT, related_name="chargers")
    external_id = EncryptedTextField()
    external_id_hash = models.CharField(max_length=64)
    name = models.CharField(max_length=60, blank=True)
    capabilities = models.JSONField(default=dict, help_text="automakers.base.Capabilities as its maker granted them.")
    max_charge_w = models.PositiveIntegerField(default=0, help_text="AC side; 0 = not told.")
    max_discharge_w = models.PositiveIntegerField(default=0, help_text="AC side.")
    serves = models.OneToOneField(
        Vehicle, null=True, blank=True, on_delete=models.SET_NULL, related_name="home_charger"
    )
    state = models.CharField(max_length=16, choices=State, default=State.OFFERED)
    is_car_connected = models.BooleanField(null=True, blank=True)
    is_used = models.BooleanField(
        default=False, help_text="Its car stands at it: holds, discharges and meters go through the box."
    )
    observed_at = models.DateTimeField(null=True, blank=True, help_text="When the box last said something.")
    car_asked_at = models.DateTimeField(
        null=True, blank=True, help_text="When the car that stands here was last asked at its own maker."
    )
    failure = models.CharField(max_length=40, blank=True, help_text="Why it last did not answer, as a key.")
    created_at = models.DateTimeField()

    class Meta:
        ordering = ["name", "pk"]
        constraints = [
            models.UniqueConstraint(fields=["link", "external_id_hash"], name="one_charger_per_link_and_external_id"),
            models.CheckConstraint(
                condition=Q(state="active") | Q(serves__isnull=True), name="only_an_active_charger_serves"
            ),
        ]

    def __str__(self) -> str:
        return self.name or gettext("Charger")

    @property
    def can(self) -> Capabilities:
        """What the box can do, as its maker granted it."""
        return read_capabilities(self.capabilities)
