"""Homes, tariffs, programs, enrollments and events as the API shows them."""

from decimal import Decimal

from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from grid.flows.events.abilities import REASONS
from grid.flows.owners.sites import MOST_MONTH_KWH
from grid.models import (
    EventParticipation,
    GridEvent,
    Site,
    Tariff,
    Utility,
)

MICROS = 1_000_000


class UtilitySerializer(serializers.ModelSerializer[Utility]):
    """A utility."""

    class Meta:
        model = Utility
        fields = ["slug", "name", "country", "region", "currency", "time_zone", "is_demo"]
        read_only_fields = fields


class TariffSerializer(serializers.ModelSerializer[Tariff]):
    """A tariff's newest version. Rates are millionths of the utility's currency per kWh; docs/feeds.md says the rest.

    Holidays count as Sundays; a tier is that of the next kWh after `month_kwh` of a month.
    """

    utility = UtilitySerializer(read_only=True)

    class Meta:
        model = Tariff
        fields = [
            "slug",
            "name",
            "utility",
            "kind",
            "flat_rate_micros_per_kwh",
            "periods",
            "delivery_micros_per_kwh",
            "export_rate_micros_per_kwh",
            "holidays",
            "month_kwh",
            "fixed_charge",
            "version",
            "valid_from_date",
            "valid_until_date",
            "source",
            "as_of_date",
        ]
        read_only_fields = fields


class SiteSerializer(serializers.ModelSerializer[Site]):
    """The owner's home."""

    id = serializers.UUIDField(source="public_id", read_only=True)
    tariff = serializers.SlugRelatedField(slug_field="slug", queryset=Tariff.objects.all())

    class Meta:
        model = Site
        fields = [
            "id",
            "address",
            "postal_code_prefix",
            "time_zone",
            "tariff",
            "evse_max_charge_w",
            "is_evse_bidirectional",
            "has_export_permission",
            "export_limit_w",
            "export_permission_ends_on_date",
            "month_kwh",
            "version",
        ]
        read_only_fields = ["id", "version"]


class HomeSerializer(serializers.Serializer[Site]):
    """What the owner says about the home; powers in W, AC side."""

    address = serializers.CharField(max_length=200, allow_blank=True, default="")
    postal_code_prefix = serializers.CharField(max_length=10)
    time_zone = serializers.CharField(max_length=64)
    tariff = serializers.SlugRelatedField(slug_field="slug", queryset=Tariff.objects.select_related("utility"))
    evse_max_charge_w = serializers.IntegerField()
    is_evse_bidirectional = serializers.BooleanField(default=False)
    has_export_permission = serializers.BooleanField(default=False)
    export_limit_w = serializers.IntegerField(default=0)
    export_permission_ends_on_date = serializers.DateField(allow_null=True, default=None)
    month_kwh = serializers.IntegerField(
        min_value=0,
        max_value=MOST_MONTH_KWH,
        allow_null=True,
        default=None,
        help_text="What the home uses in a month besides its car: it decides the tier. null: as the tariff takes it.",
    )


class EventSerializer(serializers.ModelSerializer[GridEvent]):
    """What is asked, and what it pays."""

    id = serializers.UUIDField(source="public_id", read_only=True)
    program = serializers.UUIDField(source="terms.program.public_id", read_only=True)
    program_name = serializers.CharField(source="terms.program.name", read_only=True)
    currency = serializers.CharField(source="terms.program.utility.currency", read_only=True)
    time_zone = serializers.CharField(source="terms.program.utility.time_zone", read_only=True)
    reward_per_kwh = serializers.SerializerMethodField()

    class Meta:
        model = GridEvent
        fields = [
            "id",
            "program",
            "program_name",
            "kind",
            "starts_at",
            "ends_at",
            "state",
            "reward_micros_per_kwh",
            "reward_per_kwh",
            "currency",
            "time_zone",
            "cancel_reason",
        ]
        read_only_fields = fields

    @extend_schema_field(str)
    def get_reward_per_kwh(self, event: GridEvent) -> str:
        return str(Decimal(event.reward_micros_per_kwh) / MICROS)


class ParticipationSerializer(serializers.ModelSerializer[EventParticipation]):
    """One car's part in one event; `reason_text` says why it helps less than asked, where it does."""

    id = serializers.UUIDField(source="public_id", read_only=True)
    vehicle = serializers.UUIDField(source="enrollment.vehicle.public_id", read_only=True)
    event = EventSerializer(read_only=True)
    reason_text = serializers.SerializerMethodField()
    yields_to = serializers.UUIDField(
        source="yields_to.public_id",
        default=None,
        read_only=True,
        allow_null=True,
        help_text="The event of another program that has precedence on this car meanwhile.",
    )

    class Meta:
        model = EventParticipation
        fields = ["id", "vehicle", "event", "state", "reason", "reason_text", "yields_to", "invited_at", "decided_at"]
        read_only_fields = fields

    @extend_schema_field(str)
    def get_reason_text(self, participation: EventParticipation) -> str:
        return str(REASONS.get(participation.reason, ""))
