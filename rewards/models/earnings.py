"""What programs pay besides their rate per kWh: the terms as data, and each earning with its whole calculation."""

import uuid
from datetime import datetime

from django.conf import settings
from django.db import models
from django.db.models import F, Q

from rewards.models.ledger import Transfer


class PayTerms(models.Model):
    """The forms of pay of one version of a program's terms, as `rewards.payforms` reads them.

    Programs are named by slug, because the money knows no programs. Never edited once something was earned by it.
    """

    program = models.SlugField()
    version = models.PositiveIntegerField()
    utility = models.SlugField(help_text="Who owes it: the ledger's key of what the utility owes.")
    currency = models.CharField(max_length=3)
    time_zone = models.CharField(max_length=64, help_text="Whose months and seasons count.")
    forms = models.JSONField(default=list)
    valid_from_at = models.DateTimeField()
    valid_until_at = models.DateTimeField(null=True, blank=True, help_text="Empty: until a newer version.")
    # No column: up to when this version and the program's next ones follow each other, as whoever pays looked it up.
    goes_on_until_at: datetime | None = None

    class Meta:
        ordering = ["program", "-version"]
        verbose_name = verbose_name_plural = "pay terms"
        constraints = [
            models.UniqueConstraint(fields=["program", "version"], name="one_pay_terms_per_version"),
            models.CheckConstraint(
                condition=Q(valid_until_at__isnull=True) | Q(valid_until_at__gt=F("valid_from_at")),
                name="pay_terms_end_after_start",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.program} v{self.version}"


class Earning(models.Model):
    """One payment by one form, computed once and kept with all it was computed from. Never edited.

    `about` is what it is for: the public id of an enrolment or of a part in an event. Nothing earned is a row, too,
    whose `reason` tells why; only an amount reaches the ledger.
    """

    public_id = models.UUIDField(default=uuid.uuid4, unique=True, editable=False)
    owner = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="earnings")
    terms = models.ForeignKey(PayTerms, on_delete=models.PROTECT, related_name="earnings")
    form = models.SlugField(max_length=24)
    position = models.PositiveSmallIntegerField(help_text="Which of the terms' forms: one may stand there twice.")
    title = models.CharField(max_length=160)
    about = models.UUIDField()
    period_date = models.DateField(help_text="The day, or the first day of the month or season, that it is for.")
    currency = models.CharField(max_length=3)
    amount_minor = models.BigIntegerField()
    reason = models.CharField(max_length=40, blank=True, help_text="Why nothing was earned.")
    calculation = models.JSONField(help_text="Form, terms, inputs and result: enough to compute it again.")
    transfer = models.OneToOneField(
        Transfer, null=True, blank=True, on_delete=models.PROTECT, related_name="earning", editable=False
    )
    created_at = models.DateTimeField()

    class Meta:
        ordering = ["-created_at", "-pk"]
        constraints = [
            models.UniqueConstraint(
                fields=["form", "position", "about", "period_date"], name="one_earning_per_form_and_period"
            ),
            models.CheckConstraint(condition=Q(amount_minor__gte=0), name="earning_never_charges_the_owner"),
            models.CheckConstraint(
                condition=Q(amount_minor=0, transfer__isnull=True) | Q(amount_minor__gt=0, transfer__isnull=False),
                name="earning_is_in_the_ledger",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.title}: {self.amount_minor} {self.currency}"
