"""The money as the API shows it: integers in minor units beside their currency."""

from typing import Any

from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from foundation.formats import Reader, reader_in
from rewards.flows.earnings import explain_earning
from rewards.flows.statements import LineKind, LineState
from rewards.models import Earning, Payout, PayoutAccount
from rewards.wording import earning_title


class PayoutSerializer(serializers.ModelSerializer[Payout]):
    """One payment to the owner."""

    id = serializers.UUIDField(source="public_id", read_only=True)
    is_waiting_for_approval = serializers.BooleanField(read_only=True)
    approval_reason = serializers.CharField(
        source="approval_text", read_only=True, help_text="Why two people look at it, in words; empty: nobody has to."
    )
    failure_text = serializers.CharField(
        read_only=True, help_text="What went wrong, in words, where the owner can mend it; `failure` is its code."
    )

    class Meta:
        model = Payout
        fields = [
            "id",
            "amount_minor",
            "currency",
            "state",
            "is_waiting_for_approval",
            "approval_reason",
            "requested_at",
            "sent_at",
            "paid_at",
            "failure",
            "failure_text",
        ]
        read_only_fields = fields


class PayoutAccountSerializer(serializers.ModelSerializer[PayoutAccount]):
    """Where and how the owner is paid. The bank details stay with the processor."""

    id = serializers.UUIDField(source="public_id", read_only=True)

    class Meta:
        model = PayoutAccount
        fields = ["id", "country", "currency", "state", "is_paused", "threshold_minor", "rhythm", "next_payout_at"]
        read_only_fields = ["country", "currency", "state", "next_payout_at"]


class PayoutSettingsSerializer(serializers.Serializer[Any]):
    """What the owner chooses."""

    threshold_minor = serializers.IntegerField(required=False)
    is_paused = serializers.BooleanField(required=False)
    rhythm = serializers.ChoiceField(choices=PayoutAccount.Rhythm.choices, required=False)


class PayNowSerializer(serializers.Serializer[Any]):
    """Which balance to pay out."""

    currency = serializers.ChoiceField(choices=["USD", "CAD"], required=False)


class OnboardingLinkSerializer(serializers.Serializer[Any]):
    """A single-use page of the payment processor."""

    url = serializers.URLField(read_only=True)


class BalanceSerializer(serializers.Serializer[Any]):
    """The owner's money in one currency."""

    currency = serializers.CharField()
    available_minor = serializers.IntegerField(help_text="Goes out with the next payout.")
    pending_minor = serializers.IntegerField(help_text="On its way to the bank.")
    paid_minor = serializers.IntegerField(help_text="Arrived at the bank.")
    earned_minor = serializers.IntegerField(help_text="Earned in all.")
    next_payout_at = serializers.DateTimeField(allow_null=True)
    expected_minor = serializers.IntegerField(help_text="Earned in events to whose result a utility may still object.")


class PauseSerializer(serializers.Serializer[Any]):
    """Whether all payouts are paused, and what that means for the owner."""

    is_paused = serializers.BooleanField()
    since = serializers.DateTimeField(allow_null=True)
    detail = serializers.CharField(help_text="Why, and what happens next; empty where nothing is paused.")


class EarningSerializer(serializers.ModelSerializer[Earning]):
    """What a program paid by another form than its rate per kWh."""

    id = serializers.UUIDField(source="public_id", read_only=True)
    program = serializers.CharField(source="terms.program", read_only=True)
    terms_version = serializers.IntegerField(source="terms.version", read_only=True)
    title = serializers.SerializerMethodField()

    class Meta:
        model = Earning
        fields = [
            "id",
            "program",
            "terms_version",
            "form",
            "title",
            "period_date",
            "amount_minor",
            "currency",
            "reason",
            "created_at",
        ]
        read_only_fields = fields

    def get_title(self, earning: Earning) -> str:
        """Return what it was paid for, in the reader's language."""
        return earning_title(earning, reader=_reader(self))


def _reader(serializer: serializers.BaseSerializer[Any]) -> Reader:
    return reader_in(serializer.context["request"].user.country)


class EarningStepSerializer(serializers.Serializer[Any]):
    """One step of the sum."""

    title = serializers.CharField()
    text = serializers.CharField()
    value = serializers.CharField()
    unit = serializers.CharField(allow_blank=True)


class EarningDetailSerializer(EarningSerializer):
    """The same with its whole sum, and the calculation it can be computed again from."""

    steps = serializers.SerializerMethodField()

    class Meta(EarningSerializer.Meta):
        fields = [*EarningSerializer.Meta.fields, "steps", "calculation"]
        read_only_fields = fields

    @extend_schema_field(EarningStepSerializer(many=True))
    def get_steps(self, earning: Earning) -> Any:
        """Return how the amount follows from terms and inputs."""
        return EarningStepSerializer(explain_earning(earning, reader=_reader(self)).steps, many=True).data


class TaxMeterSerializer(serializers.Serializer[Any]):
    """What the owner was paid in one calendar year and currency. Information, not advice."""

    country = serializers.CharField()
    currency = serializers.CharField()
    year = serializers.IntegerField()
    paid_minor = serializers.IntegerField(help_text="Paid out less what came back, by the date of payment.")
    payments = serializers.IntegerField()
    threshold_minor = serializers.IntegerField(source="threshold.amount_minor", allow_null=True, default=None)
    form = serializers.CharField(source="threshold.form", allow_null=True, default=None)
    is_reported = serializers.BooleanField(help_text="Whether the total has reached the threshold.")
    left_minor = serializers.IntegerField(allow_null=True)
    tax_form = serializers.CharField(help_text="missing, requested, w9, w8 or not_needed.")
    note = serializers.CharField()


class StatementLineSerializer(serializers.Serializer[Any]):
    """One line of the owner's statement."""

    id = serializers.UUIDField(source="transfer.public_id")
    at = serializers.DateTimeField()
    kind = serializers.ChoiceField(choices=[kind.value for kind in LineKind])
    state = serializers.ChoiceField(choices=[state.value for state in LineState])
    title = serializers.CharField()
    key = serializers.CharField(help_text="What it was for, such as settlement:<id>.")
    amount_minor = serializers.IntegerField(help_text="Positive came in, negative left.")
    available_after_minor = serializers.IntegerField()
    currency = serializers.CharField()
    payout = serializers.UUIDField(source="payout.public_id", allow_null=True, default=None)
