"""Plans, dispatches and settlements as the API shows them: times in UTC, energies in Wh, money in minor units."""

from typing import Any
from zoneinfo import ZoneInfo

from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from foundation import clock
from foundation.formats import Reader, reader_in
from grid.flows.owners.explaining import explain_plan, explain_settlement
from grid.models import Dispatch, GroupSettlement, Plan, Settlement


class PlanSerializer(serializers.ModelSerializer[Plan]):
    """A plan, slot by slot. Powers are kW at the AC side (+ charges, - discharges), prices currency/kWh."""

    id = serializers.UUIDField(source="public_id", read_only=True)
    vehicle = serializers.UUIDField(source="vehicle.public_id", read_only=True)
    status = serializers.SerializerMethodField()
    sentence = serializers.SerializerMethodField()
    power_kw = serializers.SerializerMethodField()
    soc_percent = serializers.SerializerMethodField(help_text="At the start of each slot, and at the end of the last.")
    reasons = serializers.SerializerMethodField()
    import_price = serializers.SerializerMethodField()

    class Meta:
        model = Plan
        fields = [
            "id",
            "vehicle",
            "made_at",
            "is_current",
            "reason",
            "status",
            "sentence",
            "starts_at",
            "slot_minutes",
            "departure_at",
            "power_kw",
            "soc_percent",
            "reasons",
            "import_price",
        ]
        read_only_fields = fields

    def get_status(self, plan: Plan) -> str:
        """Return "optimal", or "relaxed" where a wish is out of reach."""
        return str(plan.solution["status"])

    def get_sentence(self, plan: Plan) -> str:
        """Return the plan in one sentence, in the owner's local time."""
        return explain_plan(plan=plan, zone=_zone(self), now=clock.now(), reader=_reader(self))

    @extend_schema_field(serializers.ListField(child=serializers.FloatField()))
    def get_power_kw(self, plan: Plan) -> Any:
        """Return the power of each slot."""
        return plan.solution["power_kw"]

    @extend_schema_field(serializers.ListField(child=serializers.FloatField()))
    def get_soc_percent(self, plan: Plan) -> Any:
        """Return the state of charge at each boundary."""
        return plan.solution["soc_percent"]

    @extend_schema_field(serializers.ListField(child=serializers.CharField()))
    def get_reasons(self, plan: Plan) -> Any:
        """Return why the car does what it does in each slot."""
        return plan.solution["reasons"]

    @extend_schema_field(serializers.ListField(child=serializers.FloatField()))
    def get_import_price(self, plan: Plan) -> Any:
        """Return the price of a kWh drawn from the grid in each slot."""
        return plan.inputs.get("import_price", plan.problem["import_price"])


class PlanDetailSerializer(PlanSerializer):
    """A plan with the problem it solves, its solution and what both were made from: enough to compute it again."""

    class Meta(PlanSerializer.Meta):
        fields = [*PlanSerializer.Meta.fields, "problem", "solution", "inputs"]
        read_only_fields = fields


class CarriedBySerializer(serializers.Serializer[Any]):
    """The newest command of a dispatch: asked, sent, accepted and confirmed are separate facts."""

    kind = serializers.CharField()
    state = serializers.CharField()
    ends_at = serializers.DateTimeField(allow_null=True)
    sent_at = serializers.DateTimeField(allow_null=True)
    accepted_at = serializers.DateTimeField(allow_null=True)
    confirmed_at = serializers.DateTimeField(allow_null=True)
    released_at = serializers.DateTimeField(allow_null=True)


class DispatchSerializer(serializers.ModelSerializer[Dispatch]):
    """One stretch in which the car holds or discharges."""

    id = serializers.UUIDField(source="public_id", read_only=True)
    vehicle = serializers.UUIDField(source="vehicle.public_id", read_only=True)
    participation = serializers.UUIDField(source="participation.public_id", read_only=True, allow_null=True)
    command = CarriedBySerializer(read_only=True, allow_null=True)

    class Meta:
        model = Dispatch
        fields = [
            "id",
            "vehicle",
            "participation",
            "mode",
            "power_w",
            "starts_at",
            "ends_at",
            "stopped_at",
            "stop_reason",
            "command",
        ]
        read_only_fields = fields


class SettlementSerializer(serializers.ModelSerializer[Settlement]):
    """What a car delivered in an event and earned. A correction is a further revision, never an edit."""

    id = serializers.UUIDField(source="public_id", read_only=True)
    vehicle = serializers.UUIDField(source="participation.enrollment.vehicle.public_id", read_only=True)
    participation = serializers.UUIDField(source="participation.public_id", read_only=True)
    event_starts_at = serializers.DateTimeField(source="participation.event.starts_at", read_only=True)
    event_ends_at = serializers.DateTimeField(source="participation.event.ends_at", read_only=True)

    class Meta:
        model = Settlement
        fields = [
            "id",
            "vehicle",
            "participation",
            "event_starts_at",
            "event_ends_at",
            "revision",
            "method",
            "method_version",
            "grade",
            "reason",
            "baseline_wh",
            "net_wh",
            "delivered_wh",
            "credited_wh",
            "reward_micros_per_kwh",
            "amount_minor",
            "currency",
            "created_at",
            "reserved_at",
            "posted_at",
            "voided_at",
        ]
        read_only_fields = fields


class GroupSettlementSerializer(serializers.ModelSerializer[GroupSettlement]):
    """What all cars of an event delivered together, of which each settlement is a share. Energies are Wh, signed."""

    id = serializers.UUIDField(source="public_id", read_only=True)

    class Meta:
        model = GroupSettlement
        fields = [
            "id",
            "revision",
            "method",
            "method_version",
            "share_rule",
            "baseline_wh",
            "net_wh",
            "delivered_wh",
            "error_wh",
            "measured_cars",
            "estimated_cars",
            "control_cars",
            "rate_micros_per_kwh",
            "amount_minor",
            "currency",
            "review",
            "objection_ends_at",
        ]
        read_only_fields = fields


class DivisionSerializer(serializers.Serializer[Any]):
    """How much is divided, which place the car's remainder has, and to how many places one each goes."""

    whole = serializers.IntegerField()
    place = serializers.IntegerField()
    left = serializers.IntegerField()


class ShareSerializer(serializers.Serializer[Any]):
    """How a settlement follows from its group's: whole x weight / weights, rounded down, one more before `left`."""

    group = serializers.UUIDField()
    member = serializers.IntegerField(help_text="The car's number in the group's evidence; it names nobody.")
    rule = serializers.CharField()
    role = serializers.CharField(help_text="t took part, c left alone, a away, x left out.")
    committed_wh = serializers.IntegerField(help_text="What the car could shift, known before notice.")
    weight = serializers.IntegerField()
    weights = serializers.IntegerField(help_text="All weights together.")
    credited_wh = DivisionSerializer()
    amount_minor = DivisionSerializer()


class StepSerializer(serializers.Serializer[Any]):
    """One step of the sum."""

    title = serializers.CharField()
    text = serializers.CharField()
    value = serializers.CharField()
    unit = serializers.CharField(allow_blank=True)


class SettlementDetailSerializer(SettlementSerializer):
    """A settlement with its sum in words and numbers, and the evidence it can be recomputed from."""

    steps = serializers.SerializerMethodField()
    group = GroupSettlementSerializer(allow_null=True, read_only=True, help_text="Null: the car was settled alone.")
    share = ShareSerializer(allow_null=True, read_only=True, help_text="Null: the car was settled alone.")

    class Meta(SettlementSerializer.Meta):
        fields = [*SettlementSerializer.Meta.fields, "group", "share", "steps", "evidence"]
        read_only_fields = fields

    @extend_schema_field(StepSerializer(many=True))
    def get_steps(self, settlement: Settlement) -> Any:
        """Return how the amount follows from the readings, in the owner's local time."""
        explanation = explain_settlement(settlement=settlement, zone=_zone(self), reader=_reader(self))
        return StepSerializer(explanation.steps, many=True).data


def _reader(serializer: serializers.BaseSerializer[Any]) -> Reader:
    return reader_in(serializer.context["request"].user.country)


def _zone(serializer: serializers.BaseSerializer[Any]) -> ZoneInfo:
    zone = serializer.context["request"].user.zone
    assert isinstance(zone, ZoneInfo)
    return zone
