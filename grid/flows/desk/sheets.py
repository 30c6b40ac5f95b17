"""What a utility takes away as files: CSV that no spreadsheet runs as a formula, and the same as JSON.

docs/utility-desk.md names every column with its unit. Times are UTC in ISO 8601, energies Wh and powers W at the AC
side, amounts minor units of the currency named beside them; an empty cell is not known, which is not zero.
"""

import csv
import io
from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any

from foundation.sheets import harmless_cell
from grid.flows.desk.events import CarRow, EventLine, IntervalRow, car_rows, grades, interval_rows
from grid.flows.desk.progress import progress_of
from grid.models import Invoice, InvoiceLine, Nomination

SCHEMA = 1

EVENT_COLUMNS = (
    "event", "program", "terms_version", "kind", "starts_at", "ends_at", "state", "target_w", "cars_in", "opted_out",
    "unable", "control_cars", "is_small_group", "method", "method_version", "revision", "baseline_wh", "net_wh",
    "delivered_wh", "error_wh", "delivered_percent", "amount_minor", "currency", "review", "objection_ends_at",
)  # fmt: skip
INTERVAL_COLUMNS = ("starts_at", "ends_at", "baseline_w", "net_w", "delivered_w", "grade")
CAR_COLUMNS = ("car", "state", "grade", "committed_wh", "baseline_wh", "net_wh", "delivered_wh", "is_straggler")
PROGRESS_COLUMNS = ("at", "asked_w", "planned_w", "measured_w", "unknown_w", "moved_w", "missing_w", "called_cars",
                    "unknown_cars", "straggling_cars", "reserve_cars")  # fmt: skip
NOMINATION_COLUMNS = ("program", "starts_at", "ends_at", "hold_w", "discharge_w", "cars", "method", "method_version",
                      "quantile_percent", "days", "made_at")  # fmt: skip
INVOICE_COLUMNS = ("invoice", "position", "kind", "about_date", "event", "program", "form", "postings", "amount_minor",
                   "currency")  # fmt: skip


def as_csv(columns: Sequence[str], rows: Iterable[dict[str, Any]]) -> str:
    """Return rows as CSV with a head line; what a spreadsheet could run as a formula is quoted."""
    out = io.StringIO()
    writer = csv.writer(out)
    writer.writerow(columns)
    for row in rows:
        writer.writerow([_cell(row.get(column)) for column in columns])
    return out.getvalue()


def _cell(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float):
        return f"{value:.3f}"
    return harmless_cell(value.isoformat() if isinstance(value, datetime) else str(value))


def event_row(line: EventLine) -> dict[str, Any]:
    """Return one event as a row of EVENT_COLUMNS; a small group's energies are whole kWh, its counts left out."""
    event, group = line.event, line.group
    hidden = line.is_small
    return {
        "event": str(event.public_id),
        "program": event.terms.program.slug,
        "terms_version": event.terms.version,
        "kind": event.kind,
        "starts_at": event.starts_at,
        "ends_at": event.ends_at,
        "state": line.phase,
        "target_w": event.target_w,
        "cars_in": None if hidden else line.cars_in,
        "opted_out": None if hidden else line.opted_out,
        "unable": None if hidden else line.unable,
        "control_cars": None if hidden else line.control,
        "is_small_group": hidden,
        "method": group.method if group else event.terms.baseline_method,
        "method_version": group.method_version if group else event.terms.baseline_version,
        "revision": group.revision if group else None,
        "baseline_wh": group.baseline_wh if group and not hidden else None,
        "net_wh": group.net_wh if group and not hidden else None,
        "delivered_wh": line.shown_wh,
        "error_wh": group.error_wh if group and not hidden else None,
        "delivered_percent": line.delivered_percent,
        "amount_minor": group.amount_minor if group else None,
        "currency": event.terms.program.utility.currency,
        "review": group.review if group else None,
        "objection_ends_at": group.objection_ends_at if group else None,
    }


def interval_row(row: IntervalRow) -> dict[str, Any]:
    """Return a quarter of an hour as a row of INTERVAL_COLUMNS."""
    return {name: getattr(row, name) for name in INTERVAL_COLUMNS}


def car_row(row: CarRow) -> dict[str, Any]:
    """Return a car's part as a row of CAR_COLUMNS."""
    return {"car": row.number, **{name: getattr(row, name) for name in CAR_COLUMNS[1:]}}


def progress_rows(line: EventLine) -> list[dict[str, Any]]:
    """Return the looks at an event while it ran as rows of PROGRESS_COLUMNS; none of a small group."""
    found = None if line.is_small else progress_of(line.event)
    return [{name: getattr(step.look, name) for name in PROGRESS_COLUMNS} for step in found.steps] if found else []


def event_evidence(line: EventLine) -> dict[str, Any]:
    """Return everything that an event's result rests on and that may be told, as plain JSON."""
    cars = car_rows(line)
    group, draw = line.group, getattr(line.event, "control_draw", None)
    return {
        "schema": SCHEMA,
        "event": plain(event_row(line)),
        "grades": grades(cars),
        "intervals": [plain(interval_row(row)) for row in interval_rows(line)],
        "cars": [plain(car_row(row)) for row in cars],
        "control_draw": None
        if draw is None or line.is_small
        else {
            "method": draw.method,
            "method_version": draw.method_version,
            "seed": draw.seed,
            "share_percent": draw.share_percent,
            "eligible": draw.eligible,
            "drawn": len(draw.drawn),
            "drawn_at": draw.drawn_at.isoformat(),
        },
        "group_evidence": group.evidence if group is not None and not line.is_small else None,
    }


def nomination_row(row: Nomination) -> dict[str, Any]:
    """Return an hour as a row of NOMINATION_COLUMNS."""
    return {
        "program": row.program.slug,
        "starts_at": row.starts_at,
        "ends_at": row.ends_at,
        "hold_w": row.hold_w,
        "discharge_w": row.discharge_w,
        "cars": row.cars,
        "method": row.method,
        "method_version": row.method_version,
        "quantile_percent": row.inputs.get("quantile_percent"),
        "days": len(row.inputs.get("days", ())),
        "made_at": row.made_at,
    }


def invoice_rows(invoice: Invoice) -> list[dict[str, Any]]:
    """Return an invoice's lines as rows of INVOICE_COLUMNS."""
    return [_invoice_row(invoice, line) for line in invoice.lines.select_related("event__terms__program")]


def _invoice_row(invoice: Invoice, line: InvoiceLine) -> dict[str, Any]:
    return {
        "invoice": invoice.name,
        "position": line.position,
        "kind": line.kind,
        "about_date": line.about_date.isoformat(),
        "event": str(line.event.public_id) if line.event else None,
        "program": line.event.terms.program.slug if line.event else line.program,
        "form": line.form,
        "postings": line.postings_count,
        "amount_minor": line.amount_minor,
        "currency": invoice.currency,
    }


def plain(row: dict[str, Any]) -> dict[str, Any]:
    """Return a row with its instants as text."""
    return {key: value.isoformat() if isinstance(value, datetime) else value for key, value in row.items()}
