"""The automaker's side of a link: its outages, and who was granted access to which cars."""

import uuid
from typing import ClassVar

from django.contrib.auth.models import User
from django.db import models

from sandbox.cars.models import Car
from sandbox.world import config


class Maker(models.Model):
    """An automaker's cloud and the faults switched on for all of it."""

    slug = models.CharField(max_length=20, unique=True)
    name = models.CharField(max_length=40)
    is_api_down = models.BooleanField(default=False)
    is_rate_limited = models.BooleanField(default=False)
    is_token_endpoint_down = models.BooleanField(default=False)
    is_garbled = models.BooleanField(default=False)  # answers with a page instead of JSON
    webhook_faults = models.JSONField(default=dict, blank=True)  # see `sandbox.makers.deliverer.SWITCHES`

    objects: ClassVar[models.Manager["Maker"]] = models.Manager()
    deliveries: "models.QuerySet[Delivery]"
    grants: "models.QuerySet[Grant]"
    tallies: "models.QuerySet[Tally]"

    def __str__(self) -> str:
        return self.name


class Tally(models.Model):
    """How many calls of one kind a maker answered, for makers that bill them."""

    maker = models.ForeignKey(Maker, on_delete=models.CASCADE, related_name="tallies")
    kind = models.CharField(max_length=20)
    count = models.PositiveBigIntegerField(default=0)

    objects: ClassVar[models.Manager["Tally"]] = models.Manager()

    class Meta:
        ordering = ["kind"]
        constraints = [models.UniqueConstraint(fields=["maker", "kind"], name="one_tally_per_maker_and_kind")]

    def __str__(self) -> str:
        return f"{self.kind}: {self.count}"


class Box(models.Model):
    """A bidirectional wall box; `guest` is the car that uses it, there or away.

    The box counts what went through it: the `..._before_wh` of earlier guests plus what the present one's meters have
    moved since it came to use this box.
    """

    owner = models.ForeignKey(User, on_delete=models.PROTECT, related_name="boxes")
    box_id = models.CharField(max_length=32, unique=True)
    name = models.CharField(max_length=60)
    make = models.CharField(max_length=40)
    model_name = models.CharField(max_length=60)
    serial = models.CharField(max_length=40)
    plug = models.CharField(max_length=20)
    latitude = models.FloatField()
    longitude = models.FloatField()
    max_charge_w = models.FloatField()
    max_discharge_w = models.FloatField()
    guest = models.ForeignKey(Car, on_delete=models.SET_NULL, null=True, related_name="boxes")
    guest_imported_wh = models.FloatField(default=0)  # the guest's meters when it became the guest
    guest_exported_wh = models.FloatField(default=0)
    imported_before_wh = models.FloatField(default=0)
    exported_before_wh = models.FloatField(default=0)
    is_offline = models.BooleanField(default=False)

    objects: ClassVar[models.Manager["Box"]] = models.Manager()
    owner_id: int
    guest_id: int | None

    class Meta:
        ordering = ["id"]

    def __str__(self) -> str:
        return f"{self.name} ({self.make} {self.model_name})"


class Grant(models.Model):
    """One consent: an account let one client reach the cars it chose. Every token carries the grant's URI."""

    public_id = models.UUIDField(default=uuid.uuid4, unique=True)
    maker = models.ForeignKey(Maker, on_delete=models.PROTECT, related_name="grants")
    owner = models.ForeignKey(User, on_delete=models.PROTECT, related_name="grants")
    client_id = models.CharField(max_length=100)
    cars = models.ManyToManyField(Car, related_name="grants")
    boxes = models.ManyToManyField(Box, related_name="grants")
    permissions = models.JSONField(default=list)  # where the maker grants them beside the tokens (Smartcar)
    told = models.JSONField(default=dict)  # what the maker's webhooks said last of each car and of the grant itself
    granted_at = models.DateTimeField()
    revoked_at = models.DateTimeField(null=True, default=None)

    objects: ClassVar[models.Manager["Grant"]] = models.Manager()
    maker_id: int
    owner_id: int

    class Meta:
        ordering = ["-id"]

    def __str__(self) -> str:
        return f"{self.owner} to {self.client_id}"

    @property
    def uri(self) -> str:
        """The resource (RFC 8707) that stands for the chosen cars inside the tokens."""
        return f"{config.PUBLIC_URL}/{self.maker.slug}/grants/{self.public_id}"


class Delivery(models.Model):
    """One event on its way to the platform's webhook; real time, as signatures and retries are."""

    maker = models.ForeignKey(Maker, on_delete=models.CASCADE, related_name="deliveries")
    event_id = models.CharField(max_length=60, unique=True)
    body = models.JSONField()
    made_at = models.DateTimeField()
    next_attempt_at = models.DateTimeField(null=True)  # null: done, or given up
    attempts = models.PositiveIntegerField(default=0)
    delivered_at = models.DateTimeField(null=True, default=None)
    failure = models.CharField(max_length=60, default="")

    objects: ClassVar[models.Manager["Delivery"]] = models.Manager()

    class Meta:
        ordering = ["id"]
        verbose_name_plural = "deliveries"
        indexes = [models.Index(fields=["maker", "next_attempt_at"])]

    def __str__(self) -> str:
        return f"{self.event_id} {'delivered' if self.delivered_at else self.failure or 'waiting'}"
