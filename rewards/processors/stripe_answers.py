"""Stripe's objects in the platform's words."""

from typing import Any

from stripe import BalanceTransaction, Payout, Transfer
from stripe.v2.core import Account

from rewards.processors.base import (
    BankPayout,
    BankState,
    BookEntry,
    Movement,
    Recipient,
    RecipientState,
    SentTransfer,
)

_BANK_STATES = {"paid": BankState.PAID, "failed": BankState.FAILED, "canceled": BankState.FAILED}
_CAPABILITY_STATES = {"active": RecipientState.ACTIVE, "pending": RecipientState.PENDING}


def recipient(account: Account) -> Recipient:
    """Return how an account stands."""
    # v2 leaves out what is empty, so each step may be missing until the capability was judged.
    found: Any = account
    for name in ("configuration", "recipient", "capabilities", "stripe_balance", "stripe_transfers", "status"):
        found = getattr(found, name, None)
    state = RecipientState.PENDING if found is None else _CAPABILITY_STATES.get(found, RecipientState.RESTRICTED)
    return Recipient(account.id, state)


def sent_transfer(transfer: Transfer) -> SentTransfer:
    """Return a transfer; raises AttributeError where the answer lacks a field."""
    return SentTransfer(
        external_id=transfer.id,
        amount_minor=transfer.amount,
        reversed_minor=transfer.amount_reversed,
        currency=transfer.currency.upper(),
        destination=_id(transfer.destination),
        group=transfer.transfer_group or "",
        payment_id=_id(getattr(transfer, "destination_payment", None)),
    )


_MOVEMENTS = {
    "transfer": Movement.TRANSFER,
    "transfer_refund": Movement.REVERSAL,
    "topup": Movement.TOP_UP,
    "stripe_fee": Movement.FEE,
    "network_cost": Movement.FEE,
    "tax_fee": Movement.FEE,
}


def book_entry(entry: BalanceTransaction) -> BookEntry:
    """Return a movement of the platform's balance."""
    movement = _MOVEMENTS.get(entry.type, Movement.OTHER)
    return BookEntry(
        external_id=entry.id,
        movement=movement,
        amount_minor=entry.amount,
        fee_minor=-entry.net if movement == Movement.FEE else entry.fee,
        currency=entry.currency.upper(),
        source=_id(entry.source),
        reversed_id=_id(getattr(entry.source, "transfer", "")),
    )


def bank_payout(payout: Payout, account_id: str) -> BankPayout:
    """Return a payment from the connected account to its bank."""
    return BankPayout(
        external_id=payout.id,
        account_id=account_id,
        state=_BANK_STATES.get(payout.status, BankState.UNDERWAY),
        amount_minor=payout.amount,
        currency=payout.currency.upper(),
        failure=(payout.failure_code or "") if payout.status != "canceled" else "canceled",
    )


def _id(reference: Any) -> str:
    return reference if isinstance(reference, str) else str(getattr(reference, "id", "") or "")
