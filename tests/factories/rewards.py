"""Makes ledger accounts with money in them, payout accounts and payouts."""

import uuid
from datetime import datetime

from accounts.models import User
from rewards import ledger
from rewards.models import LedgerAccount, PayoutAccount, Transfer


def utility_receivable(currency: str = "USD", key: str = "austin-power") -> LedgerAccount:
    """Return what a utility owes."""
    return ledger.account(LedgerAccount.Kind.UTILITY_RECEIVABLE, key, currency)


def earn(owner: User, amount_minor: int, *, now: datetime, currency: str | None = None, key: str = "") -> Transfer:
    """Credit an owner as a settlement does."""
    currency = currency or owner.currency
    return ledger.post(
        key=key or f"settlement:{uuid.uuid4()}",
        debit=utility_receivable(currency),
        credit=ledger.owner_account(owner, currency),
        amount_minor=amount_minor,
        label="Evening peak",
        now=now,
    )


def payout_account(owner: User, *, now: datetime, **fields: object) -> PayoutAccount:
    """Return an owner's payout account, ready for payouts and due now unless `fields` say otherwise."""
    return PayoutAccount.objects.create(
        **{
            "owner": owner,
            "country": owner.country,
            "currency": owner.currency,
            "external_id": f"acct_{uuid.uuid4().hex[:16]}",
            "state": PayoutAccount.State.ACTIVE,
            "next_payout_at": now,
            "created_at": now,
            **fields,
        }
    )
