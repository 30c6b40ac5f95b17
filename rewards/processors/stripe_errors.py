"""What Stripe's refusals mean to us: only a definite refusal of an order counts as one."""

from collections.abc import Callable
from typing import NoReturn, TypeVar

import stripe

from rewards.processors.base import (
    Declined,
    InsufficientFunds,
    KeyReused,
    NotAuthorized,
    NotFound,
    OutcomeUnknown,
    ProcessorDown,
)

T = TypeVar("T")


def ask(question: Callable[[], T]) -> T:
    """Return what the question returns; raises NotAuthorized, NotFound or ProcessorDown."""
    try:
        return question()
    except (stripe.AuthenticationError, stripe.PermissionError) as error:
        raise NotAuthorized(_summary(error)) from error
    except stripe.StripeError as error:
        if error.http_status == 404:
            raise NotFound(_summary(error)) from error
        raise ProcessorDown(_summary(error)) from error
    except AttributeError as error:  # the SDK's objects raise it for fields that the answer lacks
        raise ProcessorDown("an answer without the fields it should have") from error


def raise_order_error(error: Exception) -> NoReturn:
    """Classify what came of an order that may have moved money: only a definite refusal counts as one."""
    if isinstance(error, stripe.IdempotencyError):
        raise KeyReused(_summary(error)) from error
    if isinstance(error, stripe.AuthenticationError | stripe.PermissionError):
        raise NotAuthorized(_summary(error)) from error
    if isinstance(error, stripe.InvalidRequestError | stripe.CardError) and error.http_status in {400, 402, 404}:
        if error.code in {"balance_insufficient", "insufficient_funds"}:
            raise InsufficientFunds(_summary(error)) from error
        raise Declined(_summary(error)) from error
    raise OutcomeUnknown(_summary(error)) from error


def _summary(error: Exception) -> str:
    # Stripe's messages may quote parameters; its codes never do.
    if not isinstance(error, stripe.StripeError):
        return "an answer without the fields it should have"
    return f"{type(error).__name__} {error.http_status or 'no answer'} {error.code or ''}".strip()
