"""What the money flows refuse, and why."""

from foundation.refusals import Refusal


class UnableToPayOut(Refusal):
    """No payout was made; no money moved."""


class UnableToSetUpPayouts(Refusal):
    """The payout account stays as it was."""


class UnableToReceive(Refusal):
    """The message was not kept."""


class UnableToApprove(Refusal):
    """The payout waits as before."""
