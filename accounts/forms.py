"""What owners tell about themselves."""

from django import forms
from django.http import QueryDict
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from accounts.models import User

# The zones in which the platform's countries live, west to east; owners elsewhere are not served yet.
ZONES = [
    ("Pacific/Honolulu", _("Hawaii")),
    ("America/Anchorage", _("Alaska")),
    ("America/Los_Angeles", _("Pacific: Los Angeles")),
    ("America/Vancouver", _("Pacific: Vancouver")),
    ("America/Phoenix", _("Arizona")),
    ("America/Denver", _("Mountain: Denver")),
    ("America/Edmonton", _("Mountain: Edmonton")),
    ("America/Chicago", _("Central: Chicago, Austin")),
    ("America/Winnipeg", _("Central: Winnipeg")),
    ("America/Regina", _("Saskatchewan")),
    ("America/New_York", _("Eastern: New York")),
    ("America/Toronto", _("Eastern: Toronto")),
    ("America/Halifax", _("Atlantic: Halifax")),
    ("America/St_Johns", _("Newfoundland")),
]


class ProfileForm(forms.Form):
    """Name, country and time zone of an owner; the country locks once the owner agreed to anything."""

    name = forms.CharField(label=_("Your name"), max_length=120, widget=forms.TextInput(attrs={"autocomplete": "name"}))
    time_zone = forms.ChoiceField(label=_("Time zone"), help_text=_("Every time on these pages is shown in it."))
    country = forms.ChoiceField(
        label=_("Where you charge"),
        choices=User.Country,
        help_text=_("Decides the currency you earn in."),
        widget=forms.RadioSelect,
    )

    def __init__(self, data: QueryDict | None = None, *, user: User, is_country_fixed: bool) -> None:
        initial = {"name": user.name, "time_zone": user.time_zone, "country": user.country}
        super().__init__(data, initial=initial)
        zones = ZONES if user.time_zone in dict(ZONES) else [(user.time_zone, user.time_zone), *ZONES]
        self.fields["time_zone"].choices = zones  # type: ignore[attr-defined]  # a ChoiceField
        if is_country_fixed:
            self.fields["country"].disabled = True
            self.fields["country"].help_text = gettext("Fixed since you first agreed: it decides your currency.")


class ConsentForm(forms.Form):
    """One answer to one purpose, and the language in which its text was shown."""

    purpose = forms.CharField(max_length=32)
    answer = forms.ChoiceField(choices=[("grant", _("I agree")), ("revoke", _("Take it back"))])
    language = forms.CharField(max_length=8, required=False)
