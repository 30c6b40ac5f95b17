"""What a flow raises when it will not do what was asked."""

from django.core.exceptions import ValidationError


class Refusal(ValidationError):
    """A flow's refusal: `code` is stable for programs, the message tells a person what to do.

    Each flow module has its own subclass (`UnableToLink`); forms show it, one DRF handler translates it.
    """

    def __init__(self, message: str, *, code: str, field: str | None = None) -> None:
        super().__init__(message, code=code)
        self.reason = message
        self.reason_code = code
        self.field = field
