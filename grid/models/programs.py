"""Programs that utilities offer, their terms by version, and who takes part."""

import uuid
from collections.abc import Collection
from datetime import datetime

from django.conf import settings
from django.db import models
from django.db.models import F, Q
from django.utils.translation import gettext_lazy as _

from foundation.fields import EncryptedTextField
from grid.models.sites import Site
from grid.models.utilities import Utility
from vehicles.models import Vehicle


class Program(models.Model):
    """A utility's offer to owners.

    `groups` are the names by which other programs' terms may exclude it. One that we do not serve is told of: its
    owners may be in it through somebody else.
    """

    class Status(models.TextChoices):
        """Whether the utility takes new cars."""

        OPEN = "open", _("takes new cars")
        PILOT = "pilot", _("a trial: takes the cars that the utility chooses")
        CLOSED = "closed", _("takes no new cars")

    public_id = models.UUIDField(default=uuid.uuid4, unique=True, editable=False)
    utility = models.ForeignKey(Utility, on_delete=models.PROTECT, related_name="programs")
    slug = models.SlugField(unique=True)
    name = models.CharField(max_length=120)
    summary = models.TextField(blank=True)
    status = models.CharField(max_length=8, choices=Status, default=Status.OPEN)
    status_note = models.TextField(blank=True, help_text="What owners should know about the status.")
    is_served = models.BooleanField(default=True, help_text="The utility has an agreement with us to bring cars in.")
    groups = models.JSONField(default=list, blank=True, help_text="Names by which other programs exclude it.")
    source = models.TextField(blank=True, help_text="Where the terms were read, and what is not stated there.")
    as_of_date = models.DateField(null=True, blank=True, help_text="The day on which the source said so.")

    class Meta:
        ordering = ["utility", "name"]

    def __str__(self) -> str:
        return self.name

    @property
    def is_open(self) -> bool:
        """Whether owners may bring new cars in, as far as the program itself goes."""
        return self.status == self.Status.OPEN and self.is_served

    @property
    def names(self) -> set[str]:
        """By what other programs' terms may name it: its slug and its groups."""
        return {self.slug, *self.groups}


def every_kind() -> list[str]:
    """Return every kind of event, for terms that allow them all."""
    return ["hold", "absorb", "discharge"]


class ShareRule(models.TextChoices):
    """How owners divide what their group earned; the pure rules are `grid.metering.groups.ShareRule`."""

    EQUAL = "equal", _("each car that took part the same")
    BY_COMMITMENT = "by_commitment", _("by the energy that each car could shift")


class ProgramTerms(models.Model):
    """One version of a program's terms, in force over `[valid_from_at, valid_until_at)`.

    Never edited once an event used it. Where two versions are in force at once, the higher one counts. Months, windows
    and counts are of the utility's time zone. `windows` has the form of a tariff's periods without a rate:
    `{"weekdays": [0..6], "from": "HH:MM", "to": "HH:MM"}`; events lie inside one of them.
    """

    class Settles(models.TextChoices):
        """Whose delivery is priced."""

        CAR = "car", _("each car alone")
        GROUP = "group", _("all cars together")

    program = models.ForeignKey(Program, on_delete=models.PROTECT, related_name="terms")
    version = models.PositiveIntegerField()
    valid_from_at = models.DateTimeField()
    valid_until_at = models.DateTimeField(null=True, blank=True, help_text="Empty: until a newer version.")
    kinds = models.JSONField(default=every_kind, help_text="The kinds of event it allows.")
    reward_micros_per_kwh = models.BigIntegerField(help_text="Paid to the owner per kWh delivered in events.")
    baseline_method = models.SlugField(max_length=40, default="uncontrolled-at-plug-in")
    baseline_version = models.PositiveSmallIntegerField(default=1)
    minimum_notice_minutes = models.PositiveIntegerField(default=0)
    max_event_minutes = models.PositiveIntegerField(default=240)
    settles = models.CharField(max_length=8, choices=Settles, default=Settles.CAR)
    group_method = models.SlugField(
        max_length=40, default="sum-of-cars", help_text="How the group's delivery is measured; see docs/settlement.md."
    )
    group_method_version = models.PositiveSmallIntegerField(default=1)
    fallback_method = models.SlugField(
        max_length=40, blank=True, help_text="Used where the method cannot tell; empty: a person looks at it."
    )
    fallback_method_version = models.PositiveSmallIntegerField(default=1)
    share_rule = models.CharField(max_length=16, choices=ShareRule, default=ShareRule.BY_COMMITMENT)
    has_penalty = models.BooleanField(default=False, help_text="The platform pays for what was promised and not given.")
    control_share_percent = models.PositiveSmallIntegerField(
        default=0, help_text="Cars that an event leaves alone for the sake of measuring; drawn by lot."
    )
    objection_hours = models.PositiveIntegerField(
        default=0, help_text="So long the utility may object to a result; credits are pending until then."
    )
    season_months = models.JSONField(default=list, blank=True, help_text="1 to 12; empty: the whole year.")
    windows = models.JSONField(default=list, blank=True, help_text="When events may lie; empty: at any time.")
    max_events_per_season = models.PositiveIntegerField(null=True, blank=True)
    max_minutes_per_season = models.PositiveIntegerField(null=True, blank=True)
    max_events_per_day = models.PositiveIntegerField(null=True, blank=True)
    change_notice_days = models.PositiveIntegerField(
        default=0, help_text="Owners hear of a new version at least so long before it holds."
    )
    eligibility = models.JSONField(default=dict, blank=True, help_text="What a car, home and owner need; see docs.")
    excludes = models.JSONField(default=list, blank=True, help_text="Programs beside which it does not go; see docs.")
    goes_with = models.JSONField(
        default=list, blank=True, help_text="Programs and groups in which a car may be besides; theirs must say so too."
    )
    needs_confirmation = models.BooleanField(
        default=False, help_text="A car takes part once the utility has confirmed the customer's account."
    )

    class Meta:
        ordering = ["program", "-version"]
        verbose_name = verbose_name_plural = "terms"
        constraints = [
            models.UniqueConstraint(fields=["program", "version"], name="one_terms_per_version"),
            models.CheckConstraint(condition=Q(reward_micros_per_kwh__gte=0), name="reward_not_negative"),
            models.CheckConstraint(condition=Q(control_share_percent__lte=50), name="control_share_at_most_half"),
            models.CheckConstraint(
                condition=Q(valid_until_at__isnull=True) | Q(valid_until_at__gt=F("valid_from_at")),
                name="terms_end_after_start",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.program} v{self.version}"

    @classmethod
    def in_force(cls, *, program: Program, at: datetime) -> "ProgramTerms | None":
        """Return the version of the program's terms that counts at `at`, or None."""
        return cls.held_and_next(program=program, at=at)[0]

    @classmethod
    def held_and_next(cls, *, program: Program, at: datetime) -> "tuple[ProgramTerms | None, ProgramTerms | None]":
        """Return the version that counts at `at` and the one that begins next, or None for either; one query."""
        rows = list(
            cls.objects.filter(program=program)
            .filter(Q(valid_until_at__isnull=True) | Q(valid_until_at__gt=at))
            .order_by("-version")
        )
        for row in rows:
            row.program = program
        held = next((row for row in rows if row.valid_from_at <= at), None)
        ahead = [row for row in rows if row.valid_from_at > at]
        return held, min(ahead, key=lambda row: (row.valid_from_at, -row.version), default=None)

    @classmethod
    def all_in_force(cls, programs: Collection[int], *, at: datetime) -> dict[int, "ProgramTerms"]:
        """Return by program the version of its terms that counts at `at`; a program without one is left out."""
        rows = cls.objects.filter(program__in=programs, valid_from_at__lte=at).filter(
            Q(valid_until_at__isnull=True) | Q(valid_until_at__gt=at)
        )
        return {one.program_id: one for one in rows.select_related("program__utility").order_by("version")}


# Of enrolments: those whose utility need not be asked, or has said yes while they lasted; the others wait, or were
# refused, or had ended by then.
TAKES_PART = Q(confirmation__isnull=True) | (
    Q(confirmation__confirmed_at__isnull=False)
    & (Q(ended_at__isnull=True) | Q(ended_at__gt=F("confirmation__confirmed_at")))
)


class Enrollment(models.Model):
    """One car at one home in one program. Where its utility has to confirm it, it counts from then on.

    A car is in several programs only where the terms of each let it (`goes_with`); enrolling sees to that.
    """

    public_id = models.UUIDField(default=uuid.uuid4, unique=True, editable=False)
    program = models.ForeignKey(Program, on_delete=models.PROTECT, related_name="enrollments")
    vehicle = models.ForeignKey(Vehicle, on_delete=models.PROTECT, related_name="enrollments")
    site = models.ForeignKey(Site, on_delete=models.PROTECT, related_name="enrollments")
    enrolled_at = models.DateTimeField()
    ended_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        ordering = ["-enrolled_at"]
        constraints = [
            models.UniqueConstraint(
                fields=["vehicle", "program"],
                condition=Q(ended_at__isnull=True),
                name="one_open_enrollment_per_vehicle_and_program",
            ),
            models.CheckConstraint(
                condition=Q(ended_at__isnull=True) | Q(ended_at__gte=F("enrolled_at")),
                name="enrollment_ends_after_start",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.vehicle} in {self.program}"

    @classmethod
    def once_a_car(cls) -> "models.QuerySet[Enrollment]":
        """Return the open enrollments that take part, of a car in several programs the one that it joined first.

        For what counts power: a car has it once, however many programs may ask for it.
        """
        rows = cls.objects.filter(TAKES_PART, ended_at__isnull=True)
        earlier = rows.filter(vehicle=models.OuterRef("vehicle"), pk__lt=models.OuterRef("pk"))
        return rows.filter(~models.Exists(earlier))


class EnrollmentConfirmation(models.Model):
    """What the utility says about one enrolment whose terms want its word.

    Name and account are kept, and go to the utility, only where the owner agreed when asking to join. A car takes part
    from `confirmed_at` on; what is refused ends the enrolment.
    """

    class State(models.TextChoices):
        """How far it came."""

        WAITING = "waiting", _("waits for the utility")
        CONFIRMED = "confirmed", _("confirmed by the utility")
        REFUSED = "refused", _("refused by the utility")

    enrollment = models.OneToOneField(Enrollment, on_delete=models.CASCADE, related_name="confirmation")
    state = models.CharField(max_length=12, choices=State, default=State.WAITING)
    asked_at = models.DateTimeField()
    shared_at = models.DateTimeField(
        null=True, blank=True, help_text="When the owner agreed to share name and address."
    )
    account_name = EncryptedTextField(blank=True)
    service_account = EncryptedTextField(blank=True)
    handed_out_at = models.DateTimeField(null=True, blank=True, help_text="When the utility first got it in a file.")
    confirmed_at = models.DateTimeField(null=True, blank=True)
    decided_at = models.DateTimeField(null=True, blank=True, help_text="When the utility last said something.")
    rate = models.CharField(max_length=60, blank=True, help_text="The account's rate, as the utility calls it.")
    dual_enrollment = models.CharField(max_length=120, blank=True, help_text="The program that it found besides.")
    reason = models.CharField(max_length=200, blank=True, help_text="Why the utility refused.")
    taken_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, blank=True, on_delete=models.SET_NULL, related_name="+"
    )

    class Meta:
        ordering = ["asked_at", "pk"]
        indexes = [models.Index(fields=["state"], name="confirmation_state")]
        constraints = [
            models.CheckConstraint(
                condition=~Q(state="confirmed") | Q(confirmed_at__isnull=False), name="confirmed_has_its_moment"
            )
        ]

    def __str__(self) -> str:
        return f"{self.enrollment}: {self.state}"


class ProgramElsewhere(models.Model):
    """A program that an owner says the home is in through somebody else, until the owner says it is not."""

    public_id = models.UUIDField(default=uuid.uuid4, unique=True, editable=False)
    owner = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="programs_elsewhere")
    program = models.ForeignKey(Program, on_delete=models.PROTECT, related_name="declared_elsewhere")
    declared_at = models.DateTimeField()
    ended_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        ordering = ["declared_at", "pk"]
        constraints = [
            models.UniqueConstraint(
                fields=["owner", "program"], condition=Q(ended_at__isnull=True), name="one_open_declaration_per_program"
            )
        ]

    def __str__(self) -> str:
        return f"owner {self.owner_id} in {self.program} elsewhere"
