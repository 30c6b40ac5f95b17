"""The money: a double-entry ledger, payout accounts, payouts, what the processor told us, and how both compare."""

from rewards.models.earnings import Earning, PayTerms
from rewards.models.ledger import ChainLink, LedgerAccount, Transfer
from rewards.models.payouts import Payout, PayoutAccount, PayoutApproval
from rewards.models.reconciling import PayoutPause, Reconciliation, ReconciliationFinding
from rewards.models.webhooks import WebhookEvent

__all__ = [
    "ChainLink",
    "Earning",
    "LedgerAccount",
    "PayTerms",
    "Payout",
    "PayoutAccount",
    "PayoutApproval",
    "PayoutPause",
    "Reconciliation",
    "ReconciliationFinding",
    "Transfer",
    "WebhookEvent",
]
