"""What the car was told."""

import uuid
from datetime import datetime

from django.db import models
from django.db.models import Q
from django.utils.translation import gettext_lazy as _

from vehicles.models.cars import Vehicle
from vehicles.models.chargers import HomeCharger


class CommandQuerySet(models.QuerySet["Command"]):
    """Finds commands by what they mean for the car."""

    def risk_adding(self) -> "CommandQuerySet":
        """Holds and discharges."""
        return self.filter(kind__in=(Command.Kind.HOLD, Command.Kind.DISCHARGE))

    def open_holds(self) -> "CommandQuerySet":
        """Holds and discharges that may have reached the car and are not known to be over."""
        return self.risk_adding().filter(state__in=Command.SENT, released_at__isnull=True)

    def in_force(self, now: datetime) -> "CommandQuerySet":
        """Open holds and discharges whose end is still ahead."""
        return self.open_holds().filter(ends_at__gt=now)

    def occupying(self, now: datetime) -> "CommandQuerySet":
        """Whatever is under way, and holds and discharges that may be in force."""
        is_held = Q(kind__in=(Command.Kind.HOLD, Command.Kind.DISCHARGE), state__in=Command.SENT)
        is_held &= Q(released_at__isnull=True, ends_at__gt=now)
        return self.filter(is_held | Q(state__in=Command.UNFINISHED))

    def farewells(self, link_id: int) -> "CommandQuerySet":
        """What must still reach the link's cars and wall boxes before its grant may be given back."""
        through = Q(vehicle__link=link_id) | Q(via_charger__link=link_id)
        last = Q(kind=Command.Kind.RESUME) | Q(kind=Command.Kind.SET_LIMIT)
        return self.filter(through, last, state__in=Command.UNFINISHED)

    def open_resumes(self) -> "CommandQuerySet":
        """Resumes that no reading has confirmed yet."""
        return self.filter(kind=Command.Kind.RESUME, state__in=Command.UNFINISHED)


class Command(models.Model):
    """One instruction to a car; the row's `public_id` is the idempotency key.

    Risk-adding kinds (hold, discharge) are sent at most once and always have `ends_at`; risk-removing ones (resume)
    are sent until a reading confirms them. A limit may be sent again, since saying it twice says the same; a wake
    is sent once. Planned, sent, acknowledged and confirmed are separate facts.
    """

    class Kind(models.TextChoices):
        """What the car is told."""

        HOLD = "hold", _("hold charging")
        DISCHARGE = "discharge", _("discharge")
        RESUME = "resume", _("charge as the car would")
        SET_LIMIT = "set_limit", _("stop charging at a limit")
        WAKE = "wake", _("wake up and report")

    class State(models.TextChoices):
        """How far it came."""

        DUE = "due", _("waiting to be sent")
        SENDING = "sending", _("being sent")
        UNKNOWN = "unknown", _("sent, outcome unknown")
        ACCEPTED = "accepted", _("accepted by the maker")
        CONFIRMED = "confirmed", _("seen in a reading")
        NOOP = "noop", _("already so")
        REJECTED = "rejected", _("refused by the maker")
        TIMED_OUT = "timed_out", _("never confirmed")
        SUPERSEDED = "superseded", _("replaced by a newer one")

    class EndedBy(models.TextChoices):
        """Who ends a hold or discharge when we fall silent."""

        CAR = "car", _("the car, at its time")
        WATCHDOG = "watchdog", _("our watchdog")
        NOBODY = "nobody", _("needs no end")

    UNFINISHED = (State.DUE, State.SENDING, State.UNKNOWN, State.ACCEPTED)
    SENT = (State.SENDING, State.UNKNOWN, State.ACCEPTED, State.CONFIRMED, State.NOOP, State.TIMED_OUT)

    public_id = models.UUIDField(default=uuid.uuid4, unique=True, editable=False)
    vehicle = models.ForeignKey(Vehicle, on_delete=models.PROTECT, related_name="commands")
    key = models.CharField(max_length=120, unique=True, help_text="The intent: one intent, one command.")
    kind = models.CharField(max_length=16, choices=Kind)
    power_w = models.IntegerField(default=0, help_text="AC side; < 0 discharges, 0 holds.")
    floor_soc_percent = models.PositiveSmallIntegerField(default=0, help_text="Discharge stops here.")
    limit_percent = models.PositiveSmallIntegerField(null=True, blank=True, help_text="Of a limit: where to stop.")
    state = models.CharField(max_length=12, choices=State, default=State.DUE)
    ended_by = models.CharField(max_length=10, choices=EndedBy, default=EndedBy.NOBODY)
    ends_at = models.DateTimeField(null=True, blank=True, help_text="When the hold or discharge ends.")
    departure_at = models.DateTimeField(null=True, blank=True, help_text="What the command must leave time for.")
    charge_w = models.PositiveIntegerField(default=0, help_text="How fast car and charger together can charge.")
    zone = models.CharField(max_length=64, blank=True, help_text="Clock of the car's home, for a schedule kept in it.")
    backstop_at = models.DateTimeField(null=True, blank=True, help_text="When the car's own schedule starts it anyway.")
    via_charger = models.ForeignKey(
        HomeCharger, null=True, blank=True, on_delete=models.PROTECT, related_name="commands"
    )
    switch_group = models.CharField(max_length=60, blank=True, help_text="Whose limit on switched power counts.")
    switch_w = models.PositiveIntegerField(default=0, help_text="How much power it switches; 0 = none, or exempt.")
    slot_at = models.DateTimeField(null=True, blank=True, help_text="Its turn under that limit (platform time).")
    reason = models.CharField(max_length=40, blank=True)
    maker_command_id = models.CharField(max_length=120, blank=True)
    failure = models.CharField(max_length=60, blank=True)
    attempts = models.PositiveSmallIntegerField(default=0)
    due_at = models.DateTimeField()
    lease_until = models.DateTimeField(null=True, blank=True, help_text="A sender is at work until then (wall time).")
    retry_at = models.DateTimeField(null=True, blank=True, help_text="Not sent again before this wall time.")
    created_at = models.DateTimeField()
    sent_at = models.DateTimeField(null=True, blank=True)
    accepted_at = models.DateTimeField(null=True, blank=True)
    confirmed_at = models.DateTimeField(null=True, blank=True)
    looked_at = models.DateTimeField(null=True, blank=True, help_text="When the car was last asked what it did.")
    released_at = models.DateTimeField(null=True, blank=True, help_text="When its hold was over, by end or release.")

    objects = CommandQuerySet.as_manager()

    class Meta:
        ordering = ["-created_at", "-pk"]
        indexes = [
            models.Index(fields=["state", "due_at"], name="command_due"),
            models.Index(fields=["vehicle", "-created_at"], name="command_newest"),
            models.Index(
                fields=["ends_at"],
                condition=Q(released_at__isnull=True) & Q(kind__in=("hold", "discharge")),
                name="command_unreleased",
            ),
        ]
        constraints = [
            models.CheckConstraint(
                condition=Q(kind__in=("resume", "set_limit", "wake")) | Q(ends_at__isnull=False),
                name="risk_adding_command_has_an_end",
            ),
            models.CheckConstraint(
                condition=(Q(kind="discharge") & Q(power_w__lt=0)) | (~Q(kind="discharge") & Q(power_w=0)),
                name="command_power_fits_its_kind",
            ),
            models.CheckConstraint(
                condition=Q(kind__in=("resume", "set_limit", "wake")) | ~Q(ended_by="nobody"),
                name="risk_adding_command_is_ended_by_somebody",
            ),
            models.CheckConstraint(
                condition=(Q(kind="set_limit") & Q(limit_percent__gte=1, limit_percent__lte=100))
                | (~Q(kind="set_limit") & Q(limit_percent__isnull=True)),
                name="command_limit_fits_its_kind",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.kind} {self.state}"
