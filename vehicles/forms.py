"""What owners want of their cars, as forms."""

from collections.abc import Iterator
from datetime import time
from typing import Any

from django import forms
from django.forms import BoundField
from django.http import QueryDict
from django.utils.translation import gettext_lazy as _

from foundation.formats import reader_in, weekdays
from foundation.forms import LocalDecimalField
from foundation.words import Words
from vehicles.models import ChargePreference, Vehicle

WEEKDAYS = (_("Monday"), _("Tuesday"), _("Wednesday"), _("Thursday"), _("Friday"), _("Saturday"), _("Sunday"))


def _percent(label: Words, help_text: Words) -> forms.IntegerField:
    widget = forms.NumberInput(attrs={"inputmode": "numeric"})
    return forms.IntegerField(label=label, help_text=help_text, min_value=0, max_value=100, widget=widget)


class PreferenceForm(forms.Form):
    """Target, floor, reserve, giving back and a departure a weekday. The flow checks how they fit together."""

    target_soc_percent = _percent(_("Full to"), _("What the battery holds when you leave."))
    minimum_soc_percent = _percent(
        _("Never wait below"), _("Below this the car charges at once, whatever the price and whatever the grid asks.")
    )
    is_v2g_allowed = forms.BooleanField(label=_("This car may give energy back to the grid (V2G)"), required=False)
    reserve_soc_percent = _percent(
        _("Keep in reserve"), _("Giving back stops here. At least your floor, at most your target.")
    )

    def __init__(self, data: QueryDict | None = None, *, preference: ChargePreference) -> None:
        leaves_at = {row.weekday: row.leaves_at_local for row in preference.departures.all()}
        initial = {name: getattr(preference, name) for name in self.base_fields}
        initial |= {f"leaves_{weekday}": leaves_at.get(weekday) for weekday in range(7)}
        super().__init__(data, initial=initial)
        for weekday, name in enumerate(WEEKDAYS):
            widget = forms.TimeInput(format="%H:%M", attrs={"type": "time"})
            self.fields[f"leaves_{weekday}"] = forms.TimeField(label=name, required=False, widget=widget)

    @property
    def week(self) -> Iterator[BoundField]:
        """The seven departure fields, in the order of the reader's calendars."""
        return (self[f"leaves_{weekday}"] for weekday, _name in weekdays(reader=reader_in("")))

    def wishes(self, *, can_give_back: bool) -> dict[str, Any]:
        """Return the cleaned values as `save_preference` takes them.

        A car that cannot give back is not asked for a reserve: its own moves along with floor and target.
        """
        departures: dict[int, time] = {
            weekday: self.cleaned_data[f"leaves_{weekday}"]
            for weekday in range(7)
            if self.cleaned_data[f"leaves_{weekday}"] is not None
        }
        wishes = {name: self.cleaned_data[name] for name in self.base_fields}
        if not can_give_back:
            reserve = min(wishes["reserve_soc_percent"], wishes["target_soc_percent"])
            wishes["reserve_soc_percent"] = max(reserve, wishes["minimum_soc_percent"])
        return wishes | {"departures": departures}


class SpecsForm(forms.Form):
    """What the battery holds and how fast the car charges, in the units that owners know. The flow checks the range."""

    capacity_kwh = LocalDecimalField(
        label=_("Usable battery, in kWh"),
        help_text=_("The manual and the maker's site call it usable or net capacity."),
        max_digits=7,
        decimal_places=3,
    )
    max_charge_kw = LocalDecimalField(
        label=_("Fastest charging at home, in kW"),
        help_text=_("What the car's own charger takes: 7.2, 9.6 or 11.5 are usual."),
        max_digits=6,
        decimal_places=3,
    )

    def __init__(self, data: QueryDict | None = None, *, vehicle: Vehicle) -> None:
        initial = {"capacity_kwh": vehicle.capacity_wh / 1000, "max_charge_kw": vehicle.max_charge_w / 1000}
        super().__init__(data, initial=initial)

    def specs(self) -> dict[str, int]:
        """Return the cleaned values as `save_specs` takes them."""
        return {
            "capacity_wh": int(self.cleaned_data["capacity_kwh"] * 1000),
            "max_charge_w": int(self.cleaned_data["max_charge_kw"] * 1000),
        }
