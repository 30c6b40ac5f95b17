"""Accounts as the API shows them."""

from typing import Any

from rest_framework import serializers

from accounts import agreements
from accounts.flows.consents import CURRENT_TEXTS, text_of
from accounts.models import Consent, User


class MeSerializer(serializers.ModelSerializer[User]):
    """The signed-in user."""

    id = serializers.UUIDField(source="public_id", read_only=True)

    class Meta:
        model = User
        fields = ["id", "email", "name", "country", "time_zone", "language", "currency"]
        read_only_fields = ["email", "currency"]


class MeChangeSerializer(serializers.Serializer[User]):
    """What the user may change about themselves."""

    name = serializers.CharField(required=False, allow_blank=True)
    country = serializers.CharField(required=False)
    time_zone = serializers.CharField(required=False)
    language = serializers.CharField(required=False, allow_blank=True)


class ConsentSerializer(serializers.ModelSerializer[Consent]):
    """One receipt."""

    id = serializers.UUIDField(source="public_id", read_only=True)

    class Meta:
        model = Consent
        fields = ["id", "purpose", "version", "language", "text_sha256", "granted_at", "revoked_at"]
        read_only_fields = fields


class PurposeSerializer(serializers.Serializer[Consent]):
    """Which agreement is meant."""

    purpose = serializers.ChoiceField(choices=Consent.Purpose.choices)
    language = serializers.ChoiceField(
        choices=list(agreements.TEXTS),
        required=False,
        help_text="In which its text was shown; left out: that of Accept-Language.",
    )


class ConsentTextSerializer(serializers.Serializer[Any]):
    """What is read before agreeing, and whether the user agrees now."""

    purpose = serializers.ChoiceField(choices=Consent.Purpose.choices)
    version = serializers.CharField()
    language = serializers.CharField()
    title = serializers.CharField()
    body = serializers.CharField()
    text_sha256 = serializers.CharField()
    is_granted = serializers.BooleanField()


def consent_texts(*, granted: set[str]) -> list[dict[str, Any]]:
    """Return every text in force, ready for `ConsentTextSerializer`."""
    return [
        {
            "purpose": purpose,
            "version": text.version,
            "language": text.language,
            "title": text.title,
            "body": text.body,
            "text_sha256": text.sha256,
            "is_granted": purpose in granted,
        }
        for purpose, text in ((purpose, text_of(purpose)) for purpose in CURRENT_TEXTS)
    ]
