"""When an owner wants to be left alone."""

from typing import Any

from django import forms
from django.http import QueryDict
from django.utils.translation import gettext_lazy as _

from accounts.flows.notice_settings import Wishes
from accounts.models import NoticeSettings


class _ClockInput(forms.TimeInput):
    input_type = "time"

    def __init__(self) -> None:
        super().__init__(format="%H:%M", attrs={"step": 300})


class NoticeSettingsForm(forms.Form):
    """Quiet hours and the daily e-mail, by the owner's own clock."""

    has_quiet_hours = forms.BooleanField(
        label=_("Keep quiet at night"),
        required=False,
        help_text=_("What comes meanwhile is sent when they end. Only what cannot wait gets through."),
    )
    quiet_from_local = forms.TimeField(label=_("From"), widget=_ClockInput(), required=False)
    quiet_until_local = forms.TimeField(label=_("Until"), widget=_ClockInput(), required=False)
    has_digest = forms.BooleanField(
        label=_("One e-mail a day instead of many"),
        required=False,
        help_text=_("What cannot wait still comes at once."),
    )
    digest_at_local = forms.TimeField(label=_("Sent at"), widget=_ClockInput(), required=False)

    def __init__(self, data: QueryDict | None = None, *, settings: NoticeSettings) -> None:
        self.settings = settings
        super().__init__(data, initial={name: getattr(settings, name) for name in self.base_fields})

    def wishes(self) -> Wishes:
        """Return what was chosen; a time that was left empty stays as it was."""
        given: dict[str, Any] = self.cleaned_data
        return Wishes(
            **{name: getattr(self.settings, name) if given[name] is None else given[name] for name in self.base_fields}
        )
