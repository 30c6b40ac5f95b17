"""Payouts and where they go in the admin: found and followed, steered by actions, never edited."""

from typing import Any, cast

from django.contrib import admin, messages
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse, QueryDict
from django.urls import URLPattern, path, reverse
from django.utils.html import format_html

from accounts.models import User
from foundation import clock
from rewards.admin.bases import SteerableAdmin, money_text
from rewards.flows.approvals import approve_payout, decline_payout
from rewards.flows.onboarding import refresh_account, save_payout_settings
from rewards.flows.sending import look_up_frozen_payout
from rewards.flows.taxes import export_tax_year, set_tax_form
from rewards.models import Payout, PayoutAccount
from rewards.refusals import UnableToPayOut, UnableToSetUpPayouts

_NEXT_STEPS = {
    Payout.State.REQUESTED: "Is sent with the next sweep.",
    Payout.State.SENDING: "Is being sent; looked up after 90 seconds without an answer.",
    Payout.State.UNKNOWN: "Is being looked up at the processor; nothing to do unless it stays so for a day.",
    Payout.State.SENT: "Arrives at the bank within days.",
    Payout.State.PAID: "None.",
    Payout.State.BANK_FAILED: "The owner must correct the bank details at the processor; never send it again.",
    Payout.State.CANCELLED: "None: the money is in the balance.",
    Payout.State.FROZEN: "Compare it with the processor's dashboard, then look it up again (action).",
}


def _payout_rows(payout: Payout) -> dict[str, Any]:
    approvals = payout.approvals.select_related("approved_by")
    return {
        "rows": [
            ("owner", payout.account.owner.email),
            ("amount", money_text(payout.amount_minor, payout.currency)),
            ("why it waits", payout.approval_text),
            ("asked for", payout.requested_at),
            ("approved by", ", ".join(one.approved_by.email for one in approvals) or "nobody yet"),
        ]
    }


@admin.register(PayoutAccount)
class PayoutAccountAdmin(SteerableAdmin):
    """Where owners are paid; pausing is the one thing that an admin may do."""

    list_display = ["owner", "currency", "state", "is_paused", "threshold", "next_payout_at", "tax_form", "external_id"]
    list_filter = ["state", "is_paused", "currency", "tax_form"]
    search_fields = ["owner__email", "external_id", "public_id"]
    list_select_related = ["owner"]
    actions = [
        "pause",
        "resume",
        "refresh",
        "ask_tax_form",
        "note_w9",
        "note_w8",
        "export_this_year",
        "export_last_year",
    ]

    @admin.display(description="threshold", ordering="threshold_minor")
    def threshold(self, account: PayoutAccount) -> str:
        return money_text(account.threshold_minor, account.currency)

    @admin.action(description="Pause payouts", permissions=["steer"])
    def pause(self, request: HttpRequest, accounts: QuerySet[PayoutAccount]) -> None:
        self._set_paused(request, accounts, is_paused=True)

    @admin.action(description="Resume payouts", permissions=["steer"])
    def resume(self, request: HttpRequest, accounts: QuerySet[PayoutAccount]) -> None:
        self._set_paused(request, accounts, is_paused=False)

    @admin.action(description="Ask the processor how the account stands", permissions=["steer"])
    def refresh(self, request: HttpRequest, accounts: QuerySet[PayoutAccount]) -> None:
        for account in accounts[:20]:
            try:
                refresh_account(account=account, now=clock.now())
            except UnableToSetUpPayouts as refusal:
                self.message_user(request, f"{account.owner}: {refusal.reason}", messages.WARNING)

    @admin.action(description="Tax: a W-9 or W-8 was asked for", permissions=["steer"])
    def ask_tax_form(self, request: HttpRequest, accounts: QuerySet[PayoutAccount]) -> None:
        self._set_tax_form(request, accounts, PayoutAccount.TaxForm.REQUESTED)

    @admin.action(description="Tax: a W-9 is on file", permissions=["steer"])
    def note_w9(self, request: HttpRequest, accounts: QuerySet[PayoutAccount]) -> None:
        self._set_tax_form(request, accounts, PayoutAccount.TaxForm.W9)

    @admin.action(description="Tax: a W-8 is on file", permissions=["steer"])
    def note_w8(self, request: HttpRequest, accounts: QuerySet[PayoutAccount]) -> None:
        self._set_tax_form(request, accounts, PayoutAccount.TaxForm.W8)

    @admin.action(description="Tax: download this year's totals (CSV)", permissions=["steer"])
    def export_this_year(self, request: HttpRequest, accounts: QuerySet[PayoutAccount]) -> HttpResponse:
        return self._tax_sheet(request, accounts, clock.now().year)

    @admin.action(description="Tax: download last year's totals (CSV)", permissions=["steer"])
    def export_last_year(self, request: HttpRequest, accounts: QuerySet[PayoutAccount]) -> HttpResponse:
        return self._tax_sheet(request, accounts, clock.now().year - 1)

    def _set_tax_form(self, request: HttpRequest, accounts: QuerySet[PayoutAccount], tax_form: str) -> None:
        for account in accounts:
            set_tax_form(account=account, tax_form=tax_form)
            self.log_change(request, account, f"tax form: {tax_form}")

    def _tax_sheet(self, request: HttpRequest, accounts: QuerySet[PayoutAccount], year: int) -> HttpResponse:
        del request
        sheet = export_tax_year(accounts=accounts.select_related("owner").order_by("pk"), year=year)
        answer = HttpResponse(sheet, content_type="text/csv; charset=utf-8")
        answer["Content-Disposition"] = f'attachment; filename="paid-{year}.csv"'
        answer["Cache-Control"] = "no-store, private"
        return answer

    def _set_paused(self, request: HttpRequest, accounts: QuerySet[PayoutAccount], *, is_paused: bool) -> None:
        for account in accounts:
            save_payout_settings(account=account, is_paused=is_paused, now=clock.now())
            self.log_change(request, account, "paused" if is_paused else "resumed")


@admin.register(Payout)
class PayoutAdmin(SteerableAdmin):
    """Payouts by state, the stuck ones with what to do next."""

    list_display = [
        "public_id",
        "owner",
        "amount",
        "state",
        "next_step",
        "failure",
        "requested_at",
        "sent_at",
        "paid_at",
    ]
    list_filter = ["state", ("approval_reason", admin.EmptyFieldListFilter), "currency", "requested_at"]
    search_fields = ["public_id", "external_id", "bank_payout_id", "destination", "account__owner__email"]
    list_select_related = ["account__owner"]
    date_hierarchy = "requested_at"
    actions = ["look_up_again"]

    @admin.display(description="owner", ordering="account__owner__email")
    def owner(self, payout: Payout) -> str:
        return payout.account.owner.email

    @admin.display(description="amount", ordering="amount_minor")
    def amount(self, payout: Payout) -> str:
        return money_text(payout.amount_minor, payout.currency)

    @admin.display(description="next step")
    def next_step(self, payout: Payout) -> str:
        if not payout.is_waiting_for_approval:
            return _NEXT_STEPS[Payout.State(payout.state)]
        given = len(payout.approvals.all())
        links = format_html(
            '<a href="{}">Approve</a> · <a href="{}">Decline</a>',
            reverse("admin:rewards_payout_approve", args=[payout.pk]),
            reverse("admin:rewards_payout_decline", args=[payout.pk]),
        )
        return format_html("{} Two people must approve it; {} did. {}", payout.approval_text, given, links)

    def get_queryset(self, request: HttpRequest) -> QuerySet[Any]:
        return super().get_queryset(request).prefetch_related("approvals")

    def get_urls(self) -> list[URLPattern]:
        """Add the pages that ask before a payout is approved or declined."""
        view = self.admin_site.admin_view
        return [
            path("<int:pk>/approve/", view(self.approve), name="rewards_payout_approve"),
            path("<int:pk>/decline/", view(self.decline), name="rewards_payout_decline"),
            *super().get_urls(),
        ]

    def approve(self, request: HttpRequest, pk: int) -> HttpResponse:
        """Ask, then record this person's yes."""

        def act(payout: Payout, _typed: QueryDict) -> None:
            approve_payout(payout=payout, by=cast(User, request.user), now=clock.now())

        return self.confirm(request, pk, verb="Approve the payout", rows=_payout_rows, act=act)

    def decline(self, request: HttpRequest, pk: int) -> HttpResponse:
        """Ask for the reason, then give the money back to the owner's balance."""

        def act(payout: Payout, typed: QueryDict) -> None:
            reason = typed.get("note", "")
            decline_payout(payout=payout, by=cast(User, request.user), reason=reason, now=clock.now())

        return self.confirm(
            request,
            pk,
            verb="Decline the payout",
            rows=lambda payout: {**_payout_rows(payout), "asks_note": "Reason"},
            act=act,
        )

    @admin.action(description="Look frozen payouts up again at the processor", permissions=["steer"])
    def look_up_again(self, request: HttpRequest, payouts: QuerySet[Payout]) -> None:
        for payout in payouts:
            try:
                look_up_frozen_payout(payout=payout)
                self.log_change(request, payout, "looked up again")
            except UnableToPayOut as refusal:
                self.message_user(request, f"{payout.public_id}: {refusal.reason}", messages.WARNING)
