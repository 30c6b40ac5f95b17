"""Stripe Connect: recipients by Accounts v2, transfers, bank payouts, webhooks. Amounts are in minor units.

Sources: the SDK's own types (stripe 16.1, API 2026-10-28.endive), docs.stripe.com/connect/accounts-v2,
docs.stripe.com/api/idempotent_requests, docs.stripe.com/webhooks.
"""

from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from functools import partial

import requests
import stripe
from stripe import BalanceTransaction, RequestOptions, Transfer
from stripe.params import BalanceTransactionListParams, TopupListParams, TransferListParams

from rewards.processors.base import (
    BankPayout,
    BookEntry,
    ProcessorDown,
    PushedEvent,
    Recipient,
    RecipientOrder,
    SentTransfer,
    TopUp,
    TransferOrder,
)
from rewards.processors.stripe_answers import bank_payout, book_entry, recipient, sent_transfer
from rewards.processors.stripe_errors import ask, raise_order_error
from rewards.processors.stripe_events import read_event

# Three tries of these fit into one task's half minute.
TIMEOUT_SECONDS = (3.0, 6.0)
NETWORK_RETRIES = 2
MOST_PAGED = 1000  # objects read of any one list
MOST_RECONCILED = 50_000  # the same, where a whole day's books are compared


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
            return recipient(account)
        except (stripe.StripeError, AttributeError) as error:
            raise_order_error(error)

    def read_recipient(self, *, external_id: str) -> Recipient:
        """Return how the account stands: money may go there while its transfers capability is active."""
        return ask(
            lambda: recipient(
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
            raise_order_error(error)

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
            return sent_transfer(transfer)
        except (stripe.StripeError, AttributeError) as error:
            # A success whose body lacks a field is as unknown as one whose body was cut.
            raise_order_error(error)

    def find_transfers(self, *, group: str) -> list[SentTransfer]:
        """Look transfers up by `transfer_group`."""
        asked: TransferListParams = {"transfer_group": group, "limit": 100}
        return ask(lambda: [sent_transfer(found) for found in self._client.v1.transfers.list(asked).data])

    def find_transfers_in_books(self, *, group: str, since: datetime) -> list[SentTransfer]:
        """Look transfers up in the platform's balance history."""
        entries = self._book_entries(
            {"type": "transfer", "created": {"gte": int(since.timestamp())}, "expand": ["data.source"]}, {}
        )
        sources = [entry.source for entry in entries]
        return [
            sent_transfer(source)
            for source in sources
            if isinstance(source, Transfer) and source.transfer_group == group
        ]

    def list_transfers(self, *, since: datetime) -> list[SentTransfer]:
        """Page through the platform's transfers."""
        params: TransferListParams = {"limit": 100, "created": {"gte": int(since.timestamp())}}
        found: list[SentTransfer] = []
        while len(found) < MOST_RECONCILED:
            page = ask(lambda: self._client.v1.transfers.list(params))
            found += [ask(partial(sent_transfer, transfer)) for transfer in page.data]
            if not page.has_more or not page.data:
                return found
            params["starting_after"] = page.data[-1].id
        raise ProcessorDown(f"a list longer than {MOST_RECONCILED}")

    def list_top_ups(self, *, since: datetime) -> list[TopUp]:
        """Page through the platform's top-ups."""
        params: TopupListParams = {"limit": 100, "created": {"gte": int(since.timestamp())}}
        found: list[TopUp] = []
        while len(found) < MOST_RECONCILED:
            page = ask(lambda: self._client.v1.topups.list(params))
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
        return [book_entry(entry) for entry in entries]

    def read_transfer(self, *, external_id: str) -> SentTransfer:
        """Return one transfer."""
        return ask(lambda: sent_transfer(self._client.v1.transfers.retrieve(external_id)))

    def list_bank_payouts(self, *, account_id: str) -> list[BankPayout]:
        """Return the connected account's latest payouts."""
        return ask(
            lambda: [
                bank_payout(found, account_id)
                for found in self._client.v1.payouts.list({"limit": 20}, {"stripe_account": account_id}).data
            ]
        )

    def read_bank_payout(self, *, account_id: str, external_id: str) -> BankPayout:
        """Return one payout of the connected account."""
        return ask(
            lambda: bank_payout(
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
        return read_event(raw_body=raw_body, signature=signature, secrets=self._webhook_secrets, at=self._wall())

    def _book_entries(
        self, params: BalanceTransactionListParams, options: RequestOptions, *, most: int = MOST_PAGED
    ) -> list[BalanceTransaction]:
        found: list[BalanceTransaction] = []
        params["limit"] = 100
        while len(found) < most:
            page = ask(lambda: self._client.v1.balance_transactions.list(params, options))
            found += page.data
            if not page.has_more or not page.data:
                return found
            params["starting_after"] = page.data[-1].id
        raise ProcessorDown(f"a list longer than {most}")  # a partial answer would prove nothing
