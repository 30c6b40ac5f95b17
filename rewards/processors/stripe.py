"""Stripe Connect: recipients by Accounts v2, transfers, bank payouts, webhooks. Amounts are in minor units.

Sources: the SDK's own types (stripe 16.1, API 2026-10-28.endive), docs.stripe.com/connect/accounts-v2,
docs.stripe.com/api/idempotent_requests, docs.stripe.com/webhooks.
"""

import json
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from functools import partial
from typing import Any, NoReturn, TypeVar

import requests
import stripe
from stripe import BalanceTransaction, Payout, RequestOptions, Transfer
from stripe.params import BalanceTransactionListParams, TopupListParams, TransferListParams
from stripe.v2.core import Account

from rewards.processors.base import (
    BadSignature,
    BankPayout,
    BankState,
    BookEntry,
    Declined,
    InsufficientFunds,
    KeyReused,
    Movement,
    NotAuthorized,
    NotFound,
    OutcomeUnknown,
    ProcessorDown,
    PushedEvent,
    Recipient,
    RecipientOrder,
    RecipientState,
    SentTransfer,
    TopUp,
    TransferOrder,
)

# Three tries of these fit into one task's half minute.
TIMEOUT_SECONDS = (3.0, 6.0)
NETWORK_RETRIES = 2
SIGNATURE_TOLERANCE_SECONDS = 300
MOST_PAGED = 1000  # objects read of any one list
MOST_RECONCILED = 50_000  # the same, where a whole day's books are compared

_BANK_STATES = {"paid": BankState.PAID, "failed": BankState.FAILED, "canceled": BankState.FAILED}
_CAPABILITY_STATES = {"active": RecipientState.ACTIVE, "pending": RecipientState.PENDING}

T = TypeVar("T")


class StripeProcessor:
    """A PayoutProcessor over Stripe's SDK."""

    slug = "stripe"

    def __init__(
        self,
        *,
        api_key: str,
        api_base: str,
        webhook_secrets: Sequence[str],
        session: requests.Session,
        wall: Callable[[], datetime],
    ) -> None:
        """Make a client; `webhook_secrets` are the endpoints' (platform, connected accounts, v2), any one may sign.

        `wall` tells the real time, by which messages are signed.
        """
        stripe.enable_telemetry = False
        self._wall = wall
        self._webhook_secrets = tuple(webhook_secrets)
        self._client = stripe.StripeClient(
            api_key,
            base_addresses={"api": api_base.rstrip("/")},
            max_network_retries=NETWORK_RETRIES,
            http_client=stripe.RequestsClient(timeout=TIMEOUT_SECONDS, session=session),
        )

    def create_recipient(self, *, key: str, order: RecipientOrder) -> Recipient:
        """Open an Accounts v2 recipient that may receive transfers, with Stripe's own small dashboard."""
        try:
            account = self._client.v2.core.accounts.create(
                {
                    "contact_email": order.email,
                    "dashboard": "express",
                    "identity": {"country": order.country.lower(), "entity_type": "individual"},
                    "defaults": {
                        "currency": order.currency.lower(),
                        "responsibilities": {"fees_collector": "application", "losses_collector": "application"},
                    },
                    "configuration": {
                        "recipient": {"capabilities": {"stripe_balance": {"stripe_transfers": {"requested": True}}}}
                    },
                    "metadata": {"chargescape_account": order.reference},
                    "include": ["configuration.recipient"],
                },
                {"idempotency_key": key},
            )
            return _recipient(account)
        except (stripe.StripeError, AttributeError) as error:
            _raise_order_error(error)

    def read_recipient(self, *, external_id: str) -> Recipient:
        """Return how the account stands: money may go there while its transfers capability is active."""
        return _ask(
            lambda: _recipient(
                self._client.v2.core.accounts.retrieve(external_id, {"include": ["configuration.recipient"]})
            )
        )

    def create_onboarding_link(self, *, external_id: str, return_url: str, refresh_url: str) -> str:
        """Return a single-use address of Stripe's own pages."""
        try:
            link = self._client.v2.core.account_links.create(
                {
                    "account": external_id,
                    "use_case": {
                        "type": "account_onboarding",
                        "account_onboarding": {
                            "return_url": return_url,
                            "refresh_url": refresh_url,
                            "collection_options": {"fields": "eventually_due"},
                        },
                    },
                }
            )
            return link.url
        except (stripe.StripeError, AttributeError) as error:
            _raise_order_error(error)

    def send_transfer(self, *, key: str, order: TransferOrder) -> SentTransfer:
        """Move money from the platform's balance to the recipient's."""
        try:
            transfer = self._client.v1.transfers.create(
                {
                    "amount": order.amount_minor,
                    "currency": order.currency.lower(),
                    "destination": order.destination,
                    "transfer_group": order.group,
                    "metadata": {"chargescape_payout": order.group},
                },
                {"idempotency_key": key},
            )
            return _sent(transfer)
        except (stripe.StripeError, AttributeError) as error:
            # A success whose body lacks a field is as unknown as one whose body was cut.
            _raise_order_error(error)

    def find_transfers(self, *, group: str) -> list[SentTransfer]:
        """Look transfers up by `transfer_group`."""
        return _ask(
            lambda: [
                _sent(found) for found in self._client.v1.transfers.list({"transfer_group": group, "limit": 100}).data
            ]
        )

    def find_transfers_in_books(self, *, group: str, since: datetime) -> list[SentTransfer]:
        """Look transfers up in the platform's balance history."""
        entries = self._book_entries(
            {"type": "transfer", "created": {"gte": int(since.timestamp())}, "expand": ["data.source"]}, {}
        )
        sources = [entry.source for entry in entries]
        return [_sent(source) for source in sources if isinstance(source, Transfer) and source.transfer_group == group]

    def list_transfers(self, *, since: datetime) -> list[SentTransfer]:
        """Page through the platform's transfers."""
        params: TransferListParams = {"limit": 100, "created": {"gte": int(since.timestamp())}}
        found: list[SentTransfer] = []
        while len(found) < MOST_RECONCILED:
            page = _ask(lambda: self._client.v1.transfers.list(params))
            found += [_ask(partial(_sent, transfer)) for transfer in page.data]
            if not page.has_more or not page.data:
                return found
            params["starting_after"] = page.data[-1].id
        raise ProcessorDown(f"a list longer than {MOST_RECONCILED}")

    def list_top_ups(self, *, since: datetime) -> list[TopUp]:
        """Page through the platform's top-ups."""
        params: TopupListParams = {"limit": 100, "created": {"gte": int(since.timestamp())}}
        found: list[TopUp] = []
        while len(found) < MOST_RECONCILED:
            page = _ask(lambda: self._client.v1.topups.list(params))
            found += [
                TopUp(
                    external_id=top_up.id,
                    amount_minor=top_up.amount,
                    currency=top_up.currency.upper(),
                    has_arrived=top_up.status == "succeeded",
                    created_at=datetime.fromtimestamp(top_up.created, UTC),
                )
                for top_up in page.data
            ]
            if not page.has_more or not page.data:
                return found
            params["starting_after"] = page.data[-1].id
        raise ProcessorDown(f"a list longer than {MOST_RECONCILED}")

    def list_book_entries(self, *, since: datetime) -> list[BookEntry]:
        """Page through the platform's balance transactions."""
        entries = self._book_entries(
            {"created": {"gte": int(since.timestamp())}, "expand": ["data.source"]}, {}, most=MOST_RECONCILED
        )
        return [_book_entry(entry) for entry in entries]

    def read_transfer(self, *, external_id: str) -> SentTransfer:
        """Return one transfer."""
        return _ask(lambda: _sent(self._client.v1.transfers.retrieve(external_id)))

    def list_bank_payouts(self, *, account_id: str) -> list[BankPayout]:
        """Return the connected account's latest payouts."""
        return _ask(
            lambda: [
                _bank_payout(found, account_id)
                for found in self._client.v1.payouts.list({"limit": 20}, {"stripe_account": account_id}).data
            ]
        )

    def read_bank_payout(self, *, account_id: str, external_id: str) -> BankPayout:
        """Return one payout of the connected account."""
        return _ask(
            lambda: _bank_payout(
                self._client.v1.payouts.retrieve(external_id, options={"stripe_account": account_id}), account_id
            )
        )

    def list_bank_payout_sources(self, *, account_id: str, external_id: str) -> list[str]:
        """Itemise an automatic payout by the balance transactions that it settled."""
        entries = self._book_entries({"payout": external_id}, {"stripe_account": account_id})
        sources = [
            entry.source if isinstance(entry.source, str) else getattr(entry.source, "id", "") for entry in entries
        ]
        return [source for source in sources if source and source != external_id]

    def read_event(self, *, raw_body: bytes, signature: str) -> PushedEvent:
        """Verify the raw bytes against each endpoint's secret, then read a v1 snapshot or a v2 thin event."""
        at = self._wall()
        if not any(_is_signed(raw_body, signature, secret, at) for secret in self._webhook_secrets):
            raise BadSignature("no configured secret signed this body within the last five minutes")
        try:
            return _event(json.loads(raw_body))
        except (AttributeError, KeyError, TypeError, ValueError) as error:
            raise BadSignature("signed, but not an event") from error

    def _book_entries(
        self, params: BalanceTransactionListParams, options: RequestOptions, *, most: int = MOST_PAGED
    ) -> list[BalanceTransaction]:
        found: list[BalanceTransaction] = []
        params["limit"] = 100
        while len(found) < most:
            page = _ask(lambda: self._client.v1.balance_transactions.list(params, options))
            found += page.data
            if not page.has_more or not page.data:
                return found
            params["starting_after"] = page.data[-1].id
        raise ProcessorDown(f"a list longer than {most}")  # a partial answer would prove nothing


def _ask(question: Callable[[], T]) -> T:
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


def _raise_order_error(error: Exception) -> NoReturn:
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


def _recipient(account: Account) -> Recipient:
    # v2 leaves out what is empty, so each step may be missing until the capability was judged.
    found: Any = account
    for name in ("configuration", "recipient", "capabilities", "stripe_balance", "stripe_transfers", "status"):
        found = getattr(found, name, None)
    state = RecipientState.PENDING if found is None else _CAPABILITY_STATES.get(found, RecipientState.RESTRICTED)
    return Recipient(account.id, state)


def _sent(transfer: Transfer) -> SentTransfer:
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


def _book_entry(entry: BalanceTransaction) -> BookEntry:
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


def _bank_payout(payout: Payout, account_id: str) -> BankPayout:
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


def _is_signed(raw_body: bytes, signature: str, secret: str, at: datetime) -> bool:
    try:
        stripe.WebhookSignature.verify_header(raw_body, signature, secret, SIGNATURE_TOLERANCE_SECONDS)
    except (stripe.SignatureVerificationError, UnicodeDecodeError):
        return False
    # The SDK lets timestamps of the future pass, which would keep a stolen message usable for ever.
    stamp = next(part[2:] for part in signature.split(",") if part.startswith("t="))
    return int(stamp) <= at.timestamp() + SIGNATURE_TOLERANCE_SECONDS


def _event(body: dict[str, Any]) -> PushedEvent:
    if body["object"] == "v2.core.event":
        about, account = body.get("related_object") or {}, body.get("context")
    elif body["object"] == "event":
        about, account = body["data"]["object"], body.get("account")
    else:
        raise ValueError("an object of another kind")
    return PushedEvent(
        external_id=_text(body["id"], least=1, most=80),
        kind=_text(body["type"], least=1, most=120),
        account_id=_text(account or "", least=0, most=64),
        object_id=_text(about.get("id") or "", least=0, most=80),
    )


def _text(value: Any, *, least: int, most: int) -> str:
    if not isinstance(value, str) or not least <= len(value) <= most:
        raise ValueError("a name that is none")
    return value
