"""Linking under /api/v1/: accounts and attempts. Another owner's, or another session's, are not found."""

from typing import cast

from allauth.headless import app_settings
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
from foundation.fields import keyed_hash
from vehicles.addresses import callback_url
from vehicles.automakers.base import LinkKind
from vehicles.automakers.registry import AUTOMAKERS
from vehicles.flows import device_codes, links, tickets
from vehicles.models import LinkAttempt, VehicleLink
from vehicles.serializers import ChooseSerializer, VehicleSerializer
from vehicles.serializers_links import (
    AttemptSerializer,
    LinkBeginSerializer,
    LinkSerializer,
    LinkUrlSerializer,
    ProofSerializer,
)


def session_key_of(request: Request) -> str:
    """Return the sign-in session behind an API call, by token or by cookie; "" where there is none."""
    strategy = app_settings.TOKEN_STRATEGY
    by_token: str | None = strategy.get_session_token(request._request)  # noqa: SLF001 - allauth wants Django's own
    return by_token or request.session.session_key or ""


class LinkViewSet(viewsets.ReadOnlyModelViewSet[VehicleLink]):
    """The signed-in owner's linked accounts."""

    serializer_class = LinkSerializer
    lookup_field = "public_id"
    queryset = VehicleLink.objects.none()
    filter_backends = ()

    def get_queryset(self) -> QuerySet[VehicleLink]:
        return VehicleLink.objects.filter(owner=cast(User, self.request.user)).prefetch_related("vehicles")

    @extend_schema(request=LinkBeginSerializer, responses={201: AttemptSerializer})
    def create(self, request: Request) -> Response:
        """Begin a link from an app: a code to type, or a one-time address to open in the system browser.

        The address signs nobody in. The browser comes back to `return_url` with `attempt` and `proof`; send the proof
        to `/link-attempts/<attempt>/complete/` from the session that began.
        """
        wanted = LinkBeginSerializer(data=request.data)
        wanted.is_valid(raise_exception=True)
        maker, owner, key = wanted.validated_data["maker"], cast(User, request.user), session_key_of(request)
        url = ""
        if maker in AUTOMAKERS and AUTOMAKERS[maker].link_kind == LinkKind.DEVICE_CODE:
            attempt = device_codes.begin_device_link(owner=owner, maker=maker, session_key=key, now=clock.now())
        else:
            return_url = wanted.validated_data["return_url"]
            ticket = tickets.issue_ticket(
                owner=owner, maker=maker, session_key=key, return_url=return_url, now=clock.now()
            )
            attempt = ticket.attempt
            url = f"{settings.PUBLIC_URL}{reverse('link_open')}?ticket={ticket.secret}"
        shown = AttemptSerializer(attempt, context={"url": url})
        return Response(shown.data, status=status.HTTP_201_CREATED)

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
            redirect_uri=callback_url(maker),
            now=clock.now(),
        )
        return Response({"url": url}, status=status.HTTP_201_CREATED)

    @extend_schema(request=ChooseSerializer, responses=VehicleSerializer(many=True))
    @action(detail=True, methods=["post"], pagination_class=None)
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


class LinkAttemptViewSet(mixins.RetrieveModelMixin, viewsets.GenericViewSet[LinkAttempt]):
    """Links under way, begun in this very session."""

    serializer_class = AttemptSerializer
    lookup_field = "public_id"
    queryset = LinkAttempt.objects.none()
    filter_backends = ()

    def get_queryset(self) -> QuerySet[LinkAttempt]:
        mine = LinkAttempt.objects.filter(owner=cast(User, self.request.user))
        return mine.filter(session_hash=keyed_hash(session_key_of(self.request))).select_related("link", "owner")

    def retrieve(self, request: Request, public_id: str) -> Response:
        """Say how far it is. A device code is asked about at the maker, as often as the maker allows."""
        attempt = self.get_object()
        if attempt.kind == LinkKind.DEVICE_CODE:
            attempt = device_codes.poll_attempt(attempt=attempt, now=clock.now())
        return Response(AttemptSerializer(attempt).data)

    @extend_schema(request=ProofSerializer, responses=LinkSerializer)
    @action(detail=True, methods=["post"])
    def complete(self, request: Request, public_id: str) -> Response:
        """End the link with what the browser brought back to the app."""
        attempt = self.get_object()
        given = ProofSerializer(data=request.data)
        given.is_valid(raise_exception=True)
        link = tickets.complete_ticket(
            attempt=attempt,
            owner=cast(User, request.user),
            session_key=session_key_of(request),
            proof=given.validated_data["proof"],
            redirect_uri=callback_url(attempt.maker),
            now=clock.now(),
        )
        return Response(LinkSerializer(link).data)


LINK_ROUTES: list[tuple[str, type, str]] = [
    ("links", LinkViewSet, "link"),
    ("link-attempts", LinkAttemptViewSet, "link-attempt"),
]
