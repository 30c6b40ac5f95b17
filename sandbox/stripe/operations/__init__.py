"""Everything the API can do."""

from sandbox.stripe.calls import Operation
from sandbox.stripe.operations import accounts, balances, events, payouts, transfers

OPERATIONS: tuple[Operation, ...] = (
    *accounts.OPERATIONS,
    *balances.OPERATIONS,
    *events.OPERATIONS,
    *payouts.OPERATIONS,
    *transfers.OPERATIONS,
)
