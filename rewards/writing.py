"""How rows of the ledger reach the database. `rewards.ledger` alone calls this."""

import uuid
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime

from django.db import connection, transaction

from rewards import functions
from rewards.models import LedgerAccount, Transfer

_WRITE_ONE = "SELECT * FROM rewards_write_transfer(%s, %s, %s, %s, %s, %s, %s, %s, %s, %s)"
_FIRST_COLUMNS = ("id", "public_id", "key", "kind", "debit_id", "credit_id")
_COLUMNS = (*_FIRST_COLUMNS, "amount_minor", "currency", "label", "of_id", "created_at")
# The platform's own accounts that every owner's transfers pass.
BUSY_KINDS = (LedgerAccount.Kind.UTILITY_RECEIVABLE, LedgerAccount.Kind.PAID_OUT)


class LedgerError(Exception):
    """The ledger refuses a write; nothing was written."""


class Overdrawn(LedgerError):
    """The owner's available balance is smaller than the amount."""


class Taken(LedgerError):
    """The key, or the ending of the row that is to be ended, exists."""


@dataclass(frozen=True)
class Row:
    """A transfer to be written. `debit_id` and `credit_id` are whole accounts, or a part where it ends a row."""

    key: str
    kind: Transfer.Kind
    debit_id: int
    credit_id: int
    amount_minor: int
    currency: str
    label: str
    of_id: int | None = field(default=None)

    @property
    def content(self) -> tuple[object, ...]:
        """What a second try under the same key must repeat."""
        # The label is wording, which may change between two tries of the same movement; what ends a row moves what
        # that row moved.
        sides = None if self.of_id else (self.debit_id, self.credit_id)
        return (str(self.kind), sides, self.amount_minor, self.of_id)


@dataclass
class Move:
    """By how much one account's counters change."""

    debits_posted: int = 0
    credits_posted: int = 0
    debits_pending: int = 0
    credits_pending: int = 0

    @property
    def needed_minor(self) -> int:
        """What must be available for it."""
        return self.debits_posted + self.debits_pending - self.credits_posted


def open_parts(whole: LedgerAccount) -> None:
    """Open the parts of a busy account, where the database has several writers."""
    if connection.vendor == "postgresql" and whole.kind in BUSY_KINDS:
        LedgerAccount.objects.bulk_create(
            (
                LedgerAccount(kind=whole.kind, key=whole.key, currency=whole.currency, part_of=whole, part=part)
                for part in range(1, functions.PARTS + 1)
            ),
            ignore_conflicts=True,
        )


def content_of(transfer: Transfer) -> tuple[object, ...]:
    """Return a written transfer's content as `Row.content` does; reads its accounts."""
    sides = None if transfer.of_id else (transfer.debit.whole_id, transfer.credit.whole_id)
    return (transfer.kind, sides, transfer.amount_minor, transfer.of_id)


def insert(rows: Sequence[Row], *, now: datetime) -> list[Transfer]:
    """Write new rows, all or none, and their accounts' counters; returns them in order.

    Raises Overdrawn, Taken or IntegrityError; the caller's transaction, if any, stays usable.
    """
    if len(rows) == 1 and connection.vendor == "postgresql":
        return [insert_one(rows[0], now=now)]
    return insert_many(rows, now=now)


def insert_one(row: Row, *, now: datetime) -> Transfer:
    """Write one row and both counters in one statement, on PostgreSQL."""
    public_id = uuid.uuid4()
    sides, rest = (row.debit_id, row.credit_id), (row.amount_minor, row.currency, row.label, row.of_id, now)
    with connection.cursor() as cursor:
        cursor.execute(_WRITE_ONE, [public_id, row.key, str(row.kind), *sides, *rest])
        debit_id, credit_id, row_id = cursor.fetchone()
    if row_id == functions.REFUSED:
        raise Overdrawn(f"{row.key}: an account has less than {row.amount_minor} available")
    if row_id == functions.TAKEN:
        raise Taken(f"{row.key}: the key or the ending is taken")
    return Transfer.from_db(
        connection.alias, _COLUMNS, [row_id, public_id, row.key, str(row.kind), debit_id, credit_id, *rest]
    )


def insert_many(rows: Sequence[Row], *, now: datetime) -> list[Transfer]:
    """Write several rows, moving each account's counters once, in primary-key order."""
    rows = _spread(rows)
    moves: defaultdict[int, Move] = defaultdict(Move)
    for row in rows:
        add(row, moves)
    with transaction.atomic():
        move_all(moves)
        return Transfer.objects.bulk_create([_transfer(row, now) for row in rows])


def _spread(rows: Sequence[Row]) -> Sequence[Row]:
    """Return the rows with reservations spread over the parts of busy accounts: each ends alone, beside many others."""
    busy = {row.credit_id for row in rows if row.kind == Transfer.Kind.PENDING}
    if connection.vendor != "postgresql" or not busy:
        return rows
    parts = defaultdict[int, list[int]](list)
    for part in LedgerAccount.objects.filter(part_of__in=busy).only("pk", "part_of").order_by("pk"):
        parts[part.whole_id].append(part.pk)
    return [
        replace(row, credit_id=parts[row.credit_id][place % len(parts[row.credit_id])])
        if row.kind == Transfer.Kind.PENDING and parts[row.credit_id]
        else row
        for place, row in enumerate(rows)
    ]


def add(row: Row, moves: dict[int, Move]) -> None:
    """Add what the row changes to the moves of its accounts."""
    debit, credit, amount = moves[row.debit_id], moves[row.credit_id], row.amount_minor
    if row.kind == Transfer.Kind.PENDING:
        debit.debits_pending += amount
        credit.credits_pending += amount
    if row.kind in {Transfer.Kind.POST, Transfer.Kind.VOID}:
        debit.debits_pending -= amount
        credit.credits_pending -= amount
    if row.kind in {Transfer.Kind.SINGLE, Transfer.Kind.POST, Transfer.Kind.REVERSAL}:
        debit.debits_posted += amount
        credit.credits_posted += amount


# Written out because building it from expressions takes longer than running it. The condition is judged on the row as
# locked, so no two writers can both spend the last cent.
_MOVE = """
UPDATE rewards_ledgeraccount SET
    debits_posted = debits_posted + %s, credits_posted = credits_posted + %s,
    debits_pending = debits_pending + %s, credits_pending = credits_pending + %s
WHERE id = %s AND (%s <= 0 OR kind <> 'owner_payable' OR credits_posted >= debits_posted + debits_pending + %s)
"""
# The same for many accounts at once. They are locked first, in order, because an UPDATE promises none.
_LOCK = "SELECT id FROM rewards_ledgeraccount WHERE id = ANY(%s) ORDER BY id FOR NO KEY UPDATE"
_MOVE_MANY = """
UPDATE rewards_ledgeraccount AS account SET
    debits_posted = account.debits_posted + moved.debits_posted,
    credits_posted = account.credits_posted + moved.credits_posted,
    debits_pending = account.debits_pending + moved.debits_pending,
    credits_pending = account.credits_pending + moved.credits_pending
FROM unnest(%s::bigint[], %s::bigint[], %s::bigint[], %s::bigint[], %s::bigint[], %s::bigint[])
    AS moved (id, debits_posted, credits_posted, debits_pending, credits_pending, needed)
WHERE account.id = moved.id AND (
    moved.needed <= 0 OR account.kind <> 'owner_payable'
    OR account.credits_posted >= account.debits_posted + account.debits_pending + moved.needed
)
"""


def move_all(moves: Mapping[int, Move]) -> None:
    """Change the accounts' counters; raises Overdrawn, with some of them changed, inside the caller's transaction."""
    ordered = sorted(moves)
    if not ordered:
        return
    if connection.vendor != "postgresql":
        for account_id in ordered:
            move_one(account_id, moves[account_id])
        return
    columns = [
        (account_id, *vars(moves[account_id]).values(), moves[account_id].needed_minor) for account_id in ordered
    ]
    with connection.cursor() as cursor:
        cursor.execute(_LOCK, [ordered])
        cursor.execute(_MOVE_MANY, [list(column) for column in zip(*columns, strict=True)])
        moved = cursor.rowcount
    if moved != len(ordered):
        raise Overdrawn(f"{len(ordered) - moved} of {len(ordered)} accounts have less than is needed available")


def move_one(account_id: int, move: Move) -> None:
    """Change one account's counters; raises Overdrawn, having changed nothing."""
    needed_minor = move.needed_minor
    changes = (move.debits_posted, move.credits_posted, move.debits_pending, move.credits_pending)
    with connection.cursor() as cursor:
        cursor.execute(_MOVE, [*changes, account_id, needed_minor, needed_minor])
        moved = cursor.rowcount
    if not moved:
        raise Overdrawn(f"account {account_id} has less than {needed_minor} available")


_SUMS = """
SELECT CAST(SUM(credits_posted - debits_posted) AS bigint), CAST(SUM(debits_pending) AS bigint)
FROM rewards_ledgeraccount WHERE
"""


def sums_of(account_id: int) -> tuple[int, int]:
    """Return what is posted and what is reserved of a whole account, its parts included, in minor units."""
    return _sums("id = %s OR part_of_id = %s", account_id, account_id)


def sums_of_owner(key: str, currency: str) -> tuple[int, int]:
    """Return the same of an owner's account, which has no parts; zeros where nothing was ever posted."""
    return _sums("kind = 'owner_payable' AND key = %s AND currency = %s", key, currency)


def _sums(condition: str, *values: int | str) -> tuple[int, int]:
    with connection.cursor() as cursor:
        cursor.execute(_SUMS + condition, values)
        posted, reserved = cursor.fetchone()
    return posted or 0, reserved or 0


def _transfer(row: Row, now: datetime) -> Transfer:
    return Transfer(
        public_id=uuid.uuid4(),
        key=row.key,
        kind=row.kind,
        debit_id=row.debit_id,
        credit_id=row.credit_id,
        amount_minor=row.amount_minor,
        currency=row.currency,
        label=row.label,
        of_id=row.of_id,
        created_at=now,
    )
