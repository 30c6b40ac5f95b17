"""Wall boxes under /api/v1/. Another owner's are not found."""

from typing import cast

from django.db.models import QuerySet
from django.shortcuts import get_object_or_404
from drf_spectacular.utils import extend_schema
from rest_framework import viewsets
from rest_framework.decorators import action
from rest_framework.request import Request
from rest_framework.response import Response

from accounts.models import User
from foundation import clock
from vehicles.flows.chargers import assign_charger
from vehicles.models import HomeCharger, Vehicle
from vehicles.serializers_driving import AssignSerializer, ChargerSerializer


class ChargerViewSet(viewsets.ReadOnlyModelViewSet[HomeCharger]):
    """The signed-in owner's wall boxes."""

    serializer_class = ChargerSerializer
    lookup_field = "public_id"
    queryset = HomeCharger.objects.none()
    filter_backends = ()

    def get_queryset(self) -> QuerySet[HomeCharger]:
        owned = HomeCharger.objects.filter(link__owner=cast(User, self.request.user))
        return owned.exclude(state=HomeCharger.State.UNLINKED).select_related("link", "serves")

    @extend_schema(request=AssignSerializer, responses=ChargerSerializer)
    @action(detail=True, methods=["put"])
    def serves(self, request: Request, public_id: str) -> Response:
        """Say which car the box serves."""
        charger = self.get_object()
        wanted = AssignSerializer(data=request.data)
        wanted.is_valid(raise_exception=True)
        key = wanted.validated_data["vehicle"]
        owned = Vehicle.objects.filter(owner=cast(User, request.user), state=Vehicle.State.ACTIVE)
        vehicle = get_object_or_404(owned, public_id=key) if key else None
        charger = assign_charger(charger=charger, vehicle=vehicle, now=clock.now())
        return Response(ChargerSerializer(charger).data)


CHARGER_ROUTES: list[tuple[str, type, str]] = [("chargers", ChargerViewSet, "charger")]
