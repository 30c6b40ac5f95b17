"""Writing payouts: the money is reserved and the payouts exist, all of them or none."""

import uuid
from collections.abc import Sequence
from datetime import datetime
from typing import NamedTuple

from django.db import transaction

from rewards import ledger
from rewards.flows.approvals import why_approvals_are_needed
from rewards.models import LedgerAccount, Payout, PayoutAccount

LABEL = "Payout to your bank"


class Wanted(NamedTuple):
    """What is to be paid where."""

    account: PayoutAccount
    amount_minor: int

    @property
    def owner_key(self) -> tuple[str, str]:
        """The owner's public id and the currency, by which their ledger account is known."""
        return str(self.account.owner.public_id), self.account.currency


@transaction.atomic
def request_payouts(wanted: Sequence[Wanted], *, now: datetime) -> list[Payout]:
    """Reserve the money and write the payouts, which wait to be sent; returns them in the order given.

    Raises ledger.Overdrawn where a balance is smaller, and IntegrityError where an account has an open payout.
    """
    if not wanted:
        return []
    owners = ledger.owner_accounts({one.owner_key: one.account.owner_id for one in wanted})
    paid_out = {
        (processor, currency): ledger.account(LedgerAccount.Kind.PAID_OUT, processor, currency)
        for processor, currency in {(one.account.processor, one.account.currency) for one in wanted}
    }
    ids = [uuid.uuid4() for _ in wanted]
    reservations = ledger.reserve_many(
        [
            ledger.Entry(
                key=f"payout:{public_id}",
                debit=owners[one.owner_key],
                credit=paid_out[one.account.processor, one.account.currency],
                amount_minor=one.amount_minor,
                label=LABEL,
            )
            for public_id, one in zip(ids, wanted, strict=True)
        ],
        now=now,
    )
    reasons = why_approvals_are_needed(wanted)
    return Payout.objects.bulk_create(
        Payout(
            public_id=public_id,
            account=one.account,
            amount_minor=one.amount_minor,
            currency=one.account.currency,
            destination=one.account.external_id,
            reservation=reservation,
            approval_reason=reason,
            requested_at=now,
        )
        for public_id, one, reservation, reason in zip(ids, wanted, reservations, reasons, strict=True)
    )
