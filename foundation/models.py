"""Tables that every room may stand on."""

from django.db import models


class Lease(models.Model):
    """One named lease. `expires_at` is wall time; `token` fences off a holder whose lease lapsed."""

    name = models.CharField(max_length=120, unique=True)
    token = models.CharField(max_length=32)
    expires_at = models.DateTimeField()

    def __str__(self) -> str:
        return self.name
