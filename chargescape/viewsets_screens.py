"""What an app's screens are made of in one call each: tonight, the steps of a new owner, the makers on offer."""

from typing import Any, ClassVar, cast
from uuid import UUID

from django.http import Http404
from drf_spectacular.utils import OpenApiParameter, extend_schema, extend_schema_field
from rest_framework import serializers, viewsets
from rest_framework.request import Request
from rest_framework.response import Response

from accounts.models import User
from chargescape.welcome import checklist_of
from foundation import clock
from grid.flows.events.allowance import allowances_of
from grid.flows.owners.charging_now import charge_now_cost
from grid.flows.owners.tonight import Tonight, tonights
from grid.serializers import ParticipationSerializer
from grid.stamps import TONIGHT
from vehicles.automakers.registry import AUTOMAKERS
from vehicles.models import VehicleLink
from vehicles.serializers import OverrideSerializer
from vehicles.views import makers_on_offer


class SlotSerializer(serializers.Serializer[Any]):
    """One bar of the chart. `power_kw` > 0 charges, < 0 discharges; `soc_percent` at its start; `price` a kWh."""

    starts_at = serializers.DateTimeField()
    label = serializers.CharField()  # type: ignore[assignment]  # a field of this name, not this field's label
    power_kw = serializers.FloatField()
    soc_percent = serializers.FloatField()
    price = serializers.FloatField()
    reason = serializers.CharField()
    reason_text = serializers.CharField()
    is_event = serializers.BooleanField()


class ChargeNowSerializer(serializers.Serializer[Any]):
    """What charging at once costs beside the plan; money is in minor units, and an estimate."""

    extra_minor = serializers.IntegerField(help_text="More than the plan for the same charge; below 0 less.")
    missed_minor = serializers.IntegerField(help_text="What the plan expects of the event that it would sit out.")
    currency = serializers.CharField()
    is_dearer = serializers.BooleanField(help_text="False where the difference is a rounding.")
    ready_at = serializers.DateTimeField(help_text="When the car holds what the plan would have reached.")


class AllowanceSerializer(serializers.Serializer[Any]):
    """How many events may be left out this month before the program's monthly pay is lost."""

    program = serializers.CharField()
    month_date = serializers.DateField(help_text="The first day of the program's month.")
    most = serializers.IntegerField()
    used = serializers.IntegerField()
    left = serializers.IntegerField()
    pay_minor = serializers.IntegerField(help_text="The month's pay.")
    currency = serializers.CharField()
    is_spent = serializers.BooleanField(help_text="One more costs the month's pay.")
    is_lost = serializers.BooleanField(help_text="The month's pay is gone already.")


class TonightSerializer(serializers.Serializer[Any]):
    """One car's night, with words to show beside the numbers; null is what is not known."""

    vehicle = serializers.UUIDField(source="vehicle.public_id")
    soc_percent = serializers.FloatField(allow_null=True)
    observed_at = serializers.DateTimeField(allow_null=True)
    is_stale = serializers.BooleanField(help_text="Too old to act on.")
    is_plugged_in = serializers.BooleanField(allow_null=True)
    is_at_home = serializers.BooleanField(allow_null=True)
    power_w = serializers.IntegerField(allow_null=True)
    state_text = serializers.CharField()
    sentence = serializers.CharField(help_text="The plan; empty without one.")
    obstacle = serializers.CharField(help_text="Why there is no plan; empty where there is.")
    obstacle_text = serializers.CharField()
    slots = SlotSerializer(many=True)
    departure_at = serializers.DateTimeField(allow_null=True)
    ready_by = serializers.CharField()
    target_percent = serializers.IntegerField(allow_null=True)
    ready_percent = serializers.IntegerField(allow_null=True)
    shortfall_text = serializers.CharField()
    currency = serializers.CharField()
    next_event = ParticipationSerializer(allow_null=True)
    override = OverrideSerializer(allow_null=True)
    charge_now = serializers.SerializerMethodField()
    allowance = serializers.SerializerMethodField()

    @extend_schema_field(ChargeNowSerializer(allow_null=True))
    def get_charge_now(self, night: Tonight) -> dict[str, Any] | None:
        """What charging at once would cost; null where nothing would be charged or there is no plan."""
        cost = charge_now_cost(night)
        return dict(ChargeNowSerializer(cost).data) if cost else None

    @extend_schema_field(AllowanceSerializer(allow_null=True))
    def get_allowance(self, night: Tonight) -> dict[str, Any] | None:
        """What may still be left out; null where that never costs anything."""
        allowance = self.context["allowances"].get(night.vehicle.pk)
        return dict(AllowanceSerializer(allowance).data) if allowance else None


class TonightViewSet(viewsets.ViewSet):
    """The signed-in owner's cars tonight."""

    stamps: ClassVar = {"list": TONIGHT}

    @extend_schema(
        parameters=[OpenApiParameter("vehicle", UUID, description="Only this car.")],
        responses=TonightSerializer(many=True),
        operation_id="tonight_list",
    )
    def list(self, request: Request) -> Response:
        """Return each car that takes part: where it stands, what it will do and why, what the grid wants next."""
        named = request.query_params.get("vehicle")
        now = clock.now()
        nights = tonights(owner=cast(User, request.user), now=now)
        if named is not None:
            wanted = serializers.UUIDField().run_validation(named)
            nights = [night for night in nights if night.vehicle.public_id == wanted]
            if not nights:
                raise Http404
        allowances = allowances_of(vehicle_ids=[night.vehicle.pk for night in nights], at=now)
        return Response(TonightSerializer(nights, many=True, context={"allowances": allowances}).data)


class OnboardingStepSerializer(serializers.Serializer[Any]):
    """One step: done, next, or later. `href` is the web's page for it."""

    key = serializers.CharField()
    title = serializers.CharField()
    state = serializers.ChoiceField(choices=["done", "next", "skipped", "later"])
    href = serializers.CharField()


class OnboardingViewSet(viewsets.ViewSet):
    """The five steps of a new owner."""

    @extend_schema(responses=OnboardingStepSerializer(many=True), operation_id="onboarding_list")
    def list(self, request: Request) -> Response:
        """Return the steps in order: agree, home, car, wishes and program, payouts. Leaving and resuming is safe."""
        return Response(OnboardingStepSerializer(checklist_of(cast(User, request.user)).steps, many=True).data)


class MakerSerializer(serializers.Serializer[Any]):
    """An automaker or wall box whose accounts can be linked."""

    slug = serializers.CharField(help_text="Give this to `POST /links/`.")
    name = serializers.CharField()
    kind = serializers.ChoiceField(choices=["redirect", "device_code", "hosted_page"])
    how = serializers.CharField(help_text="What the owner will do, in words.")


class MakerViewSet(viewsets.ViewSet):
    """Whose accounts can be linked."""

    @extend_schema(responses=MakerSerializer(many=True), operation_id="makers_list")
    def list(self, request: Request) -> Response:
        """Return the makers on offer."""
        links = VehicleLink.objects.filter(owner=cast(User, request.user)).exclude(state=VehicleLink.State.REVOKED)
        makers = makers_on_offer(set(links.values_list("maker", flat=True)))
        rows = [maker | {"kind": AUTOMAKERS[maker["slug"]].link_kind} for maker in makers]
        return Response(MakerSerializer(rows, many=True).data)


SCREEN_ROUTES: list[tuple[str, type, str]] = [
    ("tonight", TonightViewSet, "tonight"),
    ("onboarding", OnboardingViewSet, "onboarding"),
    ("makers", MakerViewSet, "maker"),
]
