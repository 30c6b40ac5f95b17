"""The processor's books against ours, row by row. Pure: rows in, differences out; nothing is asked, nothing fixed."""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from rewards.models import Payout, ReconciliationFinding
from rewards.processors.base import BookEntry, Movement, SentTransfer, TopUp

Kind = ReconciliationFinding.Kind
_SENT = frozenset(Payout.FOLLOWED_STATES)
_UNDER_WAY = frozenset([Payout.State.SENDING, Payout.State.UNKNOWN])  # being found out: compared once they are known


@dataclass(frozen=True)
class OurPayout:
    """One payout as our books have it; `posted_minor` is the ledger's, None where it posted nothing."""

    pk: int
    public_id: str
    state: str
    amount_minor: int
    currency: str
    destination: str
    external_id: str
    posted_minor: int | None
    posted_currency: str
    taken_back_minor: int


@dataclass(frozen=True)
class OurRow:
    """One ledger row at the processor that belongs to no payout; of a top-up, `top_up_id` is the processor's id."""

    key: str
    amount_minor: int
    currency: str
    top_up_id: str = ""


@dataclass(frozen=True)
class Theirs:
    """The processor's books since `since_at`. `older` are transfers from before, asked for one by one."""

    since_at: datetime
    transfers: Sequence[SentTransfer]
    older: Sequence[SentTransfer]
    top_ups: Sequence[TopUp]
    entries: Sequence[BookEntry]


@dataclass(frozen=True)
class Ours:
    """Our books over the same time."""

    payouts: Sequence[OurPayout]
    rows: Sequence[OurRow]


@dataclass(frozen=True)
class Difference:
    """One row that differs, with both sides' amounts where there are any."""

    kind: Kind
    subject: str
    currency: str = ""
    ours_minor: int | None = None
    theirs_minor: int | None = None
    payout_pk: int | None = None
    detail: str = field(default="", compare=False)


def compare(theirs: Theirs, ours: Ours) -> list[Difference]:
    """Return every difference, each row once a kind: transfers, reversals, balance movements, ledger rows, top-ups."""
    found = [
        *_transfers(theirs, ours),
        *_sent_payouts(theirs, ours),
        *_reversals(theirs, ours),
        *_entries(theirs),
        *_top_ups(theirs.top_ups, ours.rows),
        *(
            Difference(Kind.LEDGER_UNKNOWN, row.key, row.currency, ours_minor=row.amount_minor)
            for row in ours.rows
            if not row.top_up_id
        ),
    ]
    return list({(one.kind, one.subject): one for one in reversed(found)}.values())[::-1]


def _transfers(theirs: Theirs, ours: Ours) -> Iterator[Difference]:
    by_id = {payout.public_id: payout for payout in ours.payouts}
    by_external_id = {payout.external_id: payout for payout in ours.payouts if payout.external_id}
    for sent in (*theirs.transfers, *theirs.older):
        payout = by_external_id.get(sent.external_id)
        asked = by_id.get(sent.group)
        if payout is not None:
            yield from _one_transfer(sent, payout)
        elif asked is None:
            yield Difference(
                Kind.TRANSFER_UNKNOWN,
                sent.external_id,
                sent.currency,
                theirs_minor=sent.amount_minor,
                detail=sent.group,
            )
        elif asked.external_id or asked.state in _SENT:
            yield _about(Kind.TRANSFER_TWICE, sent, asked, f"the other is {asked.external_id}")
        elif asked.state not in _UNDER_WAY:
            yield _about(Kind.STATE_DIFFERS, sent, asked, f"it counts as {asked.state}")


def _one_transfer(sent: SentTransfer, payout: OurPayout) -> Iterator[Difference]:
    wanted = (payout.amount_minor, payout.currency, payout.destination, payout.public_id)
    if (sent.amount_minor, sent.currency, sent.destination, sent.group) != wanted:
        yield _about(Kind.TRANSFER_DIFFERS, sent, payout, f"to {sent.destination} for {sent.group}")
    if payout.state not in _SENT:
        yield _about(Kind.STATE_DIFFERS, sent, payout, f"it counts as {payout.state}")


def _about(kind: Kind, sent: SentTransfer, payout: OurPayout, detail: str) -> Difference:
    return Difference(
        kind, sent.external_id, sent.currency, payout.amount_minor, sent.amount_minor, payout.pk, detail[:200]
    )


def _sent_payouts(theirs: Theirs, ours: Ours) -> Iterator[Difference]:
    known = {sent.external_id for sent in (*theirs.transfers, *theirs.older)}
    for payout in ours.payouts:
        if payout.state not in _SENT:
            continue
        if payout.external_id not in known:
            yield Difference(
                Kind.TRANSFER_MISSING,
                f"payout:{payout.public_id}",
                payout.currency,
                ours_minor=payout.amount_minor,
                payout_pk=payout.pk,
                detail=payout.external_id,
            )
        if (payout.posted_minor, payout.posted_currency) != (payout.amount_minor, payout.currency):
            yield Difference(
                Kind.LEDGER_DIFFERS,
                f"payout:{payout.public_id}",
                payout.currency,
                ours_minor=payout.posted_minor,
                theirs_minor=payout.amount_minor,
                payout_pk=payout.pk,
                detail="the ledger posted another amount" if payout.posted_minor else "the ledger posted nothing",
            )


def _reversals(theirs: Theirs, ours: Ours) -> Iterator[Difference]:
    payouts = {payout.external_id: payout for payout in ours.payouts if payout.external_id}
    moved: dict[str, int] = defaultdict(int)
    for entry in theirs.entries:
        if entry.movement == Movement.REVERSAL:
            moved[entry.reversed_id] += entry.amount_minor
    fresh = {sent.external_id for sent in theirs.transfers}
    for sent in (*theirs.transfers, *theirs.older):
        payout = payouts.get(sent.external_id)
        booked_minor = payout.taken_back_minor if payout else 0
        moved_minor = moved.pop(sent.external_id, 0)
        # Of an older transfer a part may have been taken back before the time looked at.
        is_moved = moved_minor == sent.reversed_minor or (
            sent.external_id not in fresh and moved_minor <= sent.reversed_minor
        )
        if sent.reversed_minor != booked_minor or not is_moved:
            yield Difference(
                Kind.REVERSAL_DIFFERS,
                sent.external_id,
                sent.currency,
                booked_minor,
                sent.reversed_minor,
                payout.pk if payout else None,
                f"the balance moved by {moved_minor}",
            )
    for transfer_id, minor in moved.items():
        yield Difference(Kind.REVERSAL_DIFFERS, transfer_id or "a reversal of nothing", theirs_minor=minor)


def _entries(theirs: Theirs) -> Iterator[Difference]:
    fresh_top_ups = [one for one in theirs.top_ups if one.has_arrived and one.created_at >= theirs.since_at]
    expected = {sent.external_id: (-sent.amount_minor, sent.currency) for sent in theirs.transfers}
    expected |= {top_up.external_id: (top_up.amount_minor, top_up.currency) for top_up in fresh_top_ups}
    older = {sent.external_id: (-sent.amount_minor, sent.currency) for sent in theirs.older}
    seen: set[str] = set()
    for entry in theirs.entries:
        if entry.movement in {Movement.REVERSAL, Movement.FEE}:
            continue  # reversals are compared by transfer; the processor's fees are the platform's, not the owners'
        wanted = expected.get(entry.source) or older.get(entry.source)
        if entry.movement == Movement.OTHER or wanted is None:
            yield _of_entry(Kind.ENTRY_UNKNOWN, entry, None)
        elif entry.source in seen or wanted != (entry.amount_minor, entry.currency):
            yield _of_entry(Kind.ENTRY_DIFFERS, entry, 0 if entry.source in seen else wanted[0])
        seen.add(entry.source)
    for source, (minor, currency) in expected.items():
        if source not in seen:
            yield Difference(Kind.ENTRY_MISSING, source, currency, ours_minor=minor)


def _of_entry(kind: Kind, entry: BookEntry, wanted_minor: int | None) -> Difference:
    return Difference(
        kind, entry.external_id, entry.currency, wanted_minor, entry.amount_minor, detail=f"of {entry.source}"
    )


def _top_ups(top_ups: Iterable[TopUp], rows: Iterable[OurRow]) -> Iterator[Difference]:
    booked: Mapping[str, OurRow] = {row.top_up_id: row for row in rows if row.top_up_id}
    theirs = {top_up.external_id: top_up for top_up in top_ups}
    for top_up_id, row in booked.items():
        found = theirs.get(top_up_id)
        if found is None:
            yield Difference(Kind.TOP_UP_MISSING, top_up_id, row.currency, ours_minor=row.amount_minor)
        elif (found.amount_minor, found.currency, found.has_arrived) != (row.amount_minor, row.currency, True):
            yield Difference(
                Kind.TOP_UP_DIFFERS, top_up_id, row.currency, row.amount_minor, found.amount_minor * found.has_arrived
            )
