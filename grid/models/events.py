"""What a utility asks for, and which cars answer."""

import uuid

from django.conf import settings
from django.db import models
from django.db.models import F, Q
from django.utils.translation import gettext_lazy as _

from grid.models.programs import Enrollment, ProgramTerms


class GridEvent(models.Model):
    """A request for help over `[starts_at, ends_at)` under one version of a program's terms."""

    class Kind(models.TextChoices):
        """What is asked."""

        HOLD = "hold", _("hold charging")
        ABSORB = "absorb", _("charge now")
        DISCHARGE = "discharge", _("hold charging and discharge (V2G)")

    class State(models.TextChoices):
        """How far it came."""

        DRAFT = "draft", _("waiting for approval")
        SCHEDULED = "scheduled", _("to be announced")
        ANNOUNCED = "announced", _("announced to owners")
        SETTLED = "settled", _("settled")
        CANCELLED = "cancelled", _("cancelled")

    OPEN_STATES = ("draft", "scheduled", "announced")

    public_id = models.UUIDField(default=uuid.uuid4, unique=True, editable=False)
    terms = models.ForeignKey(ProgramTerms, on_delete=models.PROTECT, related_name="events")
    kind = models.CharField(max_length=12, choices=Kind)
    starts_at = models.DateTimeField()
    ends_at = models.DateTimeField()
    target_w = models.PositiveBigIntegerField(help_text="Power asked of the whole group.")
    reward_micros_per_kwh = models.BigIntegerField(help_text="Frozen from the terms, or better, when it was created.")
    state = models.CharField(max_length=12, choices=State, default=State.SCHEDULED)
    created_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, blank=True, on_delete=models.PROTECT, related_name="created_events"
    )
    created_at = models.DateTimeField()
    announce_at = models.DateTimeField()
    announced_at = models.DateTimeField(null=True, blank=True)
    settle_at = models.DateTimeField(help_text="When it is due to be settled; late readings have come by then.")
    settled_at = models.DateTimeField(null=True, blank=True)
    check_at = models.DateTimeField(
        null=True, blank=True, db_index=True, help_text="When late readings are looked for next; empty: no more."
    )
    cancelled_at = models.DateTimeField(null=True, blank=True)
    cancel_reason = models.CharField(max_length=120, blank=True)
    lease_until = models.DateTimeField(null=True, blank=True, help_text="Somebody is at work on it (wall time).")
    version = models.PositiveIntegerField(default=1)

    class Meta:
        ordering = ["-starts_at"]
        indexes = [
            models.Index(fields=["state", "announce_at"], name="event_due_announcement"),
            models.Index(fields=["state", "settle_at"], name="event_due_settlement"),
        ]
        constraints = [
            models.CheckConstraint(condition=Q(ends_at__gt=F("starts_at")), name="event_ends_after_start"),
            models.CheckConstraint(condition=Q(settle_at__gte=F("ends_at")), name="event_settles_after_end"),
            models.CheckConstraint(condition=Q(reward_micros_per_kwh__gte=0), name="event_reward_not_negative"),
        ]

    def __str__(self) -> str:
        return f"{self.kind} {self.starts_at:%Y-%m-%d %H:%M}Z"


class EventApproval(models.Model):
    """A second admin's yes to an event above the utility's two-person limit."""

    event = models.OneToOneField(GridEvent, on_delete=models.PROTECT, related_name="approval")
    approved_by = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="approved_events")
    approved_at = models.DateTimeField()
    target_w = models.PositiveBigIntegerField(
        null=True, blank=True, help_text="The most power that was approved; empty: as asked then."
    )

    def __str__(self) -> str:
        return f"approval of {self.event}"


class EventParticipation(models.Model):
    """One enrolled car's part in one event."""

    class State(models.TextChoices):
        """Whether the car helps."""

        IN = "in", _("takes part")
        OPTED_OUT = "opted_out", _("the owner said no")
        UNABLE = "unable", _("cannot help")
        CONTROL = "control", _("left alone to measure by, paid like the others")

    class Call(models.TextChoices):
        """What is asked of a car that takes part."""

        PLAN = "plan", "what its plan says"
        RESERVE = "reserve", "nothing yet: others give enough"
        PRESSED = "pressed", "more than its plan says, in place of others"

    public_id = models.UUIDField(default=uuid.uuid4, unique=True, editable=False)
    event = models.ForeignKey(GridEvent, on_delete=models.PROTECT, related_name="participations")
    enrollment = models.ForeignKey(Enrollment, on_delete=models.PROTECT, related_name="participations")
    state = models.CharField(max_length=12, choices=State, default=State.IN)
    reason = models.CharField(max_length=60, blank=True)
    yields_to = models.ForeignKey(
        GridEvent,
        null=True,
        blank=True,
        on_delete=models.PROTECT,
        related_name="+",
        db_index=False,  # nobody looks parts up by it, and an event writes a hundred thousand
        help_text="The event that has precedence on this car meanwhile; empty: none.",
    )
    invited_at = models.DateTimeField()
    decided_at = models.DateTimeField(null=True, blank=True)
    committed_wh = models.BigIntegerField(default=0, help_text="What the car could shift, as known before notice.")
    call = models.CharField(max_length=8, choices=Call, default=Call.PLAN)
    called_at = models.DateTimeField(null=True, blank=True, help_text="When it was called in place of others.")
    straggles = models.CharField(max_length=40, blank=True, help_text="Why it did not give what it was told to.")
    frozen = models.JSONField(
        default=dict, blank=True, help_text="Plug-in time, state of charge and limit as known before notice."
    )

    class Meta:
        ordering = ["-event__starts_at"]
        constraints = [
            models.UniqueConstraint(fields=["event", "enrollment"], name="one_participation_per_event_and_enrollment")
        ]

    def __str__(self) -> str:
        return f"{self.enrollment} {self.state}"
