"""Proofs over the whole ledger. Each is one SQL statement, so it sees one moment even while others write."""

import hashlib
from collections.abc import Callable, Iterator
from datetime import UTC
from functools import cache
from typing import Any
from uuid import UUID

from django.db import IntegrityError, connection, transaction
from django.db.models import F, Q, QuerySet, Sum, Value

from rewards.models import ChainLink, LedgerAccount, Payout, PayoutPause, Transfer

GENESIS = "0" * 64
MOST_FINDINGS = 100  # a report, not a dump: a damaged ledger is damaged in one way many times
_ENDED_BY_POST = ("sent", "paid", "bank_failed")


def check() -> list[str]:
    """Prove the books; return one sentence per finding, none where all is well.

    Posted and pending sums are zero per currency; counters equal what the transfers add up to; no owner is overdrawn;
    each transfer is in its accounts' currency; each ending fits what it ends, which ends once; each payout's state
    agrees with its reservation; the chain is unbroken; no difference with the processor keeps payouts paused.
    """
    return [
        *_unbalanced(),
        *_wrong_counters(),
        *_overdrawn(),
        *_wrong_currency(),
        *_wrong_endings(),
        *_wrong_payouts(),
        *_broken_chain(),
        *_pauses(),
    ]


def seal_transfers(*, limit: int) -> int:
    """Lay chain links over transfers not sealed yet, oldest first; return how many were sealed.

    Two sweeps cannot fork the chain: the previous hash is unique, and the loser seals nothing.
    """
    unsealed = list(Transfer.objects.filter(chain_link__isnull=True).order_by("pk")[:limit])
    last = ChainLink.objects.order_by("-pk").first()
    links, previous = [], GENESIS if last is None else last.hash
    for transfer in unsealed:
        sealed = row_hash(transfer)
        links.append(
            ChainLink(transfer=transfer, previous_hash=previous, row_hash=sealed, hash=link_hash(transfer, previous))
        )
        previous = links[-1].hash
    try:
        with transaction.atomic():
            ChainLink.objects.bulk_create(links)
    except IntegrityError:
        return 0
    return len(links)


def row_hash(transfer: Transfer) -> str:
    """Return the SHA-256 over every column of the transfer, as 64 hex digits. proof/verify.py does the same."""
    columns = (
        str(transfer.public_id),
        transfer.key,
        transfer.kind,
        str(transfer.debit_id),
        str(transfer.credit_id),
        str(transfer.amount_minor),
        transfer.currency,
        transfer.label,
        str(transfer.of_id or ""),
        transfer.created_at.astimezone(UTC).isoformat(timespec="microseconds"),
    )
    return hashlib.sha256("\x1f".join(columns).encode()).hexdigest()


def link_hash(transfer: Transfer, previous_hash: str) -> str:
    """Return the SHA-256 over the previous link's hash and the transfer's own, as 64 hex digits."""
    return hashlib.sha256(f"{previous_hash}\x1f{row_hash(transfer)}".encode()).hexdigest()


def _unbalanced() -> Iterator[str]:
    for currency, posted, pending in _rows(_currencies_off_balance):
        yield f"{currency} does not sum to zero: posted {posted}, pending {pending}"


def _currencies_off_balance() -> "QuerySet[Any, Any]":
    sums = LedgerAccount.objects.values("currency").annotate(
        posted=Sum(F("credits_posted") - F("debits_posted")), pending=Sum(F("credits_pending") - F("debits_pending"))
    )
    off = sums.filter(~Q(posted=0) | ~Q(pending=0)).order_by("currency")
    return off.values_list("currency", "posted", "pending")


# All accounts' sums in one pass: asking for each account's own would look at every transfer for every account, since
# nearly all of them pass a utility's.
_OFF_THEIR_TRANSFERS = """
WITH moved AS (
    SELECT debit_id, credit_id,
        CASE WHEN kind IN ('single', 'post', 'reversal') THEN amount_minor ELSE 0 END AS posted,
        CASE WHEN kind = 'pending' THEN amount_minor WHEN kind IN ('post', 'void') THEN -amount_minor ELSE 0 END
            AS pending
    FROM rewards_transfer
), sums AS (
    SELECT account_id, SUM(debits_posted) AS debits_posted, SUM(credits_posted) AS credits_posted,
        SUM(debits_pending) AS debits_pending, SUM(credits_pending) AS credits_pending
    FROM (
        SELECT debit_id AS account_id, posted AS debits_posted, 0 AS credits_posted, pending AS debits_pending,
            0 AS credits_pending FROM moved
        UNION ALL
        SELECT credit_id, 0, posted, 0, pending FROM moved
    ) AS sides
    GROUP BY account_id
)
SELECT account.id, account.kind, account.currency
FROM rewards_ledgeraccount AS account LEFT JOIN sums ON sums.account_id = account.id
WHERE account.debits_posted <> COALESCE(sums.debits_posted, 0)
    OR account.credits_posted <> COALESCE(sums.credits_posted, 0)
    OR account.debits_pending <> COALESCE(sums.debits_pending, 0)
    OR account.credits_pending <> COALESCE(sums.credits_pending, 0)
ORDER BY account.id
LIMIT %s
"""


def _wrong_counters() -> Iterator[str]:
    with connection.cursor() as cursor:
        cursor.execute(_OFF_THEIR_TRANSFERS, [MOST_FINDINGS])
        found = cursor.fetchall()
    for pk, kind, currency in found:
        yield f"account {pk} ({kind} {currency}): its counters differ from the sum of its transfers"


def _overdrawn() -> Iterator[str]:
    for pk, kind, currency in _rows(_overdrawn_accounts):
        yield f"account {pk} ({kind} {currency}) is overdrawn"


def _overdrawn_accounts() -> "QuerySet[Any, Any]":
    spent = F("debits_posted") + F("debits_pending")
    overdrawn = LedgerAccount.objects.filter(kind="owner_payable", credits_posted__lt=spent)
    return overdrawn.order_by("pk").values_list("pk", "kind", "currency")[:MOST_FINDINGS]


def _wrong_currency() -> Iterator[str]:
    for (pk,) in _rows(_transfers_in_another_currency):
        yield f"transfer {pk} is not in its accounts' currency"


def _transfers_in_another_currency() -> "QuerySet[Any, Any]":
    other = Transfer.objects.exclude(currency=F("debit__currency")) | Transfer.objects.exclude(
        currency=F("credit__currency")
    )
    return other.order_by("pk").values_list("pk")[:MOST_FINDINGS]


def _wrong_endings() -> Iterator[str]:
    for pk, kind, of in _rows(_endings_that_do_not_fit):
        yield f"transfer {pk} ({kind}) does not fit transfer {of}, which it ends"
    for of, times in _rows(_transfers_ended_twice):
        yield f"transfer {of} was ended {times} times"


def _endings_that_do_not_fit() -> "QuerySet[Any, Any]":
    straight = Q(debit=F("of__debit"), credit=F("of__credit"), amount_minor=F("of__amount_minor"))
    mirrored = Q(debit=F("of__credit"), credit=F("of__debit"), amount_minor=F("of__amount_minor"))
    fits = (Q(kind__in=["post", "void"], of__kind="pending") & straight) | (
        Q(kind="reversal", of__kind__in=["single", "post"]) & mirrored
    )
    unfit = Transfer.objects.filter(of__isnull=False).exclude(fits)
    return unfit.order_by("pk").values_list("pk", "kind", "of")[:MOST_FINDINGS]


def _transfers_ended_twice() -> "QuerySet[Any, Any]":
    ended = Transfer.objects.filter(of__isnull=False).order_by().values("of").annotate(times=Sum(Value(1)))
    return ended.filter(times__gt=1).values_list("of", "times")[:MOST_FINDINGS]


def _wrong_payouts() -> Iterator[str]:
    for public_id, state in _rows(_payouts_off_their_reservations):
        yield f"payout {UUID(str(public_id))} is {state}, which its reservation contradicts"


def _payouts_off_their_reservations() -> "QuerySet[Any, Any]":
    agrees = (
        Q(state__in=Payout.OPEN_STATES, reservation__ended_by__isnull=True)
        | Q(state__in=_ENDED_BY_POST, reservation__ended_by__kind="post")
        | Q(state="cancelled", reservation__ended_by__kind="void")
    ) & Q(amount_minor=F("reservation__amount_minor"), currency=F("reservation__currency"))
    wrong: QuerySet[Payout] = Payout.objects.exclude(pk__in=Payout.objects.filter(agrees))
    return wrong.order_by("pk").values_list("public_id", "state")[:MOST_FINDINGS]


def _broken_chain() -> Iterator[str]:
    previous, findings = GENESIS, 0
    for link in ChainLink.objects.select_related("transfer").order_by("pk").iterator(chunk_size=2000):
        expected = (previous, row_hash(link.transfer), link_hash(link.transfer, link.previous_hash))
        if (link.previous_hash, link.row_hash, link.hash) != expected:
            yield f"the chain breaks at transfer {link.transfer_id}"
            findings += 1
        previous = link.hash
        if findings >= MOST_FINDINGS:
            return


def _pauses() -> Iterator[str]:
    for pause in PayoutPause.objects.filter(resumed_at__isnull=True):
        yield f"payouts are paused: {pause.reason}"


def _rows(find: "Callable[[], QuerySet[Any, Any]]") -> list[tuple[Any, ...]]:
    statement, values = _statement(find, connection.vendor)
    with connection.cursor() as cursor:
        cursor.execute(statement, values)
        return list(cursor.fetchall())


@cache
def _statement(find: "Callable[[], QuerySet[Any, Any]]", _vendor: str) -> tuple[str, tuple[Any, ...]]:
    # A proof is always the same statement, and putting it together takes longer than running it on small books.
    statement, values = find().query.sql_with_params()
    return statement, tuple(values)
