"""What pages and calls show of an owner's money, as rows to watch."""

from foundation.stamps import Stamp, Watched, columns_of
from rewards.models import Earning, LedgerAccount, Payout, PayoutAccount, PayoutPause

# Their counters move with every transfer.
PURSES = Watched(lambda owner, _at: LedgerAccount.objects.filter(owner=owner), columns_of(LedgerAccount))
PAYOUTS = Watched(lambda owner, _at: Payout.objects.filter(account__owner=owner), ["pk", "state", "amount_minor"])
PAID_TO = Watched(lambda owner, _at: PayoutAccount.objects.filter(owner=owner), columns_of(PayoutAccount))
OTHERS = Watched(
    lambda owner, _at: Earning.objects.filter(owner=owner), ["pk", "amount_minor", "reason", "terms__program"]
)
PAUSES = Watched(lambda _owner, _at: PayoutPause.objects.all(), columns_of(PayoutPause))

BALANCES = Stamp(PURSES, PAYOUTS, PAID_TO)
