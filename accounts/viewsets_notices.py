"""Notices under /api/v1/: what was told, how the owner wants to be told, and which browsers."""

from typing import Any, cast

from django.db.models import QuerySet
from drf_spectacular.utils import extend_schema
from rest_framework import mixins, status, viewsets
from rest_framework.decorators import action
from rest_framework.request import Request
from rest_framework.response import Response

from accounts import push_services
from accounts.flows import notice_settings, notices
from accounts.models import Notice, NoticeSettings, PushDevice, User
from accounts.serializers_notices import (
    NoticeSerializer,
    NoticeSettingsSerializer,
    PushDeviceSerializer,
    PushKeySerializer,
    PushSubscriptionSerializer,
    ReadAllSerializer,
    SwitchSerializer,
)
from foundation import clock

WISHES = ("has_quiet_hours", "quiet_from_local", "quiet_until_local", "has_digest", "digest_at_local")


class NoticeViewSet(viewsets.ReadOnlyModelViewSet[Notice]):
    """What the signed-in user was told, newest first."""

    serializer_class = NoticeSerializer
    lookup_field = "public_id"
    queryset = Notice.objects.none()

    def get_queryset(self) -> QuerySet[Notice]:
        return Notice.objects.shown_to(cast(User, self.request.user)).select_related("user")

    @extend_schema(request=None, responses=NoticeSerializer)
    @action(detail=True, methods=["post"])
    def read(self, request: Request, public_id: str) -> Response:
        """Mark the notice as read."""
        notice = notices.mark_read(notice=self.get_object(), now=clock.now())
        return Response(NoticeSerializer(notice).data)

    @extend_schema(request=None, responses=ReadAllSerializer, operation_id="notices_read_all_create")
    @action(detail=False, methods=["post"], url_path="read")
    def read_all(self, request: Request) -> Response:
        """Mark every notice as read."""
        read = notices.mark_all_read(user=cast(User, request.user), now=clock.now())
        return Response({"read": read})


class NoticeSettingsViewSet(viewsets.ViewSet):
    """How the signed-in user wants to be told."""

    @extend_schema(responses=NoticeSettingsSerializer, operation_id="notice_settings_retrieve")
    def list(self, request: Request) -> Response:
        """Return quiet hours, the daily e-mail and every switch."""
        return Response(self._shown(cast(User, request.user)))

    @extend_schema(
        request=NoticeSettingsSerializer, responses=NoticeSettingsSerializer, operation_id="notice_settings_update"
    )
    @action(detail=False, methods=["patch"])
    def change(self, request: Request) -> Response:
        """Change what is given; some notices are always shown in the app, and turning them off there is refused."""
        user = cast(User, request.user)
        body = NoticeSettingsSerializer(data=request.data, partial=True)
        body.is_valid(raise_exception=True)
        given: dict[str, Any] = dict(body.validated_data)
        given.pop("switches", None)
        told = cast(dict[str, Any], request.data).get("switches", [])
        flipped = SwitchSerializer(data=told, many=True)  # each one whole
        flipped.is_valid(raise_exception=True)
        switches = {(one["kind"], one["channel"]): one["is_on"] for one in flipped.validated_data}
        before = notice_settings.settings_of(user)
        wishes = notice_settings.Wishes(**{name: given.get(name, getattr(before, name)) for name in WISHES})
        notice_settings.save_notice_settings(user=user, wishes=wishes if given else None, switches=switches)
        return Response(self._shown(user))

    @staticmethod
    def _shown(user: User) -> dict[str, Any]:
        settings: NoticeSettings = notice_settings.settings_of(user)
        switches = [
            {"kind": kind, "channel": channel, "is_on": is_on}
            for (kind, channel), is_on in notice_settings.switches_of(user).items()
        ]
        settings.switches = switches  # type: ignore[attr-defined]  # shown with the row, kept beside it
        return dict(NoticeSettingsSerializer(settings).data)


class PushDeviceViewSet(mixins.ListModelMixin, mixins.DestroyModelMixin, viewsets.GenericViewSet[PushDevice]):
    """The browsers that are told by push."""

    serializer_class = PushDeviceSerializer
    lookup_field = "public_id"
    queryset = PushDevice.objects.none()

    def get_queryset(self) -> QuerySet[PushDevice]:
        return PushDevice.objects.filter(user=cast(User, self.request.user))

    @extend_schema(request=PushSubscriptionSerializer, responses={201: PushDeviceSerializer})
    def create(self, request: Request) -> Response:
        """Let a browser be told; subscribing again renews it. Only browsers' own push services are taken."""
        body = PushSubscriptionSerializer(data=request.data)
        body.is_valid(raise_exception=True)
        given = body.validated_data
        device = notice_settings.subscribe_device(
            user=cast(User, request.user), endpoint=given["endpoint"], name=given.get("name", ""), **given["keys"]
        )
        return Response(PushDeviceSerializer(device).data, status=status.HTTP_201_CREATED)

    def perform_destroy(self, instance: PushDevice) -> None:
        notice_settings.forget_device(device=instance)

    @extend_schema(responses=PushKeySerializer, filters=False)
    @action(detail=False, pagination_class=None)
    def key(self, request: Request) -> Response:
        """Return the key with which a browser subscribes."""
        return Response({"public_key": push_services.public_key()})


ROUTES: list[tuple[str, type, str]] = [
    ("notices/settings", NoticeSettingsViewSet, "notice-settings"),
    ("notices/devices", PushDeviceViewSet, "push-device"),
]
