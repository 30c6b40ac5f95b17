"""From settlements to the ledger: each posted once, many in one transaction, a failing one alone."""

import logging
from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import NamedTuple
from uuid import UUID

from django.db import transaction
from django.db.models import Exists, OuterRef, QuerySet

from accounts.models import Notice
from grid.models import Settlement
from rewards import ledger
from rewards.flows.corrections import Stated, corrections_account, entries_for
from rewards.models import LedgerAccount

logger = logging.getLogger(__name__)

AT_ONCE = 500
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
]


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

    @property
    def key(self) -> str:
        """The ledger's key, and the notice's."""
        return f"settlement:{self.public_id}"


def post_due_settlements(*, now: datetime, limit: int) -> int:
    """Post up to `limit` settlements to the ledger, each once, and return how many were marked as posted.

    A settlement that earned nothing is marked without a transfer. Of a correction only what it adds is posted, after
    what it corrects; one that takes away takes nothing from the owner: the utility owes less, and the platform bears
    it. A batch in which one fails is posted singly.
    """
    posted, failed = 0, set[int]()
    while limit > 0 and (batch := _read(_due().exclude(pk__in=failed)[: min(limit, AT_ONCE)])):
        limit -= len(batch)
        try:
            posted += _post(batch, now)
        except Exception:
            logger.exception("%d settlements were not posted together; posting them singly", len(batch))
            posted += _post_singly(batch, now, failed)
    return posted


def _due() -> QuerySet[Settlement]:
    earlier = Settlement.objects.filter(
        participation=OuterRef("participation"), revision__lt=OuterRef("revision"), posted_at__isnull=True
    )
    return Settlement.objects.filter(~Exists(earlier), posted_at__isnull=True).order_by("created_at", "pk")


def _read(rows: QuerySet[Settlement]) -> list[_Due]:
    # Flat, because evidence is long and cars' rows are encrypted: neither is needed.
    return [_Due(*row) for row in rows.values_list(*COLUMNS)]


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
    before = _stated_before(batch)
    stated = [due for due in batch if due.amount_minor or due.participation_id in before]
    accounts = _accounts(stated)
    corrected = {due.currency for due in batch if due.revision > 1}
    platform = {currency: corrections_account(currency) for currency in corrected}
    entries = [
        entry
        for due in stated
        for entry in entries_for(
            _entry(due, accounts),
            before=before.get(due.participation_id, Stated()),
            platform=platform.get(due.currency),
        )
    ]
    ledger.post_many(entries, now=now)
    amounts = {entry.key: entry.amount_minor for entry in entries}
    earned = [(due, amounts[due.key]) for due in stated if due.key in amounts]
    Notice.objects.bulk_create((_notice(due, amount_minor, now) for due, amount_minor in earned), ignore_conflicts=True)
    return Settlement.objects.filter(pk__in=[due.pk for due in batch], posted_at__isnull=True).update(posted_at=now)


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
