"""Mail as it arrived. Sizes and the number of rows are bounded: this is a window, not an archive."""

from typing import ClassVar

from django.db import models

MAX_TEXT_CHARACTERS = 100_000
MAX_MESSAGES = 1_000


class Message(models.Model):
    """One mail for one recipient; a mail for two people is two rows.

    `received_at` is wall time, since a mail travels in real time; `simulated_at` is what the world's clock showed.
    """

    to = models.CharField(max_length=254, db_index=True)
    sender = models.CharField(max_length=254, blank=True)
    subject = models.CharField(max_length=300, blank=True)
    text = models.TextField(blank=True)
    html = models.TextField(blank=True)
    received_at = models.DateTimeField(db_index=True)
    simulated_at = models.DateTimeField()

    objects: ClassVar[models.Manager["Message"]] = models.Manager()

    class Meta:
        ordering = ["-pk"]

    def __str__(self) -> str:
        return self.subject

    @classmethod
    def prune(cls, *, keep: int = MAX_MESSAGES) -> int:
        """Delete all but the newest `keep` messages; return how many went."""
        oldest_surplus = cls.objects.order_by("-pk").values_list("pk", flat=True)[keep : keep + 1].first()
        return 0 if oldest_surplus is None else cls.objects.filter(pk__lte=oldest_surplus).delete()[0]
