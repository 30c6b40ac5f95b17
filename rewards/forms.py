"""How an owner wants to be paid."""

from typing import Any

from django import forms
from django.http import QueryDict
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from foundation.forms import LocalDecimalField
from rewards.models import PayoutAccount

MINOR = 100


class PayoutForm(forms.Form):
    """From which balance on, how often, and whether scheduled payouts pause."""

    threshold = LocalDecimalField(
        min_value=1,
        max_value=1000,
        decimal_places=2,
        help_text=_("Smaller balances wait for the next payday. “Pay me now” pays any balance."),
    )
    rhythm = forms.ChoiceField(label=_("How often"), choices=PayoutAccount.Rhythm.choices, required=False)
    is_paused = forms.BooleanField(label=_("Pause scheduled payouts"), required=False)

    def __init__(self, data: QueryDict | None = None, *, account: PayoutAccount) -> None:
        initial = {
            "threshold": f"{account.threshold_minor / MINOR:.2f}",
            "rhythm": account.rhythm,
            "is_paused": account.is_paused,
        }
        super().__init__(data, initial=initial)
        self.fields["threshold"].label = gettext("Pay me once I have at least (%(currency)s)") % {
            "currency": account.currency
        }

    def wishes(self) -> dict[str, Any]:
        """Return the cleaned values as `save_payout_settings` takes them."""
        threshold_minor = int(self.cleaned_data["threshold"] * MINOR)
        return {
            "threshold_minor": threshold_minor,
            "rhythm": self.cleaned_data["rhythm"] or None,
            "is_paused": self.cleaned_data["is_paused"],
        }
