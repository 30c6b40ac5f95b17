"""Cars, wishes and links under /api/v1/. Another owner's things are not found."""

from typing import cast

from django.conf import settings
from django.db.models import QuerySet
from django.urls import reverse
from drf_spectacular.utils import extend_schema
from rest_framework import mixins, status, viewsets
from rest_framework.decorators import action
from rest_framework.request import Request
from rest_framework.response import Response

from accounts.models import User
from foundation import clock
from vehicles.automakers.registry import AUTOMAKERS
from vehicles.flows import cars, links, places, preferences
from vehicles.models import ChargeOverride, ChargePreference, Vehicle, VehicleLink
from vehicles.serializers import (
    ChooseSerializer,
    LinkBeginSerializer,
    LinkSerializer,
    LinkUrlSerializer,
    OverrideSerializer,
    PauseSerializer,
    PreferenceSerializer,
    SpecsSerializer,
    VehicleSerializer,
)


class VehicleViewSet(viewsets.ReadOnlyModelViewSet[Vehicle]):
    """The signed-in owner's cars, offered or taking part."""

    serializer_class = VehicleSerializer
    lookup_field = "public_id"
    queryset = Vehicle.objects.none()
    filter_backends = ()

    def get_queryset(self) -> QuerySet[Vehicle]:
        owned = Vehicle.objects.filter(owner=cast(User, self.request.user)).exclude(state=Vehicle.State.UNLINKED)
        return owned.select_related("link", "owner", "preference")

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

    @extend_schema(request=None, responses={201: OverrideSerializer})
    @action(detail=True, methods=["post"])
    def skip(self, request: Request, public_id: str) -> Response:
        """Leave the car alone until it leaves."""
        override = preferences.skip_tonight(vehicle=self.get_object(), now=clock.now())
        return Response(OverrideSerializer(override).data, status=status.HTTP_201_CREATED)

    @extend_schema(request=None, responses={204: None})
    @action(detail=True, methods=["post"], url_path="home-here")
    def home_here(self, request: Request, public_id: str) -> Response:
        """Make the place where the car stands the owner's home. The place itself is never shown."""
        places.set_home_from_vehicle(vehicle=self.get_object(), now=clock.now())
        return Response(status=status.HTTP_204_NO_CONTENT)

    @extend_schema(request=SpecsSerializer, responses=VehicleSerializer)
    @action(detail=True, methods=["put"])
    def specs(self, request: Request, public_id: str) -> Response:
        """Say what battery and charging power the car has."""
        vehicle = self.get_object()
        wanted = SpecsSerializer(data=request.data)
        wanted.is_valid(raise_exception=True)
        vehicle = cars.save_specs(vehicle=vehicle, now=clock.now(), **wanted.validated_data)
        return Response(VehicleSerializer(vehicle).data)


def _preference(vehicle: Vehicle) -> Response:
    preference = ChargePreference.objects.prefetch_related("departures").filter(vehicle=vehicle).first()
    if preference is None:
        raise preferences.UnableToSavePreference("This car does not take part yet.", code="vehicle_not_active")
    return Response(PreferenceSerializer(preference).data)


class OverrideViewSet(mixins.ListModelMixin, viewsets.GenericViewSet[ChargeOverride]):
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


class LinkViewSet(viewsets.ReadOnlyModelViewSet[VehicleLink]):
    """The signed-in owner's linked accounts."""

    serializer_class = LinkSerializer
    lookup_field = "public_id"
    queryset = VehicleLink.objects.none()
    filter_backends = ()

    def get_queryset(self) -> QuerySet[VehicleLink]:
        return VehicleLink.objects.filter(owner=cast(User, self.request.user)).prefetch_related("vehicles")

    @extend_schema(request=LinkBeginSerializer, responses={201: LinkUrlSerializer})
    @action(detail=False, methods=["post"])
    def begin(self, request: Request) -> Response:
        """Start linking: send the owner's browser, in which they are signed in here, to the answered address."""
        wanted = LinkBeginSerializer(data=request.data)
        wanted.is_valid(raise_exception=True)
        maker = wanted.validated_data["maker"]
        url = links.begin_link(
            owner=cast(User, request.user),
            maker=maker,
            session_key=request.session.session_key or "",
            redirect_uri=settings.PUBLIC_URL
            + reverse("link_callback", args=[maker if maker in AUTOMAKERS else "unknown"]),
            now=clock.now(),
        )
        return Response({"url": url}, status=status.HTTP_201_CREATED)

    @extend_schema(request=ChooseSerializer, responses=VehicleSerializer(many=True))
    @action(detail=True, methods=["post"])
    def choose(self, request: Request, public_id: str) -> Response:
        """Let cars of the account take part."""
        link = self.get_object()
        wanted = ChooseSerializer(data=request.data)
        wanted.is_valid(raise_exception=True)
        chosen = links.choose_vehicles(link=link, vehicle_ids=wanted.validated_data["vehicles"], now=clock.now())
        return Response(VehicleSerializer(chosen, many=True).data)

    @extend_schema(request=None, responses=LinkSerializer)
    @action(detail=True, methods=["post"])
    def revoke(self, request: Request, public_id: str) -> Response:
        """Unlink the account; a held car is released first, history stays."""
        link = links.revoke_link(link=self.get_object(), now=clock.now())
        return Response(LinkSerializer(link).data)


ROUTES: list[tuple[str, type, str]] = [
    ("vehicles", VehicleViewSet, "vehicle"),
    ("overrides", OverrideViewSet, "override"),
    ("links", LinkViewSet, "link"),
]
