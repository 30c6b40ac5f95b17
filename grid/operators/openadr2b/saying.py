"""What a 2.0b server and we say to each other about us and its events, apart from how it is worded."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Registration:
    """How the server knows us, and how often it wants to be asked at most (0: it does not say)."""

    ven_id: str
    registration_id: str
    least_poll_seconds: int


@dataclass(frozen=True)
class Answer:
    """What we say to one event. `code` judges the message, `reason` is for people at the utility."""

    event_id: str
    revision: int
    is_in: bool
    code: int = 200
    reason: str = ""
    opt_reason: str = "participating"

    @property
    def opt_type(self) -> str:
        """The protocol's word."""
        return "optIn" if self.is_in else "optOut"
