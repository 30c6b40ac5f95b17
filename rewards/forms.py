"""How an owner wants to be paid."""

from typing import Any

from django import forms
from django.http import QueryDict

from rewards.models import PayoutAccount

MINOR = 100


class PayoutForm(forms.Form):
    """From which balance on, and whether scheduled payouts pause."""

    threshold = forms.DecimalField(
        label="Pay me once I have at least",
        min_value=1,
        max_value=1000,
        decimal_places=2,
        help_text="Smaller balances wait for the next payday. “Pay me now” pays any balance.",
        widget=forms.NumberInput(attrs={"step": "1", "inputmode": "decimal"}),
    )
    is_paused = forms.BooleanField(label="Pause scheduled payouts", required=False)

    def __init__(self, data: QueryDict | None = None, *, account: PayoutAccount) -> None:
        initial = {"threshold": f"{account.threshold_minor / MINOR:.2f}", "is_paused": account.is_paused}
        super().__init__(data, initial=initial)
        self.fields["threshold"].label = f"Pay me once I have at least ({account.currency})"

    def wishes(self) -> dict[str, Any]:
        """Return the cleaned values as `save_payout_settings` takes them."""
        threshold_minor = int(self.cleaned_data["threshold"] * MINOR)
        return {"threshold_minor": threshold_minor, "is_paused": self.cleaned_data["is_paused"]}
