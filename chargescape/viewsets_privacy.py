"""The owner's copy of everything, and the end of the account, under /api/v1/."""

from typing import Any, cast

from django.conf import settings
from django.db.models import QuerySet
from django.http import HttpResponse
from django.urls import reverse
from django.utils.translation import gettext
from drf_spectacular.utils import OpenApiParameter, OpenApiResponse, extend_schema, extend_schema_field
from rest_framework import mixins, serializers, status, viewsets
from rest_framework.decorators import action
from rest_framework.permissions import AllowAny
from rest_framework.renderers import JSONRenderer
from rest_framework.request import Request
from rest_framework.response import Response

from accounts.models import User
from chargescape.closing import KEPT_YEARS, open_wish, request_closing, waiting_text, withdraw_closing
from chargescape.exporting import export_token, is_quick, make_due_exports, open_export, request_export
from chargescape.owner_asks import AccountClosing, DataExport
from chargescape.views_privacy import as_file
from foundation import clock


class ExportSerializer(serializers.ModelSerializer[DataExport]):
    """A copy of everything held about the owner: JSON and CSV in one zip file, kept for a day."""

    id = serializers.UUIDField(source="public_id", read_only=True)
    download_url = serializers.SerializerMethodField(
        help_text="Opens the file for a quarter of an hour, without signing in; empty until the copy is ready."
    )

    class Meta:
        model = DataExport
        fields = ["id", "state", "requested_at", "ready_at", "expires_at", "size_bytes", "row_count", "download_url"]
        read_only_fields = fields

    @extend_schema_field(serializers.CharField())
    def get_download_url(self, export: DataExport) -> str:
        if export.state != DataExport.State.READY:
            return ""
        return f"{settings.PUBLIC_URL}{reverse('export-download')}?token={export_token(export)}"


class ZipRenderer(JSONRenderer):
    """Lets a client ask for a zip file by name; the file itself needs no rendering, and a refusal stays JSON."""

    media_type = "application/zip"


class ExportViewSet(mixins.ListModelMixin, mixins.RetrieveModelMixin, viewsets.GenericViewSet[DataExport]):
    """Copies of everything held about the signed-in owner, newest first."""

    serializer_class = ExportSerializer
    lookup_field = "public_id"
    queryset = DataExport.objects.none()

    def get_queryset(self) -> QuerySet[DataExport]:
        mine = DataExport.objects.filter(user=cast(User, self.request.user), expires_at__gt=clock.wall())
        return mine.defer("content")

    @extend_schema(request=None, responses={201: ExportSerializer})
    def create(self, request: Request) -> Response:
        """Ask for a copy; a small one is ready at once, a large one within a minute: read it again until then."""
        owner, now = cast(User, request.user), clock.now()
        export = request_export(owner=owner, now=now)
        if is_quick(owner):
            make_due_exports(now=now, limit=1, only=export)
            export.refresh_from_db()
        return Response(ExportSerializer(export).data, status=status.HTTP_201_CREATED)

    @extend_schema(
        parameters=[OpenApiParameter("token", str, required=True, description="As `download_url` carries it.")],
        responses={(200, "application/zip"): bytes},
        filters=False,
        auth=[],
    )
    @action(
        detail=False,
        permission_classes=[AllowAny],
        authentication_classes=[],
        pagination_class=None,
        renderer_classes=[JSONRenderer, ZipRenderer],
    )
    def download(self, request: Request) -> HttpResponse:
        """Hand out the zip file to whoever shows a fresh link."""
        return as_file(*open_export(request.query_params.get("token", "")))


class CloseSerializer(serializers.Serializer[Any]):
    """The owner's own e-mail address, so that nobody closes an account by mistake."""

    email = serializers.EmailField()


class ClosingSerializer(serializers.Serializer[Any]):
    """A wish to be forgotten that waits."""

    requested_at = serializers.DateTimeField()
    waiting_for = serializers.CharField(help_text="unsettled, owed, payout_under_way or cars_leaving.")
    detail = serializers.SerializerMethodField()
    money_kept_years = serializers.SerializerMethodField(
        help_text="How long records of money stay at the least, under a number that names nobody."
    )

    @extend_schema_field(serializers.CharField())
    def get_detail(self, wish: AccountClosing) -> str:
        return waiting_text(wish)

    @extend_schema_field(serializers.IntegerField())
    def get_money_kept_years(self, wish: AccountClosing) -> int:
        return KEPT_YEARS[wish.user.country]


class ClosingViewSet(viewsets.ViewSet):
    """The end of the signed-in owner's account."""

    @extend_schema(
        request=CloseSerializer,
        responses={204: OpenApiResponse(description="Closed and forgotten."), 202: ClosingSerializer},
        operation_id="account_close",
    )
    def create(self, request: Request) -> Response:
        """Let the cars go, pay what is owed, then forget the owner.

        Where money is still on its way the answer is 202 and says what is waited for; the account closes by itself
        as soon as nothing is owed any more. Until then the wish can be taken back.
        """
        owner = cast(User, request.user)
        body = CloseSerializer(data=request.data)
        body.is_valid(raise_exception=True)
        if body.validated_data["email"].strip().lower() != owner.email:
            raise serializers.ValidationError({"email": [gettext("Give your own e-mail address to confirm.")]})
        wish = request_closing(owner=owner, now=clock.now())
        if wish.closed_at is None:
            return Response(ClosingSerializer(wish).data, status=status.HTTP_202_ACCEPTED)
        return Response(status=status.HTTP_204_NO_CONTENT)

    @extend_schema(responses=ClosingSerializer(many=True), operation_id="account_closing_list")
    def list(self, request: Request) -> Response:
        """Return the wish that waits, or none."""
        wish = open_wish(cast(User, request.user))
        return Response(ClosingSerializer([wish] if wish else [], many=True).data)

    @extend_schema(request=None, responses={204: None}, operation_id="account_closing_withdraw")
    @action(detail=False, methods=["post"])
    def withdraw(self, request: Request) -> Response:
        """Take the wish back; cars that were let go have to be linked again."""
        withdraw_closing(owner=cast(User, request.user), now=clock.now())
        return Response(status=status.HTTP_204_NO_CONTENT)


PRIVACY_ROUTES: list[tuple[str, type, str]] = [
    ("exports", ExportViewSet, "export"),
    ("account/closing", ClosingViewSet, "closing"),
]
