"""Cars and wishes under /api/v1/. Another owner's things are not found."""

from typing import ClassVar, cast

from django.db.models import QuerySet
from django.utils.translation import gettext
from drf_spectacular.utils import extend_schema
from rest_framework import mixins, status, viewsets
from rest_framework.decorators import action
from rest_framework.request import Request
from rest_framework.response import Response

from accounts.models import User
from foundation import clock
from vehicles.flows import bills, cars, places, preferences
from vehicles.models import ChargeOverride, ChargePreference, Vehicle
from vehicles.serializers import (
    OverrideSerializer,
    PauseSerializer,
    PreferenceSerializer,
    SkipSerializer,
    SpecsSerializer,
    VehicleSerializer,
)
from vehicles.serializers_driving import BillSerializer, SteeringSerializer, steering_of
from vehicles.stamps import LISTED
from vehicles.viewsets_chargers import CHARGER_ROUTES
from vehicles.viewsets_dates import DATE_ROUTES
from vehicles.viewsets_links import LINK_ROUTES

_CAR = VehicleSerializer()


class VehicleViewSet(viewsets.ReadOnlyModelViewSet[Vehicle]):
    """The signed-in owner's cars, offered or taking part."""

    stamps: ClassVar = {"list": LISTED}
    serializer_class = VehicleSerializer
    lookup_field = "public_id"
    queryset = Vehicle.objects.none()
    filter_backends = ()

    def get_queryset(self) -> QuerySet[Vehicle]:
        owned = Vehicle.objects.filter(owner=cast(User, self.request.user)).exclude(state=Vehicle.State.UNLINKED)
        owned = owned.select_related("link", "owner")
        return owned if self.action == "list" else owned.select_related("preference")  # the list shows no wishes

    def list(self, request: Request) -> Response:
        """Return the owner's cars; what a serializer is made of is worked out once, not once a call."""
        page = self.paginate_queryset(self.get_queryset()) or []
        return self.get_paginated_response([_CAR.to_representation(vehicle) for vehicle in page])

    def lock_for_write(self) -> None:
        """Lock what the owner wants of the car, for a write that may only follow what was read."""
        wishes = ChargePreference.objects.filter(vehicle=self.get_object())
        wishes.select_for_update().first()

    @extend_schema(methods=["GET"], responses=PreferenceSerializer)
    @extend_schema(methods=["PUT"], request=PreferenceSerializer, responses=PreferenceSerializer)
    @action(detail=True, methods=["get", "put"])
    def preference(self, request: Request, public_id: str) -> Response:
        """Read or replace what the owner wants of the car."""
        vehicle = self.get_object()
        if request.method == "PUT":
            wanted = PreferenceSerializer(data=request.data)
            wanted.is_valid(raise_exception=True)
            preferences.save_preference(vehicle=vehicle, now=clock.now(), **wanted.wishes())
        return _preference(vehicle)

    @extend_schema(request=PauseSerializer, responses=PreferenceSerializer)
    @action(detail=True, methods=["put"])
    def pause(self, request: Request, public_id: str) -> Response:
        """Pause the car, or let it take part again."""
        vehicle = self.get_object()
        wanted = PauseSerializer(data=request.data)
        wanted.is_valid(raise_exception=True)
        preferences.set_paused(vehicle=vehicle, is_paused=wanted.validated_data["is_paused"], now=clock.now())
        return _preference(vehicle)

    @extend_schema(request=None, responses={201: OverrideSerializer})
    @action(detail=True, methods=["post"], url_path="charge-now")
    def charge_now(self, request: Request, public_id: str) -> Response:
        """Charge at once, whatever plan or event says."""
        override = preferences.charge_now(vehicle=self.get_object(), now=clock.now())
        return Response(OverrideSerializer(override).data, status=status.HTTP_201_CREATED)

    @extend_schema(request=SkipSerializer, responses={201: OverrideSerializer})
    @action(detail=True, methods=["post"])
    def skip(self, request: Request, public_id: str) -> Response:
        """Leave the car alone: until it leaves, or `until` a time within 90 days."""
        vehicle, now = self.get_object(), clock.now()
        wanted = SkipSerializer(data=request.data)
        wanted.is_valid(raise_exception=True)
        until = wanted.validated_data.get("until")
        if until is None:
            override = preferences.skip_tonight(vehicle=vehicle, now=now)
        else:
            override = preferences.pause_until(vehicle=vehicle, until=until, now=now)
        return Response(OverrideSerializer(override).data, status=status.HTTP_201_CREATED)

    @extend_schema(request=None, responses={204: None})
    @action(detail=True, methods=["post"], url_path="home-here")
    def home_here(self, request: Request, public_id: str) -> Response:
        """Make the place where the car stands the owner's home. The place itself is never shown."""
        places.set_home_from_vehicle(vehicle=self.get_object(), now=clock.now())
        return Response(status=status.HTTP_204_NO_CONTENT)

    @extend_schema(responses=BillSerializer(many=True))
    @action(detail=True, pagination_class=None)
    def bill(self, request: Request, public_id: str) -> Response:
        """What our asking cost the car, and us: this month and the two before."""
        months = bills.bills_of(self.get_object(), now=clock.now())
        return Response([BillSerializer(month).data for month in months])

    @extend_schema(responses=SteeringSerializer)
    @action(detail=True)
    def steering(self, request: Request, public_id: str) -> Response:
        """Who else steers the car, and what keeps it from giving energy back."""
        return Response(SteeringSerializer(steering_of(self.get_object())).data)

    @extend_schema(request=SpecsSerializer, responses=VehicleSerializer)
    @action(detail=True, methods=["put"])
    def specs(self, request: Request, public_id: str) -> Response:
        """Say what battery and charging power the car has."""
        vehicle = self.get_object()
        wanted = SpecsSerializer(data=request.data)
        wanted.is_valid(raise_exception=True)
        vehicle = cars.save_specs(vehicle=vehicle, now=clock.now(), **wanted.validated_data)
        return Response(VehicleSerializer(vehicle).data)

    @extend_schema(request=None, responses=VehicleSerializer)
    @action(detail=True, methods=["post"])
    def control(self, request: Request, public_id: str) -> Response:
        """Steer the car from here, once no other link that works does."""
        vehicle = cars.take_control(vehicle=self.get_object(), now=clock.now())
        return Response(VehicleSerializer(vehicle).data)


def _preference(vehicle: Vehicle) -> Response:
    preference = ChargePreference.objects.prefetch_related("departures").filter(vehicle=vehicle).first()
    if preference is None:
        raise preferences.UnableToSavePreference(gettext("This car does not take part yet."), code="vehicle_not_active")
    return Response(PreferenceSerializer(preference).data)


class OverrideViewSet(mixins.ListModelMixin, mixins.RetrieveModelMixin, viewsets.GenericViewSet[ChargeOverride]):
    """What the owner put over the plans, newest first."""

    serializer_class = OverrideSerializer
    lookup_field = "public_id"
    queryset = ChargeOverride.objects.none()
    filter_backends = ()

    def get_queryset(self) -> QuerySet[ChargeOverride]:
        owned = ChargeOverride.objects.filter(vehicle__owner=cast(User, self.request.user))
        return owned.select_related("vehicle")

    @extend_schema(request=None, responses=OverrideSerializer)
    @action(detail=True, methods=["post"])
    def cancel(self, request: Request, public_id: str) -> Response:
        """Take it back, so that plans count again."""
        override = preferences.cancel_override(override=self.get_object(), now=clock.now())
        return Response(OverrideSerializer(override).data)


ROUTES: list[tuple[str, type, str]] = [
    ("vehicles", VehicleViewSet, "vehicle"),
    ("overrides", OverrideViewSet, "override"),
    *LINK_ROUTES,
    *CHARGER_ROUTES,
    *DATE_ROUTES,
]
