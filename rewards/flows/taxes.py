"""What each owner was paid in a calendar year, for the owner and the accountant. Information, not advice."""

import csv
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from io import StringIO

from django.db.models import Q, Sum
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from accounts.models import User
from foundation.money import major_units
from foundation.sheets import harmless_cell
from foundation.words import Words
from rewards.models import LedgerAccount, PayoutAccount, Transfer
from rewards.refusals import UnableToSetUpPayouts
from rewards.taxes import Threshold, threshold_of

NOTE = _("Information, not tax advice.")
HEADINGS = ("owner", "name", "email", "country", "currency", "year", "paid", "payments", "threshold", "form", "w9_w8")


@dataclass(frozen=True)
class TaxMeter:
    """One owner's year in one currency: what was paid out, less what came back, by the date of payment."""

    country: str
    currency: str
    year: int
    paid_minor: int
    payments: int
    threshold: Threshold | None
    tax_form: str
    tax_form_text: str
    note: Words = NOTE

    @property
    def is_reported(self) -> bool:
        """Whether the year's total has reached the threshold."""
        return self.threshold is not None and self.paid_minor >= self.threshold.amount_minor

    @property
    def left_minor(self) -> int | None:
        """What may still be paid before the threshold is reached; None where there is none."""
        return None if self.threshold is None else max(0, self.threshold.amount_minor - self.paid_minor)


def tax_meters(owner: User, *, now: datetime, year: int | None = None) -> list[TaxMeter]:
    """Return the owner's meters of one calendar year in their own time zone (the current one), one a currency."""
    year = year or now.astimezone(owner.zone).year
    accounts = {account.currency: account for account in PayoutAccount.objects.filter(owner=owner)}
    earned = LedgerAccount.objects.filter(owner=owner, kind=LedgerAccount.Kind.OWNER_PAYABLE)
    currencies = dict.fromkeys([owner.currency, *accounts, *earned.order_by("pk").values_list("currency", flat=True)])
    return [_meter(owner, currency, year, accounts.get(currency)) for currency in currencies]


def _meter(owner: User, currency: str, year: int, account: PayoutAccount | None) -> TaxMeter:
    country = account.country if account else owner.country
    form = PayoutAccount.TaxForm(account.tax_form if account else PayoutAccount.TaxForm.MISSING)
    starts_at, ends_at = (datetime(one, 1, 1, tzinfo=owner.zone).astimezone(UTC) for one in (year, year + 1))
    rows = Transfer.objects.filter(currency=currency, created_at__gte=starts_at, created_at__lt=ends_at)
    paid = rows.filter(kind="post", debit__owner=owner, debit__kind="owner_payable", credit__kind="paid_out")
    back = rows.filter(Q(kind="reversal"), credit__owner=owner, credit__kind="owner_payable", debit__kind="paid_out")
    sums = [found.aggregate(total=Sum("amount_minor"))["total"] or 0 for found in (paid, back)]
    return TaxMeter(
        country=country,
        currency=currency,
        year=year,
        paid_minor=sums[0] - sums[1],
        payments=paid.count(),
        threshold=threshold_of(country=country, currency=currency, year=year),
        tax_form=form.value,
        tax_form_text=str(form.label),
    )


def set_tax_form(*, account: PayoutAccount, tax_form: str) -> PayoutAccount:
    """Note which tax form of the owner is on file, and return the account; raises UnableToSetUpPayouts."""
    if tax_form not in PayoutAccount.TaxForm.values:
        raise UnableToSetUpPayouts(gettext("There is no such tax form."), code="tax_form", field="tax_form")
    account.tax_form = tax_form
    account.save(update_fields=["tax_form"])
    return account


def export_tax_year(*, accounts: Iterable[PayoutAccount], year: int) -> str:
    """Return the accountant's CSV of one calendar year, a line for each account that was paid anything."""
    sheet = StringIO()
    writer = csv.writer(sheet)
    writer.writerow(HEADINGS)
    writer.writerows(_lines(accounts, year))
    return sheet.getvalue()


def _lines(accounts: Iterable[PayoutAccount], year: int) -> Iterator[list[str]]:
    for account in accounts:
        owner, meter = account.owner, _meter(account.owner, account.currency, year, account)
        if not meter.payments and not meter.paid_minor:
            continue
        threshold = meter.threshold
        cells = (
            str(owner.public_id),
            owner.name,
            owner.email,
            meter.country,
            meter.currency,
            str(year),
            _major(meter.paid_minor, meter.currency),
            str(meter.payments),
            _major(threshold.amount_minor, meter.currency) if threshold else "",
            threshold.form if threshold else "",
            meter.tax_form,
        )
        yield [harmless_cell(cell) for cell in cells]


def _major(amount_minor: int, currency: str) -> str:
    return f"{major_units(amount_minor=amount_minor, currency=currency):.2f}"
