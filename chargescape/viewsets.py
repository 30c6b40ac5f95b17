"""What spans rooms under /api/v1/: the owner's proof, what was saved besides, and the account's end."""

from typing import Any, cast

from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework import serializers, viewsets
from rest_framework.request import Request
from rest_framework.response import Response

from accounts.models import User
from chargescape.changes import KINDS, changes_since
from chargescape.proof import proof_bundle
from chargescape.viewsets_notices import ROUTES as NOTICE_ROUTES
from chargescape.viewsets_privacy import PRIVACY_ROUTES
from chargescape.viewsets_screens import SCREEN_ROUTES
from foundation import clock
from grid.flows.owners.saving import worth_of


class ProofYearSerializer(serializers.Serializer[Any]):
    """Which part of the proof is asked for."""

    year = serializers.IntegerField(
        required=False, min_value=2000, max_value=2099, help_text="A calendar year in the owner's time zone."
    )


class ProofViewSet(viewsets.ViewSet):
    """What proves the signed-in owner's earnings; docs/proof.md says how it is checked."""

    @extend_schema(parameters=[ProofYearSerializer], responses={200: dict[str, Any]}, operation_id="proof_retrieve")
    def list(self, request: Request) -> Response:
        """Return every settlement's evidence, every transfer and the chain over them; of one year where it is named."""
        asked = ProofYearSerializer(data=request.query_params)
        asked.is_valid(raise_exception=True)
        year = asked.validated_data.get("year")
        return Response(proof_bundle(owner=cast(User, request.user), now=clock.now(), year=year))


class WorthSerializer(serializers.Serializer[Any]):
    """An estimate, apart from any money that is paid: the last thirty days beside charging at once."""

    saved_minor = serializers.IntegerField(help_text="Less on the electricity bill.")
    currency = serializers.CharField()
    saved_g = serializers.IntegerField(allow_null=True, help_text="CO2 kept out of the air.")
    stays = serializers.IntegerField()
    unknown = serializers.IntegerField(help_text="Stays of which too little was read.")


class WorthViewSet(viewsets.ViewSet):
    """What steering saved besides the cash."""

    @extend_schema(responses=WorthSerializer(many=True), operation_id="worth_list")
    def list(self, request: Request) -> Response:
        """Return one estimate, or none without finished stays at home."""
        found = worth_of(owner=cast(User, request.user), now=clock.now())
        return Response(WorthSerializer([found] if found else [], many=True).data)


class SinceSerializer(serializers.Serializer[Any]):
    """Where the app stands, and how much it takes at once."""

    since = serializers.CharField(required=False, default="", allow_blank=True, max_length=200)
    page_size = serializers.IntegerField(required=False, default=200, min_value=1, max_value=500)


class ChangeSerializer(serializers.Serializer[Any]):
    """One object that is new, has changed, or is gone; where it is still there, `url` shows it."""

    kind = serializers.ChoiceField(choices=[kind.name for kind in KINDS])
    id = serializers.UUIDField(help_text="For a preference the id of its car.")
    is_deleted = serializers.BooleanField()
    url = serializers.CharField(allow_blank=True)


class ChangesSerializer(serializers.Serializer[Any]):
    """What changed since the cursor; ask again with the new one, at once where there is more."""

    changes = ChangeSerializer(many=True)
    cursor = serializers.CharField()
    has_more = serializers.BooleanField()


class ChangesViewSet(viewsets.ViewSet):
    """News for apps that keep a copy of what is the owner's."""

    @extend_schema(
        parameters=[
            OpenApiParameter("since", str, description="The cursor of the last answer; leave it out to begin."),
            OpenApiParameter("page_size", {"type": "integer", "minimum": 1, "maximum": 500, "default": 200}),
        ],
        responses=ChangesSerializer,
        operation_id="changes_retrieve",
    )
    def list(self, request: Request) -> Response:
        """Return which objects are new, have changed or are gone since the cursor.

        Readings age by the second and are no changes: read the car for its newest. No change is ever left out; one
        may be told twice. A cursor lives for the fifty answers after it; an older one is answered 410: begin anew.
        """
        asked = SinceSerializer(data=request.query_params)
        asked.is_valid(raise_exception=True)
        since, limit = asked.validated_data["since"], asked.validated_data["page_size"]
        found = changes_since(owner=cast(User, request.user), cursor=since, limit=limit)
        return Response(ChangesSerializer(found).data)


ROUTES: list[tuple[str, type, str]] = [
    ("changes", ChangesViewSet, "changes"),
    *SCREEN_ROUTES,
    *NOTICE_ROUTES,
    ("proof", ProofViewSet, "proof"),
    ("worth", WorthViewSet, "worth"),
    *PRIVACY_ROUTES,
]
