"""From settlements to the ledger: each posted once, many in one transaction, a failing one alone.

A share of a group's result is reserved as long as the utility may object, posted when the result stands, and given up
where a later revision takes its place.
"""

import logging
from collections.abc import Collection, Iterable, Sequence
from dataclasses import replace
from datetime import datetime
from typing import NamedTuple
from uuid import UUID

from django.db import transaction
from django.db.models import Exists, OuterRef, Q, QuerySet

from accounts.models import Notice
from grid.flows.settlement.penalties import post_due_penalties
from grid.models import GroupSettlement, Settlement
from grid.rows.batches import batched
from grid.rows.columns import row_by_row
from rewards import ledger
from rewards.flows.corrections import Stated, corrections_account, entries_for
from rewards.models import LedgerAccount, Transfer

logger = logging.getLogger(__name__)

AT_ONCE = 1_000
COLUMNS = [
    "pk",
    "public_id",
    "participation",
    "revision",
    "amount_minor",
    "credited_wh",
    "currency",
    "participation__event__starts_at",
    "participation__event__terms__program__utility__slug",
    "participation__enrollment__vehicle__owner",
    "participation__enrollment__vehicle__owner__public_id",
    "reserved_at",
    "group__review",
]
Review = GroupSettlement.Review
WAITING = (Review.OPEN, Review.DISPUTED)
OPEN = Settlement.objects.filter(posted_at__isnull=True, voided_at__isnull=True)


class _Due(NamedTuple):
    """A settlement that is not in the ledger yet: what is needed of it, of its event and of its owner."""

    pk: int
    public_id: UUID
    participation_id: int
    revision: int
    amount_minor: int
    credited_wh: int
    currency: str
    starts_at: datetime
    utility: str
    owner_id: int
    owner: UUID
    reserved_at: datetime | None
    review: str | None  # of the group that it is a share of

    @property
    def key(self) -> str:
        """The ledger's key, and the notice's."""
        return f"settlement:{self.public_id}"

    @property
    def reserved_key(self) -> str:
        """The key of its reservation."""
        return f"reserved:{self.key}"


def post_due_settlements(*, now: datetime, limit: int) -> int:
    """Post, reserve or give up up to `limit` settlements in the ledger, each once; return how many were marked so.

    A settlement that earned nothing is marked without a transfer. Of a correction only what it adds is posted, after
    what it corrects; one that takes away takes nothing from the owner: the utility owes less, and the platform bears
    it. A batch in which one fails is posted singly.
    """
    post_due_penalties(now=now, limit=limit)
    posted, failed = 0, set[int]()
    while limit > 0 and (keys := _due_keys(limit, without=failed)):
        limit -= len(keys)
        for chunk in batched(keys, AT_ONCE):
            batch = _read(chunk)
            try:
                posted += _post(batch, now)
            except Exception:
                logger.exception("%d settlements were not posted together; posting them singly", len(batch))
                posted += _post_singly(batch, now, failed)
    return posted


def _due_keys(limit: int, *, without: Collection[int]) -> list[int]:
    """Return the keys of settlements that the ledger lacks: of decided groups what is pending, then what is new to it.

    Each comes from an index of few rows: those that are done, and those that wait for a decision, are not looked at.
    """
    earlier = OPEN.filter(participation=OuterRef("participation"), revision__lt=OuterRef("revision"))
    first = OPEN.filter(~Exists(earlier)).exclude(pk__in=without).order_by("created_at", "pk")
    pending = OPEN.filter(reserved_at__isnull=False)
    decided = GroupSettlement.objects.exclude(review__in=WAITING).filter(Exists(pending.filter(group=OuterRef("pk"))))
    keys: list[int] = []
    with row_by_row():
        for group in decided.order_by("pk").values_list("pk", flat=True):
            keys += first.filter(reserved_at__isnull=False, group=group).values_list("pk", flat=True)[
                : limit - len(keys)
            ]
            if len(keys) == limit:
                return keys
        is_shared = Q(group=None) | Q(group__shared_at__isnull=False)
        new = first.filter(is_shared, reserved_at__isnull=True)
        return keys + list(new.values_list("pk", flat=True)[: limit - len(keys)])


def _read(keys: Collection[int]) -> list[_Due]:
    # Flat, because evidence is long and cars' rows are encrypted: neither is needed.
    with row_by_row():
        rows = OPEN.filter(pk__any_of=keys).order_by("created_at", "pk").values_list(*COLUMNS)
        return [_Due(*row) for row in rows]


def _post_singly(batch: Sequence[_Due], now: datetime, failed: set[int]) -> int:
    posted = 0
    for due in batch:
        try:
            posted += _post([due], now)
        except Exception:
            logger.exception("settlement %s was not posted", due.public_id)
            failed.add(due.pk)
    return posted


@transaction.atomic
def _post(batch: Sequence[_Due], now: datetime) -> int:
    replaced = [due for due in batch if due.review == Review.REPLACED]
    waiting = [due for due in batch if due.review in WAITING]
    standing = [due for due in batch if due.review is None or due.review in GroupSettlement.STANDING]
    _give_up(replaced, now)
    _reserve(waiting, now)
    _post_standing(standing, now)
    marked = _open(replaced).update(voided_at=now) + _open(waiting).update(reserved_at=now)
    return marked + _open(standing).update(posted_at=now)


def _open(batch: Sequence[_Due]) -> QuerySet[Settlement]:
    return OPEN.filter(pk__any_of=[due.pk for due in batch])


def _give_up(batch: Sequence[_Due], now: datetime) -> None:
    """Lift the reservations of settlements that a later revision replaced before they were posted."""
    reserved = _reservations(batch)
    ledger.void_many({f"voided:{due.key}": reserved[due.key] for due in batch if due.key in reserved}, now=now)


def _reserve(batch: Sequence[_Due], now: datetime) -> None:
    """Set aside what the owners are due if the result stands."""
    entries = [entry for entry in _entries(batch) if not entry.key.startswith("borne:")]
    ledger.reserve_many([replace(entry, key=f"reserved:{entry.key}") for entry in entries], now=now)


def _post_standing(batch: Sequence[_Due], now: datetime) -> None:
    entries, reserved = _entries(batch), _reservations(batch)
    ledger.post_pending_many(
        {entry.key: _as_stated(reserved[entry.key], entry) for entry in entries if entry.key in reserved}, now=now
    )
    ledger.post_many([entry for entry in entries if entry.key not in reserved], now=now)
    amounts = {entry.key: entry.amount_minor for entry in entries}
    earned = [(due, amounts[due.key]) for due in batch if due.key in amounts]
    Notice.objects.bulk_create((_notice(due, amount_minor, now) for due, amount_minor in earned), ignore_conflicts=True)


def _as_stated(reservation: Transfer, entry: ledger.Entry) -> Transfer:
    if reservation.amount_minor != entry.amount_minor:
        raise ledger.LedgerConflict(f"{entry.key}: {entry.amount_minor} is due, {reservation.amount_minor} reserved")
    return reservation


def _reservations(batch: Sequence[_Due]) -> dict[str, Transfer]:
    """Return what was set aside for the settlements, by their own key."""
    keys = {due.reserved_key: due.key for due in batch if due.reserved_at is not None}
    rows = Transfer.objects.filter(key__in=list(keys)) if keys else Transfer.objects.none()
    return {keys[row.key]: row for row in rows}


def _entries(batch: Sequence[_Due]) -> list[ledger.Entry]:
    before = _stated_before(batch)
    stated = [due for due in batch if due.amount_minor or due.participation_id in before]
    accounts = _accounts(stated)
    corrected = {due.currency for due in batch if due.revision > 1}
    platform = {currency: corrections_account(currency) for currency in corrected}
    return [
        entry
        for due in stated
        for entry in entries_for(
            _entry(due, accounts),
            before=before.get(due.participation_id, Stated()),
            platform=platform.get(due.currency),
        )
    ]


def _stated_before(batch: Sequence[_Due]) -> dict[int, Stated]:
    """Return by participation what its earlier revisions brought owner and utility."""
    corrected = [due.participation_id for due in batch if due.revision > 1]
    if not corrected:
        return {}
    posted = Settlement.objects.filter(participation__in=corrected, posted_at__isnull=False).order_by("revision")
    before: dict[int, Stated] = {}
    for participation, amount_minor in posted.values_list("participation", "amount_minor"):
        highest = max(before.get(participation, Stated()).owner_minor, amount_minor)
        before[participation] = Stated(owner_minor=highest, utility_minor=amount_minor)
    return before


def _accounts(stated: Iterable[_Due]) -> dict[tuple[str, str], LedgerAccount]:
    """Return the accounts of owners and utilities, by public id or slug and currency, opening those that are new."""
    owner_ids, utilities = dict[tuple[str, str], int](), set[tuple[str, str]]()
    for due in stated:
        owner_ids[str(due.owner), due.currency] = due.owner_id
        utilities.add((due.utility, due.currency))
    kind = LedgerAccount.Kind.UTILITY_RECEIVABLE
    receivables = {(slug, currency): ledger.account(kind, slug, currency) for slug, currency in utilities}
    return ledger.owner_accounts(owner_ids) | receivables


def _entry(due: _Due, accounts: dict[tuple[str, str], LedgerAccount]) -> ledger.Entry:
    return ledger.Entry(
        key=due.key,
        debit=accounts[due.utility, due.currency],
        credit=accounts[str(due.owner), due.currency],
        amount_minor=due.amount_minor,
        label=f"Event {due.starts_at:%Y-%m-%d}",
    )


def _notice(due: _Due, amount_minor: int, now: datetime) -> Notice:
    return Notice(
        user_id=due.owner_id,
        kind="settlement_posted",
        key=due.key,
        params={
            "amount_minor": amount_minor,
            "currency": due.currency,
            "energy_wh": due.credited_wh,
            "starts_at": due.starts_at.isoformat(),
            "settlement": str(due.public_id),
        },
        created_at=now,
    )
