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

    objects: ClassVar[models.Manager["Maker"]] = models.Manager()
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


class Grant(models.Model):
    """One consent: an account let one client reach the cars it chose. Every token carries the grant's URI."""

    public_id = models.UUIDField(default=uuid.uuid4, unique=True)
    maker = models.ForeignKey(Maker, on_delete=models.PROTECT, related_name="grants")
    owner = models.ForeignKey(User, on_delete=models.PROTECT, related_name="grants")
    client_id = models.CharField(max_length=100)
    cars = models.ManyToManyField(Car, related_name="grants")
    granted_at = models.DateTimeField()
    revoked_at = models.DateTimeField(null=True, default=None)

    objects: ClassVar[models.Manager["Grant"]] = models.Manager()
    maker_id: int

    class Meta:
        ordering = ["-id"]

    def __str__(self) -> str:
        return f"{self.owner} to {self.client_id}"

    @property
    def uri(self) -> str:
        """The resource (RFC 8707) that stands for the chosen cars inside the tokens."""
        return f"{config.PUBLIC_URL}/{self.maker.slug}/grants/{self.public_id}"
