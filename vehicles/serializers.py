"""Cars as the API shows them. Readings carry their age; VINs, tokens and places are never shown."""

from typing import Any

from django.utils.translation import gettext
from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from foundation import clock
from vehicles import wording
from vehicles.abilities import Ability, abilities
from vehicles.automakers.base import Capabilities
from vehicles.flows.preferences import open_override
from vehicles.flows.telemetry import latest_reading
from vehicles.models import ChargeOverride, ChargePreference, ChargeReading, Vehicle


class ReadingSerializer(serializers.ModelSerializer[ChargeReading]):
    """What the car was last seen to be; null is what it did not say. `power_w` > 0 charges, < 0 discharges."""

    age_seconds = serializers.SerializerMethodField()

    class Meta:
        model = ChargeReading
        fields = [
            "observed_at",
            "age_seconds",
            "soc_percent",
            "limit_percent",
            "is_plugged_in",
            "is_at_home",
            "charge_state",
            "power_w",
        ]
        read_only_fields = fields

    @extend_schema_field(int)
    def get_age_seconds(self, reading: ChargeReading) -> int:
        """How long ago the car said so."""
        return max(0, int((clock.now() - reading.observed_at).total_seconds()))


class CapabilitiesSerializer(serializers.Serializer[Capabilities]):
    """What the car can do under the grant its owner gave."""

    can_hold = serializers.BooleanField()
    can_discharge = serializers.BooleanField()
    hold_ends = serializers.CharField()
    is_metered = serializers.BooleanField()


class AbilitySerializer(serializers.Serializer[Ability]):
    """One thing the car can or cannot do, in words; linking again mends it where `needs_relink`."""

    key = serializers.CharField()
    text = serializers.CharField()
    is_possible = serializers.BooleanField()
    needs_relink = serializers.BooleanField()


class OverrideSerializer(serializers.ModelSerializer[ChargeOverride]):
    """The owner's word over every plan."""

    id = serializers.UUIDField(source="public_id", read_only=True)
    vehicle = serializers.UUIDField(source="vehicle.public_id", read_only=True)

    class Meta:
        model = ChargeOverride
        fields = ["id", "vehicle", "kind", "starts_at", "ends_at", "cancelled_at"]
        read_only_fields = fields


# Within a car: what a serializer is made of is worked out once, not once a car.
_READING, _ABILITY, _OVERRIDE = ReadingSerializer(), AbilitySerializer(), OverrideSerializer()


class VehicleSerializer(serializers.ModelSerializer[Vehicle]):
    """One car with its latest reading."""

    id = serializers.UUIDField(source="public_id", read_only=True)
    link = serializers.UUIDField(source="link.public_id", read_only=True)
    maker = serializers.CharField(source="link.maker", read_only=True)
    capabilities = CapabilitiesSerializer(source="can", read_only=True)
    abilities = serializers.SerializerMethodField()
    reading = serializers.SerializerMethodField()
    override = serializers.SerializerMethodField()
    trouble = serializers.SerializerMethodField()

    class Meta:
        model = Vehicle
        fields = [
            "id",
            "link",
            "maker",
            "make",
            "model",
            "model_year",
            "trim",
            "nickname",
            "state",
            "is_controlling",
            "capacity_wh",
            "max_charge_w",
            "max_discharge_w",
            "has_assumed_specs",
            "capabilities",
            "abilities",
            "reading",
            "override",
            "trouble",
        ]
        read_only_fields = fields

    @extend_schema_field(AbilitySerializer(many=True))
    def get_abilities(self, vehicle: Vehicle) -> list[dict[str, Any]]:
        """What the car can and cannot do by itself, and why."""
        return [_ABILITY.to_representation(ability) for ability in abilities(vehicle.own)]

    @extend_schema_field(ReadingSerializer(allow_null=True))
    def get_reading(self, vehicle: Vehicle) -> dict[str, Any] | None:
        """The newest reading by the car's own time."""
        reading = latest_reading(vehicle)
        return _READING.to_representation(reading) if reading else None

    @extend_schema_field(OverrideSerializer(allow_null=True))
    def get_override(self, vehicle: Vehicle) -> dict[str, Any] | None:
        """What the owner wants just now, over every plan."""
        override = open_override(vehicle, clock.now())
        return _OVERRIDE.to_representation(override) if override else None

    @extend_schema_field(serializers.CharField(allow_null=True))
    def get_trouble(self, vehicle: Vehicle) -> str | None:
        """Why the last reading failed, in words for the owner."""
        return wording.message(vehicle.read_failure) if vehicle.read_failure else None


class DepartureSerializer(serializers.Serializer[Any]):
    """One weekday's departure, local time of the home; 0 = Monday."""

    weekday = serializers.IntegerField(min_value=0, max_value=6)
    leaves_at = serializers.TimeField(format="%H:%M", input_formats=["%H:%M", "%H:%M:%S"], source="leaves_at_local")


class PreferenceSerializer(serializers.ModelSerializer[ChargePreference]):
    """What the owner wants of one car."""

    departures = DepartureSerializer(many=True)
    target_soc_percent = serializers.IntegerField(min_value=0, max_value=100)
    minimum_soc_percent = serializers.IntegerField(min_value=0, max_value=100)
    reserve_soc_percent = serializers.IntegerField(min_value=0, max_value=100)
    is_v2g_allowed = serializers.BooleanField()

    class Meta:
        model = ChargePreference
        fields = [
            "target_soc_percent",
            "minimum_soc_percent",
            "reserve_soc_percent",
            "is_v2g_allowed",
            "departures",
            "is_paused",
            "version",
            "changed_at",
        ]
        read_only_fields = ["is_paused", "version", "changed_at"]

    def validate_departures(self, value: list[dict[str, Any]]) -> list[dict[str, Any]]:
        """A weekday has one departure at most."""
        weekdays = [row["weekday"] for row in value]
        if len(set(weekdays)) != len(weekdays):
            raise serializers.ValidationError(gettext("A weekday has one departure at most."))
        return value

    def wishes(self) -> dict[str, Any]:
        """Return the validated values as `save_preference` takes them."""
        values = dict(self.validated_data)
        departures = {row["weekday"]: row["leaves_at_local"] for row in values.pop("departures")}
        return values | {"departures": departures}


class PauseSerializer(serializers.Serializer[Any]):
    """Whether the car takes part at all."""

    is_paused = serializers.BooleanField()


class SkipSerializer(serializers.Serializer[Any]):
    """Until when the car is left alone; without it, until it leaves."""

    until = serializers.DateTimeField(required=False, allow_null=True)


class SpecsSerializer(serializers.Serializer[Any]):
    """What the owner says of battery and charging power."""

    capacity_wh = serializers.IntegerField()
    max_charge_w = serializers.IntegerField()


class ChooseSerializer(serializers.Serializer[Any]):
    """Which cars of the account take part."""

    vehicles = serializers.ListField(child=serializers.UUIDField(), max_length=50)
