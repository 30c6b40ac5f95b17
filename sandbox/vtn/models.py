"""The pretend utility's OpenADR 3 server: its objects as they stand on the wire, its clients, its faults."""

import uuid
from datetime import datetime
from typing import Any, ClassVar

from django.db import models
from django.db.models import Q


class VtnClient(models.Model):
    """Who may come in: the utility's own business logic, or a VEN."""

    client_id = models.CharField(max_length=128, unique=True)
    client_secret = models.CharField(max_length=128)
    is_utility = models.BooleanField(default=False)
    token = models.CharField(max_length=64, blank=True)
    token_until = models.DateTimeField(null=True, blank=True)  # real time

    objects: ClassVar[models.Manager["VtnClient"]] = models.Manager()

    def __str__(self) -> str:
        return self.client_id


class VtnObject(models.Model):
    """One program, event, report, VEN, resource or subscription; `body` is what its maker sent, in 3.1's words."""

    class Kind(models.TextChoices):
        """The objects of OpenADR 3."""

        PROGRAM = "PROGRAM"
        EVENT = "EVENT"
        REPORT = "REPORT"
        VEN = "VEN"
        RESOURCE = "RESOURCE"
        SUBSCRIPTION = "SUBSCRIPTION"

    kind = models.CharField(max_length=12, choices=Kind)
    identity = models.CharField(max_length=128, unique=True, default=uuid.uuid4)
    client = models.ForeignKey(VtnClient, on_delete=models.PROTECT, related_name="made")
    body = models.JSONField()
    created_at = models.DateTimeField()
    modified_at = models.DateTimeField()

    objects: ClassVar[models.Manager["VtnObject"]] = models.Manager()
    client_id: int

    class Meta:
        ordering = ["id"]
        indexes = [models.Index(fields=["kind"])]

    def __str__(self) -> str:
        return f"{self.kind} {self.identity}"


class VtnFault(models.Model):
    """One thing that goes wrong with the utility's server, until a simulated instant or until it is lifted."""

    class Kind(models.TextChoices):
        """What goes wrong."""

        OUTAGE = "outage", "503 on every call"
        RATE_LIMIT = "rate_limit", "429 on every call"
        STALL = "stall", "answers take real seconds"
        UNAUTHORIZED = "unauthorized", "tokens are refused"
        EMPTY = "empty", "lists of events come back empty"
        CUT = "cut", "lists of events break off"
        MALFORMED = "malformed", "events come with broken periods"
        FLOOD = "flood", "thousands of events come at once"
        IMPOSTER = "imposter", "events are said to be of another program"
        ENDLESS = "endless", "lists repeat their first page for ever"
        RENAMING = "renaming", "each list gives the events other ids"
        HUGE = "huge", "lists of events are 100 MB long"
        TRICKLE = "trickle", "answers come byte by byte"
        FORGETFUL = "forgetful", "reports are kept, but the answer is 500"
        LOOSE_STAMPS = "loose_stamps", "stamps without a zone, no expires_in, as the reference server has them"

    kind = models.CharField(max_length=16, choices=Kind)
    seconds = models.FloatField(default=0)
    ends_at = models.DateTimeField(null=True, blank=True)

    objects: ClassVar[models.Manager["VtnFault"]] = models.Manager()

    def __str__(self) -> str:
        return self.Kind(self.kind).label

    @classmethod
    def in_force(cls, now: datetime) -> dict[str, "VtnFault"]:
        """Return the faults in force at the simulated instant `now`, by kind."""
        return {fault.kind: fault for fault in cls.objects.filter(Q(ends_at__isnull=True) | Q(ends_at__gt=now))}


Body = dict[str, Any]
