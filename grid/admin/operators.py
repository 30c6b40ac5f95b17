"""Utilities' servers in the admin: how they fare, what they asked, what is not understood, what went back."""

from typing import Any

from django import forms
from django.contrib import admin, messages
from django.db.models import Count, Q, QuerySet
from django.http import HttpRequest

from accounts.admin import AnyAdmin, AnyInline
from foundation import clock
from grid.admin.bases import AnyModelForm
from grid.flows import operators
from grid.models import OperatorEvent, OperatorLink, OperatorProgram, OperatorReport

MOST_SHARE_PERCENT = 100


class OperatorLinkForm(AnyModelForm):
    """The client secret is typed and never shown again."""

    api_base = forms.URLField(max_length=300, assume_scheme="https")
    token_url = forms.URLField(
        max_length=300, required=False, assume_scheme="https", help_text="Empty: the server's own /auth/token."
    )
    client_secret = forms.CharField(
        required=False, widget=forms.PasswordInput(render_value=False), help_text="Empty: as it was."
    )
    push_token = forms.CharField(
        required=False, widget=forms.PasswordInput(render_value=False), help_text="Empty: as it was."
    )

    class Meta:
        model = OperatorLink
        fields = [
            "utility",
            "protocol",
            "api_base",
            "token_url",
            "oauth_id",
            "client_secret",
            "ven_name",
            "push_token",
            "poll_seconds",
            "is_active",
        ]

    def clean_client_secret(self) -> str:
        """Keep the old secret where none is typed; a new link needs one."""
        typed = str(self.cleaned_data["client_secret"])
        if not typed and not self.instance.pk:
            raise forms.ValidationError("The utility gives one with the client id.")
        return typed or str(self.instance.client_secret)

    def clean_push_token(self) -> str:
        """Keep the old token where none is typed."""
        return str(self.cleaned_data["push_token"]) or str(self.instance.push_token)

    def clean_poll_seconds(self) -> int:
        """Refuse what would hammer the server or make us deaf."""
        seconds = int(self.cleaned_data["poll_seconds"])
        if not 10 <= seconds <= 3600:
            raise forms.ValidationError("Ask every 10 seconds to every hour.")
        return seconds


class OperatorProgramForm(AnyModelForm):
    """The words agreed with the utility, checked."""

    class Meta:
        model = OperatorProgram
        fields = [
            "remote_id",
            "program",
            "export_is_negative",
            "setpoint_is_relative",
            "simple_shares_percent",
            "state_of_charge_is_ratio",
            "usage_may_be_negative",
        ]

    def clean_simple_shares_percent(self) -> dict[str, float]:
        """Refuse levels and shares that SIMPLE does not have."""
        shares = self.cleaned_data["simple_shares_percent"] or {}
        is_table = isinstance(shares, dict) and set(shares) <= {"1", "2", "3"}
        if not is_table or not all(
            isinstance(share, int | float) and 0 < share <= MOST_SHARE_PERCENT for share in shares.values()
        ):
            raise forms.ValidationError('Give shares of the levels 1, 2 and 3 in percent, such as {"1": 33}.')
        return dict(shares)


class OperatorProgramInline(AnyInline):
    """The programs that the server serves."""

    model = OperatorProgram
    form = OperatorProgramForm
    extra = 1  # one blank row, so that a program can be added without a script


@admin.register(OperatorLink)
class OperatorLinkAdmin(AnyAdmin):
    form = OperatorLinkForm
    inlines = [OperatorProgramInline]
    list_display = ["__str__", "is_active", "heard_at", "failure", "failures", "unclear"]
    list_filter = ["is_active", "protocol"]
    list_select_related = ["utility"]
    readonly_fields = ["ven_id", "heard_at", "failure", "failures"]
    actions = ["ask_now"]

    def get_fields(self, request: HttpRequest, obj: OperatorLink | None = None) -> Any:
        """Show what is typed, then how it fares."""
        return [*OperatorLinkForm.Meta.fields, *(self.readonly_fields if obj else [])]

    def get_queryset(self, request: HttpRequest) -> "QuerySet[OperatorLink]":
        """Count what is not understood along."""
        is_unclear = Q(programs__events__state=OperatorEvent.State.UNREADABLE)
        rows: QuerySet[OperatorLink] = super().get_queryset(request)
        return rows.annotate(unclear_count=Count("programs__events", filter=is_unclear))

    @admin.display(description="not understood")
    def unclear(self, link: OperatorLink) -> int:
        """How many of its events cannot be read."""
        return int(link.unclear_count)  # type: ignore[attr-defined]  # annotated above

    @admin.action(description="Ask the server now")
    def ask_now(self, request: HttpRequest, queryset: "QuerySet[OperatorLink]") -> None:
        """Have the chosen servers asked with the next sweep."""
        for link in queryset:
            operators.ring(link=link, now=clock.now())
        messages.success(request, "They are asked with the next sweep.")


class ShownOnly(AnyAdmin):
    """What others said or were told is shown and stays as it is."""

    def has_add_permission(self, request: HttpRequest) -> bool:
        """Nobody adds one by hand."""
        return False

    def has_change_permission(self, request: HttpRequest, obj: object = None) -> bool:
        """Nobody edits one."""
        return False

    def has_delete_permission(self, request: HttpRequest, obj: object = None) -> bool:
        """Nobody deletes one."""
        return False


@admin.register(OperatorEvent)
class OperatorEventAdmin(ShownOnly):
    list_display = ["remote_id", "program", "state", "changed_at", "seen_at", "asks_for", "questions"]
    list_filter = ["state", "program__link__utility"]
    list_select_related = ["program__program", "program__link__utility"]
    search_fields = ["remote_id"]

    def get_queryset(self, request: HttpRequest) -> "QuerySet[OperatorEvent]":
        """Fetch our own events along."""
        return super().get_queryset(request).prefetch_related("asks__grid_event")

    @admin.display(description="asks for")
    def asks_for(self, row: OperatorEvent) -> str:
        """Our events that stand for it."""
        return ", ".join(str(ask.grid_event) for ask in row.asks.all()) or "nothing"


@admin.register(OperatorReport)
class OperatorReportAdmin(ShownOnly):
    list_display = ["ask", "sent_at", "failure", "failures", "remote_id"]
    list_filter = [("sent_at", admin.EmptyFieldListFilter)]
    list_select_related = ["ask__operator_event", "ask__grid_event"]
