"""Who works at a utility's desk."""

import uuid

from django.conf import settings
from django.db import models
from django.utils.translation import gettext_lazy as _

from grid.models.utilities import Utility


class UtilityMember(models.Model):
    """One person of one utility. Made by staff; a membership that has ended stays, and opens nothing."""

    class Role(models.TextChoices):
        """What the person may do at the desk."""

        READER = "reader", _("reads")
        REVIEWER = "reviewer", _("approves results or objects to them")
        LEAD = "lead", _("reviews, and rehearses programs")

    public_id = models.UUIDField(default=uuid.uuid4, unique=True, editable=False)
    user = models.OneToOneField(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="utility_member")
    utility = models.ForeignKey(Utility, on_delete=models.PROTECT, related_name="members")
    role = models.CharField(max_length=12, choices=Role, default=Role.READER)
    invited_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, blank=True, on_delete=models.PROTECT, related_name="invited_members"
    )
    invited_at = models.DateTimeField()
    ended_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        ordering = ["utility", "pk"]
        verbose_name = "utility's person"
        verbose_name_plural = "utilities' people"

    def __str__(self) -> str:
        return f"{self.role} at {self.utility}"

    @property
    def can_review(self) -> bool:
        """Whether the person may approve results and object to them."""
        return self.role in {self.Role.REVIEWER, self.Role.LEAD}
