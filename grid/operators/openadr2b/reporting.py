"""Reports in OpenADR 2.0b's words: what we offer, what a server wants of it, and the values it gets.

One opaque resource stands for all cars of a program. What is not known is left out, never told as zero; what is known
of some cars only, or derived from their state of charge, is told as uncertain.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from lxml import etree

from grid.operators.base import OperatorUnreadable
from grid.operators.openadr2b.messages import read_length, text_at
from grid.operators.openadr3.times import read_instant

USAGE, BASELINE = "usage", "baseline"
TELEMETRY, HISTORY = "TELEMETRY_USAGE", "HISTORY_USAGE"
STEP = timedelta(minutes=15)
LONGEST_SPAN = timedelta(days=31)
MOST_VALUES = 200
QUALITIES = {"measured": "Quality Good - Non Specific"}
UNCERTAIN = "Quality Uncertain - Non Specific"
READING_TYPES = {USAGE: "Direct Read", BASELINE: "Estimated"}


@dataclass(frozen=True)
class Value:
    """The energy of one interval, AC side, Wh into the cars; `grade` says how well it is known."""

    r_id: str
    starts_at: datetime
    length: timedelta
    energy_wh: int
    grade: str


@dataclass(frozen=True)
class ReportWanted:
    """A report that a server asks for: over which span, in which steps, and how often (`every` zero: once)."""

    request_id: str
    specifier_id: str
    r_ids: tuple[str, ...]
    step: timedelta
    every: timedelta
    starts_at: datetime | None
    ends_at: datetime | None


def r_id_of(resource: str, what: str) -> str:
    """Return how a value of a resource is named."""
    return f"{resource}-{what}"


def offers(programs: Mapping[str, str], *, at: datetime) -> list[dict[str, Any]]:
    """Return the reports we can make on the programs, given as resource name by market context, as of `at`."""
    return [
        {
            "report_specifier_id": name,
            "report_name": f"METADATA_{name}",
            "report_request_id": "0",
            "created_date_time": at,
            "duration": LONGEST_SPAN,
            "report_descriptions": [
                _description(resource, what, context)
                for context, resource in programs.items()
                for what in READING_TYPES
            ],
        }
        for name in (TELEMETRY, HISTORY)
    ]


def _description(resource: str, what: str, context: str) -> dict[str, Any]:
    return {
        "r_id": r_id_of(resource, what),
        "report_data_source": {"resource_id": resource},
        "report_type": what,
        "reading_type": READING_TYPES[what],
        "market_context": context,
        "measurement": {
            "name": "energyReal",
            "description": "RealEnergy",
            "unit": "Wh",
            "scale": "none",
            "ns": "power",
        },
        "sampling_rate": {"min_period": STEP, "max_period": STEP, "on_change": False},
    }


def read_wanted(request: etree._Element) -> ReportWanted:
    """Return what an `oadrReportRequest` asks for; raises OperatorUnreadable."""
    request_id = text_at(request, "reportRequestID")
    if not 0 < len(request_id) <= 128 or not request_id.isprintable():
        raise OperatorUnreadable("a report request has no id")
    specifier = "reportSpecifier"
    r_ids = [
        text_at(payload, "rID") for payload in request.findall("{*}reportSpecifier/{*}specifierPayload")[:MOST_VALUES]
    ]
    start = text_at(request, f"{specifier}/reportInterval/properties/dtstart/date-time")
    span = text_at(request, f"{specifier}/reportInterval/properties/duration/duration")
    starts_at = read_instant(start) if start else None
    length = min(read_length(span), timedelta(days=3650)) if span else timedelta(0)
    return ReportWanted(
        request_id=request_id,
        specifier_id=text_at(request, f"{specifier}/reportSpecifierID")[:64],
        r_ids=tuple(r_ids),
        step=_length(request, f"{specifier}/granularity/duration"),
        every=_length(request, f"{specifier}/reportBackDuration/duration"),
        starts_at=starts_at,
        ends_at=starts_at + length if starts_at and length else None,
    )


def _length(request: etree._Element, path: str) -> timedelta:
    text = text_at(request, path)
    return min(read_length(text), timedelta(days=366)) if text else timedelta(0)


def write_report(*, wanted: str, specifier_id: str, values: Iterable[Value], at: datetime) -> dict[str, Any]:
    """Return a report on the values, for openleadr's template; raises ValueError for none: it would read as zero."""
    values = list(values)
    intervals = [
        {
            "dtstart": value.starts_at,
            "duration": value.length,
            "report_payload": {
                "r_id": value.r_id,
                "value": value.energy_wh,
                "data_quality": QUALITIES.get(value.grade, UNCERTAIN),
            },
        }
        for value in values
    ]
    if not intervals:
        raise ValueError("A report tells something.")
    return {
        "report_request_id": wanted,
        "report_specifier_id": specifier_id,
        "report_name": specifier_id,
        "report_id": f"{specifier_id}-{at:%Y%m%dT%H%M%S}",
        "created_date_time": at,
        "dtstart": min(value.starts_at for value in values),
        "intervals": intervals,
    }
