"""What a group and its cars delivered in an event and what it earned: computed once, kept with all it came from."""

import uuid

from django.conf import settings as project
from django.db import models
from django.db.models import Q
from django.utils.translation import gettext_lazy as _

from grid.models.events import EventParticipation, GridEvent
from grid.models.programs import ShareRule


class GroupSettlement(models.Model):
    """What all cars of an event delivered together, and what the utility owes for it. A correction is a new revision.

    Energies are Wh over the event, net at the AC side, signed as a car's are; empty = not known, which is not zero.
    `error_wh` is the standard error of `delivered_wh`; empty = it cannot be said. `evidence` holds the method's
    inputs. The cars' `Settlement` rows divide `amount_minor` by `share_rule`.
    """

    class Review(models.TextChoices):
        """Whether the result stands. Credits are pending while it is open or disputed."""

        OPEN = "open", _("the utility may object")
        DISPUTED = "disputed", _("the utility objects")
        APPROVED = "approved", _("approved by the utility")
        LAPSED = "lapsed", _("the time to object is over")
        REPLACED = "replaced", _("replaced by a later revision")

    STANDING = (Review.APPROVED, Review.LAPSED)
    UNDER_REVIEW = (Review.OPEN, Review.DISPUTED)

    public_id = models.UUIDField(default=uuid.uuid4, unique=True, editable=False)
    event = models.ForeignKey(GridEvent, on_delete=models.PROTECT, related_name="group_settlements")
    revision = models.PositiveSmallIntegerField(default=1)
    method = models.SlugField(max_length=40)
    method_version = models.PositiveSmallIntegerField(default=1)
    share_rule = models.CharField(max_length=16, choices=ShareRule)
    baseline_wh = models.BigIntegerField(null=True, blank=True)
    net_wh = models.BigIntegerField(null=True, blank=True)
    delivered_wh = models.BigIntegerField(null=True, blank=True)
    error_wh = models.FloatField(null=True, blank=True)
    measured_cars = models.PositiveIntegerField()
    estimated_cars = models.PositiveIntegerField(help_text="Their energy is not known: the group's mean stands in.")
    control_cars = models.PositiveIntegerField(default=0)
    rate_micros_per_kwh = models.BigIntegerField()
    amount_minor = models.BigIntegerField(help_text="What the utility owes; below 0 is a penalty.")
    currency = models.CharField(max_length=3)
    evidence = models.JSONField()
    created_at = models.DateTimeField()
    reason = models.CharField(max_length=200, blank=True, help_text="Why it is not known, or why it was replaced.")
    shared_at = models.DateTimeField(null=True, blank=True, help_text="When every car had its share.")
    penalized_at = models.DateTimeField(
        null=True, blank=True, help_text="When a penalty by the terms, or none, reached the ledger."
    )
    review = models.CharField(max_length=12, choices=Review, default=Review.OPEN)
    objection_ends_at = models.DateTimeField()
    reviewed_at = models.DateTimeField(null=True, blank=True)
    reviewed_by = models.ForeignKey(
        project.AUTH_USER_MODEL, null=True, blank=True, on_delete=models.PROTECT, related_name="reviewed_settlements"
    )

    class Meta:
        ordering = ["-created_at"]
        indexes = [models.Index(fields=["review", "objection_ends_at"], name="group_review_due")]
        constraints = [
            models.UniqueConstraint(fields=["event", "revision"], name="one_group_settlement_per_revision"),
            models.CheckConstraint(
                condition=Q(delivered_wh__isnull=False) | Q(amount_minor=0), name="group_unknown_is_not_priced"
            ),
            models.CheckConstraint(
                condition=Q(error_wh__isnull=True) | Q(error_wh__gte=0), name="group_error_not_negative"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.delivered_wh} Wh by the group, {self.amount_minor} {self.currency}"


class Settlement(models.Model):
    """One car's result in one event. Never edited: a correction is a new row with the next `revision`.

    Energies are Wh over the event, net at the AC side (+ from the grid, - to the grid). `delivered_wh` = baseline - net
    (for absorb: net - baseline). `evidence` holds the method's inputs: readings, baseline series, formula.
    """

    class Grade(models.TextChoices):
        """How the net energy is known."""

        MEASURED = "measured", _("measured by the charger's or car's meter")
        DERIVED = "derived", _("derived from the state of charge")
        ESTIMATED = "estimated", _("not known: the mean of the group stands in")
        MISSING = "missing", _("not known")

    public_id = models.UUIDField(default=uuid.uuid4, unique=True, editable=False)
    participation = models.ForeignKey(EventParticipation, on_delete=models.PROTECT, related_name="settlements")
    revision = models.PositiveSmallIntegerField(default=1)
    group = models.ForeignKey(
        GroupSettlement,
        null=True,
        blank=True,
        on_delete=models.PROTECT,
        related_name="settlements",
        help_text="Whose amount this is a share of; empty: the car was settled alone.",
    )
    method = models.SlugField(max_length=40)
    method_version = models.PositiveSmallIntegerField(default=1)
    baseline_wh = models.BigIntegerField()
    net_wh = models.BigIntegerField(null=True, blank=True, help_text="Empty: not known, which is not zero.")
    delivered_wh = models.BigIntegerField(null=True, blank=True)
    credited_wh = models.BigIntegerField()
    reward_micros_per_kwh = models.BigIntegerField()
    amount_minor = models.BigIntegerField()
    currency = models.CharField(max_length=3)
    grade = models.CharField(max_length=12, choices=Grade)
    reason = models.CharField(max_length=40, blank=True, help_text="Why nothing was credited.")
    evidence = models.JSONField()
    share = models.JSONField(
        null=True, blank=True, help_text="How the credit follows from the group's result; empty: settled alone."
    )
    created_at = models.DateTimeField()
    reserved_at = models.DateTimeField(null=True, blank=True, help_text="Since when the credit is pending.")
    posted_at = models.DateTimeField(null=True, blank=True, help_text="When it reached the ledger.")
    voided_at = models.DateTimeField(
        null=True, blank=True, help_text="When it was replaced before it reached the ledger."
    )
    checked_at = models.DateTimeField(null=True, blank=True, help_text="Late readings up to then changed nothing.")

    class Meta:
        ordering = ["-created_at"]
        indexes = [
            # The sweeps look for few rows among millions that are done.
            models.Index(
                fields=["created_at", "id"],
                condition=Q(posted_at__isnull=True, voided_at__isnull=True, reserved_at__isnull=True),
                name="settlement_not_in_ledger",
            ),
            models.Index(
                fields=["group", "created_at", "id"],
                condition=Q(posted_at__isnull=True, voided_at__isnull=True, reserved_at__isnull=False),
                name="settlement_pending",
            ),
            models.Index(
                fields=["created_at", "id"],
                condition=Q(grade="missing", group__isnull=True),
                name="settlement_not_known",
            ),
        ]
        constraints = [
            models.UniqueConstraint(fields=["participation", "revision"], name="one_settlement_per_revision"),
            models.CheckConstraint(condition=Q(amount_minor__gte=0), name="settlement_never_charges_the_owner"),
            models.CheckConstraint(condition=Q(credited_wh__gte=0), name="settlement_credits_no_less_than_nothing"),
            models.CheckConstraint(
                condition=Q(grade="missing", net_wh__isnull=True, delivered_wh__isnull=True, credited_wh=0)
                # Of a group's car nothing is known either, but the group's mean stands in for it.
                | Q(grade="estimated", net_wh__isnull=True, delivered_wh__isnull=True, group__isnull=False)
                | (~Q(grade__in=["missing", "estimated"]) & Q(net_wh__isnull=False, delivered_wh__isnull=False)),
                name="settlement_missing_means_unknown",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.delivered_wh} Wh, {self.amount_minor} {self.currency}"
