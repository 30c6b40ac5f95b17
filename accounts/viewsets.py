"""The account under /api/v1/: me, consents; notices are in viewsets_notices.py."""

from typing import cast

from django.db.models import QuerySet
from drf_spectacular.utils import extend_schema
from rest_framework import mixins, status, viewsets
from rest_framework.decorators import action
from rest_framework.request import Request
from rest_framework.response import Response

from accounts.flows import consents, profiles
from accounts.models import Consent, User
from accounts.serializers import (
    ConsentSerializer,
    ConsentTextSerializer,
    MeChangeSerializer,
    MeSerializer,
    PurposeSerializer,
    consent_texts,
)
from accounts.viewsets_notices import ROUTES as NOTICE_ROUTES
from foundation import clock


class MeViewSet(viewsets.ViewSet):
    """The signed-in user."""

    @extend_schema(responses=MeSerializer, operation_id="me_retrieve")
    def list(self, request: Request) -> Response:
        """Return who is signed in."""
        return Response(MeSerializer(cast(User, request.user)).data)

    @extend_schema(request=MeChangeSerializer, responses=MeSerializer)
    @action(detail=False, methods=["patch"])
    def profile(self, request: Request) -> Response:
        """Change name, country or time zone."""
        change = MeChangeSerializer(data=request.data)
        change.is_valid(raise_exception=True)
        user = profiles.save_profile(user=cast(User, request.user), **change.validated_data)
        return Response(MeSerializer(user).data)


class ConsentViewSet(mixins.ListModelMixin, mixins.RetrieveModelMixin, viewsets.GenericViewSet[Consent]):
    """The signed-in user's receipts, newest first."""

    serializer_class = ConsentSerializer
    lookup_field = "public_id"
    queryset = Consent.objects.none()

    def get_queryset(self) -> QuerySet[Consent]:
        return Consent.objects.filter(user=cast(User, self.request.user))

    @extend_schema(request=PurposeSerializer, responses={201: ConsentSerializer})
    def create(self, request: Request) -> Response:
        """Agree to the text in force for one purpose."""
        body = PurposeSerializer(data=request.data)
        body.is_valid(raise_exception=True)
        receipt = consents.grant_consent(user=cast(User, request.user), now=clock.now(), **body.validated_data)
        return Response(ConsentSerializer(receipt).data, status=status.HTTP_201_CREATED)

    @extend_schema(request=PurposeSerializer, responses=ConsentSerializer)
    @action(detail=False, methods=["post"])
    def revoke(self, request: Request) -> Response:
        """Take the agreement to one purpose back; reading and steering stop with the next sweep."""
        receipt = consents.revoke_consent(
            user=cast(User, request.user), purpose=self._purpose(request), now=clock.now()
        )
        return Response(ConsentSerializer(receipt).data)

    @extend_schema(responses=ConsentTextSerializer(many=True), filters=False)
    @action(detail=False, pagination_class=None)
    def texts(self, request: Request) -> Response:
        """Return the texts in force and whether the user agrees to each."""
        granted = set(self.get_queryset().filter(revoked_at__isnull=True).values_list("purpose", flat=True))
        return Response(ConsentTextSerializer(consent_texts(granted=granted), many=True).data)

    @staticmethod
    def _purpose(request: Request) -> str:
        body = PurposeSerializer(data=request.data)
        body.is_valid(raise_exception=True)
        return str(body.validated_data["purpose"])


ROUTES: list[tuple[str, type, str]] = [
    ("me", MeViewSet, "me"),
    ("consents", ConsentViewSet, "consent"),
    *NOTICE_ROUTES,
]
