"""The cars of the pretend automakers, the faults switched on, and every command they received."""

from datetime import datetime
from typing import Any, ClassVar

from django.contrib.auth.models import User
from django.db import models

from sandbox.cars.physics import CarSpec, CarState, is_asleep
from sandbox.cars.records import from_record, to_record


class Car(models.Model):
    """One car; `record` is its state (null until somebody looks at it first), `spec` what it is made of."""

    owner = models.ForeignKey(User, on_delete=models.PROTECT, related_name="cars")
    maker = models.CharField(max_length=20)
    vehicle_id = models.CharField(max_length=32, unique=True)
    vin = models.CharField(max_length=17, unique=True)
    nick_name = models.CharField(max_length=60)
    model_name = models.CharField(max_length=60)
    model_year = models.CharField(max_length=4)
    trim = models.CharField(max_length=60)
    range_km = models.FloatField()
    home_latitude = models.FloatField()
    home_longitude = models.FloatField()
    first_soc_percent = models.FloatField()
    has_partner_extension = models.BooleanField()
    spec_record = models.JSONField()
    record = models.JSONField(null=True, default=None)

    # Faults
    served_record = models.JSONField(null=True, default=None)  # what the cloud serves while values are stale
    has_stale_values = models.BooleanField(default=False)
    is_put_to_sleep = models.BooleanField(default=False)
    command_delay_seconds = models.FloatField(default=0)
    loses_commands = models.BooleanField(default=False)
    refuses_commands = models.BooleanField(default=False)
    loses_answers = models.BooleanField(default=False)  # commands are obeyed, and nobody hears about it
    is_sold = models.BooleanField(default=False)
    is_api_down = models.BooleanField(default=False)
    is_rate_limited = models.BooleanField(default=False)

    # Makers that ration reads of a car: until when the ration is used in advance
    reads_used_until = models.DateTimeField(null=True, default=None)

    objects: ClassVar[models.Manager["Car"]] = models.Manager()
    commands: "models.QuerySet[Command]"
    readings: "models.QuerySet[ServedReading]"

    class Meta:
        ordering = ["id"]

    def __str__(self) -> str:
        return f"{self.nick_name} ({self.model_year} {self.model_name})"

    @property
    def spec(self) -> CarSpec:
        """What the car is made of."""
        return CarSpec(**self.spec_record)

    @property
    def state(self) -> CarState:
        """The true state as of its own instant; `sandbox.cars.garage` brings it up to date first."""
        assert self.record is not None, "look at a car through the garage"
        return from_record(self.record)

    @state.setter
    def state(self, state: CarState) -> None:
        self.record = to_record(state)

    @property
    def is_asleep(self) -> bool:
        """Whether the car's modem sleeps: put to sleep from outside, or after standing idle for long."""
        return self.is_put_to_sleep or is_asleep(self.state, self.spec)

    @property
    def is_served_stale(self) -> bool:
        """Whether the cloud serves older values than the car's own."""
        return self.has_stale_values or self.is_put_to_sleep

    @property
    def first_energy_wh(self) -> float:
        """Battery energy the car starts its life with, in Wh."""
        return self.first_soc_percent / 100 * self.spec.battery_wh


class Command(models.Model):
    """One command as the automaker's cloud received it; `effective_at` is when the car gets it."""

    class Status(models.TextChoices):
        PENDING = "PENDING"
        COMPLETED = "COMPLETED"
        FAILED = "FAILED"
        LOST = "LOST"

    car = models.ForeignKey(Car, on_delete=models.CASCADE, related_name="commands")
    command_id = models.CharField(max_length=32, unique=True)
    kind = models.CharField(max_length=20)
    body = models.JSONField(default=dict)
    idempotency_key = models.CharField(max_length=255, null=True)  # noqa: DJ001 - null: none was sent
    received_at = models.DateTimeField()
    received_count = models.PositiveIntegerField(default=1)  # more than one: replays of the same key
    effective_at = models.DateTimeField()
    status = models.CharField(max_length=10, choices=Status, default=Status.PENDING)
    reason = models.CharField(max_length=40, default="")

    objects: ClassVar[models.Manager["Command"]] = models.Manager()

    class Meta:
        ordering = ["id"]
        constraints = [models.UniqueConstraint(fields=["car", "idempotency_key"], name="one_command_per_key_and_car")]
        indexes = [models.Index(fields=["car", "status", "effective_at"])]

    def __str__(self) -> str:
        return f"{self.kind} {self.status}"

    def settle(self, status: str, *, reason: str = "") -> None:
        """Record what became of the command."""
        self.status, self.reason = status, reason
        self.save(update_fields=["status", "reason"])

    @property
    def until(self) -> datetime:
        """When a setpoint ends by itself."""
        return datetime.fromisoformat(self.body["until"])

    def as_json(self) -> dict[str, Any]:
        """Return the history line of the control API."""
        return {
            "commandId": self.command_id,
            "kind": self.kind,
            "at": self.received_at.isoformat(),
            "effectiveAt": self.effective_at.isoformat(),
            "idempotencyKey": self.idempotency_key,
            "receivedCount": self.received_count,
            "status": self.status,
            "reason": self.reason,
            "body": self.body,
        }


class ServedReading(models.Model):
    """What the cloud told somebody about a car, and the true meters of that moment: for checking sums afterwards."""

    car = models.ForeignKey(Car, on_delete=models.CASCADE, related_name="readings")
    source = models.CharField(max_length=20)
    served_at = models.DateTimeField()
    observed_at = models.DateTimeField()
    soc_percent = models.FloatField()
    is_plugged_in = models.BooleanField()
    state = models.CharField(max_length=20)
    imported_wh = models.BigIntegerField(null=True)  # null: this source has no meter
    exported_wh = models.BigIntegerField(null=True)
    true_imported_wh = models.FloatField()
    true_exported_wh = models.FloatField()

    objects: ClassVar[models.Manager["ServedReading"]] = models.Manager()

    class Meta:
        ordering = ["id"]

    def __str__(self) -> str:
        return f"{self.source} at {self.served_at}"

    def as_json(self) -> dict[str, Any]:
        """Return the log line of the control API."""
        return {
            "source": self.source,
            "servedAt": self.served_at.isoformat(),
            "observedAt": self.observed_at.isoformat(),
            "socPercent": self.soc_percent,
            "pluggedIn": self.is_plugged_in,
            "state": self.state,
            "importedWh": self.imported_wh,
            "exportedWh": self.exported_wh,
            "trueImportedWh": self.true_imported_wh,
            "trueExportedWh": self.true_exported_wh,
        }
