"""Invoices for utilities: made of the ledger's own postings, so that what is asked for is what the books say is owed.

Whatever a utility's account was posted and no invoice asked for yet belongs on the next one (`invoice_lines.py`). It is
drafted, sent with a number, and paid or withdrawn; two people see to a payment.
"""

import logging
from collections.abc import Mapping, Sequence
from datetime import date, datetime, time, timedelta

from django.db import transaction
from django.db.models import Max

from accounts.flows.notices import notify_all
from accounts.models import User
from foundation.refusals import Refusal
from grid.flows.desk.membership import people_of
from grid.flows.settlement.invoice_lines import PAYMENT, Posting, Subject, subjects_of, unasked
from grid.models import Invoice, InvoiceLine, InvoicePosting, Utility
from rewards import ledger
from rewards.models import LedgerAccount, Transfer

logger = logging.getLogger(__name__)

DUE_AFTER = timedelta(days=30)
MADE_AFTER = timedelta(days=1)  # by then the month's last sweeps have posted


class UnableToInvoice(Refusal):
    """The invoice stays as it was."""


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
    subjects = subjects_of(utility, unasked(utility, before=ends_at, but=draft))
    if not subjects:
        if draft is not None:
            draft.delete()
        return None
    if draft is None:
        draft = Invoice.objects.create(utility=utility, month_date=month_date, currency=utility.currency, made_at=now)
    draft.lines.all().delete()
    _write_lines(draft, subjects)
    return draft


def _write_lines(invoice: Invoice, subjects: Mapping[Subject, Sequence[Posting]]) -> None:
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


def _last_month(utility: Utility, at: datetime) -> date:
    return (at.astimezone(utility.zone).date().replace(day=1) - timedelta(days=1)).replace(day=1)


def _month_ends_at(utility: Utility, month_date: date) -> datetime:
    after = (month_date.replace(day=28) + timedelta(days=4)).replace(day=1)
    return datetime.combine(after, time(), utility.zone)
