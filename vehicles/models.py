"""The car, its link to the automaker, what the owner wants of it, what was read and what was commanded."""

import uuid

from django.conf import settings
from django.db import models
from django.db.models import F, Q

from foundation.fields import EncryptedTextField

PERCENT = {"max_digits": 5, "decimal_places": 2}


class VehicleLink(models.Model):
    """An owner's OAuth grant at one automaker. Tokens are encrypted; expiries are wall time."""

    class State(models.TextChoices):
        """How alive the link is."""

        ACTIVE = "active", "working"
        NEEDS_RELINK = "needs_relink", "needs to be linked again"
        REVOKED = "revoked", "unlinked"

    public_id = models.UUIDField(default=uuid.uuid4, unique=True, editable=False)
    owner = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="vehicle_links")
    maker = models.CharField(max_length=32)
    subject_hash = models.CharField(max_length=64)
    scopes = models.JSONField(default=list)
    access_token = EncryptedTextField(blank=True)
    refresh_token = EncryptedTextField(blank=True)
    access_expires_at = models.DateTimeField(null=True, blank=True)
    refresh_expires_at = models.DateTimeField(null=True, blank=True)
    state = models.CharField(max_length=16, choices=State, default=State.ACTIVE)
    state_reason = models.CharField(max_length=40, blank=True)
    linked_at = models.DateTimeField()
    refreshed_at = models.DateTimeField(null=True, blank=True)
    revoked_at = models.DateTimeField(null=True, blank=True)
    failures = models.PositiveIntegerField(default=0)
    quiet_until = models.DateTimeField(null=True, blank=True, help_text="No call to the maker before this wall time.")

    class Meta:
        ordering = ["-linked_at"]
        constraints = [
            models.UniqueConstraint(
                fields=["owner", "maker", "subject_hash"],
                condition=~Q(state="revoked"),
                name="one_open_link_per_owner_and_maker_account",
            )
        ]

    def __str__(self) -> str:
        return f"{self.maker} link {str(self.public_id)[:8]}"


class LinkAttempt(models.Model):
    """A link under way: one-time `state` (hashed), PKCE verifier (encrypted), bound to user and browser session."""

    owner = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="link_attempts")
    maker = models.CharField(max_length=32)
    state_hash = models.CharField(max_length=64, unique=True)
    session_hash = models.CharField(max_length=64)
    code_verifier = EncryptedTextField()
    expires_at = models.DateTimeField(help_text="Wall time.")
    used_at = models.DateTimeField(null=True, blank=True)

    def __str__(self) -> str:
        return f"{self.maker} link attempt {self.pk}"


class Vehicle(models.Model):
    """One car. At most one link controls a VIN; a second route to the same car is read-only."""

    class State(models.TextChoices):
        """What we do with the car."""

        OFFERED = "offered", "seen at the maker, not chosen"
        ACTIVE = "active", "taking part"
        UNLINKED = "unlinked", "no longer linked"

    public_id = models.UUIDField(default=uuid.uuid4, unique=True, editable=False)
    owner = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="vehicles")
    link = models.ForeignKey(VehicleLink, on_delete=models.PROTECT, related_name="vehicles")
    external_id = EncryptedTextField()
    external_id_hash = models.CharField(max_length=64)
    vin = EncryptedTextField(blank=True)
    vin_hash = models.CharField(max_length=64, blank=True)
    make = models.CharField(max_length=40)
    model = models.CharField(max_length=60)
    model_year = models.PositiveSmallIntegerField(null=True, blank=True)
    nickname = models.CharField(max_length=60, blank=True)
    state = models.CharField(max_length=16, choices=State, default=State.OFFERED)
    is_controlling = models.BooleanField(default=False)
    capabilities = models.JSONField(default=dict, help_text="automakers.base.Capabilities as the maker granted them.")
    capacity_wh = models.PositiveIntegerField(help_text="Usable battery energy.")
    max_charge_w = models.PositiveIntegerField(help_text="AC side.")
    max_discharge_w = models.PositiveIntegerField(default=0, help_text="AC side; 0 = charging only.")
    charge_efficiency = models.DecimalField(max_digits=4, decimal_places=3, default="0.900")
    discharge_efficiency = models.DecimalField(max_digits=4, decimal_places=3, default="0.900")
    next_read_at = models.DateTimeField(null=True, blank=True, help_text="When a reading is due (simulated time).")
    lease_until = models.DateTimeField(null=True, blank=True, help_text="A reader is at work until then (wall time).")
    created_at = models.DateTimeField()

    class Meta:
        ordering = ["make", "model", "pk"]
        indexes = [models.Index(fields=["state", "next_read_at"], name="vehicle_due_reading")]
        constraints = [
            models.UniqueConstraint(
                fields=["vin_hash"],
                condition=Q(is_controlling=True) & ~Q(vin_hash=""),
                name="one_controlling_link_per_vin",
            ),
            models.UniqueConstraint(fields=["link", "external_id_hash"], name="one_vehicle_per_link_and_external_id"),
            models.CheckConstraint(
                condition=Q(charge_efficiency__gt=0, charge_efficiency__lte=1)
                & Q(discharge_efficiency__gt=0, discharge_efficiency__lte=1),
                name="efficiency_in_range",
            ),
            models.CheckConstraint(condition=Q(capacity_wh__gt=0, max_charge_w__gt=0), name="vehicle_can_charge"),
        ]

    def __str__(self) -> str:
        return self.nickname or f"{self.make} {self.model}"


class ChargePreference(models.Model):
    """What the owner wants of one car. `version` grows with every change, and makes older plans stale."""

    vehicle = models.OneToOneField(Vehicle, on_delete=models.CASCADE, related_name="preference")
    target_soc_percent = models.PositiveSmallIntegerField(default=80)
    minimum_soc_percent = models.PositiveSmallIntegerField(default=20)
    reserve_soc_percent = models.PositiveSmallIntegerField(default=30)
    is_v2g_allowed = models.BooleanField(default=False)
    is_paused = models.BooleanField(default=False)
    version = models.PositiveIntegerField(default=1)
    changed_at = models.DateTimeField()

    class Meta:
        constraints = [
            models.CheckConstraint(
                condition=Q(minimum_soc_percent__lte=F("reserve_soc_percent")), name="minimum_at_most_reserve"
            ),
            models.CheckConstraint(
                condition=Q(reserve_soc_percent__lte=F("target_soc_percent")), name="reserve_at_most_target"
            ),
            models.CheckConstraint(condition=Q(target_soc_percent__lte=100), name="target_at_most_full"),
        ]

    def __str__(self) -> str:
        return f"ready with {self.target_soc_percent} %"


class Departure(models.Model):
    """When the car leaves on one weekday (0 = Monday), local time of its site; no row = no departure that day."""

    preference = models.ForeignKey(ChargePreference, on_delete=models.CASCADE, related_name="departures")
    weekday = models.PositiveSmallIntegerField()
    leaves_at_local = models.TimeField()

    class Meta:
        ordering = ["weekday"]
        constraints = [
            models.UniqueConstraint(fields=["preference", "weekday"], name="one_departure_per_weekday"),
            models.CheckConstraint(condition=Q(weekday__lte=6), name="weekday_in_week"),
        ]

    def __str__(self) -> str:
        return f"{self.weekday} {self.leaves_at_local:%H:%M}"


class ChargeOverride(models.Model):
    """The owner's word over every plan for a while: charge now, or leave the car alone."""

    class Kind(models.TextChoices):
        """What the owner asked."""

        CHARGE_NOW = "charge_now", "charge now"
        SKIP = "skip", "no grid help"

    public_id = models.UUIDField(default=uuid.uuid4, unique=True, editable=False)
    vehicle = models.ForeignKey(Vehicle, on_delete=models.CASCADE, related_name="overrides")
    kind = models.CharField(max_length=16, choices=Kind)
    starts_at = models.DateTimeField()
    ends_at = models.DateTimeField()
    cancelled_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        ordering = ["-starts_at"]
        constraints = [
            models.CheckConstraint(condition=Q(ends_at__gt=F("starts_at")), name="override_ends_after_start"),
            models.UniqueConstraint(
                fields=["vehicle", "kind"], condition=Q(cancelled_at__isnull=True), name="one_open_override_per_kind"
            ),
        ]

    def __str__(self) -> str:
        return self.kind


class PlugSession(models.Model):
    """One stay at the plug, as readings showed it; the counterfactual baseline starts from what is frozen here."""

    vehicle = models.ForeignKey(Vehicle, on_delete=models.CASCADE, related_name="plug_sessions")
    plugged_in_at = models.DateTimeField()
    soc_percent = models.DecimalField(**PERCENT, help_text="At plug-in.")
    limit_percent = models.DecimalField(**PERCENT, help_text="The car's own charge limit at plug-in.")
    is_at_home = models.BooleanField()
    unplugged_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        ordering = ["-plugged_in_at"]
        constraints = [
            models.UniqueConstraint(
                fields=["vehicle"], condition=Q(unplugged_at__isnull=True), name="one_open_plug_session"
            ),
            models.CheckConstraint(
                condition=Q(unplugged_at__isnull=True) | Q(unplugged_at__gte=F("plugged_in_at")),
                name="unplugged_after_plugged_in",
            ),
        ]

    def __str__(self) -> str:
        return f"plugged in {self.plugged_in_at:%Y-%m-%d %H:%M}"


class ChargeReading(models.Model):
    """What the car was seen to be. `observed_at` is the car's time, `fetched_at` ours; null = the car did not say.

    `power_w` > 0 charges, < 0 discharges. `imported_wh` and `exported_wh` are running AC-side meters of the charger
    or car, where the maker serves them.
    """

    class Source(models.TextChoices):
        """How the value reached us."""

        POLL = "poll", "asked"
        STREAM = "stream", "streamed"
        WEBHOOK = "webhook", "pushed"

    vehicle = models.ForeignKey(Vehicle, on_delete=models.CASCADE, related_name="readings")
    observed_at = models.DateTimeField()
    fetched_at = models.DateTimeField()
    source = models.CharField(max_length=8, choices=Source, default=Source.POLL)
    soc_percent = models.DecimalField(**PERCENT, null=True, blank=True)
    limit_percent = models.DecimalField(**PERCENT, null=True, blank=True)
    is_plugged_in = models.BooleanField(null=True, blank=True)
    is_at_home = models.BooleanField(null=True, blank=True)
    charge_state = models.CharField(max_length=16, default="unknown")
    power_w = models.IntegerField(null=True, blank=True)
    imported_wh = models.BigIntegerField(null=True, blank=True)
    exported_wh = models.BigIntegerField(null=True, blank=True)

    class Meta:
        ordering = ["-observed_at"]
        constraints = [
            models.UniqueConstraint(fields=["vehicle", "observed_at"], name="one_reading_per_instant"),
            models.CheckConstraint(
                condition=Q(soc_percent__isnull=True) | Q(soc_percent__gte=0, soc_percent__lte=100),
                name="soc_in_range",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.soc_percent} % at {self.observed_at:%Y-%m-%d %H:%M}"


class Command(models.Model):
    """One instruction to a car; the row's `public_id` is the idempotency key.

    Risk-adding kinds (hold, discharge) are sent at most once and always have `ends_at`; risk-removing ones (resume)
    are sent until a reading confirms them. Planned, sent, acknowledged and confirmed are separate facts.
    """

    class Kind(models.TextChoices):
        """What the car is told."""

        HOLD = "hold", "hold charging"
        DISCHARGE = "discharge", "discharge"
        RESUME = "resume", "charge as the car would"

    class State(models.TextChoices):
        """How far it came."""

        DUE = "due", "waiting to be sent"
        SENDING = "sending", "being sent"
        UNKNOWN = "unknown", "sent, outcome unknown"
        ACCEPTED = "accepted", "accepted by the maker"
        CONFIRMED = "confirmed", "seen in a reading"
        NOOP = "noop", "already so"
        REJECTED = "rejected", "refused by the maker"
        TIMED_OUT = "timed_out", "never confirmed"
        SUPERSEDED = "superseded", "replaced by a newer one"

    class EndedBy(models.TextChoices):
        """Who ends a hold or discharge when we fall silent."""

        CAR = "car", "the car, at its time"
        WATCHDOG = "watchdog", "our watchdog"
        NOBODY = "nobody", "needs no end"

    public_id = models.UUIDField(default=uuid.uuid4, unique=True, editable=False)
    vehicle = models.ForeignKey(Vehicle, on_delete=models.PROTECT, related_name="commands")
    key = models.CharField(max_length=120, unique=True, help_text="The intent: one intent, one command.")
    kind = models.CharField(max_length=16, choices=Kind)
    power_w = models.IntegerField(default=0, help_text="AC side; < 0 discharges, 0 holds.")
    floor_soc_percent = models.PositiveSmallIntegerField(default=0, help_text="Discharge stops here.")
    state = models.CharField(max_length=12, choices=State, default=State.DUE)
    ended_by = models.CharField(max_length=10, choices=EndedBy, default=EndedBy.NOBODY)
    ends_at = models.DateTimeField(null=True, blank=True, help_text="When the hold or discharge ends.")
    reason = models.CharField(max_length=40, blank=True)
    maker_command_id = models.CharField(max_length=120, blank=True)
    failure = models.CharField(max_length=60, blank=True)
    attempts = models.PositiveSmallIntegerField(default=0)
    due_at = models.DateTimeField()
    lease_until = models.DateTimeField(null=True, blank=True, help_text="A sender is at work until then (wall time).")
    created_at = models.DateTimeField()
    sent_at = models.DateTimeField(null=True, blank=True)
    accepted_at = models.DateTimeField(null=True, blank=True)
    confirmed_at = models.DateTimeField(null=True, blank=True)
    released_at = models.DateTimeField(null=True, blank=True, help_text="When its hold was over, by end or release.")

    class Meta:
        ordering = ["-created_at", "-pk"]
        indexes = [models.Index(fields=["state", "due_at"], name="command_due")]
        constraints = [
            models.CheckConstraint(
                condition=Q(kind="resume") | Q(ends_at__isnull=False), name="risk_adding_command_has_an_end"
            ),
            models.CheckConstraint(
                condition=(Q(kind="discharge") & Q(power_w__lt=0)) | (~Q(kind="discharge") & Q(power_w=0)),
                name="command_power_fits_its_kind",
            ),
            models.CheckConstraint(
                condition=Q(kind="resume") | ~Q(ended_by="nobody"), name="risk_adding_command_is_ended_by_somebody"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.kind} {self.state}"
