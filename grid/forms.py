"""The owner's home as a form."""

import re
from typing import Any

from django import forms
from django.http import QueryDict
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from accounts.forms import ZONES
from accounts.models import User
from foundation.forms import LocalDecimalField
from grid.flows.owners.sites import MOST_MONTH_KWH
from grid.models import Site, Tariff
from grid.rules.tariffs import MONTH_KWH

WATTS_PER_KW = 1000


class HomeForm(forms.Form):
    """Where the car charges, at which tariff, at which charger. Powers are asked in kW and handed on in W."""

    tariff = forms.ModelChoiceField(
        label=_("Utility and tariff"), queryset=Tariff.objects.none(), empty_label=_("Choose the one on your bill")
    )
    address = forms.CharField(
        label=_("Address"),
        max_length=200,
        required=False,
        help_text=_("Kept encrypted. Your utility may need it to confirm that the home is theirs."),
        widget=forms.TextInput(attrs={"autocomplete": "street-address"}),
    )
    postal_code_prefix = forms.CharField(
        label=_("ZIP or postal code"), max_length=10, widget=forms.TextInput(attrs={"autocomplete": "postal-code"})
    )
    time_zone = forms.ChoiceField(label=_("Time zone of the home"), help_text=_("Departures are kept in it."))
    month_kwh = forms.IntegerField(
        label=_("What the home uses in a month, without the car"),
        min_value=0,
        max_value=MOST_MONTH_KWH,
        required=False,
    )
    evse_max_charge_kw = LocalDecimalField(
        label=_("Power of your charger"),
        min_value=1,
        max_value=25,
        decimal_places=3,
        initial="7.7",
        help_text=_("In kW. A 240 V charger on a 40 A breaker gives 7.7; on 60 A, 11.5."),
    )
    is_evse_bidirectional = forms.BooleanField(
        label=_("My charger can also give energy back (bidirectional)"), required=False
    )
    has_export_permission = forms.BooleanField(
        label=_("I have an agreement with my utility to give energy back"), required=False
    )
    export_limit_kw = LocalDecimalField(
        label=_("Power the agreement allows to give back"),
        min_value=0,
        max_value=25,
        decimal_places=3,
        required=False,
        help_text=_("In kW; on your interconnection agreement."),
    )
    export_permission_ends_on_date = forms.DateField(
        label=_("The agreement ends on"),
        required=False,
        help_text=_("Leave empty if it has no end."),
        widget=forms.DateInput(format="%Y-%m-%d", attrs={"type": "date"}),
    )

    def __init__(self, data: QueryDict | None = None, *, owner: User, site: Site | None) -> None:
        super().__init__(data, initial=_initial(owner, site))
        tariffs = Tariff.objects.filter(utility__country=owner.country).select_related("utility")
        choice: Any = self.fields["tariff"]
        choice.queryset = tariffs
        choice.label_from_instance = lambda tariff: f"{tariff.utility.name}: {gettext(tariff.name)}"
        usual = site.tariff.month_kwh if site else MONTH_KWH
        self.fields["month_kwh"].help_text = gettext(
            "In kWh; on your bill. Where a kWh costs more the more is used, it says what your car's next one costs. "
            "Leave it empty if you do not know: then we take %(usual)s kWh."
        ) % {"usual": usual}
        zone: Any = self.fields["time_zone"]
        zone.choices = ZONES if owner.time_zone in dict(ZONES) else [(owner.time_zone, owner.time_zone), *ZONES]

    @property
    def supply(self) -> list[forms.BoundField]:
        """The fields about the supply, in the order in which they are asked."""
        return [self[name] for name in ("tariff", "month_kwh", "address", "postal_code_prefix", "time_zone")]

    def home(self) -> dict[str, Any]:
        """Return the cleaned values as `save_home` takes them."""
        values = dict(self.cleaned_data)
        values["evse_max_charge_w"] = round(values.pop("evse_max_charge_kw") * WATTS_PER_KW)
        values["export_limit_w"] = round((values.pop("export_limit_kw") or 0) * WATTS_PER_KW)
        # An example asks for a ZIP code; what follows its first five digits says which house, and is not wanted.
        values["postal_code_prefix"] = re.sub(r"^(\d{5})-\d{4}$", r"\1", values["postal_code_prefix"].strip())
        return values


def _initial(owner: User, site: Site | None) -> dict[str, Any]:
    if site is None:
        return {"time_zone": owner.time_zone}
    return {
        "tariff": site.tariff_id,
        "address": site.address,
        "postal_code_prefix": site.postal_code_prefix,
        "time_zone": site.time_zone,
        "month_kwh": site.month_kwh,
        "evse_max_charge_kw": site.evse_max_charge_w / WATTS_PER_KW,
        "is_evse_bidirectional": site.is_evse_bidirectional,
        "has_export_permission": site.has_export_permission,
        "export_limit_kw": site.export_limit_w / WATTS_PER_KW if site.has_export_permission else None,
        "export_permission_ends_on_date": site.export_permission_ends_on_date,
    }
