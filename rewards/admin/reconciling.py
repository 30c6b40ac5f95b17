"""What differed from the processor's books, with the next step, and the end of the pause that it brought."""

from typing import Any, cast

from django.contrib import admin
from django.http import HttpRequest, HttpResponse, QueryDict
from django.urls import URLPattern, path, reverse
from django.utils.html import format_html
from django.utils.safestring import SafeString

from accounts.admin import ReadOnlyInline
from accounts.models import User
from foundation import clock
from rewards.admin.bases import SteerableAdmin, money_text
from rewards.flows.pauses import open_findings, resume_payouts
from rewards.models import PayoutPause, Reconciliation, ReconciliationFinding

Kind = ReconciliationFinding.Kind
_NEXT_STEPS = {
    Kind.TRANSFER_UNKNOWN: "Find out at the processor who sent it. Take it back there if it is wrong.",
    Kind.TRANSFER_TWICE: "Take the second transfer back at the processor, if the receiver still has the money.",
    Kind.TRANSFER_MISSING: "Search the processor's dashboard for the payout's id. Was another account's key in use?",
    Kind.TRANSFER_DIFFERS: "Compare both sides; pay what is missing by a correction, take back what is too much.",
    Kind.STATE_DIFFERS: "Look the payout up again, so that it is adopted; if it was cancelled, take the money back.",
    Kind.REVERSAL_DIFFERS: "Somebody took money back at one side only: book it, or pay it again by a correction.",
    Kind.ENTRY_MISSING: "Ask the processor's support: its own books contradict each other.",
    Kind.ENTRY_DIFFERS: "Ask the processor's support: its own books contradict each other.",
    Kind.ENTRY_UNKNOWN: "Find out why the balance moved: a withdrawal, an adjustment, a dispute?",
    Kind.LEDGER_DIFFERS: "Our own books contradict each other: run check_ledger and look for a restore or hand edit.",
    Kind.LEDGER_UNKNOWN: "Find out who posted this row; reverse it by a new one.",
    Kind.TOP_UP_DIFFERS: "Compare with the bank: did the top-up fail or arrive in part? Book the correction.",
    Kind.TOP_UP_MISSING: "Compare with the bank and the processor's dashboard.",
}


class Findings(ReadOnlyInline):
    """The rows of one comparison."""

    model = ReconciliationFinding
    fields = readonly_fields = (
        "kind",
        "subject",
        "ours_minor",
        "theirs_minor",
        "currency",
        "detail",
        "accepted_by",
        "note",
    )


@admin.register(Reconciliation)
class ReconciliationAdmin(SteerableAdmin):
    """Each day's comparison."""

    list_display = ["due_at", "processor", "finished_at", "rows_compared", "top_ups_booked", "new_findings", "failure"]
    list_filter = [("finished_at", admin.EmptyFieldListFilter), "due_at"]
    search_fields = ["public_id", "findings__subject"]
    inlines = [Findings]


@admin.register(ReconciliationFinding)
class ReconciliationFindingAdmin(SteerableAdmin):
    """Each row that differs."""

    list_display = ["kind", "subject", "ours", "theirs", "payout", "next_step", "accepted_by", "note"]
    list_filter = [("accepted_at", admin.EmptyFieldListFilter), "kind", "currency"]
    search_fields = ["subject", "payout__public_id", "payout__account__owner__email", "detail"]
    list_select_related = ["payout", "accepted_by"]

    @admin.display(description="ours")
    def ours(self, finding: ReconciliationFinding) -> str:
        return money_text(finding.ours_minor, finding.currency)

    @admin.display(description="the processor's")
    def theirs(self, finding: ReconciliationFinding) -> str:
        return money_text(finding.theirs_minor, finding.currency)

    @admin.display(description="next step")
    def next_step(self, finding: ReconciliationFinding) -> str:
        return "None: explained." if finding.accepted_at else _NEXT_STEPS[Kind(finding.kind)]


@admin.register(PayoutPause)
class PayoutPauseAdmin(SteerableAdmin):
    """When nothing was paid, why, and who let it go on."""

    list_display = ["paused_at", "reason", "next_step", "resumed_at", "resumed_by", "note"]
    list_filter = [("resumed_at", admin.EmptyFieldListFilter), "paused_at"]
    search_fields = ["reason", "note", "resumed_by__email"]
    list_select_related = ["resumed_by"]

    @admin.display(description="next step")
    def next_step(self, pause: PayoutPause) -> str | SafeString:
        if pause.resumed_at:
            return "None."
        address = reverse("admin:rewards_payoutpause_resume", args=[pause.pk])
        return format_html('Explain each difference, then <a href="{}">resume payouts</a>.', address)

    def get_urls(self) -> list[URLPattern]:
        """Add the page that asks before payouts go on."""
        view = self.admin_site.admin_view(self.resume)
        return [path("<int:pk>/resume/", view, name="rewards_payoutpause_resume"), *super().get_urls()]

    def resume(self, request: HttpRequest, pk: int) -> HttpResponse:
        """Show every open difference, ask for what explains them, then let payouts go on."""

        def act(pause: PayoutPause, typed: QueryDict) -> None:
            seen, note = typed.get("seen", ""), typed.get("note", "")
            resume_payouts(
                pause=pause,
                by=cast(User, request.user),
                note=note,
                seen=int(seen) if seen.isdecimal() else 0,
                now=clock.now(),
            )

        return self.confirm(request, pk, verb="Resume payouts", rows=_pause_rows, act=act)


def _pause_rows(pause: PayoutPause) -> dict[str, Any]:
    findings = open_findings()
    lines = [(f"{one.get_kind_display()}: {one.subject}", _both_sides(one)) for one in findings]
    return {
        "rows": [("paused", pause.paused_at), ("reason", pause.reason), *lines],
        "asks_note": "What explains the differences",
        "seen": max((one.pk for one in findings), default=0),
    }


def _both_sides(one: ReconciliationFinding) -> str:
    ours, theirs = (money_text(minor, one.currency) for minor in (one.ours_minor, one.theirs_minor))
    return f"Ours {ours}, the processor's {theirs}. {_NEXT_STEPS[Kind(one.kind)]}"
