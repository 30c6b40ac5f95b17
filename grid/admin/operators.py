"""Utilities' servers in the admin: how they fare, what they asked, what is not understood, what went back."""

from typing import Any

from django.contrib import admin, messages
from django.db.models import Count, Q, QuerySet
from django.http import HttpRequest

from accounts.admin import AnyAdmin, AnyInline
from foundation import clock
from grid.admin.operator_forms import OperatorLinkForm, OperatorProgramForm
from grid.flows.operators import operators
from grid.models import OperatorEvent, OperatorLink, OperatorProgram, OperatorReport, OperatorReportRequest
from grid.operators.openadr2b.certificates import expires_at


class OperatorProgramInline(AnyInline):
    """The programs that the server serves."""

    model = OperatorProgram
    form = OperatorProgramForm
    extra = 1  # one blank row, so that a program can be added without a script


@admin.register(OperatorLink)
class OperatorLinkAdmin(AnyAdmin):
    form = OperatorLinkForm
    inlines = [OperatorProgramInline]
    list_display = ["__str__", "is_active", "heard_at", "failure", "failures", "unclear", "valid_until"]
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

    @admin.display(description="certificate until")
    def valid_until(self, link: OperatorLink) -> str:
        """Until when our certificate can be used, "-" for none."""
        try:
            return f"{expires_at(link.certificate):%Y-%m-%d}" if link.certificate else "-"
        except ValueError:
            return "not readable"

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
    list_display = ["remote_id", "program", "state", "answer", "changed_at", "seen_at", "asks_for", "questions"]
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


@admin.register(OperatorReportRequest)
class OperatorReportRequestAdmin(ShownOnly):
    list_display = ["request_id", "link", "specifier_id", "r_ids", "every_seconds", "next_at", "sent_at", "failure"]
    list_filter = ["link__utility"]
    list_select_related = ["link__utility"]
