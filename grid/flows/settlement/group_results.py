"""The result of an event's group: gathered from its cars' own results, worked out once, written as one row."""

import logging
from collections.abc import Collection, Mapping
from datetime import datetime, timedelta
from typing import Any

from django.db.models import QuerySet

from grid.flows.settlement.histories import history_of
from grid.metering import group_evidence
from grid.metering.cases import Window
from grid.metering.group_methods import group_method, settle_group
from grid.metering.groups import ABSENT, CONTROL, EXCLUDED, TREATED, GroupCase, GroupResult, Members, ShareRule
from grid.models import ControlDraw, EventParticipation, GridEvent, GroupSettlement, Measurement, ProgramTerms

logger = logging.getLogger(__name__)

TAKES_PART = (EventParticipation.State.IN, EventParticipation.State.CONTROL)


def parts_of(event: GridEvent) -> QuerySet[EventParticipation]:
    """Return the parts of cars that are members of the event's group."""
    return EventParticipation.objects.filter(event=event, state__in=TAKES_PART)


def newest_group(event: GridEvent) -> GroupSettlement | None:
    """Return the newest revision of the group's result, without its evidence; None before there is one."""
    return GroupSettlement.objects.filter(event=event).defer("evidence").order_by("-revision").first()


def excluded_from(group: GroupSettlement) -> set[int]:
    """Return the parts that were left out of a result, by key; reads its evidence."""
    roles = group.evidence["members"]["roles"]
    if EXCLUDED not in roles:
        return set()
    parts = group.settlements.order_by("participation__public_id").values_list("participation", flat=True)
    return {part for part, role in zip(parts, roles, strict=True) if role == EXCLUDED}


def gather_inputs(event: GridEvent, *, ends_at: float, excluded: Collection[int] = ()) -> dict[str, Any] | None:
    """Return what the terms' methods need besides the cars' own results; None while it is still gathered."""
    inputs: dict[str, Any] = {}
    if any(group_method(*method).needs_history for method in _methods(event.terms)):
        history = history_of(event, parts_of(event).exclude(pk__in=excluded), ends_at=ends_at)
        if history is None:
            return None
        inputs["history"] = history
    draw = ControlDraw.objects.filter(event=event).first()
    if draw is not None:
        inputs["draw"] = {
            "method": draw.method,
            "version": draw.method_version,
            "seed": draw.seed,
            "share_percent": draw.share_percent,
            "candidates": len(draw.candidates),
            "drawn": len(draw.drawn),
        }
    return inputs


def _methods(terms: ProgramTerms) -> list[tuple[str, int]]:
    wanted = [(terms.group_method, terms.group_method_version)]
    return [*wanted, (terms.fallback_method, terms.fallback_method_version)] if terms.fallback_method else wanted


def add_result(
    event: GridEvent,
    now: datetime,
    *,
    revision: int,
    inputs: Mapping[str, Any],
    reason: str,
    excluded: Collection[int] = (),
) -> GroupSettlement:
    """Write the group's result from its cars' own results of `revision`."""
    case = group_case(event, members_of(event, revision=revision, excluded=excluded), inputs)
    result = settle_group(case)
    evidence = group_evidence.write(case, result, event=Window(event.starts_at, event.ends_at))
    return GroupSettlement.objects.create(**_columns(event, result, now, reason=reason), revision=revision,
                                          evidence=evidence)  # fmt: skip


def _columns(event: GridEvent, result: GroupResult, now: datetime, *, reason: str) -> dict[str, Any]:
    terms, measured = event.terms, result.measured
    is_final = terms.objection_hours == 0
    if measured is None:
        logger.warning("what the group of %s delivered is not known: %s", event.public_id, result.reason)
    return {
        "event": event,
        "method": result.method,
        "method_version": result.method_version,
        "share_rule": terms.share_rule,
        "baseline_wh": measured.baseline_wh if measured else None,
        "net_wh": measured.net_wh if measured else None,
        "delivered_wh": measured.delivered_wh if measured else None,
        "error_wh": measured.error_wh if measured else None,
        "measured_cars": result.measured_cars,
        "estimated_cars": result.estimated_cars,
        "control_cars": result.control_cars,
        "rate_micros_per_kwh": event.reward_micros_per_kwh,
        "amount_minor": result.amount_minor,
        "currency": terms.program.utility.currency,
        "created_at": now,
        "reason": (reason or result.reason)[:200],
        "review": GroupSettlement.Review.LAPSED if is_final else GroupSettlement.Review.OPEN,
        "objection_ends_at": now + timedelta(hours=terms.objection_hours),
        "reviewed_at": now if is_final else None,
    }


def members_of(event: GridEvent, *, revision: int, excluded: Collection[int] = ()) -> Members:
    """Return the event's cars as members, numbered in the order of their parts' public ids, which tells nothing."""
    names = ("participation", "participation__state", "participation__committed_wh", "reason", "baseline_wh", "net_wh",
             "metered_wh")  # fmt: skip
    rows = Measurement.objects.filter(participation__event=event, revision=revision)
    roles, weights, baselines, nets, metered = [], [], [], [], []
    for part, state, weight, reason, baseline, net, output in rows.order_by("participation__public_id").values_list(
        *names
    ):
        roles.append(EXCLUDED if part in excluded else _role(state, reason))
        weights.append(max(0, weight))
        baselines.append(baseline)
        nets.append(net)
        metered.append(output)
    needs_meters = any(group_method(*method).needs_meters for method in _methods(event.terms))
    return Members("".join(roles), weights, baselines, nets, metered if needs_meters else ())


def changed_members(before: GroupSettlement, changed: Collection[Measurement]) -> Members:
    """Return the members of an earlier result with some cars' new results in place of their old ones."""
    kept = before.evidence["members"]
    parts = before.settlements.order_by("participation__public_id").values_list("participation", flat=True)
    numbers = {part: number for number, part in enumerate(parts)}
    states = dict(EventParticipation.objects.filter(pk__any_of=[one.participation_id for one in changed])
                  .values_list("pk", "state"))  # fmt: skip
    roles, columns = list(kept["roles"]), {name: list(kept[name]) for name in ("baseline_wh", "net_wh")}
    metered = list(kept.get("metered_wh", ()))
    for one in changed:
        number = numbers[one.participation_id]
        if roles[number] != EXCLUDED:
            roles[number] = _role(states[one.participation_id], one.reason)
        columns["baseline_wh"][number], columns["net_wh"][number] = one.baseline_wh, one.net_wh
        if metered:
            metered[number] = one.metered_wh
    return Members("".join(roles), kept["weights_wh"], **columns, metered_wh=metered)


def _role(state: str, reason: str) -> str:
    if reason == "not_plugged_in":
        return ABSENT
    return CONTROL if state == EventParticipation.State.CONTROL else TREATED


def group_case(event: GridEvent, members: Members, inputs: Mapping[str, Any]) -> GroupCase:
    """Return what the group's settlement depends on."""
    terms = event.terms
    return GroupCase(
        kind=event.kind,
        members=members,
        method=terms.group_method,
        method_version=terms.group_method_version,
        rule=ShareRule(terms.share_rule),
        rate_micros_per_kwh=event.reward_micros_per_kwh,
        currency=terms.program.utility.currency,
        has_penalty=terms.has_penalty,
        fallback=(terms.fallback_method, terms.fallback_method_version) if terms.fallback_method else None,
        inputs=inputs,
    )
