"""The ledger and what the processor pushed: everything can be found and followed, nothing can be changed."""

from typing import Any

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest
from django.urls import reverse
from django.utils.html import format_html_join

from accounts.admin import ReadOnlyAdmin
from rewards import ledger
from rewards.admin.bases import money_text
from rewards.models import ChainLink, Earning, LedgerAccount, PayTerms, Transfer, WebhookEvent


@admin.register(LedgerAccount)
class LedgerAccountAdmin(ReadOnlyAdmin):
    """Balances, with a link to their transfers."""

    list_display = ["kind", "key", "owner", "currency", "balance", "pending", "transfers"]
    list_filter = ["kind", "currency"]
    search_fields = ["key", "owner__email"]
    list_select_related = ["owner"]

    def get_queryset(self, request: HttpRequest) -> QuerySet[LedgerAccount]:
        """Leave out the parts, whose sums are the whole account's."""
        return super().get_queryset(request).filter(part=0)

    @admin.display(description="balance")
    def balance(self, account: LedgerAccount) -> str:
        return money_text(ledger.balance(account).posted_minor, account.currency)

    @admin.display(description="reserved")
    def pending(self, account: LedgerAccount) -> str:
        return money_text(ledger.balance(account).pending_minor, account.currency)

    @admin.display(description="transfers")
    def transfers(self, account: LedgerAccount) -> str:
        pages = reverse("admin:rewards_transfer_changelist")
        sides = {"out": "debit", "in": "credit"}
        links = (
            (f"{pages}?{side}__kind={account.kind}&{side}__key={account.key}&currency__exact={account.currency}", word)
            for word, side in sides.items()
        )
        return format_html_join(" · ", '<a href="{}">{}</a>', links)


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
        return money_text(transfer.amount_minor, transfer.currency)

    def lookup_allowed(self, lookup: str, value: str, request: HttpRequest) -> bool:
        """Let the accounts' pages link to their own transfers."""
        by_account = {"debit__kind", "debit__key", "credit__kind", "credit__key"}
        return lookup in by_account or super().lookup_allowed(lookup, value, request)


@admin.register(ChainLink)
class ChainLinkAdmin(ReadOnlyAdmin):
    """The chain over the transfers."""

    list_display = ["pk", "transfer", "hash", "previous_hash"]
    search_fields = ["hash", "transfer__key"]
    list_select_related = ["transfer"]
    show_full_result_count = False


@admin.register(WebhookEvent)
class WebhookEventAdmin(ReadOnlyAdmin):
    """What the processor pushed. The body may name a person and is not shown."""

    list_display = ["external_id", "kind", "account_external_id", "received_at", "applied_at", "attempts", "failure"]
    list_filter = ["kind", ("applied_at", admin.EmptyFieldListFilter), "received_at"]
    search_fields = ["external_id", "object_external_id", "account_external_id"]
    exclude = ["body"]

    def get_queryset(self, request: HttpRequest) -> QuerySet[Any]:
        return super().get_queryset(request).defer("body")


@admin.register(PayTerms)
class PayTermsAdmin(ReadOnlyAdmin):
    """What programs pay besides their rate per kWh; loaded from files by `manage.py load_programs`."""

    list_display = ["program", "version", "utility", "currency", "valid_from_at", "valid_until_at"]
    search_fields = ["program", "utility"]


@admin.register(Earning)
class EarningAdmin(ReadOnlyAdmin):
    """What was paid so, each with all that it was computed from."""

    list_display = ["title", "owner", "amount", "form", "terms", "period_date", "reason", "created_at"]
    list_filter = ["form", "currency", "reason", "created_at"]
    search_fields = ["title", "public_id", "about", "owner__email", "terms__program"]
    list_select_related = ["owner", "terms"]
    show_full_result_count = False

    @admin.display(description="amount", ordering="amount_minor")
    def amount(self, earning: Earning) -> str:
        return money_text(earning.amount_minor, earning.currency)
