"""The payouts page: what is there, where it goes, where each payment is."""

from django.conf import settings
from django.contrib import messages
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.utils.translation import gettext

from accounts.models import User
from foundation import clock
from foundation.pages import add_refusal, owner_action, owner_read, refusals_as_messages, signed_in
from rewards.flows.onboarding import begin_onboarding, refresh_account, save_payout_settings
from rewards.flows.pauses import PAUSED, current_pause
from rewards.flows.payouts import pay_now
from rewards.flows.statements import export_statement
from rewards.flows.taxes import tax_meters
from rewards.forms import PayoutForm
from rewards.ledger import owner_balance
from rewards.models import Payout, PayoutAccount
from rewards.refusals import UnableToSetUpPayouts

SHOWN_PAYOUTS = 60
FROM_WELCOME = "payouts_from_welcome"  # in the session: who sets payouts up in the welcome comes back to it


def _account(owner: User) -> PayoutAccount | None:
    return PayoutAccount.objects.filter(owner=owner, currency=owner.currency).first()


def _page(request: HttpRequest, form: PayoutForm | None = None) -> HttpResponse:
    owner = signed_in(request, User)
    account = _account(owner)
    payouts = list(Payout.objects.filter(account__owner=owner)[:SHOWN_PAYOUTS])
    context = {
        "account": account,
        "is_ready": account is not None and account.state == PayoutAccount.State.ACTIVE,
        "is_under_way": any(payout.is_open for payout in payouts),
        "balance": owner_balance(owner, owner.currency),
        "currency": owner.currency,
        "paid_minor": sum(payout.amount_minor for payout in payouts if payout.state == Payout.State.PAID),
        "payouts": payouts,
        "paused_text": PAUSED if current_pause() else "",
        "tax_meters": tax_meters(owner, now=clock.now()),
        "form": form or (PayoutForm(account=account) if account else None),
        "now": clock.now(),
    }
    return render(request, "rewards/payouts.html", context)


@owner_read
def payouts(request: HttpRequest) -> HttpResponse:
    """Show balance, payout account and every payout with its state."""
    return _page(request)


@owner_read
def statement_csv(request: HttpRequest) -> HttpResponse:
    """Hand the owner every line of their statement as a table."""
    answer = HttpResponse(export_statement(signed_in(request, User)), content_type="text/csv; charset=utf-8")
    answer["Content-Disposition"] = 'attachment; filename="chargescape-statement.csv"'
    return answer


@owner_action
def set_up(request: HttpRequest) -> HttpResponse:
    """Send the owner to the processor's own pages; bank details never touch ours."""
    try:
        url = begin_onboarding(
            owner=signed_in(request, User),
            return_url=settings.PUBLIC_URL + reverse("payouts_return"),
            refresh_url=settings.PUBLIC_URL + reverse("payouts"),
            now=clock.now(),
        )
    except UnableToSetUpPayouts as refusal:
        messages.error(request, refusal.reason)
        return redirect("payouts")
    request.session[FROM_WELCOME] = request.POST.get("next") == "welcome"
    return HttpResponseRedirect(url)


@owner_read
def come_back(request: HttpRequest) -> HttpResponse:
    """Take the owner back from the processor and ask it how the account stands now."""
    account = _account(signed_in(request, User))
    if account is not None:
        with refusals_as_messages(request):
            account = refresh_account(account=account, now=clock.now())
        if account.state == PayoutAccount.State.ACTIVE:
            messages.success(request, gettext("Payouts are set up."))
    return redirect("onboarding" if request.session.pop(FROM_WELCOME, None) else "payouts")


@owner_action
def pay_me_now(request: HttpRequest) -> HttpResponse:
    """Pay out everything that is available."""
    owner = signed_in(request, User)
    with refusals_as_messages(request, success=gettext("Your payout is under way. Its state is shown below.")):
        pay_now(owner=owner, currency=owner.currency, now=clock.now())
    return redirect("payouts")


@owner_action
def save_settings(request: HttpRequest) -> HttpResponse:
    """Keep threshold and pause."""
    account = get_object_or_404(
        PayoutAccount, owner=signed_in(request, User), currency=signed_in(request, User).currency
    )
    form = PayoutForm(request.POST, account=account)
    if not form.is_valid():
        return _page(request, form)
    try:
        save_payout_settings(account=account, now=clock.now(), **form.wishes())
    except UnableToSetUpPayouts as refusal:
        add_refusal(form, refusal)
        return _page(request, form)
    messages.success(request, gettext("Saved."))
    return redirect("payouts")
