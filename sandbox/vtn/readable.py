"""Reports as a table that a person at the utility's desk can read. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sandbox.vtn.events import read_duration

MOST_ROWS = 200
MOST_RESOURCES = 20


@dataclass(frozen=True)
class ShownRow:
    """One interval of one resource: when, and a value for each column, "" where nothing was told."""

    resource: str
    starts_at: datetime | str
    ends_at: datetime | str
    values: list[str]


@dataclass(frozen=True)
class ShownReport:
    """One report: its name, when it came last, the columns told with their units, and the rows."""

    name: str
    client: str
    came_at: datetime
    columns: list[str]
    rows: list[ShownRow]
    left_out: int


def show_report(body: Mapping[str, Any], *, came_at: datetime) -> ShownReport:
    """Return a report as a table; what cannot be read is shown as it was sent."""
    units = {
        str(row.get("payloadType")): str(row.get("units") or "").lower() for row in body.get("payloadDescriptors") or []
    }
    resources = body.get("resources") or []
    kinds = list(
        dict.fromkeys(
            str(payload.get("type"))
            for resource in resources
            for interval in resource.get("intervals") or []
            for payload in interval.get("payloads") or []
        )
    )
    rows = [
        _row(resource, interval, kinds)
        for resource in resources[:MOST_RESOURCES]
        for interval in resource.get("intervals") or []
    ]
    return ShownReport(
        name=str(body.get("reportName") or "report"),
        client=str(body.get("clientName")),
        came_at=came_at,
        columns=[f"{kind} {_unit(units.get(kind, ''))}".strip() for kind in kinds],
        rows=rows[:MOST_ROWS],
        left_out=max(0, len(resources) - MOST_RESOURCES) + max(0, len(rows) - MOST_ROWS),
    )


def _unit(unit: str) -> str:
    shown = {"kwh": "kWh", "kw": "kW", "percent": "%"}.get(unit, unit)
    return f"({shown})" if shown else ""


def _row(resource: Mapping[str, Any], interval: Mapping[str, Any], kinds: list[str]) -> ShownRow:
    told = {str(payload.get("type")): payload.get("values") or [""] for payload in interval.get("payloads") or []}
    starts_at, ends_at = _span(resource.get("intervalPeriod"), interval)
    return ShownRow(
        resource="all together"
        if resource.get("resourceName") == "AGGREGATED_REPORT"
        else str(resource["resourceName"]),
        starts_at=starts_at,
        ends_at=ends_at,
        values=[_value(told[kind][0]) if kind in told else "" for kind in kinds],
    )


def _span(default: Mapping[str, Any] | None, interval: Mapping[str, Any]) -> tuple[datetime | str, datetime | str]:
    """Return when an interval begins and ends: its own period counts, else the resource's, one after the other."""
    own = interval.get("intervalPeriod")
    period = own or default or {}
    length = read_duration(str(period.get("duration", "")))
    try:
        first = datetime.fromisoformat(str(period.get("start", "")))
    except ValueError:
        return str(period.get("start", "")), ""
    starts_at = first if own else first + (length or timedelta(0)) * int(interval.get("id") or 0)
    return starts_at, starts_at + length if length else ""


def _value(value: object) -> str:
    return f"{value:,.3f}" if isinstance(value, float) else str(value)
