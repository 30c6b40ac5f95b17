"""What owners say of single dates, of a pause and of their first wishes, as forms."""

from datetime import date, datetime, time
from typing import Any
from zoneinfo import ZoneInfo

from django import forms
from django.utils.translation import gettext_lazy as _

from vehicles.models import DatedDeparture
from vehicles.schedule import resolve_local


def _date(label: Any, *, is_required: bool = True, help_text: Any = "") -> forms.DateField:
    widget = forms.DateInput(format="%Y-%m-%d", attrs={"type": "date"})
    return forms.DateField(label=label, required=is_required, help_text=help_text, widget=widget)


def _time(label: Any, *, is_required: bool = True, help_text: Any = "") -> forms.TimeField:
    widget = forms.TimeInput(format="%H:%M", attrs={"type": "time"})
    return forms.TimeField(label=label, required=is_required, help_text=help_text, widget=widget)


class DateForm(forms.Form):
    """What holds on some dates in place of the week. The flow checks how the parts fit together."""

    kind = forms.ChoiceField(
        label=_("On these days the car"), choices=DatedDeparture.Kind.choices, widget=forms.RadioSelect
    )
    first_date = _date(_("Day, or first day"))
    last_date = _date(_("Last day"), is_required=False, help_text=_("Only for several days. It counts, too."))
    leaves_at_local = _time(
        _("Leaves at"), is_required=False, help_text=_("Local time at home. Empty for a day without departure.")
    )

    def wishes(self) -> dict[str, Any]:
        """Return the cleaned values as `add_dated` takes them."""
        return {**self.cleaned_data, "last_date": self.cleaned_data["last_date"] or self.cleaned_data["first_date"]}


class PauseForm(forms.Form):
    """Until when a car is left alone, by its home's clock."""

    until_date = _date(_("Until"))
    until_time = _time(_("at"))

    def until(self, zone: ZoneInfo) -> datetime:
        """Return the chosen instant; a time that a spring night skips means the one after the gap."""
        day: date = self.cleaned_data["until_date"]
        at: time = self.cleaned_data["until_time"]
        return resolve_local(day, at, zone)
