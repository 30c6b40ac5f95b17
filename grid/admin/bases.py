"""What the grid's admin pages share: rates in currency, local times."""

from datetime import datetime
from decimal import Decimal
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

from django import forms

if TYPE_CHECKING:  # Django's admin classes are generic in their types alone
    AnyModelForm = forms.ModelForm[Any]
    AnyModelChoice = forms.ModelChoiceField[Any]
else:
    AnyModelForm = forms.ModelForm
    AnyModelChoice = forms.ModelChoiceField

MICROS = 1_000_000


class RateField(forms.DecimalField):
    """A rate typed in currency per kWh, kept in millionths."""

    def __init__(self, **options: Any) -> None:
        super().__init__(decimal_places=6, max_digits=12, **options)

    def prepare_value(self, value: Any) -> Any:
        """Show millionths as currency; what was typed stays as typed."""
        return Decimal(value) / MICROS if isinstance(value, int) else value

    def clean(self, value: Any) -> int | None:
        """Return millionths."""
        number = super().clean(value)
        return None if number is None else int(number * MICROS)

    def has_changed(self, initial: Any, data: Any) -> bool:
        """Compare as currency."""
        return super().has_changed(self.prepare_value(initial), data)


def local_text(at: datetime | None, zone: ZoneInfo) -> str:
    """Return an instant as the utility's clock shows it, with the zone."""
    return "-" if at is None else f"{at.astimezone(zone):%Y-%m-%d %H:%M %Z}"


def rate_text(micros: int, currency: str) -> str:
    """Return a rate as currency per kWh."""
    return f"{Decimal(micros) / MICROS:.4f} {currency}/kWh"
