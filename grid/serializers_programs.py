"""Programs, their terms, and cars in them as the API shows them."""

from typing import Any

from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from foundation import clock
from grid.flows.programs.enrollment import Shared
from grid.models import Enrollment, EnrollmentConfirmation, Program, ProgramTerms
from grid.serializers import UtilitySerializer
from vehicles.models import Vehicle


class TermsSerializer(serializers.ModelSerializer[ProgramTerms]):
    """Terms in force."""

    class Meta:
        model = ProgramTerms
        fields = [
            "version",
            "valid_from_at",
            "valid_until_at",
            "kinds",
            "reward_micros_per_kwh",
            "minimum_notice_minutes",
            "max_event_minutes",
            "season_months",
            "windows",
            "max_events_per_season",
            "max_minutes_per_season",
            "max_events_per_day",
            "change_notice_days",
            "eligibility",
            "excludes",
            "goes_with",
            "needs_confirmation",
            "settles",
            "baseline_method",
            "baseline_version",
        ]
        read_only_fields = fields


class ProgramSerializer(serializers.ModelSerializer[Program]):
    """A program with the terms in force now."""

    id = serializers.UUIDField(source="public_id", read_only=True)
    utility = UtilitySerializer(read_only=True)
    is_open = serializers.BooleanField(read_only=True)
    terms = serializers.SerializerMethodField()

    class Meta:
        model = Program
        fields = [
            "id",
            "slug",
            "name",
            "summary",
            "utility",
            "status",
            "status_note",
            "is_open",
            "is_served",
            "source",
            "as_of_date",
            "terms",
        ]
        read_only_fields = fields

    @extend_schema_field(TermsSerializer(allow_null=True))
    def get_terms(self, program: Program) -> dict[str, Any] | None:
        terms = ProgramTerms.in_force(program=program, at=clock.now())
        return None if terms is None else dict(TermsSerializer(terms).data)


class ObjectionSerializer(serializers.Serializer[Any]):
    """One reason against joining; the code is stable, the text is in the reader's language."""

    code = serializers.CharField(source="reason_code")
    text = serializers.CharField(source="reason")


class ProgramChoiceSerializer(serializers.Serializer[Any]):
    """Whether one car may join one program; `why_not`, the first of the `objections`, is empty where it may."""

    program = ProgramSerializer()
    is_open_to_vehicle = serializers.BooleanField()
    why_not = serializers.CharField(allow_blank=True)
    objections = ObjectionSerializer(many=True)


class TermsChangeSerializer(serializers.Serializer[Any]):
    """One thing that a program's next version says otherwise, in the reader's language; "" is nothing."""

    label = serializers.CharField()  # type: ignore[assignment]  # a name of DRF's own, and of ours
    before = serializers.CharField(allow_blank=True)
    after = serializers.CharField(allow_blank=True)


class ComingTermsSerializer(serializers.Serializer[Any]):
    """The program's next version, and what changes with it."""

    terms = TermsSerializer()
    changes = TermsChangeSerializer(many=True)


class ConfirmationSerializer(serializers.ModelSerializer[EnrollmentConfirmation]):
    """What the utility says about an enrolment whose terms want its word."""

    class Meta:
        model = EnrollmentConfirmation
        fields = ["state", "asked_at", "shared_at", "confirmed_at", "reason"]
        read_only_fields = fields


class EnrollmentSerializer(serializers.ModelSerializer[Enrollment]):
    """One car in one program."""

    id = serializers.UUIDField(source="public_id", read_only=True)
    vehicle = serializers.UUIDField(source="vehicle.public_id", read_only=True)
    program = serializers.UUIDField(source="program.public_id", read_only=True)
    program_name = serializers.CharField(source="program.name", read_only=True)
    confirmation = serializers.SerializerMethodField()

    class Meta:
        model = Enrollment
        fields = ["id", "vehicle", "program", "program_name", "enrolled_at", "ended_at", "confirmation"]
        read_only_fields = fields

    @extend_schema_field(ConfirmationSerializer(allow_null=True))
    def get_confirmation(self, enrollment: Enrollment) -> dict[str, Any] | None:
        row = getattr(enrollment, "confirmation", None)
        return dict(ConfirmationSerializer(row).data) if row else None


class SharedSerializer(serializers.Serializer[Any]):
    """What the utility may know to confirm the account: the owner's yes to handing it over."""

    account_name = serializers.CharField(max_length=120)
    service_account = serializers.CharField(max_length=40)

    def to_internal_value(self, data: Any) -> Any:
        return Shared(**super().to_internal_value(data))


class EnrollSerializer(serializers.Serializer[Enrollment]):
    """Which car joins which program."""

    vehicle = serializers.SlugRelatedField(slug_field="public_id", queryset=Vehicle.objects.none())
    program = serializers.SlugRelatedField(slug_field="public_id", queryset=Program.objects.select_related("utility"))
    shared = SharedSerializer(required=False)

    def __init__(self, *args: Any, owner: Any = None, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if owner is not None:  # another owner's car is as unknown as one that does not exist
            cars = Vehicle.objects.filter(owner=owner).select_related("owner", "link")
            self.fields["vehicle"] = serializers.SlugRelatedField(slug_field="public_id", queryset=cars)


class LeavingCostSerializer(serializers.Serializer[Any]):
    """One form of pay that leaving an event out touches, in the reader's language."""

    form = serializers.CharField()
    text = serializers.CharField()
    amount_minor = serializers.IntegerField(help_text="What the form pays as a whole.")
    is_lost = serializers.BooleanField(help_text="All of it would be gone.")


class LeavingSerializer(serializers.Serializer[Any]):
    """What leaving one event out would cost, told before it is done."""

    expected_minor = serializers.IntegerField(allow_null=True, help_text="What the plan expects of the event's kWh.")
    currency = serializers.CharField()
    costs = LeavingCostSerializer(many=True)
