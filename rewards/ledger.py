"""The ledger: the only writer of transfers and of account counters.

A transfer is one debit and one credit of the same positive amount, so the books balance by construction. Every write
is idempotent by its key, moves each account's counters once, in primary-key order (no two writers can deadlock), by a
conditional UPDATE (no balance is checked before it is locked), inside one short transaction. `writing.py` has the SQL.
"""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from django.db import IntegrityError

from accounts.models import User
from rewards import writing
from rewards.models import LedgerAccount, Transfer
from rewards.proofs import check
from rewards.writing import LedgerError, Overdrawn, Row, Taken

__all__ = [
    "AlreadyEnded",
    "Balance",
    "CurrencyMismatch",
    "Entry",
    "LedgerConflict",
    "LedgerError",
    "NotEndable",
    "Overdrawn",
    "account",
    "balance",
    "check",
    "owner_account",
    "owner_accounts",
    "owner_balance",
    "owner_balances",
    "owner_expected",
    "post",
    "post_many",
    "post_pending",
    "post_pending_many",
    "reserve",
    "reserve_many",
    "reverse",
    "void",
    "void_many",
]

_MOST_RACES = 8


class LedgerConflict(LedgerError):
    """The key is taken by a transfer with another content."""


class CurrencyMismatch(LedgerError):
    """Debit and credit are in different currencies."""


class AlreadyEnded(LedgerError):
    """The pending transfer was posted or voided before, or the posted one reversed."""


class NotEndable(LedgerError):
    """The transfer is of a kind that cannot be ended this way."""


@dataclass(frozen=True)
class Entry:
    """One transfer to be posted at once: `amount_minor` moves from `debit` to `credit`."""

    key: str
    debit: LedgerAccount
    credit: LedgerAccount
    amount_minor: int
    label: str = ""


@dataclass(frozen=True)
class Balance:
    """Minor units. `posted` = credits - debits; `pending` is reserved for leaving; `available` is what remains."""

    available_minor: int
    pending_minor: int
    posted_minor: int


def account(kind: str, key: str, currency: str, owner: User | None = None) -> LedgerAccount:
    """Return the account of `kind` for `key` in `currency`, opening it on first use."""
    found = LedgerAccount.objects.filter(kind=kind, key=key, currency=currency, part=0).first()
    if found is not None:
        return found
    opened, is_new = LedgerAccount.objects.get_or_create(
        kind=kind, key=key, currency=currency, part=0, defaults={"owner": owner}
    )
    if is_new:
        writing.open_parts(opened)
    return opened


def owner_account(owner: User, currency: str) -> LedgerAccount:
    """Return the account of what the platform owes `owner` in `currency`."""
    return account(LedgerAccount.Kind.OWNER_PAYABLE, str(owner.public_id), currency, owner=owner)


def owner_accounts(owner_ids: Mapping[tuple[str, str], int]) -> dict[tuple[str, str], LedgerAccount]:
    """Return many owners' accounts by (public id, currency), opening those that are new, in three queries.

    `owner_ids` names the primary key of each.
    """
    found = _find_owner_accounts(owner_ids)
    if len(found) < len(owner_ids):
        LedgerAccount.objects.bulk_create(
            (
                LedgerAccount(kind=LedgerAccount.Kind.OWNER_PAYABLE, key=key, currency=currency, owner_id=owner_id)
                for (key, currency), owner_id in sorted(owner_ids.items())
                if (key, currency) not in found
            ),
            ignore_conflicts=True,
        )
        found = _find_owner_accounts(owner_ids)
    return found


def _find_owner_accounts(owner_ids: Collection[tuple[str, str]]) -> dict[tuple[str, str], LedgerAccount]:
    keys = {key for key, _ in owner_ids}
    rows = LedgerAccount.objects.filter(kind=LedgerAccount.Kind.OWNER_PAYABLE, key__in=keys, part=0)
    return {(row.key, row.currency): row for row in rows if (row.key, row.currency) in owner_ids}


def post(
    *, key: str, debit: LedgerAccount, credit: LedgerAccount, amount_minor: int, label: str, now: datetime
) -> Transfer:
    """Post one transfer at once. The same key with the same content returns the first row.

    Raises LedgerConflict (key taken by another content), CurrencyMismatch, Overdrawn, ValueError (amount below 1).
    """
    return post_many([Entry(key, debit, credit, amount_minor, label)], now=now)[0]


def post_many(entries: Sequence[Entry], *, now: datetime) -> list[Transfer]:
    """Post several transfers, all or none, each account's counters moved once; returns them in the order given.

    Raises as `post` does; entries whose key is known with the same content are left as they are.
    """
    return _write([_row(Transfer.Kind.SINGLE, entry) for entry in entries], now=now)


def reserve(
    *, key: str, debit: LedgerAccount, credit: LedgerAccount, amount_minor: int, label: str, now: datetime
) -> Transfer:
    """Set an amount aside until `post_pending` or `void` ends it. Idempotent and refusing as `post` is."""
    return reserve_many([Entry(key, debit, credit, amount_minor, label)], now=now)[0]


def reserve_many(entries: Sequence[Entry], *, now: datetime) -> list[Transfer]:
    """Set several amounts aside, all or none; returns the reservations in the order given. Refuses as `post` does."""
    return _write([_row(Transfer.Kind.PENDING, entry) for entry in entries], now=now)


def post_pending(*, of: Transfer, key: str, now: datetime) -> Transfer:
    """Post what `of` reserved; raises AlreadyEnded where another key ended it."""
    return _write([_ending(Transfer.Kind.POST, of, key, {Transfer.Kind.PENDING})], now=now)[0]


def post_pending_many(endings: Mapping[str, Transfer], *, now: datetime) -> list[Transfer]:
    """Post what several transfers reserved, by the new rows' keys, all or none; raises as `post_pending` does."""
    rows = [_ending(Transfer.Kind.POST, of, key, {Transfer.Kind.PENDING}) for key, of in endings.items()]
    return _write(rows, now=now)


def void_many(endings: Mapping[str, Transfer], *, now: datetime) -> list[Transfer]:
    """Lift several reservations, by the new rows' keys, all or none; raises as `void` does."""
    rows = [_ending(Transfer.Kind.VOID, of, key, {Transfer.Kind.PENDING}) for key, of in endings.items()]
    return _write(rows, now=now)


def void(*, of: Transfer, key: str, now: datetime) -> Transfer:
    """Lift the reservation `of`; raises AlreadyEnded where another key ended it."""
    return _write([_ending(Transfer.Kind.VOID, of, key, {Transfer.Kind.PENDING})], now=now)[0]


def owner_expected(owner: User, currency: str) -> int:
    """Return what is reserved for `owner` in `currency` and not theirs yet, in minor units."""
    rows = LedgerAccount.objects.filter(kind=LedgerAccount.Kind.OWNER_PAYABLE, key=str(owner.public_id), part=0)
    return sum(rows.filter(currency=currency).values_list("credits_pending", flat=True))


def reverse(*, of: Transfer, key: str, now: datetime) -> Transfer:
    """Undo the posted `of` by a new transfer the other way; raises AlreadyEnded, or Overdrawn where it was spent."""
    row = _ending(Transfer.Kind.REVERSAL, of, key, {Transfer.Kind.SINGLE, Transfer.Kind.POST})
    return _write([row], now=now)[0]


def balance(of: LedgerAccount) -> Balance:
    """Return the account's balance as the database has it now."""
    return _balance(*writing.sums_of(of.pk))


def owner_balance(owner: User, currency: str) -> Balance:
    """Return what the platform owes `owner` in `currency`; zeros where nothing was ever posted."""
    return _balance(*writing.sums_of_owner(str(owner.public_id), currency))


def owner_balances(wanted: Iterable[tuple[str, str]]) -> dict[tuple[str, str], Balance]:
    """Return many owners' balances by (public id, currency), in one query; owners never paid anything are left out."""
    found = _find_owner_accounts(set(wanted))
    return {key: _balance(row.credits_posted - row.debits_posted, row.debits_pending) for key, row in found.items()}


def _balance(posted_minor: int, pending_minor: int) -> Balance:
    return Balance(posted_minor - pending_minor, pending_minor, posted_minor)


def _row(kind: Transfer.Kind, entry: Entry) -> Row:
    if entry.amount_minor < 1:
        raise ValueError(f"an amount must be at least 1 minor unit, not {entry.amount_minor}")
    if entry.debit.currency != entry.credit.currency:
        raise CurrencyMismatch(f"{entry.key}: {entry.debit.currency} to {entry.credit.currency}")
    if entry.debit.whole_id == entry.credit.whole_id:
        raise ValueError(f"{entry.key}: debit and credit are the same account")
    return Row(
        entry.key,
        kind,
        entry.debit.whole_id,
        entry.credit.whole_id,
        entry.amount_minor,
        entry.debit.currency,
        entry.label,
    )


def _ending(kind: Transfer.Kind, of: Transfer, key: str, endable: set[Transfer.Kind]) -> Row:
    if of.kind not in endable:
        raise NotEndable(f"{key}: {kind} of a {of.kind}")
    debit_id, credit_id = of.debit_id, of.credit_id
    if kind == Transfer.Kind.REVERSAL:
        debit_id, credit_id = credit_id, debit_id
    return Row(key, kind, debit_id, credit_id, of.amount_minor, of.currency, of.label, of.pk)


def _write(rows: Sequence[Row], *, now: datetime) -> list[Transfer]:
    wanted = _by_key(rows)
    known: dict[str, Transfer] = {}
    for _ in range(_MOST_RACES):
        fresh = [row for key, row in sorted(wanted.items()) if key not in known]
        try:
            known |= {transfer.key: transfer for transfer in writing.insert(fresh, now=now)}
            return [known[row.key] for row in rows]
        except (IntegrityError, Overdrawn, Taken) as refused:
            # Repeats are rare, so they are looked for only where the write was refused; a repeat may also be refused
            # as an overdraft, because its first copy took the money.
            found = _known(wanted.values())
            if found.keys() <= known.keys():
                _explain_ended(fresh, refused)
                raise
            known |= found
    raise LedgerError(f"{len(rows)} transfers raced with the same keys {_MOST_RACES} times")


def _by_key(rows: Iterable[Row]) -> dict[str, Row]:
    wanted: dict[str, Row] = {}
    for row in rows:
        if wanted.setdefault(row.key, row).content != row.content:
            raise LedgerConflict(f"{row.key}: twice in one batch with different content")
    return wanted


def _known(rows: Iterable[Row]) -> dict[str, Transfer]:
    by_key = {row.key: row for row in rows}
    found = Transfer.objects.select_related("debit", "credit").in_bulk(list(by_key), field_name="key")
    for key, transfer in found.items():
        if writing.content_of(transfer) != by_key[key].content:
            raise LedgerConflict(f"{key}: taken by a transfer with another content")
    return found


def _explain_ended(rows: Sequence[Row], refused: Exception) -> None:
    ended = Transfer.objects.filter(of__in=[row.of_id for row in rows if row.of_id]).first()
    if ended is not None:
        raise AlreadyEnded(f"transfer {ended.of_id} was ended by {ended.key}") from refused
