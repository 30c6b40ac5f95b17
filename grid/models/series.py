"""Prices and marginal carbon as they were fetched, one canonical row a value."""

import uuid
from datetime import datetime, timedelta

from django.conf import settings
from django.db import models
from django.db.models import F, Q


class Feed(models.Model):
    """One series that we fetch: which source, which zone, what kind. The adapter is chosen by `source` (a slug)."""

    class Kind(models.TextChoices):
        """What the values are."""

        DAY_AHEAD_PRICE = "day_ahead_price", "day-ahead energy price"
        REAL_TIME_PRICE = "real_time_price", "real-time energy price"
        MARGINAL_CARBON = "marginal_carbon", "marginal carbon intensity"
        AVERAGE_CARBON = "average_carbon", "average carbon intensity"

    source = models.SlugField(max_length=32)
    zone = models.CharField(max_length=32)
    kind = models.CharField(max_length=20, choices=Kind)
    attribution = models.CharField(max_length=200, blank=True)
    is_active = models.BooleanField(default=True, help_text="Whether it is fetched.")
    next_fetch_at = models.DateTimeField(null=True, blank=True, help_text="Empty: at once.")
    fetched_at = models.DateTimeField(null=True, blank=True, help_text="When the source last answered well.")
    latest_ends_at = models.DateTimeField(null=True, blank=True, help_text="The end of the last value known.")
    gaps = models.JSONField(
        default=list, blank=True, help_text="Holes in the last window fetched: [[starts_at, ends_at], ...]."
    )
    failure = models.CharField(max_length=120, blank=True, help_text="Why the last fetch brought nothing.")
    failures = models.PositiveIntegerField(default=0, help_text="In a row.")
    lease_until = models.DateTimeField(null=True, blank=True, help_text="A fetcher is at work until then (wall time).")

    class Meta:
        ordering = ["source", "zone", "kind"]
        constraints = [models.UniqueConstraint(fields=["source", "zone", "kind"], name="one_feed_per_series")]

    def __str__(self) -> str:
        return f"{self.source} {self.zone} {self.kind}"

    def age(self, now: datetime) -> timedelta | None:
        """Return how long ago the source last answered well; None if it never did."""
        return None if self.fetched_at is None else now - self.fetched_at


class SeriesUpload(models.Model):
    """A file of values that somebody uploaded: checked, then loaded or discarded. The file is kept as it came."""

    class State(models.TextChoices):
        """What became of it."""

        CHECKED = "checked", "checked, not loaded"
        LOADED = "loaded", "loaded"
        DISCARDED = "discarded", "discarded"

    public_id = models.UUIDField(default=uuid.uuid4, unique=True, editable=False)
    feed = models.ForeignKey(Feed, on_delete=models.PROTECT, related_name="uploads")
    uploaded_by = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="+")
    uploaded_at = models.DateTimeField()
    file_name = models.CharField(max_length=120)
    sha256 = models.CharField(max_length=64)
    packed = models.BinaryField(help_text="The file, zlib.")
    time_zone = models.CharField(max_length=64, blank=True, help_text="By which times without an offset were read.")
    report = models.JSONField(default=dict, help_text="What was found in it, line by line where something is wrong.")
    state = models.CharField(max_length=12, choices=State, default=State.CHECKED)
    finished_at = models.DateTimeField(null=True, blank=True)
    finished_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, blank=True, on_delete=models.PROTECT, related_name="+"
    )
    new_count = models.PositiveIntegerField(default=0, help_text="Values that were new when it was loaded.")

    class Meta:
        ordering = ["-uploaded_at"]

    def __str__(self) -> str:
        return self.file_name


class SeriesPoint(models.Model):
    """One value of a series over `[starts_at, ends_at)`.

    `value` is an integer in millionths of `unit` ("USD/kWh", "CAD/kWh", "kg/kWh"). A correction is a newer row with
    a later `issued_at`; the latest one counts.
    """

    # No index of its own: the one of `one_value_per_issue` begins with the feed. No check of the database a row
    # either, which would slow bulk loads by a third: the loader holds the feed's row while it writes.
    feed = models.ForeignKey(Feed, on_delete=models.CASCADE, related_name="points", db_index=False, db_constraint=False)
    starts_at = models.DateTimeField()
    ends_at = models.DateTimeField()
    value = models.BigIntegerField()
    unit = models.CharField(max_length=12)
    issued_at = models.DateTimeField()

    class Meta:
        ordering = ["starts_at"]
        constraints = [
            models.UniqueConstraint(fields=["feed", "starts_at", "issued_at"], name="one_value_per_issue"),
            models.CheckConstraint(condition=Q(ends_at__gt=F("starts_at")), name="point_ends_after_start"),
        ]

    def __str__(self) -> str:
        return f"{self.value / 1e6} {self.unit}"
