"""Every object as Stripe's JSON. Times in v1 are seconds since 1970, in v2 ISO instants."""

from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Any

from sandbox.stripe.models import (
    Account,
    BalanceEntry,
    BankAccount,
    Event,
    Payout,
    Reversal,
    TopUp,
    Transfer,
)

API_VERSION = "2026-10-28.endive"
CATEGORIES = {
    "payment": "charge",
    "payment_refund": "refund",
    "payout_failure": "payout_reversal",
    "transfer_refund": "transfer_reversal",
}
FAILURES = {
    "account_closed": "The bank account has been closed.",
    "could_not_process": "The bank could not process this payout.",
    "debit_not_authorized": "Debit transactions are not approved on the bank account.",
    "invalid_currency": "The bank was unable to process this payout because of its currency.",
    "no_account": "The bank account could not be located.",
}


def seconds(instant: datetime) -> int:
    """Return `instant` as v1 writes it."""
    return int(instant.timestamp())


def iso(instant: datetime) -> str:
    """Return `instant` as v2 writes it."""
    return instant.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.") + f"{instant.microsecond // 1000:03d}Z"


def listing(url: str, data: Iterable[dict[str, Any]], *, has_more: bool = False) -> dict[str, Any]:
    """Return a v1 list."""
    return {"object": "list", "url": url, "has_more": has_more, "data": list(data)}


def entry_id(source: str, *, account: Account | None) -> str | None:
    """Return the id of the balance transaction that `source` made in the account's balance."""
    found = BalanceEntry.objects.filter(source=source, account=account).order_by("pk").first()
    return found.object_id if found else None


def transfer(row: Transfer) -> dict[str, Any]:
    """Return a v1 transfer with its reversals."""
    url = f"/v1/transfers/{row.object_id}/reversals"
    return {
        "id": row.object_id,
        "object": "transfer",
        "amount": row.amount,
        "amount_reversed": row.amount_reversed,
        "balance_transaction": entry_id(row.object_id, account=None),
        "created": seconds(row.created_at),
        "currency": row.currency,
        "description": row.description or None,
        "destination": row.account.object_id,
        "destination_payment": row.payment_id,
        "livemode": False,
        "metadata": row.metadata,
        "reversals": listing(
            url, [reversal(one) for one in Reversal.objects.filter(transfer=row).order_by("-pk")[:10]]
        ),
        "reversed": row.amount_reversed == row.amount,
        "source_transaction": None,
        "source_type": "card",
        "transfer_group": row.transfer_group or None,
    }


def reversal(row: Reversal) -> dict[str, Any]:
    """Return a v1 transfer reversal."""
    return {
        "id": row.object_id,
        "object": "transfer_reversal",
        "amount": row.amount,
        "balance_transaction": entry_id(row.object_id, account=None),
        "created": seconds(row.created_at),
        "currency": row.transfer.currency,
        "destination_payment_refund": row.refund_id,
        "metadata": row.metadata,
        "source_refund": None,
        "transfer": row.transfer.object_id,
    }


def payment(row: Transfer) -> dict[str, Any]:
    """Return what a transfer looks like from the connected account: a charge in its own currency."""
    entry = BalanceEntry.objects.get(source=row.payment_id, kind="payment")
    return {
        "id": row.payment_id,
        "object": "charge",
        "amount": entry.amount,
        "balance_transaction": entry.object_id,
        "created": seconds(row.created_at),
        "currency": entry.currency,
        "description": row.description or None,
        "livemode": False,
        "metadata": {},
        "paid": True,
        "source_transfer": row.object_id,
        "status": "succeeded",
        "transfer_group": row.transfer_group or None,
    }


def payment_refund(row: Reversal) -> dict[str, Any]:
    """Return what a reversal looks like from the connected account: a refund in its own currency."""
    entry = BalanceEntry.objects.get(source=row.refund_id, kind="payment_refund")
    return {
        "id": row.refund_id,
        "object": "refund",
        "amount": -entry.amount,
        "balance_transaction": entry.object_id,
        "charge": row.transfer.payment_id,
        "created": seconds(row.created_at),
        "currency": entry.currency,
        "source_transfer_reversal": row.object_id,
        "status": "succeeded",
    }


def payout(row: Payout) -> dict[str, Any]:
    """Return a v1 payout."""
    failed = row.status == Payout.Status.FAILED
    failure_entry = BalanceEntry.objects.filter(source=row.object_id, kind="payout_failure").first()
    return {
        "id": row.object_id,
        "object": "payout",
        "amount": row.amount,
        "application_fee": None,
        "application_fee_amount": None,
        "arrival_date": seconds(row.arrives_at),
        "automatic": True,
        "balance_transaction": entry_id(row.object_id, account=row.account),
        "created": seconds(row.created_at),
        "currency": row.currency,
        "description": "STRIPE PAYOUT",
        "destination": row.bank.object_id,
        "failure_balance_transaction": failure_entry.object_id if failure_entry else None,
        "failure_code": row.failure_code or None,
        "failure_message": FAILURES.get(row.failure_code) if failed else None,
        "livemode": False,
        "metadata": {},
        "method": "standard",
        "original_payout": None,
        "reconciliation_status": "in_progress" if row.status == Payout.Status.IN_TRANSIT else "completed",
        "reversed_by": None,
        "source_type": "card",
        "statement_descriptor": None,
        "status": row.status,
        "trace_id": None,
        "type": "bank_account",
    }


def topup(row: TopUp) -> dict[str, Any]:
    """Return a v1 top-up; every one succeeds at once."""
    return {
        "id": row.object_id,
        "object": "topup",
        "amount": row.amount,
        "balance_transaction": entry_id(row.object_id, account=None),
        "created": seconds(row.created_at),
        "currency": row.currency,
        "description": row.description or None,
        "expected_availability_date": seconds(row.created_at),
        "failure_code": None,
        "failure_message": None,
        "livemode": False,
        "metadata": row.metadata,
        "source": None,
        "statement_descriptor": row.statement_descriptor or None,
        "status": "succeeded",
        "transfer_group": row.transfer_group or None,
    }


def balance_transaction(row: BalanceEntry, *, now: datetime) -> dict[str, Any]:
    """Return a v1 balance transaction as it stands at `now`."""
    return {
        "id": row.object_id,
        "object": "balance_transaction",
        "amount": row.amount,
        "available_on": seconds(row.available_at),
        "balance_type": "payments",
        "created": seconds(row.created_at),
        "currency": row.currency,
        "description": None,
        "exchange_rate": row.exchange_rate,
        "fee": 0,
        "fee_details": [],
        "net": row.amount,
        "reporting_category": CATEGORIES.get(row.kind, row.kind),
        "source": row.source,
        "status": "available" if row.available_at <= now else "pending",
        "type": row.kind,
    }


def bank_account(row: BankAccount) -> dict[str, Any]:
    """Return a v1 bank account; of the number only the last four digits were ever kept."""
    return {
        "id": row.object_id,
        "object": "bank_account",
        "account": row.account.object_id,
        "account_holder_name": None,
        "account_holder_type": None,
        "account_type": None,
        "available_payout_methods": ["standard"],
        "bank_name": "PRETEND BANK",
        "country": row.country,
        "currency": row.currency,
        "default_for_currency": True,
        "fingerprint": None,
        "last4": row.last4,
        "metadata": {},
        "routing_number": row.routing_number,
        "status": "errored" if row.is_errored else "new",
    }


def event(row: Event) -> dict[str, Any]:
    """Return an event as it is listed and delivered: a snapshot in v1, thin in v2."""
    if row.is_thin:
        return thin_event(row)
    wire: dict[str, Any] = {
        "id": row.object_id,
        "object": "event",
        "api_version": API_VERSION,
        "created": seconds(row.created_at),
        "data": {"object": row.body, **({"previous_attributes": row.previous} if row.previous else {})},
        "livemode": False,
        "pending_webhooks": 0 if row.next_attempt_at is None else 1,
        "request": {"id": row.request_id or None, "idempotency_key": row.idempotency_key or None},
        "type": row.kind,
    }
    return {**wire, "account": row.account.object_id} if row.account else wire


def thin_event(row: Event, *, has_data: bool = False) -> dict[str, Any]:
    """Return a v2 event: the notification, or with its data the event that the API answers."""
    wire: dict[str, Any] = {
        "id": row.object_id,
        "object": "v2.core.event",
        "created": iso(row.created_at),
        "livemode": False,
        "type": row.kind,
    }
    if row.account:
        account_id = row.account.object_id
        related = {"id": account_id, "type": "v2.core.account", "url": f"/v2/core/accounts/{account_id}"}
        wire["related_object"] = related
    if row.idempotency_key:
        request = {"id": row.request_id, "idempotency_key": row.idempotency_key}
        wire["reason"] = {"type": "request", "request": request}
    return {**wire, "data": row.body} if has_data and row.body else wire
