"""What an amount that is stated anew moves: more goes to the owner, less is borne by the platform.

An owner keeps what they were credited. The utility owes what is stated now; the platform carries the difference, until
a later statement makes it up.
"""

from dataclasses import dataclass

from rewards import ledger
from rewards.models import LedgerAccount


@dataclass(frozen=True)
class Stated:
    """What earlier statements of one amount have moved: to the owner the highest of them, to the utility the last."""

    owner_minor: int = 0
    utility_minor: int = 0


def entries_for(entry: ledger.Entry, *, before: Stated, platform: LedgerAccount | None = None) -> list[ledger.Entry]:
    """Return what to post so that `entry`, which states the whole amount anew, holds after what was stated `before`.

    `entry` debits the utility and credits the owner; its amount may be 0. `platform` is the account of corrections,
    needed where there was a statement before.
    """
    amount, moved = entry.amount_minor, []
    if amount > before.owner_minor:
        more = amount - before.owner_minor
        moved.append(ledger.Entry(entry.key, entry.debit, entry.credit, more, entry.label))
    borne = max(before.owner_minor, amount) - amount
    shift = borne - (before.owner_minor - before.utility_minor)
    if shift and platform is not None:
        debit, credit = (platform, entry.debit) if shift > 0 else (entry.debit, platform)
        moved.append(ledger.Entry(f"borne:{entry.key}", debit, credit, abs(shift), f"Correction: {entry.label}"[:160]))
    return moved


def corrections_account(currency: str) -> LedgerAccount:
    """Return the account of what the platform bears."""
    return ledger.account(LedgerAccount.Kind.CORRECTIONS, "platform", currency)
