"""An invoice with its evidence: each line with the event's own evidence and the ledger's postings behind it."""

from datetime import datetime
from typing import Any

from grid.flows.desk.events import event_lines
from grid.flows.desk.sheets import SCHEMA, event_evidence, invoice_rows
from grid.models import GridEvent, Invoice, InvoicePosting


def invoice_evidence(invoice: Invoice, *, now: datetime) -> dict[str, Any]:
    """Return the invoice with all that it rests on, as plain JSON.

    Postings are told one by one for events of large enough groups; of smaller ones their sum and count are told.
    """
    lines = list(invoice.lines.order_by("position"))
    events = GridEvent.objects.filter(pk__in=[line.event_id for line in lines if line.event_id])
    told = event_lines(events.select_related("terms__program__utility", "control_draw"), now=now)
    by_event = {line.event.pk: line for line in told}
    open_to = {line.pk for line in lines if line.event_id in by_event and not by_event[line.event_id].is_small}
    return {
        "schema": SCHEMA,
        "invoice": invoice.name,
        "utility": invoice.utility.slug,
        "month": f"{invoice.month_date:%Y-%m}",
        "state": invoice.state,
        "currency": invoice.currency,
        "amount_minor": invoice.amount_minor,
        "sent_at": invoice.sent_at.isoformat() if invoice.sent_at else None,
        "due_date": invoice.due_date.isoformat() if invoice.due_date else None,
        "lines": invoice_rows(invoice),
        "postings": _postings(open_to),
        "events": [event_evidence(line) for line in told],
    }


def _postings(line_keys: set[int]) -> list[dict[str, Any]]:
    rows = InvoicePosting.objects.filter(line__in=line_keys).order_by("line__position", "transfer")
    names = ("line__position", "transfer__public_id", "amount_minor", "transfer__created_at")
    return [
        {"position": position, "transfer": str(transfer), "amount_minor": amount, "posted_at": at.isoformat()}
        for position, transfer, amount, at in rows.values_list(*names)
    ]
