"""Plans, dispatches and settlements under /api/v1/: what the owner's cars will do, were told and earned."""

from typing import Any, ClassVar, TypeVar, cast
from uuid import UUID

from django.db.models import Model, QuerySet
from django.utils.translation import gettext
from drf_spectacular.utils import OpenApiParameter, extend_schema, extend_schema_view
from rest_framework import viewsets
from rest_framework.exceptions import ValidationError
from rest_framework.request import Request
from rest_framework.serializers import BaseSerializer

from accounts.models import User
from grid.models import Dispatch, Plan, Settlement
from grid.serializers_results import (
    DispatchSerializer,
    PlanDetailSerializer,
    PlanSerializer,
    SettlementDetailSerializer,
    SettlementSerializer,
)
from grid.stamps import SETTLEMENTS

Row = TypeVar("Row", bound=Model)
_of_one_car = extend_schema_view(
    list=extend_schema(parameters=[OpenApiParameter("vehicle", UUID, description="Only this car's.")])
)


def _narrow(rows: QuerySet[Row], request: Request, path: str) -> QuerySet[Row]:
    """Return the rows of the car that the query names, or all of them; another owner's car has none."""
    named = request.query_params.get("vehicle")
    if not named:
        return rows
    try:
        return rows.filter(**{path: UUID(named)})
    except ValueError:
        raise ValidationError({"vehicle": [gettext("This is no car's id.")]}) from None


@_of_one_car
class PlanViewSet(viewsets.ReadOnlyModelViewSet[Plan]):
    """Plans of the signed-in owner's cars, newest first."""

    lookup_field = "public_id"
    queryset = Plan.objects.none()
    serializer_class = PlanSerializer

    def get_queryset(self) -> QuerySet[Plan]:
        rows = Plan.objects.filter(vehicle__owner=cast(User, self.request.user)).select_related("vehicle")
        return _narrow(rows, self.request, "vehicle__public_id")

    def get_serializer_class(self) -> type[BaseSerializer[Any]]:
        return PlanDetailSerializer if self.action == "retrieve" else PlanSerializer


@_of_one_car
class DispatchViewSet(viewsets.ReadOnlyModelViewSet[Dispatch]):
    """Holds and discharges of the signed-in owner's cars, newest first."""

    lookup_field = "public_id"
    queryset = Dispatch.objects.none()
    serializer_class = DispatchSerializer

    def get_queryset(self) -> QuerySet[Dispatch]:
        rows = Dispatch.objects.filter(vehicle__owner=cast(User, self.request.user))
        return _narrow(rows.select_related("vehicle", "participation", "command"), self.request, "vehicle__public_id")


@_of_one_car
class SettlementViewSet(viewsets.ReadOnlyModelViewSet[Settlement]):
    """What the signed-in owner's cars earned, newest first; one settlement opens to its whole sum."""

    stamps: ClassVar = {"list": SETTLEMENTS}

    lookup_field = "public_id"
    queryset = Settlement.objects.none()
    serializer_class = SettlementSerializer

    def get_queryset(self) -> QuerySet[Settlement]:
        rows = Settlement.objects.filter(participation__enrollment__vehicle__owner=cast(User, self.request.user))
        rows = rows.select_related("participation__event", "participation__enrollment__vehicle")
        if self.action == "retrieve":
            rows = rows.select_related("group").defer("group__evidence")
        return _narrow(rows, self.request, "participation__enrollment__vehicle__public_id")

    def get_serializer_class(self) -> type[BaseSerializer[Any]]:
        return SettlementDetailSerializer if self.action == "retrieve" else SettlementSerializer


RESULT_ROUTES: list[tuple[str, type, str]] = [
    ("plans", PlanViewSet, "plan"),
    ("dispatches", DispatchViewSet, "dispatch"),
    ("settlements", SettlementViewSet, "settlement"),
]
