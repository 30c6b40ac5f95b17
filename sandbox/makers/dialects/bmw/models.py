"""What BMW keeps of an account: containers, the day's requests, the key to its stream, the stream's faults."""

import uuid
from datetime import datetime
from typing import ClassVar

from django.contrib.auth.models import User
from django.db import models

MOST_CONTAINERS = 10


def gcid_of(owner: User) -> str:
    """Return the account's number, the same for ever."""
    return str(uuid.uuid5(uuid.NAMESPACE_DNS, owner.username))


class Container(models.Model):
    """A choice of values that a client may read of an account's cars."""

    owner = models.ForeignKey(User, on_delete=models.CASCADE, related_name="containers")
    client_id = models.CharField(max_length=100)
    container_id = models.CharField(max_length=40, unique=True)
    name = models.CharField(max_length=120)
    purpose = models.CharField(max_length=120)
    descriptors = models.JSONField(default=list)
    created_at = models.DateTimeField()
    is_deleted = models.BooleanField(default=False)

    objects: ClassVar[models.Manager["Container"]] = models.Manager()

    class Meta:
        ordering = ["id"]

    def __str__(self) -> str:
        return self.container_id


class DayOfRequests(models.Model):
    """How many requests an account's clients made on one UTC day of the world's time."""

    owner = models.ForeignKey(User, on_delete=models.CASCADE, related_name="+")
    on_date = models.DateField()
    count = models.PositiveIntegerField(default=0)

    objects: ClassVar[models.Manager["DayOfRequests"]] = models.Manager()

    class Meta:
        constraints = [models.UniqueConstraint(fields=["owner", "on_date"], name="one_count_per_account_and_day")]

    def __str__(self) -> str:
        return f"{self.count} on {self.on_date}"


class StreamKey(models.Model):
    """The id_token with which an account's stream is opened: hashed as the broker wants it; the newest counts."""

    owner = models.OneToOneField(User, on_delete=models.CASCADE, related_name="stream_key")
    client_id = models.CharField(max_length=100)
    password_hash = models.CharField(max_length=200)
    expires_at = models.DateTimeField()  # real time

    objects: ClassVar[models.Manager["StreamKey"]] = models.Manager()

    def __str__(self) -> str:
        return f"key until {self.expires_at}"

    @classmethod
    def valid(cls, wall: datetime) -> "models.QuerySet[StreamKey]":
        """Return the keys that open their stream at `wall`."""
        return cls.objects.filter(expires_at__gt=wall).select_related("owner")


class StreamFaults(models.Model):
    """The faults switched on for the stream; one row, or none for none."""

    is_silent = models.BooleanField(default=False)
    sends_twice = models.BooleanField(default=False)

    objects: ClassVar[models.Manager["StreamFaults"]] = models.Manager()

    def __str__(self) -> str:
        return f"silent {self.is_silent}, twice {self.sends_twice}"

    @classmethod
    def current(cls) -> "StreamFaults":
        """Return the faults as they are switched now."""
        return cls.objects.filter(pk=1).first() or cls(pk=1)
