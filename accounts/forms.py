"""What owners tell about themselves."""

from django import forms
from django.http import QueryDict

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


class ProfileForm(forms.Form):
    """Name, country and time zone of an owner; the country locks once the owner agreed to anything."""

    name = forms.CharField(label="Your name", max_length=120, widget=forms.TextInput(attrs={"autocomplete": "name"}))
    time_zone = forms.ChoiceField(label="Time zone", help_text="Every time on these pages is shown in it.")
    country = forms.ChoiceField(
        label="Where you charge",
        choices=User.Country,
        help_text="Decides the currency you earn in.",
        widget=forms.RadioSelect,
    )

    def __init__(self, data: QueryDict | None = None, *, user: User, is_country_fixed: bool) -> None:
        initial = {"name": user.name, "time_zone": user.time_zone, "country": user.country}
        super().__init__(data, initial=initial)
        zones = ZONES if user.time_zone in dict(ZONES) else [(user.time_zone, user.time_zone), *ZONES]
        self.fields["time_zone"].choices = zones  # type: ignore[attr-defined]  # a ChoiceField
        if is_country_fixed:
            self.fields["country"].disabled = True
            self.fields["country"].help_text = "Fixed since you first agreed: it decides your currency."


class ConsentForm(forms.Form):
    """One answer to one purpose."""

    purpose = forms.CharField(max_length=32)
    answer = forms.ChoiceField(choices=[("grant", "I agree"), ("revoke", "Take it back")])
