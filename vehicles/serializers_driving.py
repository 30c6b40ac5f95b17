"""Bills, wall boxes and who else steers a car, as the API shows them."""

from dataclasses import dataclass

from rest_framework import serializers

from vehicles import wording
from vehicles.flows import chargers, foreign
from vehicles.flows.bills import Bill
from vehicles.models import HomeCharger, Vehicle


class BillSerializer(serializers.Serializer[Bill]):
    """One month of calls. The drain is an estimate; `cost_micros` is null where the maker charges nothing."""

    month_starts_at = serializers.DateTimeField()
    reads = serializers.IntegerField()
    pushes = serializers.IntegerField()
    signals = serializers.IntegerField()
    commands = serializers.IntegerField()
    wakes = serializers.IntegerField()
    failures = serializers.IntegerField()
    drain_wh = serializers.IntegerField()
    drain_percent = serializers.FloatField()
    cost_micros = serializers.IntegerField(allow_null=True)
    currency = serializers.CharField(allow_blank=True)


@dataclass(frozen=True)
class Steering:
    """What stands beside our own steering of a car."""

    foreign_schedule: str
    discharge_missing: list[str]


def steering_of(vehicle: Vehicle) -> Steering:
    """Return who else steers the car, and what keeps it from giving energy back, in sentences."""
    sign = foreign.open_sign(vehicle)
    return Steering(
        foreign_schedule=foreign.describe(sign, vehicle.owner.zone) if sign else "",
        discharge_missing=[wording.message(key) for key in chargers.obstacles_to_discharge(vehicle)],
    )


class SteeringSerializer(serializers.Serializer[Steering]):
    """Sentences for the owner; empty where there is nothing to say."""

    foreign_schedule = serializers.CharField(allow_blank=True)
    discharge_missing = serializers.ListField(child=serializers.CharField())


class ChargerSerializer(serializers.ModelSerializer[HomeCharger]):
    """A wall box; `vehicle` is the car it serves. `is_used`: that car stands at it."""

    id = serializers.UUIDField(source="public_id", read_only=True)
    link = serializers.UUIDField(source="link.public_id", read_only=True)
    vehicle = serializers.UUIDField(source="serves.public_id", read_only=True, allow_null=True, default=None)

    class Meta:
        model = HomeCharger
        fields = [
            "id",
            "link",
            "name",
            "state",
            "vehicle",
            "max_discharge_w",
            "is_car_connected",
            "is_used",
            "observed_at",
        ]
        read_only_fields = fields


class AssignSerializer(serializers.Serializer[HomeCharger]):
    """The car that a wall box shall serve; null for none."""

    vehicle = serializers.UUIDField(allow_null=True)
