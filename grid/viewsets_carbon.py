"""Carbon under /api/v1/: what was kept out of the air, and how plans weigh it."""

from typing import cast

from drf_spectacular.utils import extend_schema
from rest_framework import viewsets
from rest_framework.decorators import action
from rest_framework.request import Request
from rest_framework.response import Response

from accounts.models import User
from foundation import clock
from grid.flows.owners.carbon import carbon_summary, choices, save_carbon_choice, tonight_by_choice
from grid.models import Site
from grid.serializers_carbon import CarbonChoiceSerializer, CarbonSerializer, CarbonStopSerializer

SHOWN_NIGHTS = 60


class CarbonViewSet(viewsets.ViewSet):
    """The CO2 of the signed-in owner's cars, apart from any cash."""

    @extend_schema(responses=CarbonSerializer, operation_id="carbon_retrieve")
    def list(self, request: Request) -> Response:
        """Return what steering kept out of the air by month and by night, and how plans may weigh it."""
        return Response(_carbon(cast(User, request.user)))

    @extend_schema(responses=CarbonStopSerializer(many=True))
    @action(detail=False)
    def tonight(self, request: Request) -> Response:
        """Return what each choice would make of the plans of now; each is planned anew, which takes a moment."""
        return Response(CarbonStopSerializer(tonight_by_choice(cast(User, request.user)), many=True).data)

    @extend_schema(request=CarbonChoiceSerializer, responses=CarbonSerializer)
    @action(detail=False, methods=["patch"])
    def choice(self, request: Request) -> Response:
        """Let plans weigh carbon as chosen; they are made anew within minutes."""
        body = CarbonChoiceSerializer(data=request.data)
        body.is_valid(raise_exception=True)
        owner = cast(User, request.user)
        save_carbon_choice(owner=owner, choice=body.validated_data["choice"], now=clock.now())
        return Response(_carbon(owner))


def _carbon(owner: User) -> dict[str, object]:
    summary = carbon_summary(owner=owner)
    choice = Site.objects.filter(owner=owner).values_list("carbon_choice", flat=True).first()
    shown = {
        "summary": summary,
        "nights": summary.nights[:SHOWN_NIGHTS],
        "choice": choice,
        "stops": choices(),
    }
    return dict(CarbonSerializer(shown).data)


CARBON_ROUTES: list[tuple[str, type, str]] = [("carbon", CarbonViewSet, "carbon")]
