"""What belongs on a utility's invoice: postings that no invoice asked for yet, put together by what they are about.

Rewards knows no events: postings are told apart by their keys. Those of events whose result is still under review are
left out and come later; what changed of an event invoiced before is a line of its own.
"""

import re
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from uuid import UUID

from django.db.models import Exists, OuterRef, Q

from grid.models import GridEvent, GroupSettlement, Invoice, InvoiceLine, InvoicePosting, Settlement, Utility
from rewards import ledger
from rewards.models import Earning, LedgerAccount, Transfer

POSTED = (Transfer.Kind.SINGLE, Transfer.Kind.POST, Transfer.Kind.REVERSAL)
PAYMENT = "invoice:"
SOURCE = re.compile(r"(settlement|earning|group|penalty):([0-9a-f-]{36})")
UNDER_REVIEW = GroupSettlement.UNDER_REVIEW


@dataclass(frozen=True)
class Posting:
    """One posting of the utility's account; `amount_minor` above 0 is owed by the utility."""

    transfer_id: int
    kind: str
    about: UUID | None
    amount_minor: int
    created_at: datetime


@dataclass(frozen=True)
class Subject:
    """What one line is about."""

    kind: str
    about_date: date
    event_id: int | None = None
    group_id: int | None = None
    form: str = ""
    program: str = ""


def unasked(utility: Utility, *, before: datetime, but: Invoice | None) -> list[Posting]:
    """Return what the utility's account was posted and no other invoice asks for, payments aside."""
    account = ledger.account(LedgerAccount.Kind.UTILITY_RECEIVABLE, utility.slug, utility.currency)
    ours = LedgerAccount.objects.filter(Q(pk=account.pk) | Q(part_of=account.pk)).values("pk")
    asked = InvoicePosting.objects.filter(transfer=OuterRef("pk"), is_released=False)
    if but is not None:
        asked = asked.exclude(line__invoice=but)
    rows = Transfer.objects.filter(
        Q(debit__in=ours) | Q(credit__in=ours), ~Exists(asked), kind__in=POSTED, created_at__lt=before
    ).exclude(key__startswith=PAYMENT)
    sides = set(LedgerAccount.objects.filter(pk__in=ours).values_list("pk", flat=True))
    names = ("pk", "key", "of__key", "debit_id", "amount_minor", "created_at")
    return [
        Posting(pk, *_source(of_key or key), amount if debit in sides else -amount, created_at)
        for pk, key, of_key, debit, amount, created_at in rows.order_by("pk").values_list(*names)
    ]


def _source(key: str) -> tuple[str, UUID | None]:
    found = SOURCE.search(key)
    return (found[1], UUID(found[2])) if found else ("", None)


def subjects_of(utility: Utility, postings: Sequence[Posting]) -> dict[Subject, list[Posting]]:
    """Put postings together by what they are about; those of results under review are left out."""
    events = _events_of(postings)
    earnings = _earnings_of(postings)
    waiting, standing = _reviews_of({event_id for event_id, _ in events.values()})
    invoiced = _invoiced_before(utility, {event_id for event_id, _ in events.values()})
    found: defaultdict[Subject, list[Posting]] = defaultdict(list)
    for posting in postings:
        if posting.about in events:
            event_id, starts_at = events[posting.about]
            if event_id in waiting:
                continue
            kind = InvoiceLine.Kind.CORRECTION if event_id in invoiced else InvoiceLine.Kind.EVENT
            day = starts_at.astimezone(utility.zone).date()
            subject = Subject(kind, day, event_id=event_id, group_id=standing.get(event_id))
        elif posting.about in earnings:
            program, form, day = earnings[posting.about]
            subject = Subject(InvoiceLine.Kind.EARNING, day.replace(day=1), form=form, program=program)
        else:
            day = posting.created_at.astimezone(utility.zone).date().replace(day=1)
            subject = Subject(InvoiceLine.Kind.EARNING, day, form="other")
        found[subject].append(posting)
    return dict(found)


def _events_of(postings: Iterable[Posting]) -> dict[UUID | None, tuple[int, datetime]]:
    """Return each settlement's and group's event and when it began."""
    cars = [one.about for one in postings if one.kind == "settlement"]
    groups = [one.about for one in postings if one.kind in {"group", "penalty"}]
    found: dict[UUID | None, tuple[int, datetime]] = {}
    for part in _batches(cars):
        rows = Settlement.objects.filter(public_id__in=part).values_list(
            "public_id", "participation__event", "participation__event__starts_at"
        )
        found |= {public_id: (event, starts_at) for public_id, event, starts_at in rows.order_by()}
    for part in _batches(groups):
        results = GroupSettlement.objects.filter(public_id__in=part)
        several = results.order_by().values_list("public_id", "event", "event__starts_at")
        found |= {public_id: (event, starts_at) for public_id, event, starts_at in several}
    return found


def _earnings_of(postings: Iterable[Posting]) -> dict[UUID | None, tuple[str, str, date]]:
    found: dict[UUID | None, tuple[str, str, date]] = {}
    for part in _batches([one.about for one in postings if one.kind == "earning"]):
        rows = Earning.objects.filter(public_id__in=part).values_list(
            "public_id", "terms__program", "form", "period_date"
        )
        found |= {public_id: (program, form, day) for public_id, program, form, day in rows.order_by()}
    return found


def _batches(ids: Sequence[UUID | None], size: int = 900) -> Iterable[Sequence[UUID]]:
    unique = [one for one in dict.fromkeys(ids) if one is not None]
    return (unique[begin : begin + size] for begin in range(0, len(unique), size))


def _reviews_of(event_ids: Iterable[int]) -> tuple[set[int], dict[int, int]]:
    """Return the events whose newest result is under review, and the standing results of the others."""
    waiting, standing = set[int](), dict[int, int]()
    rows = GroupSettlement.objects.filter(event__in=list(event_ids)).order_by("revision")
    for event_id, group_id, review in rows.values_list("event", "pk", "review"):
        standing[event_id] = group_id
        (waiting.add if review in UNDER_REVIEW else waiting.discard)(event_id)
    return waiting, {event_id: group_id for event_id, group_id in standing.items() if event_id not in waiting}


def _invoiced_before(utility: Utility, event_ids: Iterable[int]) -> set[int]:
    asked = InvoiceLine.objects.filter(
        invoice__utility=utility, invoice__state__in=[Invoice.State.SENT, Invoice.State.PAID], event__in=list(event_ids)
    )
    return set(asked.order_by().values_list("event", flat=True))


def carried_over(utility: Utility) -> list[GridEvent]:
    """Return the utility's events whose result is under review, and so on no invoice yet."""
    rows = GridEvent.objects.filter(
        terms__program__utility=utility, group_settlements__review__in=UNDER_REVIEW
    ).distinct()
    return list(rows.select_related("terms__program").order_by("starts_at")[:100])
