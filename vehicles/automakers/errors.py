"""Everything that can go wrong at an automaker, each with what the caller does about it.

`message_key` names the sentence that an owner is shown (`vehicles.wording.MESSAGES`); `retry_at` is wall time,
None where only something else than waiting helps. No message quotes an answer: answers hold tokens, VINs and places.
"""

from datetime import datetime


class AutomakerError(Exception):
    """The automaker did not do what was asked."""

    message_key = "maker_failed"

    def __init__(self, reason: str = "", *, retry_at: datetime | None = None) -> None:
        super().__init__(reason or self.message_key)
        self.reason = reason
        self.retry_at = retry_at


class AuthRevoked(AutomakerError):
    """The grant is dead (invalid_grant, login_required). Stop asking; ask the owner to link again."""

    message_key = "link_again"


class TokenRejected(AutomakerError):
    """The access token is no longer taken (401), so nothing was done. Refresh once and ask again."""

    message_key = "link_again"


class ScopeMissing(AutomakerError):
    """The owner did not allow this for this car (403). Turn that off, keep the rest."""

    message_key = "car_not_shared"


class SubscriptionInactive(AutomakerError):
    """The car's connected service is not paid for. Tell the owner; ask once a day."""

    message_key = "subscription_inactive"


class VehicleGone(AutomakerError):
    """The account no longer has this car. Mark it unlinked, keep its history."""

    message_key = "car_gone"


class Unreachable(AutomakerError):
    """The car does not answer. Back off; wake it only for a committed dispatch."""

    message_key = "car_unreachable"

    def __init__(self, reason: str = "", *, is_asleep: bool = False, retry_at: datetime | None = None) -> None:
        super().__init__(reason, retry_at=retry_at)
        self.is_asleep = is_asleep
        if is_asleep:
            self.message_key = "car_asleep"


class NotPluggedIn(AutomakerError):
    """The car is not at a plug. Final for this command."""

    message_key = "not_plugged_in"


class Rejected(AutomakerError):
    """The maker or car refused. Final for this command."""

    message_key = "command_refused"


class RateLimited(AutomakerError):
    """A budget is used up; `scope` says whose (app, user, vehicle). Nothing was done. Wait until `retry_at`."""

    message_key = "maker_busy"

    def __init__(self, reason: str = "", *, scope: str = "user", retry_at: datetime | None = None) -> None:
        super().__init__(reason, retry_at=retry_at)
        self.scope = scope


class BudgetSpent(RateLimited):
    """Our own budget is used up, so nothing was asked. Wait until `retry_at`; what ends a hold passes all the same."""

    message_key = "budget_spent"


class CommandPending(AutomakerError):
    """The maker is still at it. Ask again, then look at the car."""

    message_key = "command_pending"


class CommandTimeout(AutomakerError):
    """Nobody knows whether it was done (timeout, broken connection, 5xx). Look at the car; never repeat blindly."""

    message_key = "command_unknown"


class UpstreamDown(AutomakerError):
    """The maker's servers are down or talk nonsense. Keep away for a while; nothing is wrong with the link."""

    message_key = "maker_down"


class NotSupported(AutomakerError):
    """The car or maker cannot do this. Never ask again."""

    message_key = "not_supported"


class LinkPending(AutomakerError):
    """The owner has not typed the code yet. Ask again after `interval_seconds`."""

    message_key = "link_pending"

    def __init__(self, reason: str = "", *, interval_seconds: int = 5) -> None:
        super().__init__(reason)
        self.interval_seconds = interval_seconds


class WebhookRefused(AutomakerError):
    """A message without a valid signature, or not a message at all. Answer 4xx and keep nothing."""

    message_key = "webhook_refused"
