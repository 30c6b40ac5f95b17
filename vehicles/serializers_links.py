"""Links and link attempts as the API shows them. Tokens, tickets and a maker's answers are never shown again."""

from typing import Any

from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from foundation import clock
from vehicles.flows.attempts import reason_text
from vehicles.flows.health import link_health
from vehicles.models import LinkAttempt, Vehicle, VehicleLink


class HealthSerializer(serializers.Serializer[Any]):
    """How alive a link is, since when, and what its owner should do; ages are of the car's own values."""

    state = serializers.CharField()
    since_at = serializers.DateTimeField(allow_null=True)
    reason = serializers.CharField(help_text="Why it does not work, in words; empty where it does.")
    next_step = serializers.CharField(help_text="none, relink, choose, or wait")
    last_reading_at = serializers.DateTimeField(allow_null=True)


class LinkSerializer(serializers.ModelSerializer[VehicleLink]):
    """One linked account at an automaker."""

    id = serializers.UUIDField(source="public_id", read_only=True)
    vehicles = serializers.SlugRelatedField[Vehicle](slug_field="public_id", many=True, read_only=True)
    health = serializers.SerializerMethodField()

    class Meta:
        model = VehicleLink
        fields = ["id", "maker", "state", "state_reason", "linked_at", "revoked_at", "vehicles", "health"]
        read_only_fields = fields

    @extend_schema_field(HealthSerializer)
    def get_health(self, link: VehicleLink) -> dict[str, Any]:
        """How the link fares."""
        return dict(HealthSerializer(link_health(link)).data)


class LinkBeginSerializer(serializers.Serializer[Any]):
    """Whose account is to be linked, and where the app wants the browser back (an https link on our list)."""

    maker = serializers.CharField(max_length=32)
    return_url = serializers.CharField(max_length=400, required=False, allow_blank=True, default="")


class LinkUrlSerializer(serializers.Serializer[Any]):
    """Where to send the browser."""

    url = serializers.URLField()


class ProofSerializer(serializers.Serializer[Any]):
    """What the browser brought back to the app's link."""

    proof = serializers.CharField(max_length=200)


class AttemptSerializer(serializers.ModelSerializer[LinkAttempt]):
    """A link under way, for the session that began it.

    `device_code`: show `user_code` and `verification_url`, and read this again every `interval_seconds`. Otherwise
    open `url` in the system browser, once, until `expires_at`.
    """

    id = serializers.UUIDField(source="public_id", read_only=True)
    state = serializers.SerializerMethodField()
    detail = serializers.SerializerMethodField()
    link = serializers.UUIDField(source="link.public_id", read_only=True, allow_null=True)
    url = serializers.SerializerMethodField()
    user_code = serializers.CharField(read_only=True)

    class Meta:
        model = LinkAttempt
        fields = [
            "id",
            "maker",
            "kind",
            "state",
            "detail",
            "link",
            "url",
            "user_code",
            "verification_url",
            "interval_seconds",
            "expires_at",
        ]
        read_only_fields = fields

    @extend_schema_field(serializers.ChoiceField(choices=["waiting", "linked", "refused"]))
    def get_state(self, attempt: LinkAttempt) -> str:
        """Whether it waits, has linked an account, or came to nothing."""
        if attempt.link_id is not None:
            return "linked"
        return "refused" if attempt.failure or attempt.expires_at <= clock.wall() else "waiting"

    @extend_schema_field(serializers.CharField())
    def get_detail(self, attempt: LinkAttempt) -> str:
        """Why it came to nothing, in words; empty otherwise."""
        if self.get_state(attempt) != "refused":
            return ""
        return reason_text(attempt.failure or "link_expired")

    @extend_schema_field(serializers.CharField())
    def get_url(self, _attempt: LinkAttempt) -> str:
        """The one-time address for the system browser; told once, as the attempt begins."""
        return str(self.context.get("url", ""))
