"""What the API remembers between calls: answers by idempotency key, and how far an app has synchronised."""

from django.conf import settings
from django.db import models

from chargescape.owner_asks import AccountClosing, DataExport
from foundation.fields import EncryptedTextField

__all__ = ["AccountClosing", "DataExport", "SyncPoint", "WriteKey"]


class WriteKey(models.Model):
    """One Idempotency-Key of one user. Times are wall time; the answer is encrypted, for it may carry a link's ticket.

    Without an answer the request is under way until `locked_until_at`; after that its process is taken for dead.
    """

    user = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="+")
    key_hash = models.CharField(max_length=64)
    request_hash = models.CharField(max_length=64)
    locked_until_at = models.DateTimeField()
    created_at = models.DateTimeField(db_index=True)
    status = models.PositiveSmallIntegerField(null=True)
    content_type = models.CharField(max_length=80, blank=True)
    body = EncryptedTextField(blank=True)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["user", "key_hash"], name="one_answer_per_key")]

    def __str__(self) -> str:
        return f"write key {self.pk}"


class SyncPoint(models.Model):
    """What an app knew at one cursor: packed pairs of object and state, newest points only. Wall time."""

    user = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="+")
    number = models.PositiveBigIntegerField()
    known = models.BinaryField()
    created_at = models.DateTimeField(db_index=True)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["user", "number"], name="sync_points_are_numbered")]

    def __str__(self) -> str:
        return f"sync point {self.number}"
