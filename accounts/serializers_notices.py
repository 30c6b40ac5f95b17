"""Notices, and how they are told, as the API shows them."""

from typing import Any

from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from accounts.flows.acting import offered_actions
from accounts.flows.notices import ReadableNotice, read_aloud
from accounts.models import Notice, NoticeSettings, PushDevice
from accounts.notice_actions import ACTIONS
from accounts.notice_kinds import CHANNELS, KINDS, kind_of
from foundation import clock


class NoticeActionSerializer(serializers.Serializer[Any]):
    """What one call can do from a notice."""

    action = serializers.ChoiceField(choices=[(slug, slug) for slug in ACTIONS])
    label = serializers.CharField()  # type: ignore[assignment]  # as the answer calls it


class NoticeSerializer(serializers.ModelSerializer[Notice]):
    """One notice, readable in the owner's language and time zone and as plain parameters."""

    id = serializers.UUIDField(source="public_id", read_only=True)
    title = serializers.SerializerMethodField()
    body = serializers.SerializerMethodField()
    group = serializers.SerializerMethodField()
    is_urgent = serializers.SerializerMethodField()
    actions = serializers.SerializerMethodField()

    class Meta:
        model = Notice
        fields = [
            "id",
            "kind",
            "group",
            "is_urgent",
            "title",
            "body",
            "params",
            "actions",
            "created_at",
            "read_at",
        ]
        read_only_fields = fields

    def _readable(self, notice: Notice) -> ReadableNotice:
        return read_aloud(notice, reader=notice.user)

    @extend_schema_field(str)
    def get_title(self, notice: Notice) -> str:
        return self._readable(notice).title

    @extend_schema_field(str)
    def get_body(self, notice: Notice) -> str:
        return self._readable(notice).body

    @extend_schema_field(str)
    def get_group(self, notice: Notice) -> str:
        return kind_of(notice.kind).group

    @extend_schema_field(bool)
    def get_is_urgent(self, notice: Notice) -> bool:
        return kind_of(notice.kind).is_urgent

    @extend_schema_field(NoticeActionSerializer(many=True))
    def get_actions(self, notice: Notice) -> list[dict[str, str]]:
        offered = offered_actions(notice, now=clock.now())
        return [{"action": action, "label": str(ACTIONS[action].label)} for action in offered]


class ReadAllSerializer(serializers.Serializer[Any]):
    """How many notices were new."""

    read = serializers.IntegerField()


class SwitchSerializer(serializers.Serializer[Any]):
    """Whether one kind of notice comes by one channel."""

    kind = serializers.ChoiceField(choices=[(slug, slug) for slug in KINDS])
    channel = serializers.ChoiceField(choices=[(channel, channel) for channel in CHANNELS])
    is_on = serializers.BooleanField()


class NoticeSettingsSerializer(serializers.ModelSerializer[NoticeSettings]):
    """When the owner is told, by their own clock, and what by which channel; what is left out stays."""

    switches = SwitchSerializer(many=True, required=False)
    quiet_from_local = serializers.TimeField(required=False, format="%H:%M")
    quiet_until_local = serializers.TimeField(required=False, format="%H:%M")
    digest_at_local = serializers.TimeField(required=False, format="%H:%M")

    class Meta:
        model = NoticeSettings
        fields = [
            "has_quiet_hours",
            "quiet_from_local",
            "quiet_until_local",
            "has_digest",
            "digest_at_local",
            "switches",
        ]


class PushKeysSerializer(serializers.Serializer[Any]):
    """The subscription's keys, as the browser's `PushSubscription.toJSON()` has them."""

    p256dh = serializers.CharField(max_length=100)
    auth = serializers.CharField(max_length=40)


class PushSubscriptionSerializer(serializers.Serializer[PushDevice]):
    """A browser's push subscription, as `PushSubscription.toJSON()` has it, and how the owner calls the browser."""

    endpoint = serializers.CharField(max_length=1000)
    keys = PushKeysSerializer()
    name = serializers.CharField(max_length=60, required=False, allow_blank=True)


class PushDeviceSerializer(serializers.ModelSerializer[PushDevice]):
    """A browser that is told; its endpoint is never shown again."""

    id = serializers.UUIDField(source="public_id", read_only=True)

    class Meta:
        model = PushDevice
        fields = ["id", "name", "created_at"]
        read_only_fields = fields


class PushKeySerializer(serializers.Serializer[Any]):
    """The key with which browsers subscribe ("applicationServerKey"); empty where push is off."""

    public_key = serializers.CharField(allow_blank=True)
