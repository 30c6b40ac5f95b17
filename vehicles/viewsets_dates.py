"""What owners say of single dates, under /api/v1/dated-departures/. Another owner's are not found."""

from typing import cast

from django.db.models import QuerySet
from django.shortcuts import get_object_or_404
from drf_spectacular.utils import extend_schema
from rest_framework import mixins, serializers, status, viewsets
from rest_framework.request import Request
from rest_framework.response import Response

from accounts.models import User
from foundation import clock
from vehicles.flows import dated
from vehicles.models import DatedDeparture, Vehicle


class DatedDepartureSerializer(serializers.ModelSerializer[DatedDeparture]):
    """What holds on some dates in place of the weekday's departure; dates and time are local to the car's home.

    leaves: at `leaves_at_local` on each day. stays: not at all. away: leaves at `leaves_at_local` on the first day,
    or has left already where that is null, and is back once the last day is over.
    """

    id = serializers.UUIDField(source="public_id", read_only=True)
    vehicle = serializers.UUIDField(source="vehicle.public_id")
    last_date = serializers.DateField(required=False, help_text="Without it, the first day alone.")
    leaves_at_local = serializers.TimeField(
        required=False, allow_null=True, format="%H:%M", input_formats=["%H:%M", "%H:%M:%S"]
    )

    class Meta:
        model = DatedDeparture
        fields = ["id", "vehicle", "kind", "first_date", "last_date", "leaves_at_local", "created_at"]
        read_only_fields = ["created_at"]


class DatedDepartureViewSet(mixins.ListModelMixin, mixins.RetrieveModelMixin, viewsets.GenericViewSet[DatedDeparture]):
    """Holidays and early mornings of the signed-in owner's cars."""

    serializer_class = DatedDepartureSerializer
    lookup_field = "public_id"
    queryset = DatedDeparture.objects.none()
    filter_backends = ()

    def get_queryset(self) -> QuerySet[DatedDeparture]:
        mine = DatedDeparture.objects.filter(vehicle__owner=cast(User, self.request.user))
        return mine.exclude(vehicle__state=Vehicle.State.UNLINKED).select_related("vehicle__owner")

    @extend_schema(request=DatedDepartureSerializer, responses={201: DatedDepartureSerializer})
    def create(self, request: Request) -> Response:
        """Say something of some dates; they stand before the week."""
        wanted = DatedDepartureSerializer(data=request.data)
        wanted.is_valid(raise_exception=True)
        values = dict(wanted.validated_data)
        cars = Vehicle.objects.filter(owner=cast(User, request.user)).exclude(state=Vehicle.State.UNLINKED)
        vehicle = get_object_or_404(cars.select_related("owner"), public_id=values.pop("vehicle")["public_id"])
        row = dated.add_dated(vehicle=vehicle, now=clock.now(), **values)
        return Response(DatedDepartureSerializer(row).data, status=status.HTTP_201_CREATED)

    @extend_schema(responses={204: None})
    def destroy(self, request: Request, public_id: str) -> Response:
        """Let the week count again; days that are over keep what was said of them."""
        dated.remove_dated(dated=self.get_object(), now=clock.now())
        return Response(status=status.HTTP_204_NO_CONTENT)


DATE_ROUTES: list[tuple[str, type, str]] = [("dated-departures", DatedDepartureViewSet, "dated-departure")]
