"""Invoices say what the books say: each posting once, numbers without gaps, what is under review left out."""

from datetime import date, datetime, timedelta

import pytest

from accounts.models import Notice, User
from grid.flows.settlement.invoicing import (
    UnableToInvoice,
    confirm_payment,
    draft_due_invoices,
    draft_invoice,
    record_payment,
    send_invoice,
    void_invoice,
)
from grid.flows.settlement.reviewing import approve_group, object_to_group
from grid.flows.settlement.settling import post_due_settlements
from grid.models import Invoice, InvoiceLine, InvoicePosting, Settlement
from rewards import ledger
from rewards.flows.corrections import corrections_account
from rewards.models import LedgerAccount
from tests.desk_world import DeskWorld, build_desk

NOVEMBER, DECEMBER = date(2026, 11, 1), date(2026, 12, 1)
DAY = timedelta(days=1)


@pytest.fixture
def desk(db: None, now: datetime) -> DeskWorld:
    """A result of three cars under review."""
    return build_desk(now=now, cars=3)


@pytest.fixture
def later(desk: DeskWorld) -> datetime:
    """Early in December."""
    return desk.settled_at + 20 * DAY


def staff(name: str) -> User:
    return User.objects.create_user(f"{name}@example.org", None, name=name, is_staff=True)


def stand(desk: DeskWorld) -> None:
    approve_group(group=desk.group, reviewed_by=desk.lead, now=desk.settled_at)
    post_due_settlements(now=desk.settled_at, limit=100)


def receivable(desk: DeskWorld) -> LedgerAccount:
    return ledger.account(LedgerAccount.Kind.UTILITY_RECEIVABLE, desk.utility.slug, "USD")


def correct(desk: DeskWorld, amount_minor: int, *, now: datetime) -> None:
    """Let a correction of the event move what the utility owes: below 0 it owes less."""
    settlement = Settlement.objects.filter(group=desk.group).order_by("pk")[0]
    ours, platform = receivable(desk), corrections_account("USD")
    debit, credit = (ours, platform) if amount_minor > 0 else (platform, ours)
    key = f"borne:settlement:{settlement.public_id}"
    ledger.post(key=key, debit=debit, credit=credit, amount_minor=abs(amount_minor), label="", now=now)


def test_invoice_is_the_exact_sum_of_the_postings(desk: DeskWorld, later: datetime) -> None:
    stand(desk)
    assert (draft_due_invoices(now=later, limit=10), draft_due_invoices(now=later, limit=10)) == (1, 0)
    draft = Invoice.objects.get()
    assert (draft.number, draft.month_date, draft.amount_minor) == (None, NOVEMBER, desk.group.amount_minor)
    (line,) = draft.lines.all()
    assert (line.event, line.group, line.kind, line.postings_count) == (desk.event, desk.group, "event", 3)
    assert sum(InvoicePosting.objects.values_list("amount_minor", flat=True)) == draft.amount_minor
    assert -ledger.balance(receivable(desk)).posted_minor == draft.amount_minor

    sent = send_invoice(invoice=draft, sent_by=staff("one"), now=later)
    assert (sent.number, sent.name) == (1, "lone-star-00001")
    assert Notice.objects.filter(kind="utility_invoice").count() == 3


def test_what_is_disputed_is_left_out_and_comes_later(desk: DeskWorld, later: datetime) -> None:
    object_to_group(group=desk.group, reason="No", raised_by=desk.lead, now=desk.settled_at)
    correct(desk, 100, now=desk.settled_at)
    assert draft_invoice(utility=desk.utility, month_date=NOVEMBER, now=later) is None
    assert not Invoice.objects.exists()


def test_month_that_is_not_over_is_refused(desk: DeskWorld) -> None:
    with pytest.raises(UnableToInvoice, match="not ended yet"):
        draft_invoice(utility=desk.utility, month_date=NOVEMBER, now=desk.settled_at)


def test_correction_of_an_invoiced_event_is_a_line_of_its_own(desk: DeskWorld, later: datetime) -> None:
    stand(desk)
    draft = draft_invoice(utility=desk.utility, month_date=NOVEMBER, now=later)
    assert draft is not None
    first = send_invoice(invoice=draft, sent_by=staff("one"), now=later)
    correct(desk, -250, now=later)
    credit = draft_invoice(utility=desk.utility, month_date=DECEMBER, now=later + 30 * DAY)
    assert credit is not None
    (line,) = credit.lines.all()
    assert (line.kind, line.amount_minor, credit.amount_minor) == (InvoiceLine.Kind.CORRECTION, -250, -250)
    assert -ledger.balance(receivable(desk)).posted_minor == first.amount_minor + credit.amount_minor


def test_payment_is_recorded_by_one_and_confirmed_by_another(desk: DeskWorld, later: datetime) -> None:
    stand(desk)
    draft = draft_invoice(utility=desk.utility, month_date=NOVEMBER, now=later)
    assert draft is not None
    one, two = staff("one"), staff("two")
    sent = send_invoice(invoice=draft, sent_by=one, now=later)
    with pytest.raises(UnableToInvoice, match="Record the payment first"):
        confirm_payment(invoice=sent, confirmed_by=two, now=later)
    record_payment(invoice=sent, reference="WIRE 77", recorded_by=one, now=later)
    with pytest.raises(UnableToInvoice, match="ask a colleague"):
        confirm_payment(invoice=sent, confirmed_by=one, now=later)
    paid = confirm_payment(invoice=sent, confirmed_by=two, now=later)
    assert (paid.state, paid.payment_reference) == ("paid", "WIRE 77")
    assert ledger.balance(receivable(desk)).posted_minor == 0
    with pytest.raises(UnableToInvoice, match="This invoice is"):
        confirm_payment(invoice=sent, confirmed_by=two, now=later)
    assert draft_invoice(utility=desk.utility, month_date=DECEMBER, now=later + 30 * DAY) is None
    assert not ledger.check()


def test_withdrawn_invoice_keeps_its_number_and_its_postings_go_on_the_next(desk: DeskWorld, later: datetime) -> None:
    stand(desk)
    draft = draft_invoice(utility=desk.utility, month_date=NOVEMBER, now=later)
    assert draft is not None
    one = staff("one")
    wrong = send_invoice(invoice=draft, sent_by=one, now=later)
    with pytest.raises(UnableToInvoice, match="Say why"):
        void_invoice(invoice=wrong, reason=" ", voided_by=one, now=later)
    void_invoice(invoice=wrong, reason="Wrong address", voided_by=one, now=later)
    again = draft_invoice(utility=desk.utility, month_date=NOVEMBER, now=later)
    assert again is not None
    assert send_invoice(invoice=again, sent_by=one, now=later).number == 2
    assert sorted(Invoice.objects.values_list("number", "state")) == [(1, "void"), (2, "sent")]
