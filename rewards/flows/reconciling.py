"""The daily comparison of the processor's books with ours. What differs is recorded and pauses payouts; never fixed."""

import logging
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime, timedelta
from uuid import UUID

from django.db import transaction
from django.db.models import Q

from foundation import clock
from rewards import gateway, ledger
from rewards.comparing import Difference, OurPayout, OurRow, Ours, Theirs, compare
from rewards.flows.pauses import pause_payouts
from rewards.models import LedgerAccount, Payout, Reconciliation, ReconciliationFinding, Transfer
from rewards.processors.base import BookEntry, Movement, NotFound, PayoutProcessor, ProcessorError, SentTransfer, TopUp

logger = logging.getLogger(__name__)

EVERY = timedelta(days=1)
OVERLAP = timedelta(days=3)  # what was under way yesterday is compared again
AGAIN = timedelta(minutes=10)
LEASE = timedelta(minutes=10)  # wall time
BEGINNING = datetime(2020, 1, 1, tzinfo=UTC)  # before the platform existed
MOST_AT_ONCE = 500
TOP_UP_KEY = "topup:"
FEE_KEY = "fee:"


def reconcile_due(*, now: datetime, limit: int) -> int:
    """Make the comparison that is due, if any, and schedule the next; returns how many were finished.

    The first one is due at once. A processor that does not answer is asked again in ten minutes.
    """
    if not gateway.is_configured() or limit < 1:
        return 0
    _schedule(due_at=now)
    at, finished = clock.wall(), 0
    for due in list(Reconciliation.objects.to_run(now=now, at=at)[:limit]):
        mine = Reconciliation.objects.to_run(now=now, at=at).filter(pk=due.pk)
        if mine.update(lease_until=at + LEASE):
            finished += _try(due, now=now)
    return finished


def reconcile_now(*, now: datetime) -> Reconciliation:
    """Make the next comparison at once, whenever it is due, and return it, finished.

    Raises ProcessorError where the processor does not answer.
    """
    due = _schedule(due_at=now)
    _reconcile(due, now=now)
    due.refresh_from_db()
    return due


def _schedule(*, due_at: datetime) -> Reconciliation:
    return Reconciliation.objects.get_or_create(
        finished_at__isnull=True, processor="stripe", defaults={"due_at": due_at}
    )[0]


def _try(due: Reconciliation, *, now: datetime) -> bool:
    try:
        _reconcile(due, now=now)
    except ProcessorError as error:
        logger.warning("reconciliation: put off: %s", error)
        Reconciliation.objects.filter(pk=due.pk).update(
            due_at=now + AGAIN, lease_until=None, failure=f"{type(error).__name__}: {error}"[:160]
        )
        return False
    return True


def _reconcile(due: Reconciliation, *, now: datetime) -> None:
    since_at = _since()
    theirs = _read_theirs(gateway.open_processor(), since_at=since_at)
    booked = _book_top_ups(theirs.top_ups, now=now)
    _book_fees(theirs.entries, now=now)
    ours = _read_ours(theirs)
    differences = compare(theirs, ours)
    compared = len(theirs.transfers) + len(theirs.older) + len(theirs.top_ups) + len(theirs.entries)
    with transaction.atomic():
        fresh = _record(due, differences)
        finished = Reconciliation.objects.filter(pk=due.pk, finished_at__isnull=True).update(
            since_at=since_at,
            finished_at=now,
            lease_until=None,
            rows_compared=compared + len(ours.payouts) + len(ours.rows),
            top_ups_booked=booked,
            new_findings=fresh,
            failure="",
        )
        if not finished:
            transaction.set_rollback(True)  # another worker finished it after this one's lease had lapsed
            return
        if fresh:
            pause_payouts(reason=f"{fresh} rows differ from the processor's books", now=now, reconciliation=due)
            logger.error("reconciliation %s: %d rows differ; payouts are paused", due.public_id, fresh)
        _schedule(due_at=now + EVERY)


def _since() -> datetime:
    """Return from when on to compare: what the last comparison without differences saw is known to agree."""
    clean = Reconciliation.objects.filter(finished_at__isnull=False, new_findings=0).order_by("-finished_at").first()
    return BEGINNING if clean is None or clean.finished_at is None else clean.finished_at - OVERLAP


def _read_theirs(processor: PayoutProcessor, *, since_at: datetime) -> Theirs:
    # Transfers first, our rows last: what is sent in between is then known to us, and asked for by its id below.
    transfers = list(processor.list_transfers(since=since_at))
    top_ups = list(processor.list_top_ups(since=BEGINNING))
    entries = list(processor.list_book_entries(since=since_at))
    listed = {sent.external_id for sent in transfers}
    wanted = {entry.source for entry in entries if entry.movement == Movement.TRANSFER}
    wanted |= {entry.reversed_id for entry in entries if entry.movement == Movement.REVERSAL and entry.reversed_id}
    wanted |= set(
        Payout.objects.filter(~Q(external_id=""), sent_at__gte=since_at).values_list("external_id", flat=True)
    )
    older = _ask_for(processor, sorted(wanted - listed))
    return Theirs(since_at, transfers, older, top_ups, entries)


def _ask_for(processor: PayoutProcessor, transfer_ids: Iterable[str]) -> list[SentTransfer]:
    found = []
    for transfer_id in transfer_ids:
        try:
            found.append(processor.read_transfer(external_id=transfer_id))
        except NotFound:
            continue  # the comparison will say so
    return found


def _book_top_ups(top_ups: Sequence[TopUp], *, now: datetime) -> int:
    """Book top-ups that the ledger has not seen: they begin at the processor, so this is where we learn of them."""
    keys = [f"{TOP_UP_KEY}{top_up.external_id}" for top_up in top_ups]
    known = set(Transfer.objects.filter(key__in=keys).values_list("key", flat=True))
    fresh = [top_up for top_up in top_ups if top_up.has_arrived and f"{TOP_UP_KEY}{top_up.external_id}" not in known]
    for top_up in fresh:
        ledger.post(
            key=f"{TOP_UP_KEY}{top_up.external_id}",
            debit=ledger.account(LedgerAccount.Kind.PAID_OUT, "stripe", top_up.currency),
            credit=ledger.account(LedgerAccount.Kind.FUNDING, "stripe", top_up.currency),
            amount_minor=top_up.amount_minor,
            label="Top-up of the processor's balance",
            now=now,
        )
    return len(fresh)


def _book_fees(entries: Sequence[BookEntry], *, now: datetime) -> int:
    """Book what the processor kept, or gave back, as the platform's cost; each movement once. No owner pays for it."""
    fees = {f"{FEE_KEY}{entry.external_id}": entry for entry in entries if entry.fee_minor}
    keys = list(fees)
    known: set[str] = set()
    for start in range(0, len(keys), MOST_AT_ONCE):
        rows = Transfer.objects.filter(key__in=keys[start : start + MOST_AT_ONCE])
        known.update(rows.values_list("key", flat=True))
    for key, entry in fees.items():
        if key in known:
            continue
        at_processor = ledger.account(LedgerAccount.Kind.PAID_OUT, "stripe", entry.currency)
        cost = ledger.account(LedgerAccount.Kind.PROCESSOR_FEES, "stripe", entry.currency)
        is_kept = entry.fee_minor > 0
        ledger.post(
            key=key,
            debit=cost if is_kept else at_processor,
            credit=at_processor if is_kept else cost,
            amount_minor=abs(entry.fee_minor),
            label="Fee of the payment processor" if is_kept else "Fee of the payment processor, given back",
            now=now,
        )
    return len(fees) - len(known)


def _read_ours(theirs: Theirs) -> Ours:
    groups = [sent.group for sent in (*theirs.transfers, *theirs.older) if _is_uuid(sent.group)]
    ids = [sent.external_id for sent in (*theirs.transfers, *theirs.older)]
    found: dict[int, OurPayout] = {}
    for name, values in (("public_id__in", groups), ("external_id__in", ids)):
        for start in range(0, len(values), MOST_AT_ONCE):
            _add(found, Q(**{name: values[start : start + MOST_AT_ONCE]}))
    _add(found, Q(sent_at__gte=theirs.since_at, state__in=Payout.FOLLOWED_STATES))
    return Ours(list(found.values()), list(_other_rows(theirs.since_at)))


def _add(found: dict[int, OurPayout], wanted: Q) -> None:
    for payout in Payout.objects.filter(wanted).select_related("reservation__ended_by__ended_by"):
        found[payout.pk] = _our_payout(payout)


def _our_payout(payout: Payout) -> OurPayout:
    posted: Transfer | None = getattr(payout.reservation, "ended_by", None)
    if posted is not None and posted.kind != Transfer.Kind.POST:
        posted = None
    taken_back: Transfer | None = getattr(posted, "ended_by", None)
    return OurPayout(
        pk=payout.pk,
        public_id=str(payout.public_id),
        state=payout.state,
        amount_minor=payout.amount_minor,
        currency=payout.currency,
        destination=payout.destination,
        external_id=payout.external_id,
        posted_minor=posted.amount_minor if posted else None,
        posted_currency=posted.currency if posted else "",
        taken_back_minor=taken_back.amount_minor if taken_back else 0,
    )


def _other_rows(since_at: datetime) -> Iterable[OurRow]:
    """Return ledger rows at the processor without a payout: top-ups of all times, anything else since `since_at`."""
    at_processor = Q(debit__kind="paid_out") | Q(credit__kind="paid_out")
    rows = Transfer.objects.filter(at_processor)
    for row in rows.filter(kind="single", credit__kind="funding", key__startswith=TOP_UP_KEY):
        yield OurRow(row.key, row.amount_minor, row.currency, row.key.removeprefix(TOP_UP_KEY))
    without = (
        Q(kind="single")
        | Q(kind="pending", payout__isnull=True)
        | Q(kind="post", of__payout__isnull=True)
        | Q(kind="reversal", of__of__payout__isnull=True)
    )
    fee = Q(key__startswith=FEE_KEY) & (Q(debit__kind="processor_fees") | Q(credit__kind="processor_fees"))
    strange = rows.filter(without, created_at__gte=since_at).exclude(credit__kind="funding").exclude(fee)
    for row in strange.order_by("pk")[:MOST_AT_ONCE]:
        yield OurRow(row.key, row.amount_minor, row.currency)


def _record(due: Reconciliation, differences: Sequence[Difference]) -> int:
    """Write the findings, each once; returns how many of them no admin has accepted before."""
    accepted = set(
        ReconciliationFinding.objects.filter(
            accepted_at__isnull=False, subject__in=[one.subject[:120] for one in differences]
        ).values_list("kind", "subject", "ours_minor", "theirs_minor")
    )
    fresh = [
        one
        for one in differences
        if (str(one.kind), one.subject[:120], one.ours_minor, one.theirs_minor) not in accepted
    ]
    ReconciliationFinding.objects.bulk_create(
        [
            ReconciliationFinding(
                reconciliation=due,
                kind=one.kind,
                subject=one.subject[:120],
                payout_id=one.payout_pk,
                currency=one.currency,
                ours_minor=one.ours_minor,
                theirs_minor=one.theirs_minor,
                detail=one.detail[:200],
            )
            for one in fresh
        ],
        batch_size=MOST_AT_ONCE,
    )
    return len(fresh)


def _is_uuid(text: str) -> bool:
    try:
        return str(UUID(text)) == text
    except ValueError:
        return False
