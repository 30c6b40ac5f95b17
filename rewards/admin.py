"""The money in the admin: everything can be found and followed, nothing can be added, edited or deleted."""

from typing import Any

from django.contrib import admin, messages
from django.db.models import QuerySet
from django.http import HttpRequest
from django.urls import reverse
from django.utils.html import format_html

from accounts.admin import ReadOnlyAdmin
from foundation import clock
from foundation.money import major_units
from rewards.flows.onboarding import refresh_account, save_payout_settings
from rewards.flows.sending import look_up_frozen_payout
from rewards.models import ChainLink, LedgerAccount, Payout, PayoutAccount, Transfer, WebhookEvent
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


def _money(amount_minor: int, currency: str) -> str:
    return f"{major_units(amount_minor=amount_minor, currency=currency):,.2f} {currency}"


@admin.register(LedgerAccount)
class LedgerAccountAdmin(ReadOnlyAdmin):
    """Balances, with a link to their transfers."""

    list_display = ["kind", "key", "owner", "currency", "balance", "pending", "transfers"]
    list_filter = ["kind", "currency"]
    search_fields = ["key", "owner__email"]
    list_select_related = ["owner"]

    @admin.display(description="balance")
    def balance(self, account: LedgerAccount) -> str:
        return _money(account.credits_posted - account.debits_posted, account.currency)

    @admin.display(description="reserved")
    def pending(self, account: LedgerAccount) -> str:
        return _money(account.debits_pending, account.currency)

    @admin.display(description="transfers")
    def transfers(self, account: LedgerAccount) -> str:
        pages = reverse("admin:rewards_transfer_changelist")
        return format_html(
            '<a href="{}?debit__id__exact={}">out</a> · <a href="{}?credit__id__exact={}">in</a>',
            pages,
            account.pk,
            pages,
            account.pk,
        )


@admin.register(Transfer)
class TransferAdmin(ReadOnlyAdmin):
    """Every movement."""

    list_display = ["key", "kind", "amount", "debit", "credit", "label", "of", "created_at"]
    list_filter = ["kind", "currency", "created_at"]
    search_fields = ["key", "public_id", "label", "credit__owner__email", "debit__owner__email"]
    list_select_related = ["debit", "credit", "of"]
    show_full_result_count = False

    @admin.display(description="amount", ordering="amount_minor")
    def amount(self, transfer: Transfer) -> str:
        return _money(transfer.amount_minor, transfer.currency)

    def lookup_allowed(self, lookup: str, value: str, request: HttpRequest) -> bool:
        """Let the accounts' pages link to their own transfers."""
        return lookup in {"debit__id__exact", "credit__id__exact"} or super().lookup_allowed(lookup, value, request)


@admin.register(ChainLink)
class ChainLinkAdmin(ReadOnlyAdmin):
    """The chain over the transfers."""

    list_display = ["pk", "transfer", "hash", "previous_hash"]
    search_fields = ["hash", "transfer__key"]
    list_select_related = ["transfer"]
    show_full_result_count = False


class SteerableAdmin(ReadOnlyAdmin):
    """Rows that stay as they are, with actions for those who may change payouts."""

    def has_steer_permission(self, request: HttpRequest) -> bool:
        return request.user.has_perm("rewards.change_payout")


@admin.register(PayoutAccount)
class PayoutAccountAdmin(SteerableAdmin):
    """Where owners are paid; pausing is the one thing that an admin may do."""

    list_display = ["owner", "currency", "state", "is_paused", "threshold", "next_payout_at", "external_id"]
    list_filter = ["state", "is_paused", "currency"]
    search_fields = ["owner__email", "external_id", "public_id"]
    list_select_related = ["owner"]
    actions = ["pause", "resume", "refresh"]

    @admin.display(description="threshold", ordering="threshold_minor")
    def threshold(self, account: PayoutAccount) -> str:
        return _money(account.threshold_minor, account.currency)

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
    list_filter = ["state", "currency", "requested_at"]
    search_fields = ["public_id", "external_id", "bank_payout_id", "destination", "account__owner__email"]
    list_select_related = ["account__owner"]
    date_hierarchy = "requested_at"
    actions = ["look_up_again"]

    @admin.display(description="owner", ordering="account__owner__email")
    def owner(self, payout: Payout) -> str:
        return payout.account.owner.email

    @admin.display(description="amount", ordering="amount_minor")
    def amount(self, payout: Payout) -> str:
        return _money(payout.amount_minor, payout.currency)

    @admin.display(description="next step")
    def next_step(self, payout: Payout) -> str:
        return _NEXT_STEPS[Payout.State(payout.state)]

    @admin.action(description="Look frozen payouts up again at the processor", permissions=["steer"])
    def look_up_again(self, request: HttpRequest, payouts: QuerySet[Payout]) -> None:
        for payout in payouts:
            try:
                look_up_frozen_payout(payout=payout)
                self.log_change(request, payout, "looked up again")
            except UnableToPayOut as refusal:
                self.message_user(request, f"{payout.public_id}: {refusal.reason}", messages.WARNING)


@admin.register(WebhookEvent)
class WebhookEventAdmin(ReadOnlyAdmin):
    """What the processor pushed. The body may name a person and is not shown."""

    list_display = ["external_id", "kind", "account_external_id", "received_at", "applied_at", "attempts", "failure"]
    list_filter = ["kind", ("applied_at", admin.EmptyFieldListFilter), "received_at"]
    search_fields = ["external_id", "object_external_id", "account_external_id"]
    exclude = ["body"]

    def get_queryset(self, request: HttpRequest) -> QuerySet[Any]:
        return super().get_queryset(request).defer("body")
