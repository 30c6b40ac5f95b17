"""A utility's objection to a result, and what two of the platform's people made of it."""

import uuid

from django.conf import settings
from django.db import models
from django.db.models import F, Q
from django.utils.translation import gettext_lazy as _

from grid.models.settlements import GroupSettlement


class Dispute(models.Model):
    """One objection. The first of staff proposes a verdict, a second one of the same mind makes it hold."""

    class State(models.TextChoices):
        """What became of it."""

        OPEN = "open", _("being looked at")
        UPHELD = "upheld", _("upheld: the result was worked out anew")
        REJECTED = "rejected", _("rejected: the result stands")

    public_id = models.UUIDField(default=uuid.uuid4, unique=True, editable=False)
    group = models.ForeignKey(GroupSettlement, on_delete=models.PROTECT, related_name="disputes")
    reason = models.CharField(max_length=200)
    evidence = models.TextField(blank=True)
    raised_by = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="raised_disputes")
    raised_at = models.DateTimeField()
    state = models.CharField(max_length=12, choices=State, default=State.OPEN)
    proposed_state = models.CharField(max_length=12, choices=State, blank=True)
    proposed_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, blank=True, on_delete=models.PROTECT, related_name="proposed_disputes"
    )
    proposed_at = models.DateTimeField(null=True, blank=True)
    excluded_cars = models.JSONField(
        default=list, blank=True, help_text="Cars that are left out when it is worked out anew, by their event number."
    )
    resolution = models.TextField(blank=True)
    resolved_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, blank=True, on_delete=models.PROTECT, related_name="resolved_disputes"
    )
    resolved_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        ordering = ["-raised_at"]
        constraints = [
            models.UniqueConstraint(fields=["group"], condition=Q(state="open"), name="one_open_dispute_per_result"),
            models.CheckConstraint(
                condition=Q(state="open", resolved_by__isnull=True, resolved_at__isnull=True)
                | (
                    ~Q(state="open")
                    & Q(resolved_by__isnull=False, resolved_at__isnull=False, proposed_by__isnull=False)
                ),
                name="dispute_is_resolved_by_somebody",
            ),
            models.CheckConstraint(
                condition=Q(resolved_by__isnull=True) | ~Q(resolved_by=F("proposed_by")),
                name="dispute_is_resolved_by_two",
            ),
            models.CheckConstraint(
                condition=(Q(resolved_by__isnull=True) | ~Q(resolved_by=F("raised_by")))
                & (Q(proposed_by__isnull=True) | ~Q(proposed_by=F("raised_by"))),
                name="nobody_judges_their_own_dispute",
            ),
        ]

    def __str__(self) -> str:
        return f"dispute of {self.group_id}: {self.state}"
