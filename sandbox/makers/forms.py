"""The consent form: one checkbox a car."""

from typing import Any

from allauth.idp.oidc.forms import AuthorizationForm
from django import forms

from sandbox.cars.models import Car


class ConsentForm(AuthorizationForm):
    """allauth's consent form, asking for cars instead of scopes."""

    vehicles = forms.ModelMultipleChoiceField(
        queryset=Car.objects.none(),
        to_field_name="vehicle_id",
        widget=forms.CheckboxSelectMultiple,
        label="Cars",
        error_messages={"required": "Choose at least one car, or deny."},
    )

    def __init__(self, *args: Any, maker: str, **kwargs: Any) -> None:
        """Offer the cars that the signed-in account has at `maker`."""
        user = kwargs["user"]
        super().__init__(*args, **kwargs)
        self.fields["scopes"].widget = forms.MultipleHiddenInput()
        vehicles = self.fields["vehicles"]
        assert isinstance(vehicles, forms.ModelMultipleChoiceField)
        vehicles.queryset = Car.objects.filter(owner=user, maker=maker)
