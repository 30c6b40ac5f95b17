"""Homes, tariffs, programs, enrollments and events under /api/v1/. Another owner's things are not found."""

from typing import cast
from uuid import UUID

from django.db.models import QuerySet
from django.shortcuts import get_object_or_404
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework import mixins, serializers, status, viewsets
from rest_framework.decorators import action
from rest_framework.request import Request
from rest_framework.response import Response

from accounts.models import User
from foundation import clock
from foundation.formats import reader_in
from grid.flows.events import events
from grid.flows.events.consequences import costs_of_leaving
from grid.flows.owners import sites
from grid.flows.owners.charging_now import expected_minor
from grid.flows.plans.planning import current_plan
from grid.flows.programs import enrollment
from grid.flows.programs.objections import offers_to
from grid.flows.programs.versions import coming_version
from grid.models import Enrollment, EventParticipation, Program, Site, Tariff
from grid.serializers import HomeSerializer, ParticipationSerializer, SiteSerializer, TariffSerializer
from grid.serializers_programs import (
    ComingTermsSerializer,
    EnrollmentSerializer,
    EnrollSerializer,
    LeavingSerializer,
    ProgramChoiceSerializer,
    ProgramSerializer,
)
from grid.viewsets_carbon import CARBON_ROUTES
from grid.viewsets_desk import DESK_ROUTES
from grid.viewsets_results import RESULT_ROUTES
from vehicles.models import Vehicle


class SiteViewSet(mixins.ListModelMixin, mixins.RetrieveModelMixin, viewsets.GenericViewSet[Site]):
    """The signed-in owner's home; there is at most one."""

    serializer_class = SiteSerializer
    lookup_field = "public_id"
    queryset = Site.objects.none()

    def get_queryset(self) -> QuerySet[Site]:
        return Site.objects.filter(owner=cast(User, self.request.user)).select_related("tariff__utility")

    @extend_schema(request=HomeSerializer, responses=SiteSerializer)
    def create(self, request: Request) -> Response:
        """Keep the owner's home: the first call makes it, later ones change it."""
        home = HomeSerializer(data=request.data)
        home.is_valid(raise_exception=True)
        site = sites.save_home(owner=cast(User, request.user), **home.validated_data, now=clock.now())
        return Response(SiteSerializer(site).data)


class TariffViewSet(viewsets.ReadOnlyModelViewSet[Tariff]):
    """Tariffs that homes can have; `?country=CA` shows one country's."""

    serializer_class = TariffSerializer
    lookup_field = "slug"
    queryset = Tariff.objects.none()

    def get_queryset(self) -> QuerySet[Tariff]:
        tariffs = Tariff.objects.select_related("utility")
        country = self.request.query_params.get("country")
        return tariffs.filter(utility__country=country) if country else tariffs

    @extend_schema(parameters=[OpenApiParameter("country", str, description="US or CA.")])
    def list(self, request: Request) -> Response:
        """Return the tariffs."""
        return super().list(request)


class ProgramViewSet(viewsets.ReadOnlyModelViewSet[Program]):
    """Programs that utilities offer."""

    serializer_class = ProgramSerializer
    lookup_field = "public_id"
    queryset = Program.objects.select_related("utility")

    @extend_schema(
        parameters=[OpenApiParameter("vehicle", UUID, required=True, description="One of the owner's cars.")],
        responses=ProgramChoiceSerializer(many=True),
        filters=False,
    )
    @action(detail=False, url_path="open-to", pagination_class=None)
    def open_to(self, request: Request) -> Response:
        """Return each program in the owner's country and whether one car may join it, with the reason if not."""
        vehicle = _own_vehicle(request, request.query_params.get("vehicle"))
        rows = [
            {
                "program": offer.program,
                "is_open_to_vehicle": not offer.objections,
                "why_not": offer.why_not,
                "objections": offer.objections,
            }
            for offer in offers_to(vehicle, now=clock.now())
        ]
        return Response(ProgramChoiceSerializer(rows, many=True).data)

    @extend_schema(responses={200: ComingTermsSerializer, 204: None})
    @action(detail=True)
    def coming(self, request: Request, public_id: str) -> Response:
        """Return the program's next version with what it changes; 204 where none is known."""
        reader = reader_in(cast(User, request.user).country)
        found = coming_version(self.get_object(), now=clock.now(), reader=reader)
        if found is None:
            return Response(status=status.HTTP_204_NO_CONTENT)
        return Response(ComingTermsSerializer(found).data)


class EnrollmentViewSet(mixins.ListModelMixin, mixins.RetrieveModelMixin, viewsets.GenericViewSet[Enrollment]):
    """The owner's cars in programs, ended ones included."""

    serializer_class = EnrollmentSerializer
    lookup_field = "public_id"
    queryset = Enrollment.objects.none()

    def get_queryset(self) -> QuerySet[Enrollment]:
        mine = Enrollment.objects.filter(vehicle__owner=cast(User, self.request.user))
        return mine.select_related("vehicle", "program", "confirmation")

    @extend_schema(request=EnrollSerializer, responses={201: EnrollmentSerializer})
    def create(self, request: Request) -> Response:
        """Let one car join one program; beside others only where the terms of both let it (`goes_with`)."""
        body = EnrollSerializer(data=request.data, owner=request.user)
        body.is_valid(raise_exception=True)
        enrolled = enrollment.enroll_vehicle(**body.validated_data, now=clock.now())
        return Response(EnrollmentSerializer(enrolled).data, status=status.HTTP_201_CREATED)

    @extend_schema(request=None, responses=EnrollmentSerializer)
    @action(detail=True, methods=["post"])
    def withdraw(self, request: Request, public_id: str) -> Response:
        """Let the car leave the program; what it earned stays."""
        ended = enrollment.end_enrollment(enrollment=self.get_object(), now=clock.now())
        return Response(EnrollmentSerializer(ended).data)


class ParticipationViewSet(viewsets.ReadOnlyModelViewSet[EventParticipation]):
    """The owner's cars in events, newest first."""

    serializer_class = ParticipationSerializer
    lookup_field = "public_id"
    queryset = EventParticipation.objects.none()

    def get_queryset(self) -> QuerySet[EventParticipation]:
        mine = EventParticipation.objects.filter(enrollment__vehicle__owner=cast(User, self.request.user))
        return mine.select_related("event__terms__program__utility", "enrollment__vehicle", "yields_to")

    @extend_schema(responses=LeavingSerializer)
    @action(detail=True, url_path="opt-out-costs")
    def opt_out_costs(self, request: Request, public_id: str) -> Response:
        """Return what leaving this event out would cost, for every form of pay that it touches."""
        part = self.get_object()
        reader = reader_in(cast(User, request.user).country)
        found = {
            "expected_minor": expected_minor(current_plan(part.enrollment.vehicle), part.event),
            "currency": part.event.terms.program.utility.currency,
            "costs": costs_of_leaving(part, reader=reader),
        }
        return Response(LeavingSerializer(found).data)

    @extend_schema(request=None, responses=ParticipationSerializer)
    @action(detail=True, methods=["post"], url_path="opt-out")
    def opt_out(self, request: Request, public_id: str) -> Response:
        """Leave the car out of this event; possible until it ends."""
        part = events.opt_out(participation=self.get_object(), now=clock.now())
        return Response(ParticipationSerializer(part).data)

    @extend_schema(request=None, responses=ParticipationSerializer)
    @action(detail=True, methods=["post"], url_path="opt-in")
    def opt_in(self, request: Request, public_id: str) -> Response:
        """Take part after all; possible until it begins."""
        part = events.opt_in(participation=self.get_object(), now=clock.now())
        return Response(ParticipationSerializer(part).data)


def _own_vehicle(request: Request, public_id: str | None) -> Vehicle:
    wanted = serializers.UUIDField().run_validation(public_id)
    cars = Vehicle.objects.filter(owner=cast(User, request.user)).select_related("owner", "link")
    return get_object_or_404(cars, public_id=wanted)


ROUTES: list[tuple[str, type, str]] = [
    ("sites", SiteViewSet, "site"),
    ("tariffs", TariffViewSet, "tariff"),
    ("programs", ProgramViewSet, "program"),
    ("enrollments", EnrollmentViewSet, "enrollment"),
    ("participations", ParticipationViewSet, "participation"),
    *RESULT_ROUTES,
    *CARBON_ROUTES,
    *DESK_ROUTES,
]
