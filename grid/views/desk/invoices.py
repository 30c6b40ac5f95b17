"""Invoices and nominations at the desk."""

from uuid import UUID

from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import get_object_or_404

from foundation import clock
from grid.flows.desk import sheets
from grid.flows.desk.invoices import invoice_evidence
from grid.flows.settlement.invoice_lines import carried_over
from grid.models import Invoice, Nomination
from grid.views.desk.doors import Desk, desk_read, show
from grid.views.desk.events import as_file

HOURS_SHOWN = 200
MOST_HOURS = 24 * 400


def invoices_of(desk: Desk) -> "QuerySet[Invoice]":
    """Return the utility's invoices; drafts are ours until they are sent."""
    rows = Invoice.objects.filter(utility=desk.utility).exclude(state=Invoice.State.DRAFT).exclude(number=None)
    return rows.select_related("utility").order_by("-number")


@desk_read
def invoices(request: HttpRequest, desk: Desk) -> HttpResponse:
    """List the utility's invoices, and what is not on one yet because it is under review."""
    return show(request, desk, "invoices", {"invoices": invoices_of(desk)[:120], "carried": carried_over(desk.utility)})


@desk_read
def invoice(request: HttpRequest, desk: Desk, invoice: UUID) -> HttpResponse:
    """Show one invoice with its lines, fit for printing."""
    found = get_object_or_404(invoices_of(desk), public_id=invoice)
    lines = found.lines.select_related("event__terms__program", "group")
    return show(request, desk, "invoice", {"invoice": found, "lines": lines})


@desk_read
def invoice_file(request: HttpRequest, desk: Desk, invoice: UUID, form: str) -> HttpResponse:
    """Hand out an invoice: its lines as CSV, or as JSON with the evidence of each."""
    del request
    found = get_object_or_404(invoices_of(desk), public_id=invoice)
    if form != "json":
        return as_file(form, f"invoice-{found.name}", sheets.INVOICE_COLUMNS, sheets.invoice_rows(found))
    answer = JsonResponse(invoice_evidence(found, now=clock.now()), json_dumps_params={"indent": 1})
    answer["Content-Disposition"] = f'attachment; filename="invoice-{found.name}.json"'
    return answer


def nominations_of(desk: Desk) -> "QuerySet[Nomination]":
    """Return the hours that the utility's programs were nominated for."""
    return Nomination.objects.filter(program__utility=desk.utility).select_related("program")


@desk_read
def nominations(request: HttpRequest, desk: Desk) -> HttpResponse:
    """Show what can be counted on, hour by hour, from now on."""
    ahead = nominations_of(desk).filter(starts_at__gt=clock.now()).order_by("starts_at", "program__name")
    return show(request, desk, "nominations", {"hours": ahead[:HOURS_SHOWN]})


@desk_read
def nominations_file(request: HttpRequest, desk: Desk, form: str) -> HttpResponse:
    """Hand out all nominations as CSV or JSON, newest first."""
    del request
    rows = nominations_of(desk).order_by("-starts_at", "program__name")[:MOST_HOURS]
    return as_file(
        form,
        f"nominations-{desk.utility.slug}",
        sheets.NOMINATION_COLUMNS,
        [sheets.nomination_row(row) for row in rows],
    )
