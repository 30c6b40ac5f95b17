"""What a utility is asked to pay: invoices by month, made of the ledger's own postings, each of them once."""

import uuid

from django.conf import settings
from django.db import models
from django.db.models import F, Q
from django.utils.translation import gettext_lazy as _

from grid.models.events import GridEvent
from grid.models.settlements import GroupSettlement
from grid.models.utilities import Utility
from rewards.models import Transfer


class Invoice(models.Model):
    """One invoice, or a credit note where its amount is below 0. It has its number from the moment it is sent."""

    class State(models.TextChoices):
        """How far it came."""

        DRAFT = "draft", _("being prepared")
        SENT = "sent", _("sent")
        PAID = "paid", _("paid")
        VOID = "void", _("withdrawn")

    public_id = models.UUIDField(default=uuid.uuid4, unique=True, editable=False)
    utility = models.ForeignKey(Utility, on_delete=models.PROTECT, related_name="invoices")
    number = models.PositiveIntegerField(null=True, blank=True, help_text="One after the other for each utility.")
    month_date = models.DateField(help_text="The first day of its month, of the utility's time zone.")
    currency = models.CharField(max_length=3)
    amount_minor = models.BigIntegerField(default=0, help_text="The sum of its lines.")
    state = models.CharField(max_length=8, choices=State, default=State.DRAFT)
    made_at = models.DateTimeField()
    sent_at = models.DateTimeField(null=True, blank=True)
    sent_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, blank=True, on_delete=models.PROTECT, related_name="sent_invoices"
    )
    due_date = models.DateField(null=True, blank=True)
    payment_reference = models.CharField(max_length=120, blank=True, help_text="As the bank statement says it.")
    recorded_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, blank=True, on_delete=models.PROTECT, related_name="recorded_payments"
    )
    recorded_at = models.DateTimeField(null=True, blank=True)
    confirmed_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, blank=True, on_delete=models.PROTECT, related_name="confirmed_payments"
    )
    paid_at = models.DateTimeField(null=True, blank=True)
    payment = models.OneToOneField(
        Transfer, null=True, blank=True, on_delete=models.PROTECT, related_name="paid_invoice"
    )
    voided_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, blank=True, on_delete=models.PROTECT, related_name="voided_invoices"
    )
    voided_at = models.DateTimeField(null=True, blank=True)
    void_reason = models.CharField(max_length=200, blank=True)

    class Meta:
        ordering = ["-month_date", "-pk"]
        constraints = [
            models.UniqueConstraint(fields=["utility", "number"], name="one_invoice_per_number"),
            models.UniqueConstraint(
                fields=["utility", "month_date"], condition=Q(state="draft"), name="one_draft_invoice_per_month"
            ),
            models.CheckConstraint(
                condition=Q(state="draft", number__isnull=True) | Q(state="void") | Q(number__isnull=False),
                name="a_sent_invoice_has_a_number",
            ),
            models.CheckConstraint(
                condition=Q(confirmed_by__isnull=True) | ~Q(confirmed_by=F("recorded_by")),
                name="a_payment_is_confirmed_by_a_second_person",
            ),
            models.CheckConstraint(
                condition=~Q(state="paid") | Q(paid_at__isnull=False, confirmed_by__isnull=False),
                name="a_paid_invoice_says_by_whom",
            ),
        ]

    def __str__(self) -> str:
        return self.name

    @property
    def name(self) -> str:
        """What it is called in letters and on bank statements."""
        return f"{self.utility.slug}-{self.number:05d}" if self.number else f"{self.utility.slug}-draft"


class InvoiceLine(models.Model):
    """One line: an event, a form of pay in a month, or what was corrected of something invoiced before."""

    class Kind(models.TextChoices):
        """What is paid for."""

        EVENT = "event", _("event")
        EARNING = "earning", _("other pay")
        CORRECTION = "correction", _("correction of an earlier invoice")

    invoice = models.ForeignKey(Invoice, on_delete=models.CASCADE, related_name="lines")
    position = models.PositiveIntegerField()
    kind = models.CharField(max_length=12, choices=Kind)
    event = models.ForeignKey(GridEvent, null=True, blank=True, on_delete=models.PROTECT, related_name="invoice_lines")
    group = models.ForeignKey(
        GroupSettlement, null=True, blank=True, on_delete=models.PROTECT, related_name="invoice_lines"
    )
    form = models.CharField(max_length=24, blank=True, help_text="The form of pay, where it is no event.")
    program = models.CharField(max_length=80, blank=True, help_text="The program's slug, where it is no event.")
    about_date = models.DateField(help_text="The event's day, or the first day of the month paid for.")
    postings_count = models.PositiveIntegerField()
    amount_minor = models.BigIntegerField()

    class Meta:
        ordering = ["invoice", "position"]
        constraints = [
            models.UniqueConstraint(fields=["invoice", "position"], name="one_line_per_position"),
            models.CheckConstraint(condition=~Q(kind="event") | Q(event__isnull=False), name="event_line_has_an_event"),
        ]

    def __str__(self) -> str:
        return f"{self.kind} {self.about_date} {self.amount_minor}"


class InvoicePosting(models.Model):
    """One posting of the ledger that a line asks for; each is on one invoice, unless that was withdrawn."""

    line = models.ForeignKey(InvoiceLine, on_delete=models.CASCADE, related_name="postings")
    transfer = models.ForeignKey(Transfer, on_delete=models.PROTECT, related_name="invoice_postings")
    amount_minor = models.BigIntegerField(help_text="Above 0: the utility owes it.")
    is_released = models.BooleanField(default=False, help_text="The invoice was withdrawn: another one may ask for it.")

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["transfer"], condition=Q(is_released=False), name="a_posting_is_invoiced_once"
            )
        ]

    def __str__(self) -> str:
        return f"{self.amount_minor} of transfer {self.transfer_id}"
