"""A settlement's evidence as JSON: everything it was computed from, so that anybody can compute it again."""

from collections.abc import Mapping
from datetime import datetime
from decimal import Decimal
from fractions import Fraction
from typing import Any

from grid.metering.cases import Car, Case, Frozen, Reading, Stay, Window
from grid.metering.energy import Energy
from grid.metering.settlement import FORMULA, GROUP_FORMULA, Result, settle

SCHEMA = 1


def write(case: Case, result: Result, *, is_of_group: bool = False) -> dict[str, Any]:
    """Return the evidence of a settlement: inputs, method, formula, workings and result, as plain JSON.

    Of a car that is settled with its group it tells what the car did and no money, which is the group's.
    """
    written = _write(case, result)
    if case.frozen is not None:
        written["frozen"] = {
            "noticed_at": case.frozen.noticed_at.isoformat(),
            "limit_percent": None if case.frozen.limit_percent is None else str(case.frozen.limit_percent),
            "stay": None if case.frozen.stay is None else _stay(case.frozen.stay),
        }
    if is_of_group:
        written |= {"settles": "group", "formula": GROUP_FORMULA}
        del written["result"]["credited_wh"], written["result"]["amount_minor"]
    return written


def _write(case: Case, result: Result) -> dict[str, Any]:
    return {
        "schema": SCHEMA,
        "method": {"name": case.method, "version": case.method_version},
        "formula": FORMULA,
        "event": {"kind": case.kind, **_window(case.event)},
        "car": {
            "capacity_wh": case.car.capacity_wh,
            "charge_efficiency": str(case.car.charge_efficiency),
            "power_w": case.car.power_w,
        },
        "reward": {"rate_micros_per_kwh": case.rate_micros_per_kwh, "currency": case.currency},
        "stays": [_stay(stay) for stay in case.stays],
        "readings": [_reading(reading) for reading in case.readings],
        "workings": {
            "baseline": [
                {**_window(segment.window), "power_w": segment.power_w, "energy_wh": _number(segment.energy_wh)}
                for segment in result.segments
            ],
            "net": [_flow(flow) for flow in result.flows],
        },
        "result": {
            "baseline_wh": result.baseline_wh,
            "net_wh": result.net_wh,
            "delivered_wh": result.delivered_wh,
            "credited_wh": result.credited_wh,
            "amount_minor": result.amount_minor,
            "grade": result.grade,
            "reason": result.reason,
        },
    }


def read(evidence: Mapping[str, Any]) -> Case:
    """Return the case that an evidence states; raises ValueError for a schema that is not known."""
    if evidence.get("schema") != SCHEMA:
        raise ValueError(f"Evidence of schema {evidence.get('schema')!r} is not known.")
    event, car, reward = evidence["event"], evidence["car"], evidence["reward"]
    return Case(
        kind=event["kind"],
        event=Window(_at(event["starts_at"]), _at(event["ends_at"])),
        car=Car(
            capacity_wh=car["capacity_wh"],
            charge_efficiency=Decimal(car["charge_efficiency"]),
            power_w=car["power_w"],
        ),
        stays=tuple(_read_stay(stay) for stay in evidence["stays"]),
        readings=tuple(
            Reading(
                observed_at=_at(reading["observed_at"]),
                soc_percent=None if reading["soc_percent"] is None else Decimal(reading["soc_percent"]),
                imported_wh=reading["imported_wh"],
                exported_wh=reading["exported_wh"],
            )
            for reading in evidence["readings"]
        ),
        method=evidence["method"]["name"],
        method_version=evidence["method"]["version"],
        rate_micros_per_kwh=reward["rate_micros_per_kwh"],
        currency=reward["currency"],
        frozen=read_frozen(evidence.get("frozen")),
    )


def read_frozen(kept: Mapping[str, Any] | None) -> Frozen | None:
    """Return what was kept of the car before notice; None where nothing was."""
    if not kept or "noticed_at" not in kept:
        return None
    limit, stay = kept.get("limit_percent"), kept.get("stay")
    return Frozen(
        noticed_at=_at(kept["noticed_at"]),
        limit_percent=None if limit is None else Decimal(limit),
        stay=None if stay is None else _read_stay(stay),
    )


def _read_stay(stay: Mapping[str, Any]) -> Stay:
    return Stay(
        plugged_in_at=_at(stay["plugged_in_at"]),
        unplugged_at=_at(stay["unplugged_at"]) if stay.get("unplugged_at") else None,
        soc_percent=Decimal(stay["soc_percent"]),
        limit_percent=Decimal(stay["limit_percent"]),
    )


def recompute(evidence: Mapping[str, Any]) -> Result:
    """Settle again from the evidence's inputs alone; its stated result is not looked at."""
    return settle(read(evidence))


def _at(text: str) -> datetime:
    return datetime.fromisoformat(text)


def _window(window: Window) -> dict[str, str]:
    return {"starts_at": window.starts_at.isoformat(), "ends_at": window.ends_at.isoformat()}


def _stay(stay: Stay) -> dict[str, str | None]:
    return {
        "plugged_in_at": stay.plugged_in_at.isoformat(),
        "unplugged_at": stay.unplugged_at.isoformat() if stay.unplugged_at else None,
        "soc_percent": str(stay.soc_percent),
        "limit_percent": str(stay.limit_percent),
    }


def _reading(reading: Reading) -> dict[str, Any]:
    return {
        "observed_at": reading.observed_at.isoformat(),
        "soc_percent": None if reading.soc_percent is None else str(reading.soc_percent),
        "imported_wh": reading.imported_wh,
        "exported_wh": reading.exported_wh,
    }


def _flow(flow: Energy) -> dict[str, Any]:
    edges = {name: [_number(start), _number(end)] for name, start, end in flow.edges}
    energy = {
        name: None if value is None else _number(value)
        for name, value in (("imported_wh", flow.imported_wh), ("exported_wh", flow.exported_wh))
    }
    return {**_window(flow.window), "grade": flow.grade, "edges": edges, **energy}


def _number(value: Fraction) -> float:
    # For the reader's eye alone: nothing is computed from it.
    return round(float(value), 3)
