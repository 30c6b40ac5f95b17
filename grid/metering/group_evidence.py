"""A group's settlement as JSON: everything it was computed from, so that anybody can compute it again.

Members are columns by member number: one role letter each, and their own energies. No car and no owner is in it.
"""

from collections.abc import Mapping
from typing import Any

from grid.metering.cases import Window
from grid.metering.group_methods import settle_group
from grid.metering.groups import GroupCase, GroupResult, Members, ShareRule

SCHEMA = 1


def write(case: GroupCase, result: GroupResult, *, event: Window) -> dict[str, Any]:
    """Return the evidence of a group's settlement: members, method with its inputs, rule, workings and result."""
    measured = result.measured
    members: dict[str, Any] = {
        "roles": case.members.roles,
        "weights_wh": list(case.members.weights_wh),
        "baseline_wh": list(case.members.baseline_wh),
        "net_wh": list(case.members.net_wh),
    }
    if case.members.metered_wh:
        members["metered_wh"] = list(case.members.metered_wh)
    return {
        "schema": SCHEMA,
        "event": {
            "kind": case.kind,
            "starts_at": event.starts_at.isoformat(),
            "ends_at": event.ends_at.isoformat(),
        },
        "method": {"name": case.method, "version": case.method_version},
        "fallback": None if case.fallback is None else {"name": case.fallback[0], "version": case.fallback[1]},
        "rule": str(case.rule),
        "has_penalty": case.has_penalty,
        "reward": {"rate_micros_per_kwh": case.rate_micros_per_kwh, "currency": case.currency},
        "members": members,
        "inputs": dict(case.inputs),
        "workings": dict(measured.workings) if measured is not None else {},
        "result": stated(result),
    }


def stated(result: GroupResult) -> dict[str, Any]:
    """Return a result as the evidence states it; None = not known."""
    measured = result.measured
    return {
        "method": {"name": result.method, "version": result.method_version},
        "baseline_wh": measured.baseline_wh if measured is not None else None,
        "net_wh": measured.net_wh if measured is not None else None,
        "delivered_wh": measured.delivered_wh if measured is not None else None,
        "error_wh": measured.error_wh if measured is not None else None,
        "credited_wh": result.credited_wh,
        "amount_minor": result.amount_minor,
        "measured_cars": result.measured_cars,
        "estimated_cars": result.estimated_cars,
        "control_cars": result.control_cars,
        "reason": result.reason,
    }


def read(evidence: Mapping[str, Any]) -> GroupCase:
    """Return the case that an evidence states; raises ValueError for a schema that is not known."""
    if evidence.get("schema") != SCHEMA:
        raise ValueError(f"Evidence of schema {evidence.get('schema')!r} is not known.")
    members, fallback = evidence["members"], evidence.get("fallback")
    return GroupCase(
        kind=evidence["event"]["kind"],
        members=Members(
            roles=members["roles"],
            weights_wh=members["weights_wh"],
            baseline_wh=members["baseline_wh"],
            net_wh=members["net_wh"],
            metered_wh=members.get("metered_wh", ()),
        ),
        method=evidence["method"]["name"],
        method_version=evidence["method"]["version"],
        rule=ShareRule(evidence["rule"]),
        rate_micros_per_kwh=evidence["reward"]["rate_micros_per_kwh"],
        currency=evidence["reward"]["currency"],
        has_penalty=evidence["has_penalty"],
        fallback=None if fallback is None else (fallback["name"], fallback["version"]),
        inputs=evidence["inputs"],
    )


def recompute(evidence: Mapping[str, Any]) -> GroupResult:
    """Settle again from the evidence's inputs alone; its stated result is not looked at."""
    return settle_group(read(evidence))
