"""The consent form: one checkbox a car, and one for each scope that the maker lets its owners untick."""

from typing import Any

from allauth.idp.oidc.forms import AuthorizationForm
from django import forms

from sandbox.cars.models import Car
from sandbox.makers.grants import shareable
from sandbox.makers.makers import MAKERS


class ConsentForm(AuthorizationForm):
    """allauth's consent form, asking for cars; the template draws the scopes."""

    vehicles = forms.ModelMultipleChoiceField(
        queryset=Car.objects.none(),
        to_field_name="vehicle_id",
        widget=forms.CheckboxSelectMultiple,
        label="Cars",
        error_messages={"required": "Choose at least one car, or deny."},
    )

    def __init__(self, *args: Any, maker: str, **kwargs: Any) -> None:
        """Offer what the signed-in account has at `maker`."""
        user = kwargs["user"]
        wanted = kwargs["requested_scopes"]
        super().__init__(*args, **kwargs)
        self.choices = [(scope, label) for scope, label in MAKERS[maker].choices.items() if scope in wanted]
        self.fixed_scopes = [scope for scope in wanted if scope not in MAKERS[maker].choices]
        self.fields["scopes"].required = False
        vehicles = self.fields["vehicles"]
        assert isinstance(vehicles, forms.ModelMultipleChoiceField)
        vehicles.queryset = shareable(user.pk, maker)
        vehicles.to_field_name = "box_id" if MAKERS[maker].shares_boxes else "vehicle_id"

    def clean_scopes(self) -> list[str]:
        """Return what was left ticked and what cannot be unticked."""
        ticked = {scope for scope, _ in self.choices} & set(self.cleaned_data["scopes"])
        return [*self.fixed_scopes, *sorted(ticked)]
