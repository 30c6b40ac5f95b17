"""What spans rooms under /api/v1/: the owner's proof."""

from typing import Any, cast

from drf_spectacular.utils import extend_schema
from rest_framework import viewsets
from rest_framework.request import Request
from rest_framework.response import Response

from accounts.models import User
from chargescape.proof import proof_bundle
from foundation import clock


class ProofViewSet(viewsets.ViewSet):
    """What proves the signed-in owner's earnings; docs/proof.md says how it is checked."""

    @extend_schema(responses={200: dict[str, Any]}, operation_id="proof_retrieve")
    def list(self, request: Request) -> Response:
        """Return every settlement's evidence, every transfer and the chain over them."""
        return Response(proof_bundle(owner=cast(User, request.user), now=clock.now()))


ROUTES: list[tuple[str, type, str]] = [("proof", ProofViewSet, "proof")]
