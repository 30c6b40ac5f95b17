"""The money: a double-entry ledger, payout accounts, payouts, and what the processor told us."""

from rewards.models.ledger import ChainLink, LedgerAccount, Transfer
from rewards.models.payouts import Payout, PayoutAccount
from rewards.models.webhooks import WebhookEvent

__all__ = ["ChainLink", "LedgerAccount", "Payout", "PayoutAccount", "Transfer", "WebhookEvent"]
