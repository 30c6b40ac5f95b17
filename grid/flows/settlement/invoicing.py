"""Invoices for utilities: made of the ledger's own postings, so that what is asked for is what the books say is owed.

Whatever a utility's account was posted and no invoice asked for yet belongs on the next one. Events whose result is
still under review or disputed are left out and come later; what changed of an event invoiced before is a line of its
own. Rewards knows no events: postings are told apart by their keys.
"""

import logging
import re
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from uuid import UUID

from django.db import transaction
from django.db.models import Exists, Max, OuterRef, Q

from accounts.flows.notices import notify_all
from accounts.models import User
from foundation.refusals import Refusal
from grid.flows.desk.membership import people_of
from grid.models import GridEvent, GroupSettlement, Invoice, InvoiceLine, InvoicePosting, Settlement, Utility
from rewards import ledger
from rewards.models import Earning, LedgerAccount, Transfer

logger = logging.getLogger(__name__)

POSTED = (Transfer.Kind.SINGLE, Transfer.Kind.POST, Transfer.Kind.REVERSAL)
PAYMENT = "invoice:"
DUE_AFTER = timedelta(days=30)
MADE_AFTER = timedelta(days=1)  # by then the month's last sweeps have posted
SOURCE = re.compile(r"(settlement|earning|group|penalty):([0-9a-f-]{36})")
UNDER_REVIEW = (GroupSettlement.Review.OPEN, GroupSettlement.Review.DISPUTED)


class UnableToInvoice(Refusal):
    """The invoice stays as it was."""


@dataclass(frozen=True)
class _Posting:
    """One posting of the utility's account; `amount_minor` above 0 is owed by the utility."""

    transfer_id: int
    kind: str
    about: UUID | None
    amount_minor: int
    created_at: datetime


@dataclass(frozen=True)
class _Subject:
    """What one line is about."""

    kind: str
    about_date: date
    event_id: int | None = None
    group_id: int | None = None
    form: str = ""
    program: str = ""


def draft_due_invoices(*, now: datetime, limit: int) -> int:
    """Draft the last finished month's invoice of each utility that owes something, and return how many were made."""
    made = 0
    for utility in Utility.objects.order_by("pk"):
        month = _last_month(utility, now - MADE_AFTER)
        has_one = utility.invoices.filter(month_date=month).exclude(state=Invoice.State.VOID).exists()
        if has_one or made >= limit:
            continue
        try:
            made += draft_invoice(utility=utility, month_date=month, now=now) is not None
        except Exception:
            logger.exception("no invoice of %s was drafted", utility.slug)
    return made


@transaction.atomic
def draft_invoice(*, utility: Utility, month_date: date, now: datetime) -> Invoice | None:
    """Return the month's draft with everything posted until the month's end, made anew; None where there is nothing.

    Raises UnableToInvoice for a month that has not ended.
    """
    utility = Utility.objects.select_for_update().get(pk=utility.pk)
    month_date = month_date.replace(day=1)
    ends_at = _month_ends_at(utility, month_date)
    if ends_at > now:
        raise UnableToInvoice("This month has not ended yet in the utility's time zone.", code="month_not_over")
    draft = utility.invoices.filter(month_date=month_date, state=Invoice.State.DRAFT).first()
    subjects = _subjects(utility, _unasked(utility, before=ends_at, but=draft))
    if not subjects:
        if draft is not None:
            draft.delete()
        return None
    if draft is None:
        draft = Invoice.objects.create(utility=utility, month_date=month_date, currency=utility.currency, made_at=now)
    draft.lines.all().delete()
    _write_lines(draft, subjects)
    return draft


def _write_lines(invoice: Invoice, subjects: Mapping[_Subject, Sequence[_Posting]]) -> None:
    order = {InvoiceLine.Kind.EVENT: 0, InvoiceLine.Kind.EARNING: 1, InvoiceLine.Kind.CORRECTION: 2}
    chosen = sorted(subjects, key=lambda one: (order[InvoiceLine.Kind(one.kind)], one.about_date, one.program, one.form,
                                               one.event_id or 0))  # fmt: skip
    total = 0
    for position, subject in enumerate(chosen, start=1):
        postings = subjects[subject]
        amount = sum(posting.amount_minor for posting in postings)
        line = InvoiceLine.objects.create(
            invoice=invoice,
            position=position,
            postings_count=len(postings),
            amount_minor=amount,
            **vars(subject),
        )
        InvoicePosting.objects.bulk_create(
            (InvoicePosting(line=line, transfer_id=one.transfer_id, amount_minor=one.amount_minor) for one in postings),
            batch_size=1000,
        )
        total += amount
    invoice.amount_minor = total
    invoice.save(update_fields=["amount_minor"])


@transaction.atomic
def send_invoice(*, invoice: Invoice, sent_by: User, now: datetime) -> Invoice:
    """Give the draft its number and let the utility see it; raises UnableToInvoice where it is none, or is empty."""
    invoice = _locked(invoice, Invoice.State.DRAFT)
    utility = Utility.objects.select_for_update().get(pk=invoice.utility_id)
    fresh = draft_invoice(utility=utility, month_date=invoice.month_date, now=now)
    if fresh is None:
        raise UnableToInvoice("There is nothing to ask for any more; the draft is gone.", code="nothing_to_invoice")
    invoice = fresh
    last = utility.invoices.aggregate(last=Max("number"))["last"] or 0
    invoice.number, invoice.state, invoice.sent_at, invoice.sent_by = last + 1, Invoice.State.SENT, now, sent_by
    invoice.due_date = (now.astimezone(utility.zone) + DUE_AFTER).date()
    invoice.save(update_fields=["number", "state", "sent_at", "sent_by", "due_date"])
    notify_all(
        user_ids=people_of(utility),
        kind="utility_invoice",
        key=f"invoice:{invoice.public_id}",
        params={"number": invoice.name, "amount_minor": invoice.amount_minor, "currency": invoice.currency},
        now=now,
    )
    return invoice


@transaction.atomic
def record_payment(*, invoice: Invoice, reference: str, recorded_by: User, now: datetime) -> Invoice:
    """Note that the bank statement shows the payment; a second person confirms it before the books move."""
    invoice = _locked(invoice, Invoice.State.SENT)
    if not reference.strip():
        raise UnableToInvoice("Give the reference as the bank statement says it.", code="reference_needed")
    invoice.payment_reference, invoice.recorded_by, invoice.recorded_at = reference.strip()[:120], recorded_by, now
    invoice.save(update_fields=["payment_reference", "recorded_by", "recorded_at"])
    return invoice


@transaction.atomic
def confirm_payment(*, invoice: Invoice, confirmed_by: User, now: datetime) -> Invoice:
    """Confirm as a second person that it was paid whole, and post it to the ledger.

    Raises UnableToInvoice where nobody recorded a payment, and for the person who did.
    """
    invoice = _locked(invoice, Invoice.State.SENT)
    if invoice.recorded_by_id is None:
        raise UnableToInvoice("Record the payment first, with its reference.", code="payment_not_recorded")
    if invoice.recorded_by_id == confirmed_by.pk:
        raise UnableToInvoice("Whoever recorded the payment cannot confirm it: ask a colleague.", code="same_person")
    invoice.payment = _post_payment(invoice, now)
    invoice.state, invoice.confirmed_by, invoice.paid_at = Invoice.State.PAID, confirmed_by, now
    invoice.save(update_fields=["payment", "state", "confirmed_by", "paid_at"])
    return invoice


def _post_payment(invoice: Invoice, now: datetime) -> Transfer | None:
    if not invoice.amount_minor:
        return None
    slug, currency = invoice.utility.slug, invoice.currency
    bank = ledger.account(LedgerAccount.Kind.UTILITY_PAID, slug, currency)
    receivable = ledger.account(LedgerAccount.Kind.UTILITY_RECEIVABLE, slug, currency)
    debit, credit = (bank, receivable) if invoice.amount_minor > 0 else (receivable, bank)  # a credit note pays back
    key, label = f"{PAYMENT}{invoice.public_id}:payment", f"Invoice {invoice.name}"
    return ledger.post(
        key=key, debit=debit, credit=credit, amount_minor=abs(invoice.amount_minor), label=label, now=now
    )


@transaction.atomic
def void_invoice(*, invoice: Invoice, reason: str, voided_by: User, now: datetime) -> Invoice:
    """Withdraw an invoice that was sent by mistake; what it asked for may stand on the next one.

    It keeps its number. Raises UnableToInvoice for one that is paid or withdrawn, and without a reason.
    """
    invoice = _locked(invoice, Invoice.State.SENT)
    if not reason.strip():
        raise UnableToInvoice("Say why it is withdrawn: the utility reads it.", code="reason_needed")
    InvoicePosting.objects.filter(line__invoice=invoice).update(is_released=True)
    invoice.state, invoice.voided_by, invoice.voided_at = Invoice.State.VOID, voided_by, now
    invoice.void_reason = reason.strip()[:200]
    invoice.save(update_fields=["state", "voided_by", "voided_at", "void_reason"])
    return invoice


def _locked(invoice: Invoice, state: str) -> Invoice:
    invoice = Invoice.objects.select_for_update(of=("self",)).select_related("utility").get(pk=invoice.pk)
    if invoice.state != state:
        raise UnableToInvoice(f"This invoice is {invoice.get_state_display()}.", code="invoice_state")
    return invoice


def _unasked(utility: Utility, *, before: datetime, but: Invoice | None) -> list[_Posting]:
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
        _Posting(pk, *_source(of_key or key), amount if debit in sides else -amount, created_at)
        for pk, key, of_key, debit, amount, created_at in rows.order_by("pk").values_list(*names)
    ]


def _source(key: str) -> tuple[str, UUID | None]:
    found = SOURCE.search(key)
    return (found[1], UUID(found[2])) if found else ("", None)


def _subjects(utility: Utility, postings: Sequence[_Posting]) -> dict[_Subject, list[_Posting]]:
    """Put postings together by what they are about; those of results under review are left out."""
    events = _events_of(postings)
    earnings = _earnings_of(postings)
    waiting, standing = _reviews_of({event_id for event_id, _ in events.values()})
    invoiced = _invoiced_before(utility, {event_id for event_id, _ in events.values()})
    found: defaultdict[_Subject, list[_Posting]] = defaultdict(list)
    for posting in postings:
        if posting.about in events:
            event_id, starts_at = events[posting.about]
            if event_id in waiting:
                continue
            kind = InvoiceLine.Kind.CORRECTION if event_id in invoiced else InvoiceLine.Kind.EVENT
            day = starts_at.astimezone(utility.zone).date()
            subject = _Subject(kind, day, event_id=event_id, group_id=standing.get(event_id))
        elif posting.about in earnings:
            program, form, day = earnings[posting.about]
            subject = _Subject(InvoiceLine.Kind.EARNING, day.replace(day=1), form=form, program=program)
        else:
            day = posting.created_at.astimezone(utility.zone).date().replace(day=1)
            subject = _Subject(InvoiceLine.Kind.EARNING, day, form="other")
        found[subject].append(posting)
    return dict(found)


def _events_of(postings: Iterable[_Posting]) -> dict[UUID | None, tuple[int, datetime]]:
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


def _earnings_of(postings: Iterable[_Posting]) -> dict[UUID | None, tuple[str, str, date]]:
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


def _last_month(utility: Utility, at: datetime) -> date:
    return (at.astimezone(utility.zone).date().replace(day=1) - timedelta(days=1)).replace(day=1)


def _month_ends_at(utility: Utility, month_date: date) -> datetime:
    after = (month_date.replace(day=28) + timedelta(days=4)).replace(day=1)
    return datetime.combine(after, time(), utility.zone)


def carried_over(utility: Utility) -> list[GridEvent]:
    """Return the utility's events whose result is under review, and so on no invoice yet."""
    rows = GridEvent.objects.filter(
        terms__program__utility=utility, group_settlements__review__in=UNDER_REVIEW
    ).distinct()
    return list(rows.select_related("terms__program").order_by("starts_at")[:100])
