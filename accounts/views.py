"""The owner's own pages: about you, what you agree to."""

from typing import Any

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils.translation import gettext

from accounts.flows.consents import CURRENT_TEXTS, grant_consent, is_in_force, revoke_consent, text_of
from accounts.flows.profiles import UnableToSaveProfile, save_profile
from accounts.forms import ConsentForm, ProfileForm
from accounts.models import Consent, User
from foundation import clock
from foundation.pages import add_refusal, owner_page, refusals_as_messages, signed_in


@owner_page
def account(request: HttpRequest) -> HttpResponse:
    """Show and change name, time zone and, until it is fixed, country."""
    user = signed_in(request, User)
    is_fixed = Consent.objects.filter(user=user).exists()
    form = ProfileForm(request.POST or None, user=user, is_country_fixed=is_fixed)
    if request.method == "POST" and form.is_valid():
        try:
            save_profile(user=user, **form.cleaned_data)
        except UnableToSaveProfile as refusal:
            add_refusal(form, refusal)
        else:
            if request.POST.get("next") == "welcome":
                return redirect(reverse("consents") + "?welcome")
            messages.success(request, gettext("Saved."))
            return redirect("account")
    return render(request, "accounts/account.html", {"form": form, "logout_url": reverse("account_logout")})


@owner_page
def consents(request: HttpRequest) -> HttpResponse:
    """Show both agreements with their receipts, and take an answer to one of them."""
    user = signed_in(request, User)
    if request.method == "POST":
        return _answer_consent(request, user)
    receipts = list(Consent.objects.filter(user=user))
    standing = {receipt.purpose: receipt for receipt in receipts if receipt.revoked_at is None}
    purposes = [_purpose(slug, standing.get(slug)) for slug in CURRENT_TEXTS]
    context = {"purposes": purposes, "receipts": receipts, "now": clock.now(), "is_welcome": "welcome" in request.GET}
    return render(request, "accounts/consents.html", context)


def _purpose(slug: str, receipt: Consent | None) -> dict[str, Any]:
    is_outdated = receipt is not None and not is_in_force(receipt)
    return {"slug": slug, "text": text_of(slug), "receipt": receipt, "is_outdated": is_outdated}


def _answer_consent(request: HttpRequest, user: User) -> HttpResponse:
    form = ConsentForm(request.POST)
    if not form.is_valid():
        messages.error(request, gettext("Please answer with one of the buttons."))
    elif form.cleaned_data["answer"] == "grant":
        with refusals_as_messages(request, success=gettext("Thank you. Your receipt is below.")):
            answer = form.cleaned_data
            grant_consent(user=user, purpose=answer["purpose"], language=answer["language"], now=clock.now())
    else:
        with refusals_as_messages(request, success=gettext("Taken back. We have stopped.")):
            revoke_consent(user=user, purpose=form.cleaned_data["purpose"], now=clock.now())
    suffix = "?welcome" if request.POST.get("next") == "welcome" else ""
    return redirect(reverse("consents") + suffix)
