"""Form fields that read and show values as the reader writes them."""

from decimal import InvalidOperation
from typing import Any

from django import forms

from foundation.formats import input_number, reader_in, typed_number


class LocalDecimalField(forms.DecimalField):
    """A decimal number; comma and point are both taken, and it is shown with the sign of the reader's language.

    A text input, because a number input speaks the browser's language, which need not be the page's.
    """

    widget = forms.TextInput

    def widget_attrs(self, widget: forms.Widget) -> dict[str, Any]:
        """Ask phones for their keyboard of digits."""
        return {**super().widget_attrs(widget), "inputmode": "decimal", "autocomplete": "off"}

    def to_python(self, value: Any) -> Any:
        """Return the number; raises ValidationError where it is none."""
        return super().to_python(typed_number(value, reader=reader_in("")) if isinstance(value, str) else value)

    def prepare_value(self, value: Any) -> Any:
        """Return what the input shows: what was typed stays as it is where it is no number."""
        if value in self.empty_values:
            return value
        text = typed_number(value, reader=reader_in("")) if isinstance(value, str) else value
        try:
            return input_number(text, reader=reader_in(""))
        except InvalidOperation:
            return value
