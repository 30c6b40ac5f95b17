"""A utility's desk under /api/v1/utility/: the same numbers as the pages, the same rules for small groups."""

from typing import Any

from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from grid.flows.desk.events import EventLine
from grid.flows.desk.sheets import event_row
from grid.models import Dispute, GridEvent, Invoice, InvoiceLine, Nomination, Program, UtilityMember


class PowerSlotSerializer(serializers.Serializer[Any]):
    """A quarter of an hour: kW at the AC side."""

    starts_at = serializers.DateTimeField()
    hold_kw = serializers.FloatField(help_text="Charging that could be held, by the cars' plans.")
    discharge_kw = serializers.FloatField(help_text="What could be given back, by the cars' plans.")
    sure_kw = serializers.FloatField(allow_null=True, help_text="Nominated; null: nothing was.")


class DeskOverviewSerializer(serializers.Serializer[Any]):
    """A utility's fleet now and over the next day; of too few cars nothing but `is_small_group` is told."""

    utility = serializers.CharField()
    role = serializers.ChoiceField(choices=UtilityMember.Role.choices)
    is_small_group = serializers.BooleanField()
    cars = serializers.IntegerField(allow_null=True)
    enrolled_kw = serializers.FloatField(allow_null=True)
    planned = serializers.IntegerField(allow_null=True, help_text="Cars with a plan of the last day.")
    oldest_plan_at = serializers.DateTimeField(allow_null=True)
    slots = PowerSlotSerializer(many=True)


class DeskProgramSerializer(serializers.ModelSerializer[Program]):
    """One of the utility's programs."""

    id = serializers.UUIDField(source="public_id", read_only=True)

    class Meta:
        model = Program
        fields = ["id", "slug", "name", "summary", "is_open"]
        read_only_fields = fields


class DeskEventSerializer(serializers.Serializer[Any]):
    """One event with its newest result. Energies Wh, powers W, AC side; null is not known or not told."""

    event = serializers.UUIDField(help_text="The event's id.")
    program = serializers.CharField()
    terms_version = serializers.IntegerField()
    kind = serializers.ChoiceField(choices=GridEvent.Kind.choices)
    starts_at = serializers.DateTimeField()
    ends_at = serializers.DateTimeField()
    state = serializers.ChoiceField(choices=[(one, one) for one in ("upcoming", "running", "past", "cancelled")])
    target_w = serializers.IntegerField()
    cars_in = serializers.IntegerField(allow_null=True)
    opted_out = serializers.IntegerField(allow_null=True)
    unable = serializers.IntegerField(allow_null=True)
    control_cars = serializers.IntegerField(allow_null=True)
    is_small_group = serializers.BooleanField(help_text="Too few cars: sums are rounded to kWh, counts left out.")
    method = serializers.CharField()
    method_version = serializers.IntegerField()
    revision = serializers.IntegerField(allow_null=True)
    baseline_wh = serializers.IntegerField(allow_null=True)
    net_wh = serializers.IntegerField(allow_null=True)
    delivered_wh = serializers.IntegerField(allow_null=True)
    error_wh = serializers.FloatField(allow_null=True, help_text="The standard error of `delivered_wh`.")
    delivered_percent = serializers.FloatField(allow_null=True)
    amount_minor = serializers.IntegerField(allow_null=True)
    currency = serializers.CharField()
    review = serializers.CharField(allow_null=True)
    objection_ends_at = serializers.DateTimeField(allow_null=True)

    def to_representation(self, instance: EventLine) -> dict[str, Any]:
        """Return the event's row."""
        shown: dict[str, Any] = super().to_representation(event_row(instance))
        return shown


class DeskIntervalSerializer(serializers.Serializer[Any]):
    """A quarter of an hour of the whole group."""

    starts_at = serializers.DateTimeField()
    ends_at = serializers.DateTimeField()
    baseline_w = serializers.IntegerField(allow_null=True)
    net_w = serializers.IntegerField(allow_null=True)
    delivered_w = serializers.IntegerField(allow_null=True)
    grade = serializers.CharField()


class DeskCarSerializer(serializers.Serializer[Any]):
    """One car's part, by a number that stands for it in this event alone."""

    number = serializers.CharField()
    state = serializers.CharField()
    grade = serializers.CharField(allow_blank=True)
    committed_wh = serializers.IntegerField()
    baseline_wh = serializers.IntegerField(allow_null=True)
    net_wh = serializers.IntegerField(allow_null=True)
    delivered_wh = serializers.IntegerField(allow_null=True)
    is_straggler = serializers.BooleanField()


class DeskEvidenceSerializer(serializers.Serializer[Any]):
    """What an event's result rests on."""

    summary = DeskEventSerializer()
    intervals = DeskIntervalSerializer(many=True)
    cars = DeskCarSerializer(many=True)


class ObjectionSerializer(serializers.Serializer[Any]):
    """What is wrong with a result, and what shows it."""

    reason = serializers.CharField(max_length=200)
    evidence = serializers.CharField(max_length=4000, required=False, allow_blank=True, default="")


class DisputeSerializer(serializers.ModelSerializer[Dispute]):
    """An objection and what became of it."""

    id = serializers.UUIDField(source="public_id", read_only=True)
    event = serializers.UUIDField(source="group.event.public_id", read_only=True)

    class Meta:
        model = Dispute
        fields = ["id", "event", "reason", "evidence", "raised_at", "state", "resolved_at"]
        read_only_fields = fields


class InvoiceLineSerializer(serializers.ModelSerializer[InvoiceLine]):
    """One line of an invoice."""

    event = serializers.SerializerMethodField()

    class Meta:
        model = InvoiceLine
        fields = ["position", "kind", "event", "program", "form", "about_date", "postings_count", "amount_minor"]
        read_only_fields = fields

    @extend_schema_field(serializers.UUIDField(allow_null=True))
    def get_event(self, line: InvoiceLine) -> str | None:
        return str(line.event.public_id) if line.event else None


class InvoiceSerializer(serializers.ModelSerializer[Invoice]):
    """An invoice, or a credit note where its amount is below 0."""

    id = serializers.UUIDField(source="public_id", read_only=True)
    name = serializers.CharField(read_only=True)

    class Meta:
        model = Invoice
        fields = ["id", "name", "month_date", "currency", "amount_minor", "state", "sent_at", "due_date", "paid_at"]
        read_only_fields = fields


class InvoiceDetailSerializer(InvoiceSerializer):
    """An invoice with its lines."""

    lines = InvoiceLineSerializer(many=True, read_only=True)

    class Meta(InvoiceSerializer.Meta):
        fields = [*InvoiceSerializer.Meta.fields, "lines"]
        read_only_fields = fields


class NominationSerializer(serializers.ModelSerializer[Nomination]):
    """One hour that a program's cars can be counted on for."""

    id = serializers.UUIDField(source="public_id", read_only=True)
    program = serializers.SlugField(source="program.slug", read_only=True)
    ends_at = serializers.DateTimeField(read_only=True)

    class Meta:
        model = Nomination
        fields = [
            "id", "program", "starts_at", "ends_at", "hold_w", "discharge_w", "cars", "method", "method_version",
            "made_at",
        ]  # fmt: skip
        read_only_fields = fields
