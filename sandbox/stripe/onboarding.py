"""The page where an account's holder gives their (pretend) bank details."""

from dataclasses import dataclass

from django import forms
from django.db import transaction
from django.http import HttpRequest, HttpResponse, HttpResponseBase, HttpResponseRedirect
from django.shortcuts import get_object_or_404, render
from django.views.decorators.http import require_http_methods

from sandbox.stripe import events, wire
from sandbox.stripe.ids import new_id
from sandbox.stripe.models import Account, AccountLink, BankAccount
from sandbox.world import clock

# Stripe's own test numbers: what a payout to them meets.
FATES = {
    "000111111116": "no_account",
    "000111111113": "account_closed",
    "000333333335": "debit_not_authorized",
    "000444444440": "invalid_currency",
}
GOOD_NUMBER = "000123456789"


@dataclass(frozen=True)
class BankDetails:
    """What the form gave: the routing number as the country writes it, and the account number."""

    routing_number: str
    account_number: str


class UnitedStatesBankForm(forms.Form):
    """A bank account in the United States."""

    routing_number = forms.RegexField(r"^\d{9}$", label="Routing number (9 digits)", initial="110000000")
    account_number = forms.RegexField(r"^\d{4,17}$", label="Account number", initial=GOOD_NUMBER)

    def details(self) -> BankDetails:
        """Return what was given."""
        return BankDetails(self.cleaned_data["routing_number"], self.cleaned_data["account_number"])


class CanadianBankForm(forms.Form):
    """A bank account in Canada."""

    transit_number = forms.RegexField(r"^\d{5}$", label="Transit number (5 digits)", initial="11000")
    institution_number = forms.RegexField(r"^\d{3}$", label="Institution number (3 digits)", initial="000")
    account_number = forms.RegexField(r"^\d{4,12}$", label="Account number", initial=GOOD_NUMBER)

    def details(self) -> BankDetails:
        """Return what was given."""
        given = self.cleaned_data
        return BankDetails(f"{given['transit_number']}-{given['institution_number']}", given["account_number"])


FORMS: dict[str, type[UnitedStatesBankForm] | type[CanadianBankForm]] = {
    "US": UnitedStatesBankForm,
    "CA": CanadianBankForm,
}


@require_http_methods(["GET", "HEAD", "POST"])
def onboarding(request: HttpRequest, account: str) -> HttpResponseBase:
    """Show the form; "Finish" activates the account, both buttons send the browser back to the platform."""
    link = get_object_or_404(AccountLink, token=request.GET.get("link", ""), account__object_id=account)
    if link.finished_at is not None:
        return _leave(link.return_url)
    if link.expires_at <= clock.wall():
        return _leave(link.refresh_url)
    if request.method == "POST" and request.POST.get("action") == "later":
        return _leave(link.return_url)
    form = FORMS[link.account.country](request.POST if request.method == "POST" else None)
    if form.is_bound and form.is_valid():
        finish(link, form.details())
        return _leave(link.return_url)
    context = {"account": link.account, "form": form, "fates": FATES, "good_number": GOOD_NUMBER}
    return render(request, "stripe/onboarding.html", context, status=422 if form.is_bound else 200)


def finish(link: AccountLink, details: BankDetails) -> None:
    """Keep the bank account (of its number the last four digits) and let the account receive money."""
    at = clock.now()
    with transaction.atomic():
        account = Account.objects.get(pk=link.account.pk)
        was_active = account.transfers_status == Account.Status.ACTIVE
        bank = BankAccount.objects.create(
            object_id=new_id("ba"),
            created_at=at,
            account=account,
            country=account.country,
            currency=account.currency,
            routing_number=details.routing_number,
            last4=details.account_number[-4:],
            fate=FATES.get(details.account_number, ""),
        )
        if account.has_requested_transfers:
            account.transfers_status = Account.Status.ACTIVE
            account.save()
        AccountLink.objects.filter(pk=link.pk).update(finished_at=clock.wall())
        events.record("account.external_account.created", wire.bank_account(bank), at=at, account=account)
        events.record_account_change(account, at=at, capability=not was_active)


def _leave(url: str) -> HttpResponse:
    return HttpResponseRedirect(url)
