"""How a utility's server reaches us: the link, its programs, every event as it was last said, what went back."""

import uuid

from django.db import models

from foundation.fields import EncryptedTextField
from grid.models.events import GridEvent
from grid.models.programs import Program
from grid.models.utilities import Utility
from grid.operators.base import ProgramWords


class OperatorLink(models.Model):
    """Our side of one utility's server. Waits and leases are wall time, the timetable is simulated time."""

    class Protocol(models.TextChoices):
        """What the server speaks."""

        OPENADR_3_1 = "openadr-3.1.0", "OpenADR 3.1.0"
        OPENADR_3_0 = "openadr-3.0.1", "OpenADR 3.0.1"
        OPENADR_2_0B = "openadr-2.0b", "OpenADR 2.0b"

    public_id = models.UUIDField(default=uuid.uuid4, unique=True, editable=False)
    utility = models.ForeignKey(Utility, on_delete=models.PROTECT, related_name="operator_links")
    protocol = models.CharField(max_length=16, choices=Protocol)
    api_base = models.URLField(max_length=300)
    token_url = models.URLField(max_length=300, blank=True, help_text="Empty: the server's own /auth/token.")
    oauth_id = models.CharField(max_length=128, blank=True, verbose_name="client id", help_text="OpenADR 3 only.")
    client_secret = EncryptedTextField(blank=True, help_text="OpenADR 3 only.")
    certificate = models.TextField(blank=True, help_text="OpenADR 2.0b: our certificate, PEM, with its chain.")
    private_key = EncryptedTextField(
        blank=True, help_text="OpenADR 2.0b: the certificate's key, PEM, without password."
    )
    authorities = models.TextField(
        blank=True, help_text="OpenADR 2.0b: PEM certificates that the server's must descend from. Empty: public ones."
    )
    fingerprint = models.CharField(
        max_length=29,
        blank=True,
        help_text="OpenADR 2.0b: of the certificate that signs the server's messages. Empty: they need no signature.",
    )
    signs_messages = models.BooleanField(default=False, help_text="OpenADR 2.0b: our messages are signed.")
    ven_name = models.CharField(max_length=128, help_text="How the utility knows us; unique at its server.")
    ven_id = models.CharField(max_length=128, blank=True, editable=False)
    registration_id = models.CharField(max_length=128, blank=True, editable=False)
    synced_at = models.DateTimeField(null=True, blank=True, editable=False, help_text="When all its events were read.")
    least_poll_seconds = models.PositiveIntegerField(
        default=0, editable=False, help_text="The server wants to be asked no more often."
    )
    targets = models.JSONField(
        default=dict, blank=True, editable=False, help_text="What the server's targets mean: resource names, * all."
    )
    push_token = EncryptedTextField(blank=True, help_text="What the server shows when it rings; empty: no bell.")
    is_active = models.BooleanField(default=True, help_text="Whether it is asked.")
    poll_seconds = models.PositiveIntegerField(default=60)
    next_poll_at = models.DateTimeField(null=True, blank=True, help_text="Empty: at once.")
    heard_at = models.DateTimeField(null=True, blank=True, help_text="When the server last answered well.")
    failure = models.CharField(max_length=120, blank=True)
    failures = models.PositiveIntegerField(default=0, help_text="In a row.")
    lease_until = models.DateTimeField(null=True, blank=True, help_text="Somebody asks it until then (wall time).")

    class Meta:
        ordering = ["utility", "pk"]
        constraints = [models.UniqueConstraint(fields=["api_base", "ven_name"], name="one_link_per_ven")]

    def __str__(self) -> str:
        return f"{self.utility} by {self.get_protocol_display()}"

    @property
    def version(self) -> str:
        """The protocol's version."""
        return self.protocol.rpartition("-")[2]


class OperatorProgram(models.Model):
    """One of the utility's programs as its server names it, our program behind it, and the words agreed for it."""

    link = models.ForeignKey(OperatorLink, on_delete=models.CASCADE, related_name="programs")
    remote_id = models.CharField(max_length=128, help_text="The programID at the server.")
    program = models.ForeignKey(Program, on_delete=models.PROTECT, related_name="operator_programs")
    resource_name = models.CharField(max_length=64, default=uuid.uuid4, help_text="Opaque: it names no owner or car.")
    export_is_negative = models.BooleanField(default=True, help_text="A setpoint below zero asks for export.")
    setpoint_is_relative = models.BooleanField(
        default=False, help_text="A plain setpoint is a change from what the cars would do."
    )
    simple_shares_percent = models.JSONField(
        default=dict, blank=True, help_text='SIMPLE\'s levels in percent of the enrolled power, such as {"1": 33}.'
    )
    state_of_charge_is_ratio = models.BooleanField(default=False, help_text="0 to 1 instead of 0 to 100.")
    usage_may_be_negative = models.BooleanField(default=False, help_text="Export is told as negative usage.")
    targets = models.JSONField(
        default=list, blank=True, help_text='Targets that stand for all cars of the program, such as ["evs-austin"].'
    )

    tells_nominations = models.BooleanField(
        default=False,
        help_text="Each event's hours are nominated to the server ahead, asked for or not (OpenADR 3).",
    )

    class Meta:
        ordering = ["link", "remote_id"]
        constraints = [models.UniqueConstraint(fields=["link", "remote_id"], name="one_program_per_remote_id")]

    def __str__(self) -> str:
        return f"{self.program} at {self.link}"

    @property
    def words(self) -> ProgramWords:
        """The words agreed with the utility."""
        shares = {int(level): float(percent) / 100 for level, percent in self.simple_shares_percent.items()}
        return ProgramWords(
            export_is_negative=self.export_is_negative,
            setpoint_is_relative=self.setpoint_is_relative,
            state_of_charge_is_ratio=self.state_of_charge_is_ratio,
            usage_may_be_negative=self.usage_may_be_negative,
            currency=self.program.utility.currency,
            **({"simple_shares": shares} if shares else {}),
        )


class OperatorEvent(models.Model):
    """One event as the utility last said it. `record` is the message itself, kept for whoever doubts the reading."""

    class State(models.TextChoices):
        """What became of it."""

        READ = "read", "understood"
        UNREADABLE = "unreadable", "not understood: what it asked before still stands"
        GONE = "gone", "deleted by the utility"

    program = models.ForeignKey(OperatorProgram, on_delete=models.CASCADE, related_name="events")
    remote_id = models.CharField(max_length=128)
    state = models.CharField(max_length=12, choices=State, default=State.READ)
    changed_at = models.DateTimeField(null=True, blank=True, help_text="By the server's own clock.")
    seen_at = models.DateTimeField()
    revision = models.PositiveIntegerField(default=0, help_text="The server's count of changes, where it keeps one.")
    answer = models.CharField(max_length=8, blank=True, help_text="What the server was last told: optIn or optOut.")
    answer_reason = models.CharField(max_length=200, blank=True)
    answered_revision = models.PositiveIntegerField(null=True, blank=True)
    record = models.JSONField()
    wanted = models.JSONField(default=dict, blank=True, help_text="What it asks, as last understood.")
    wanted_until = models.DateTimeField(null=True, blank=True, help_text="When the last of it ends.")
    priority = models.PositiveBigIntegerField(null=True, blank=True, help_text="The lowest comes first; empty: last.")
    scope = models.JSONField(default=dict, blank=True, help_text="Which cars it is for; empty: all of the program.")
    questions = models.JSONField(default=list, blank=True, help_text="What a person should look at, and why.")

    class Meta:
        ordering = ["-seen_at"]
        constraints = [models.UniqueConstraint(fields=["program", "remote_id"], name="one_event_per_remote_id")]

    def __str__(self) -> str:
        return f"event {self.remote_id[:40]}"


class OperatorAsk(models.Model):
    """Which of our events stands for which stretch of the utility's."""

    operator_event = models.ForeignKey(OperatorEvent, on_delete=models.CASCADE, related_name="asks")
    grid_event = models.OneToOneField(GridEvent, on_delete=models.PROTECT, related_name="operator_ask")
    randomize_seconds = models.PositiveIntegerField(default=0, help_text="Most offset of start and end, either way.")
    is_emergency = models.BooleanField(default=False)
    scope = models.JSONField(default=dict, blank=True, help_text="Which cars it is for; empty: all of the program.")

    def __str__(self) -> str:
        return f"{self.operator_event} as {self.grid_event}"


class OperatorReport(models.Model):
    """A report owed to the utility for one event: sent once, replaced where later data says otherwise."""

    ask = models.OneToOneField(OperatorAsk, on_delete=models.PROTECT, related_name="report")
    remote_id = models.CharField(max_length=128, blank=True)
    body = models.JSONField(default=dict)
    is_tried = models.BooleanField(default=False, help_text="It may have reached the server: look before sending.")
    sent_at = models.DateTimeField(null=True, blank=True)
    failure = models.CharField(max_length=120, blank=True)
    failures = models.PositiveIntegerField(default=0)
    next_try_at = models.DateTimeField(help_text="Wall time.")

    class Meta:
        ordering = ["-next_try_at"]

    def __str__(self) -> str:
        return f"report on {self.ask}"


class OperatorReportRequest(models.Model):
    """A report that a 2.0b server asked for: once over a span, or again and again. Its times are simulated."""

    link = models.ForeignKey(OperatorLink, on_delete=models.CASCADE, related_name="report_requests")
    request_id = models.CharField(max_length=128)
    specifier_id = models.CharField(max_length=64)
    r_ids = models.JSONField(help_text="Which of the values offered.")
    step_seconds = models.PositiveIntegerField(default=900)
    every_seconds = models.PositiveIntegerField(default=0, help_text="0: once.")
    starts_at = models.DateTimeField()
    ends_at = models.DateTimeField(null=True, blank=True, help_text="Empty: until it is cancelled.")
    told_until = models.JSONField(default=dict, blank=True, help_text="Up to when each value was told.")
    next_at = models.DateTimeField(null=True, blank=True, help_text="Empty: nothing more is owed.")
    sent_at = models.DateTimeField(null=True, blank=True)
    failure = models.CharField(max_length=120, blank=True)

    class Meta:
        ordering = ["link", "request_id"]
        constraints = [models.UniqueConstraint(fields=["link", "request_id"], name="one_report_request_per_id")]

    def __str__(self) -> str:
        return f"report {self.request_id[:40]}"
