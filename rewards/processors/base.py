"""What the platform needs from a payment processor, in the platform's words. No Django here."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Protocol


class ProcessorError(Exception):
    """A call to the processor did not succeed. `str(error)` names no person and no secret."""


class ProcessorDown(ProcessorError):
    """A question could not be answered now; asking again later is harmless."""


class NotAuthorized(ProcessorError):
    """The processor refuses our key: an admin must look at the settings."""


class NotFound(ProcessorError):
    """The processor knows no such object."""


class Declined(ProcessorError):
    """The processor definitely did not carry the order out, and never will as it stands."""


class InsufficientFunds(Declined):
    """The platform's own balance is too small now."""


class OutcomeUnknown(ProcessorError):
    """The order may or may not have been carried out: look it up, never repeat it under a new key."""


class KeyReused(ProcessorError):
    """The idempotency key was used before with another order: a person must look."""


class BadSignature(ProcessorError):
    """A pushed message was not signed by the processor, is too old, or cannot be read."""


class RecipientState(StrEnum):
    """Whether the processor lets money go to a recipient."""

    PENDING = "pending"
    ACTIVE = "active"
    RESTRICTED = "restricted"


class BankState(StrEnum):
    """How far a payment to the bank came."""

    UNDERWAY = "underway"
    PAID = "paid"
    FAILED = "failed"


@dataclass(frozen=True)
class Recipient:
    """An owner's account at the processor."""

    external_id: str
    state: RecipientState


@dataclass(frozen=True)
class RecipientOrder:
    """What is needed to open an account: ISO country, lower-case e-mail, our reference."""

    country: str
    currency: str
    email: str
    reference: str


@dataclass(frozen=True)
class TransferOrder:
    """Send `amount_minor` to the recipient `destination`; `group` is the payout's id, by which it is found again."""

    amount_minor: int
    currency: str
    destination: str
    group: str


@dataclass(frozen=True)
class SentTransfer:
    """A transfer that the processor carried out. `payment_id` is its arrival in the recipient's balance."""

    external_id: str
    amount_minor: int
    reversed_minor: int
    currency: str
    destination: str
    group: str
    payment_id: str

    def carries_out(self, order: TransferOrder) -> bool:
        """Return whether this is exactly what `order` asked for."""
        return self.order == order and self.reversed_minor == 0

    @property
    def order(self) -> TransferOrder:
        """The order that this transfer carried out."""
        return TransferOrder(self.amount_minor, self.currency, self.destination, self.group)


@dataclass(frozen=True)
class BankPayout:
    """A payment from a recipient's balance to their bank. `failure` says in a word why it failed."""

    external_id: str
    account_id: str
    state: BankState
    amount_minor: int
    currency: str
    failure: str


@dataclass(frozen=True)
class TopUp:
    """Money that the platform brought to its balance at the processor; `has_arrived` False: under way or failed."""

    external_id: str
    amount_minor: int
    currency: str
    has_arrived: bool
    created_at: datetime


class Movement(StrEnum):
    """Why the platform's balance moved."""

    TRANSFER = "transfer"
    REVERSAL = "reversal"
    TOP_UP = "top_up"
    FEE = "fee"
    OTHER = "other"


@dataclass(frozen=True)
class BookEntry:
    """One movement of the platform's own balance: + came in, - left. `source` is what caused it.

    `fee_minor` > 0 is what the processor kept for it, or, of a movement that is a fee, the fee itself; < 0 it gave
    back. Of a reversal, `reversed_id` is the transfer that was taken back.
    """

    external_id: str
    movement: Movement
    amount_minor: int
    currency: str
    source: str
    reversed_id: str = ""
    fee_minor: int = 0


@dataclass(frozen=True)
class PushedEvent:
    """A verified message from the processor: something happened to `object_id`, in `account_id` ("" = our own)."""

    external_id: str
    kind: str
    account_id: str
    object_id: str


class PayoutProcessor(Protocol):
    """Sends money to owners. Questions raise ProcessorDown, NotAuthorized or NotFound."""

    slug: str

    def create_recipient(self, *, key: str, order: RecipientOrder) -> Recipient:
        """Open an account, once per `key`; raises Declined too."""
        ...

    def read_recipient(self, *, external_id: str) -> Recipient:
        """Return how the account stands."""
        ...

    def create_onboarding_link(self, *, external_id: str, return_url: str, refresh_url: str) -> str:
        """Return a single-use page where the owner gives the processor what it needs; raises Declined too."""
        ...

    def send_transfer(self, *, key: str, order: TransferOrder) -> SentTransfer:
        """Move money, once per `key`; raises Declined, InsufficientFunds, KeyReused or OutcomeUnknown."""
        ...

    def find_transfers(self, *, group: str) -> Sequence[SentTransfer]:
        """Return every transfer of the payout `group`."""
        ...

    def find_transfers_in_books(self, *, group: str, since: datetime) -> Sequence[SentTransfer]:
        """Return every transfer of `group` that moved our balance after `since`: a second, independent witness."""
        ...

    def read_transfer(self, *, external_id: str) -> SentTransfer:
        """Return one transfer."""
        ...

    def list_transfers(self, *, since: datetime) -> Sequence[SentTransfer]:
        """Return every transfer since `since`; raises ProcessorDown rather than return a part."""
        ...

    def list_top_ups(self, *, since: datetime) -> Sequence[TopUp]:
        """Return every top-up since `since`; raises as `list_transfers` does."""
        ...

    def list_book_entries(self, *, since: datetime) -> Sequence[BookEntry]:
        """Return every movement of the platform's own balance since `since`; raises as `list_transfers` does."""
        ...

    def list_bank_payouts(self, *, account_id: str) -> Sequence[BankPayout]:
        """Return the account's latest payments to the bank, newest first."""
        ...

    def read_bank_payout(self, *, account_id: str, external_id: str) -> BankPayout:
        """Return one payment to the bank."""
        ...

    def list_bank_payout_sources(self, *, account_id: str, external_id: str) -> Sequence[str]:
        """Return what a payment to the bank is made of: ids of arrivals (`payment_id`) and of failed bank payments."""
        ...

    def read_event(self, *, raw_body: bytes, signature: str) -> PushedEvent:
        """Verify and read a pushed message; raises BadSignature."""
        ...
