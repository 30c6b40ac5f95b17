"""`expand[]`: ids in an answer replaced by what they name (https://docs.stripe.com/api/expanding_objects)."""

from collections.abc import Callable
from datetime import datetime
from typing import Any

from sandbox.stripe import wire
from sandbox.stripe.accounts import account_v1
from sandbox.stripe.errors import StripeError
from sandbox.stripe.models import Account, BalanceEntry, BankAccount, Payout, Reversal, TopUp, Transfer

MAX_DEPTH = 4


def expand(answer: dict[str, Any], paths: list[str], *, now: datetime) -> dict[str, Any]:
    """Return `answer` with the named members expanded; raises StripeError for a path that names no id."""
    for path in paths:
        parts = path.split(".")
        if len(parts) > MAX_DEPTH:
            raise StripeError(f"You cannot expand more than {MAX_DEPTH} levels.", param="expand")
        _expand(answer, parts, path, now)
    return answer


def _expand(place: dict[str, Any], parts: list[str], path: str, now: datetime) -> None:
    name, rest = parts[0], parts[1:]
    if name not in place:
        raise StripeError(f"This property cannot be expanded ({path}).", param="expand")
    value = place[name]
    if isinstance(value, list):
        for item in value:
            _expand(item, rest, path, now)
        return
    if isinstance(value, str):
        value = place[name] = _named(value, path, now)
    if rest and isinstance(value, dict):
        _expand(value, rest, path, now)


def _named(object_id: str, path: str, now: datetime) -> dict[str, Any]:
    renderers: dict[str, Callable[[], dict[str, Any]]] = {
        "acct": lambda: account_v1(Account.objects.get(object_id=object_id)),
        "ba": lambda: wire.bank_account(BankAccount.objects.get(object_id=object_id)),
        "po": lambda: wire.payout(Payout.objects.get(object_id=object_id)),
        "py": lambda: wire.payment(Transfer.objects.get(payment_id=object_id)),
        "pyr": lambda: wire.payment_refund(Reversal.objects.get(refund_id=object_id)),
        "tr": lambda: wire.transfer(Transfer.objects.get(object_id=object_id)),
        "trr": lambda: wire.reversal(Reversal.objects.get(object_id=object_id)),
        "tu": lambda: wire.topup(TopUp.objects.get(object_id=object_id)),
        "txn": lambda: wire.balance_transaction(BalanceEntry.objects.get(object_id=object_id), now=now),
    }
    prefix = object_id.partition("_")[0]
    if prefix not in renderers:
        raise StripeError(f"This property cannot be expanded ({path}).", param="expand")
    return renderers[prefix]()
