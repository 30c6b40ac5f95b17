"""What owners tell about themselves."""

from typing import Any

from django import forms
from django.http import HttpRequest

from accounts.flows.profiles import save_profile
from accounts.models import User

# The zones in which the platform's countries live, west to east; owners elsewhere are not served yet.
ZONES = [
    ("Pacific/Honolulu", "Hawaii"),
    ("America/Anchorage", "Alaska"),
    ("America/Los_Angeles", "Pacific: Los Angeles"),
    ("America/Vancouver", "Pacific: Vancouver"),
    ("America/Phoenix", "Arizona"),
    ("America/Denver", "Mountain: Denver"),
    ("America/Edmonton", "Mountain: Edmonton"),
    ("America/Chicago", "Central: Chicago, Austin"),
    ("America/Winnipeg", "Central: Winnipeg"),
    ("America/Regina", "Saskatchewan"),
    ("America/New_York", "Eastern: New York"),
    ("America/Toronto", "Eastern: Toronto"),
    ("America/Halifax", "Atlantic: Halifax"),
    ("America/St_Johns", "Newfoundland"),
]
_COUNTRY_ZONE = {"US": "America/New_York", "CA": "America/Toronto"}


class SignupForm(forms.Form):
    """What sign-up asks beside address and password. Both fields may be left out: apps send the address alone."""

    name = forms.CharField(
        label="Your name",
        max_length=120,
        required=False,
        help_text="Optional; how we greet you.",
        widget=forms.TextInput(attrs={"autocomplete": "name"}),
    )
    country = forms.ChoiceField(
        label="Where you charge",
        choices=User.Country,
        required=False,
        initial=User.Country.US,
        help_text="Decides the currency you earn in.",
        widget=forms.RadioSelect,
    )
    time_zone = forms.CharField(required=False, max_length=64, widget=forms.HiddenInput(attrs={"data-fill-zone": ""}))
    field_order = ["name", "email", "password1", "country", "time_zone"]

    def signup(self, request: HttpRequest, user: User) -> None:
        """Keep what was given; allauth calls this once the user row stands."""
        del request
        country = self.cleaned_data.get("country") or user.country
        zone = self.cleaned_data.get("time_zone") or ""
        known = zone if zone in dict(ZONES) else _COUNTRY_ZONE[country]
        save_profile(user=user, name=self.cleaned_data.get("name") or "", country=country, time_zone=known)


class ProfileForm(forms.Form):
    """Name, country and time zone of an owner; the country locks once the owner agreed to anything."""

    name = forms.CharField(
        label="Your name", max_length=120, required=False, widget=forms.TextInput(attrs={"autocomplete": "name"})
    )
    time_zone = forms.ChoiceField(label="Time zone", help_text="Every time on these pages is shown in it.")
    country = forms.ChoiceField(label="Country", choices=User.Country, widget=forms.RadioSelect)

    def __init__(self, *args: Any, user: User, is_country_fixed: bool, **kwargs: Any) -> None:
        initial = {"name": user.name, "time_zone": user.time_zone, "country": user.country}
        super().__init__(*args, initial=initial, **kwargs)
        zones = ZONES if user.time_zone in dict(ZONES) else [(user.time_zone, user.time_zone), *ZONES]
        self.fields["time_zone"].choices = zones  # type: ignore[attr-defined]  # a ChoiceField
        if is_country_fixed:
            self.fields["country"].disabled = True
            self.fields["country"].help_text = "Fixed, because it decides the currency you earn in."


class ConsentForm(forms.Form):
    """One answer to one purpose."""

    purpose = forms.CharField(max_length=32)
    answer = forms.ChoiceField(choices=[("grant", "I agree"), ("revoke", "Take it back")])
