"""What we ask of makers: counted before each call, by maker and hour, account and day, car and day."""

from django.db import models


class CallCount(models.Model):
    """Calls of one kind of subject in one window of platform time; the rows are budgets, bills and error rates at once.

    A maker's hour is spread over several rows (`shard`), because thousands of calls a second must not wait for one.
    Written by `vehicles.meter` alone.
    """

    class Scope(models.TextChoices):
        """Whose calls are counted."""

        MAKER = "maker", "maker, by the hour"
        LINK = "link", "linked account, by the day"
        CAR = "car", "car, by the day"
        CHARGER = "charger", "wall box, by the day"

    scope = models.CharField(max_length=8, choices=Scope)
    subject = models.CharField(max_length=40, help_text="The maker's slug, or the row's key.")
    shard = models.PositiveSmallIntegerField(default=0)
    starts_at = models.DateTimeField(help_text="When the hour or UTC day begins (platform time).")
    reads = models.PositiveIntegerField(default=0)
    wakes = models.PositiveIntegerField(default=0)
    commands = models.PositiveIntegerField(default=0, help_text="What adds risk or sets a limit.")
    releases = models.PositiveIntegerField(default=0, help_text="What ends a hold, and looks whether it did.")
    refreshes = models.PositiveIntegerField(default=0)
    pushes = models.PositiveIntegerField(default=0, help_text="Messages that came without being asked for.")
    signals = models.PositiveIntegerField(default=0, help_text="Values in those messages.")
    failures = models.PositiveIntegerField(default=0)

    class Meta:
        ordering = ["-starts_at", "scope", "subject"]
        indexes = [models.Index(fields=["scope", "starts_at"], name="callcount_by_window")]
        constraints = [
            models.UniqueConstraint(fields=["scope", "subject", "shard", "starts_at"], name="one_count_per_window")
        ]

    def __str__(self) -> str:
        return f"{self.scope} {self.subject} {self.starts_at:%Y-%m-%d %H:%M}"
