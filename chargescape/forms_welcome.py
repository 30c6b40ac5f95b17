"""The two forms of the welcome that are not a room's own: who you are with what you agree to, and the first wishes."""

from collections.abc import Sequence
from datetime import time
from typing import Any

from django import forms
from django.http import QueryDict
from django.utils.translation import gettext_lazy as _

from accounts.forms import ProfileForm
from accounts.models import User
from foundation.formats import reader_in, weekdays
from foundation.words import Words

WORKING_DAYS = ["0", "1", "2", "3", "4"]
DAYS: list[tuple[str, Words]] = [
    ("0", _("Monday")), ("1", _("Tuesday")), ("2", _("Wednesday")), ("3", _("Thursday")), ("4", _("Friday")),
    ("5", _("Saturday")), ("6", _("Sunday")),
]  # fmt: skip


def _days_in_order() -> list[tuple[str, Words]]:
    """Return the weekdays as the reader's calendars have them."""
    return [DAYS[weekday] for weekday, _name in weekdays(reader=reader_in(""))]


class YouForm(ProfileForm):
    """Name, country and time zone, and a box for each agreement that is still to be given."""

    def __init__(
        self, data: QueryDict | None = None, *, user: User, is_country_fixed: bool, purposes: Sequence[tuple[str, str]]
    ) -> None:
        super().__init__(data, user=user, is_country_fixed=is_country_fixed)
        for slug, title in purposes:
            self.fields[f"agree_{slug}"] = forms.BooleanField(label=title, required=False)

    def profile(self) -> dict[str, Any]:
        """Return the cleaned values as `save_profile` takes them."""
        return {name: value for name, value in self.cleaned_data.items() if not name.startswith("agree_")}

    def agreed(self) -> list[str]:
        """Return the purposes whose box was ticked."""
        return [
            name.removeprefix("agree_")
            for name, value in self.cleaned_data.items()
            if name.startswith("agree_") and value
        ]


class WishesForm(forms.Form):
    """One departure on some days, how full, and never below: enough to begin with."""

    leaves_at = forms.TimeField(
        label=_("I usually leave at"),
        required=False,
        widget=forms.TimeInput(format="%H:%M", attrs={"type": "time"}),
        help_text=_("Local time at home. Leave it empty when every day is different."),
        initial=time(7, 30),
    )
    weekdays = forms.MultipleChoiceField(
        label=_("on"), choices=_days_in_order, required=False, widget=forms.CheckboxSelectMultiple, initial=WORKING_DAYS
    )
    target_soc_percent = forms.IntegerField(
        label=_("Full to"), help_text=_("What the battery holds when you leave."), min_value=1, max_value=100,
        widget=forms.NumberInput(attrs={"inputmode": "numeric"}),
    )  # fmt: skip
    minimum_soc_percent = forms.IntegerField(
        label=_("Never wait below"),
        help_text=_("Below this the car charges at once, whatever the price and whatever the grid asks."),
        min_value=0, max_value=100, widget=forms.NumberInput(attrs={"inputmode": "numeric"}),
    )  # fmt: skip

    def departures(self) -> dict[int, time]:
        """Return the departures as `save_preference` takes them."""
        at = self.cleaned_data["leaves_at"]
        return {} if at is None else {int(day): at for day in self.cleaned_data["weekdays"]}
