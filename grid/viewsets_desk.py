"""A utility's desk under /api/v1/utility/: read by its people, approved and objected to by its reviewers.

For anybody else nothing of it exists. Staff look at the pages instead.
"""

from typing import Any, cast

from django.conf import settings
from django.db.models import QuerySet
from django.utils.translation import gettext_lazy as _
from drf_spectacular.utils import extend_schema
from rest_framework import mixins, viewsets
from rest_framework.decorators import action
from rest_framework.exceptions import NotFound, PermissionDenied
from rest_framework.permissions import BasePermission, IsAuthenticated
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.serializers import BaseSerializer
from rest_framework.views import APIView

from accounts.models import User
from foundation import clock
from grid.flows.desk.events import EventLine, car_rows, event_lines, events_of, interval_rows, programs_of
from grid.flows.desk.membership import member_of
from grid.flows.desk.power import available_power
from grid.flows.settlement import reviewing
from grid.models import Dispute, GridEvent, GroupSettlement, Invoice, Nomination, Program, UtilityMember
from grid.serializers_desk import (
    DeskEventSerializer,
    DeskEvidenceSerializer,
    DeskOverviewSerializer,
    DeskProgramSerializer,
    DisputeSerializer,
    InvoiceDetailSerializer,
    InvoiceSerializer,
    NominationSerializer,
    ObjectionSerializer,
)
from grid.views.desk.doors import lacks_second_factor


class AtDesk(BasePermission):
    """Lets a utility's people in; for anybody else there is nothing."""

    def has_permission(self, request: Request, view: APIView) -> bool:
        """Find the caller's membership; raises NotFound without one, PermissionDenied without a second factor."""
        member = member_of(cast(User, request.user))
        if member is None:
            raise NotFound
        if lacks_second_factor(member.user):
            raise PermissionDenied(_("This desk opens with a second factor. Set one up in your account."))
        view.member = member  # type: ignore[attr-defined]  # what the view narrows everything by
        return True


class DeskViewSet(viewsets.GenericViewSet[Any]):
    """What every view of the desk does: nothing but the caller's own utility's."""

    permission_classes = [IsAuthenticated, AtDesk]
    lookup_field = "public_id"
    member: UtilityMember


class DeskOverviewViewSet(DeskViewSet):
    """Power available now and over the next day."""

    queryset = Program.objects.none()
    serializer_class = DeskOverviewSerializer

    @extend_schema(responses=DeskOverviewSerializer, operation_id="utility_overview_retrieve")
    def list(self, request: Request) -> Response:
        """Return what the caller's utility could count on, with the age of what it is told from."""
        del request
        power = available_power(self.member.utility, now=clock.now())
        is_small = power.cars < settings.UTILITY_SMALLEST_GROUP
        told = {
            "utility": self.member.utility.slug,
            "role": self.member.role,
            "is_small_group": is_small,
            "cars": None if is_small else power.cars,
            "enrolled_kw": None if is_small else power.enrolled_kw,
            "planned": None if is_small else power.planned,
            "oldest_plan_at": None if is_small else power.oldest_at,
            "slots": [] if is_small else power.slots,
        }
        return Response(DeskOverviewSerializer(told).data)


class DeskProgramViewSet(mixins.ListModelMixin, mixins.RetrieveModelMixin, DeskViewSet):
    """The caller's utility's programs."""

    queryset = Program.objects.none()
    serializer_class = DeskProgramSerializer

    def get_queryset(self) -> QuerySet[Program]:
        return programs_of(self.member.utility)


class DeskEventViewSet(DeskViewSet):
    """The caller's utility's events, newest first, each with its newest result."""

    queryset = GridEvent.objects.none()
    serializer_class = DeskEventSerializer

    def get_queryset(self) -> QuerySet[GridEvent]:
        return events_of(self.member.utility)

    @extend_schema(responses=DeskEventSerializer(many=True), operation_id="utility_events_list")
    def list(self, request: Request) -> Response:
        """Return a page of events."""
        del request
        page = self.paginate_queryset(self.get_queryset()) or []
        return self.get_paginated_response(DeskEventSerializer(event_lines(page, now=clock.now()), many=True).data)

    @extend_schema(responses=DeskEvidenceSerializer)
    def retrieve(self, request: Request, public_id: str = "") -> Response:
        """Return one event with its quarter hours and cars, as far as the group is large enough."""
        del request, public_id
        line = self._line()
        cars = car_rows(line)
        told = {"summary": line, "intervals": interval_rows(line), "cars": cars}
        return Response(DeskEvidenceSerializer(told).data)

    @extend_schema(request=None, responses=DeskEventSerializer)
    @action(detail=True, methods=["post"])
    def approve(self, request: Request, public_id: str = "") -> Response:
        """Let the event's result stand; the owners' credits are paid then."""
        del public_id
        group = self._group()
        reviewing.approve_group(group=group, reviewed_by=cast(User, request.user), now=clock.now())
        return Response(DeskEventSerializer(self._line()).data)

    @extend_schema(request=ObjectionSerializer, responses={201: DisputeSerializer})
    @action(detail=True, methods=["post"], url_path="object")
    def raise_objection(self, request: Request, public_id: str = "") -> Response:
        """Object to the event's result, in time and with a reason; nothing is paid until it is resolved."""
        del public_id
        body = ObjectionSerializer(data=request.data)
        group = self._group()
        body.is_valid(raise_exception=True)
        dispute = reviewing.object_to_group(
            group=group, raised_by=cast(User, request.user), now=clock.now(), **body.validated_data
        )
        return Response(DisputeSerializer(dispute).data, status=201)

    def _line(self) -> EventLine:
        return event_lines([self.get_object()], now=clock.now())[0]

    def _group(self) -> GroupSettlement:
        group = self._line().group
        if group is None:
            raise NotFound
        return group


class DisputeViewSet(mixins.ListModelMixin, DeskViewSet):
    """Objections of the caller's utility, newest first."""

    queryset = Dispute.objects.none()
    serializer_class = DisputeSerializer

    def get_queryset(self) -> QuerySet[Dispute]:
        rows = Dispute.objects.filter(group__event__terms__program__utility=self.member.utility)
        return rows.select_related("group__event")


class InvoiceViewSet(mixins.ListModelMixin, mixins.RetrieveModelMixin, DeskViewSet):
    """Invoices to the caller's utility, newest first; one opens to its lines."""

    queryset = Invoice.objects.none()
    serializer_class = InvoiceSerializer

    def get_queryset(self) -> QuerySet[Invoice]:
        rows = Invoice.objects.filter(utility=self.member.utility, number__isnull=False).select_related("utility")
        return rows.prefetch_related("lines__event") if self.action == "retrieve" else rows

    def get_serializer_class(self) -> type[BaseSerializer[Any]]:
        return InvoiceDetailSerializer if self.action == "retrieve" else InvoiceSerializer


class NominationViewSet(mixins.ListModelMixin, DeskViewSet):
    """What the caller's utility's programs were nominated for, newest first."""

    queryset = Nomination.objects.none()
    serializer_class = NominationSerializer

    def get_queryset(self) -> QuerySet[Nomination]:
        return Nomination.objects.filter(program__utility=self.member.utility).select_related("program")


DESK_ROUTES: list[tuple[str, type, str]] = [
    ("utility/overview", DeskOverviewViewSet, "utility-overview"),
    ("utility/programs", DeskProgramViewSet, "utility-program"),
    ("utility/events", DeskEventViewSet, "utility-event"),
    ("utility/disputes", DisputeViewSet, "utility-dispute"),
    ("utility/invoices", InvoiceViewSet, "utility-invoice"),
    ("utility/nominations", NominationViewSet, "utility-nomination"),
]
