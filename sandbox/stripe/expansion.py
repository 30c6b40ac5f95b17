"""`expand[]`: ids in an answer replaced by what they name (https://docs.stripe.com/api/expanding_objects)."""

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
    prefix = object_id.partition("_")[0]
    if prefix == "acct":
        return account_v1(Account.objects.get(object_id=object_id))
    if prefix == "ba":
        return wire.bank_account(BankAccount.objects.get(object_id=object_id))
    if prefix == "po":
        return wire.payout(Payout.objects.get(object_id=object_id))
    if prefix == "py":
        return wire.payment(Transfer.objects.get(payment_id=object_id))
    if prefix == "tr":
        return wire.transfer(Transfer.objects.get(object_id=object_id))
    if prefix == "trr":
        return wire.reversal(Reversal.objects.get(object_id=object_id))
    if prefix == "tu":
        return wire.topup(TopUp.objects.get(object_id=object_id))
    if prefix == "txn":
        return wire.balance_transaction(BalanceEntry.objects.get(object_id=object_id), now=now)
    raise StripeError(f"This property cannot be expanded ({path}).", param="expand")
