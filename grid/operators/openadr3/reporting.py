"""Reports to a VTN, as OpenADR 3 words them: usage, baseline, demand, states, storage, with the program's signs.

Resource names are opaque. Energy and power are those of the AC side. Where a program's words forbid negative usage
(the enumeration does), export is told as a usage of zero and the whole, signed figure under the private type
NET_USAGE, so that nothing is hidden by a clipped number.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from grid.operators.base import ProgramWords
from grid.operators.openadr3.times import write_duration, write_instant
from grid.operators.openadr3.wishes import ENERGY, POWER

AGGREGATED = "AGGREGATED_REPORT"  # the specification's name for a report on all resources together
UNITS = {
    **dict.fromkeys([*sorted(ENERGY), "NET_USAGE"], "KWH"),
    **dict.fromkeys(sorted(POWER), "KW"),
    "STORAGE_CHARGE_LEVEL": "PERCENT",
}
COMPANIONS = {"USAGE": {"NET_USAGE"}}  # told with what was asked for, so that nothing is hidden
FORECAST = "forecast"  # the grade of what only a plan says
QUALITIES = {"measured": "OK", "derived": "ESTIMATED", "estimated": "ESTIMATED", "missing": "MISSING"}


@dataclass(frozen=True)
class Told:
    """What one resource, or the whole group, did in one interval; None = not known, and then it is left out.

    Energies in Wh and powers in W, AC side, positive into the cars; `grade` says how well they are known. `more` has
    further payloads in their own units (kWh, kW).
    """

    net_wh: int | None = None
    baseline_wh: int | None = None
    demand_w: int | None = None
    state_of_charge_percent: float | None = None
    operating_state: str = ""
    grade: str = "measured"
    forecast_wh: int | None = None
    available_up_w: int | None = None
    available_down_w: int | None = None
    more: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True)
class Row:
    """One interval of a resource: its id, `[starts_at, ends_at)`, and what is told of it."""

    number: int
    starts_at: datetime
    ends_at: datetime
    told: Told


def write_report(
    *,
    version: str,
    program_id: str,
    event_id: str,
    client_name: str,
    starts_at: datetime,
    length: timedelta,
    told: Mapping[str, Sequence[Told]],
    words: ProgramWords,
    name: str = "",
) -> dict[str, Any]:
    """Return the body of a report on `told`: by resource name, one entry an interval of `length` from `starts_at`.

    Only what is known is told. Raises ValueError for an empty report: a report of nothing would read as zero.
    """
    rows = {
        resource: [
            Row(number, starts_at + number * length, starts_at + (number + 1) * length, interval)
            for number, interval in enumerate(intervals)
        ]
        for resource, intervals in told.items()
    }
    body = write_rows(
        version=version,
        program_id=program_id,
        event_id=event_id,
        client_name=client_name,
        rows=rows,
        words=words,
        name=name,
    )
    for resource in body["resources"]:
        resource["intervalPeriod"] = {"start": write_instant(starts_at), "duration": write_duration(length)}
        for interval in resource["intervals"]:
            del interval["intervalPeriod"]
    return body


def write_rows(
    *,
    version: str,
    program_id: str,
    event_id: str,
    client_name: str,
    rows: Mapping[str, Sequence[Row]],
    words: ProgramWords,
    name: str = "",
    types: Collection[str] = (),
) -> dict[str, Any]:
    """Return the body of a report on rows that each have a span of their own, by resource name.

    With `types`, only those payloads are told, and beside them what keeps them honest: NET_USAGE where USAGE is cut at
    zero, DATA_QUALITY where a value was not measured. Raises ValueError for an empty report.
    """
    resources, kinds = [], set()
    for resource, intervals in rows.items():
        said = [(row, _asked(_payloads(row.told, words), row.told, types)) for row in intervals]
        said = [(row, payloads) for row, payloads in said if payloads]
        kinds |= {payload["type"] for _, payloads in said for payload in payloads}
        if said:
            resources.append(
                {
                    "resourceName": resource,
                    "intervals": [
                        {
                            "id": row.number,
                            "intervalPeriod": {
                                "start": write_instant(row.starts_at),
                                "duration": write_duration(row.ends_at - row.starts_at),
                            },
                            "payloads": payloads,
                        }
                        for row, payloads in said
                    ],
                }
            )
    if not resources:
        raise ValueError("A report tells something.")
    grades = {row.told.grade for intervals in rows.values() for row in intervals}
    body: dict[str, Any] = {
        "eventID": event_id,
        "clientName": client_name,
        "payloadDescriptors": [_descriptor(kind, grades, words) for kind in sorted(kinds)],
        "resources": resources,
    }
    if name:
        body["reportName"] = name
    if version == "3.0.1":
        body["programID"] = program_id
    return body


def _asked(payloads: list[dict[str, Any]], told: Told, types: Collection[str]) -> list[dict[str, Any]]:
    """Return the payloads that were asked for; none where nothing of them is known."""
    if not types:
        return payloads
    wanted = {*types, *(also for kind in types for also in COMPANIONS.get(kind, ()))}
    found = [payload for payload in payloads if payload["type"] in wanted - {"DATA_QUALITY"}]
    has_quality = "DATA_QUALITY" in types or told.grade not in {"measured", FORECAST}
    return found + [payload for payload in payloads if payload["type"] == "DATA_QUALITY" and found and has_quality]


def _payloads(told: Told, words: ProgramWords) -> list[dict[str, Any]]:
    sign = 1 if words.export_is_negative else -1
    values: list[tuple[str, Any]] = []
    if told.net_wh is not None:
        net_kwh = told.net_wh / 1000
        if words.usage_may_be_negative:
            values.append(("USAGE", sign * net_kwh))
        else:
            values.append(("USAGE", max(0.0, net_kwh)))
            if net_kwh < 0:
                values.append(("NET_USAGE", sign * net_kwh))
    if told.baseline_wh is not None:
        values.append(("BASELINE", told.baseline_wh / 1000))
    if told.demand_w is not None:
        values.append(("DEMAND", told.demand_w / 1000 if words.usage_may_be_negative else max(0, told.demand_w) / 1000))
    if told.state_of_charge_percent is not None:
        scale = 0.01 if words.state_of_charge_is_ratio else 1.0
        values.append(("STORAGE_CHARGE_LEVEL", round(told.state_of_charge_percent * scale, 4)))
    for kind, number in (
        ("USAGE_FORECAST", told.forecast_wh),
        ("UP_REGULATION_AVAILABLE", told.available_up_w),
        ("DOWN_REGULATION_AVAILABLE", told.available_down_w),
    ):
        if number is not None:
            values.append((kind, number / 1000))
    values += [(kind, round(number, 4)) for kind, number in told.more.items()]
    if told.operating_state:
        values.append(("OPERATING_STATE", told.operating_state))
    if values:
        values.append(("DATA_QUALITY", QUALITIES.get(told.grade, "ESTIMATED")))
    return [{"type": kind, "values": [value]} for kind, value in values]


def _descriptor(kind: str, grades: set[str], words: ProgramWords) -> dict[str, Any]:
    """Return what a payload means: its unit and, by the weakest grade among the intervals, how it was read."""
    descriptor: dict[str, Any] = {"objectType": "REPORT_PAYLOAD_DESCRIPTOR", "payloadType": kind}
    units = "" if kind == "STORAGE_CHARGE_LEVEL" and words.state_of_charge_is_ratio else UNITS.get(kind, "")
    if units:
        descriptor["units"] = units
    if kind in UNITS:
        is_measured = grades == {"measured"} and kind in {"USAGE", "NET_USAGE", "DEMAND"}
        is_ahead = grades == {FORECAST}
        descriptor["readingType"] = "FORECAST" if is_ahead else "DIRECT_READ" if is_measured else "ESTIMATED"
    return descriptor
