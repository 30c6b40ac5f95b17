"""What an owner is told of a plan, as deeds and numbers; `flows.owners.wording` says it in the owner's language."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Any

MERGE_SLOTS = 2  # charging that pauses no longer than this is told as one stretch
MOST_STRETCHES = 2  # more of one kind are told as their total between first and last
CLEARLY = 0.85  # of the average carbon: what may be called cleanest

CHARGING = {"minimum", "deadline", "absorb", "clean", "cheap"}


@dataclass(frozen=True, slots=True)
class Stretch:
    """Slots [begin, end) in which the car does one thing, of which it is active in `active`."""

    verb: str
    begin: int
    end: int
    active: int
    reasons: frozenset[str]


@dataclass(frozen=True, slots=True)
class Span:
    """Slots [begin, end) in which a deed is done throughout; `active` of them where it is done now and then."""

    begin: int
    end: int
    active: int | None = None


@dataclass(frozen=True, slots=True)
class Deed:
    """What the car does in some spans, and why: a key of `grid.flows.owners.wording.DEEDS`."""

    key: str
    spans: tuple[Span, ...]


@dataclass(frozen=True, slots=True)
class Cause:
    """Why a target is missed: a key of `grid.flows.owners.wording`, and its numbers. "" where nothing is known."""

    key: str = ""
    max_percent: float = 0.0
    hours: float = 0.0
    max_charge_kw: float = 0.0


@dataclass(frozen=True, slots=True)
class Ending:
    """What the battery holds at a boundary. `wanted_percent` is None where nothing was wanted of it."""

    boundary: int
    percent: int
    wanted_percent: float | None = None
    is_missed: bool = False
    cause: Cause = Cause()


@dataclass(frozen=True, slots=True)
class Told:
    """What an owner is told of a plan. `ending` is None where there is no plan, or the car is out (`is_out`)."""

    deeds: tuple[Deed, ...] = ()
    ending: Ending | None = None
    is_out: bool = False
    needs_no_charging: bool = False
    error: str = ""


def explain(problem: Mapping[str, Any], plan: Mapping[str, Any]) -> Told:
    """Return what the car will do up to its next departure, and why.

    Args:
        problem: the problem as docs/planner-format.md fixes it.
        plan: its plan, of any status.
    """
    if plan.get("status") == "error":
        return Told(error=str(plan.get("error")))
    # A trace of power that rounding took away is no charging.
    drawn = zip(plan["reasons"], plan["power_kw"], strict=True)
    reasons = ["idle" if reason in CHARGING and power <= 0.0 else reason for reason, power in drawn]
    if all(reason == "unplugged" for reason in reasons):
        return Told(is_out=True)
    target = _next_target(problem)
    stretches = _told(_stretches(reasons[: target[0] if target else len(reasons)]))
    return Told(
        deeds=_deeds(stretches, problem, plan),
        needs_no_charging=all(stretch.verb == "holds" for stretch in stretches),
        ending=_ending(problem, plan, target),
    )


def shortfall_cause(problem: Mapping[str, Any], plan: Mapping[str, Any]) -> Cause:
    """Return why a target is missed, with an empty key where none is."""
    if not plan.get("shortfall_kwh"):
        return Cause()
    if not any(problem["plugged"]):
        return Cause("unplugged")
    top = problem.get("max_percent", 100.0)
    if any(target["soc_percent"] > top for target in problem["targets"]):
        return Cause("maximum", max_percent=top)
    last = max(target["slot"] for target in problem["targets"])
    hours = sum(problem["plugged"][:last]) * problem["slot_minutes"] / 60
    return Cause("too_short", hours=hours, max_charge_kw=problem["max_charge_kw"])


def _next_target(problem: Mapping[str, Any]) -> tuple[int, float] | None:
    """The highest target of the first boundary that has one."""
    targets = [target for target in problem["targets"] if target["slot"] > 0]
    if not targets:
        return None
    slot = min(target["slot"] for target in targets)
    return slot, max(target["soc_percent"] for target in targets if target["slot"] == slot)


def _verb(reason: str) -> str:
    if reason == "minimum":
        return "charges at once"
    if reason in CHARGING:
        return "charges"
    return {"discharge": "gives power back", "hold": "holds"}.get(reason, "")


def _stretches(reasons: Sequence[str]) -> list[Stretch]:
    """Runs of one verb; charging with a short pause is one run."""
    found: list[Stretch] = []
    at = 0
    for verb, run in groupby(reasons, key=_verb):
        why = list(run)
        stretch = Stretch(verb, at, at + len(why), len(why), frozenset(why))
        at += len(why)
        if not verb:
            continue
        before = found[-1] if found else None
        if before and before.verb == verb == "charges" and stretch.begin - before.end <= MERGE_SLOTS:
            found[-1] = _joined([before, stretch])
        else:
            found.append(stretch)
    return found


def _joined(parts: Sequence[Stretch]) -> Stretch:
    active = sum(part.active for part in parts)
    why = frozenset[str]().union(*(part.reasons for part in parts))
    return Stretch(parts[0].verb, parts[0].begin, parts[-1].end, active, why)


def _told(stretches: Sequence[Stretch]) -> list[Stretch]:
    """At most MOST_STRETCHES of each verb, in order of time."""
    told = []
    for verb in ("charges at once", "charges", "gives power back", "holds"):
        same = [stretch for stretch in stretches if stretch.verb == verb]
        told += same if len(same) <= MOST_STRETCHES else [_joined(same)]
    return sorted(told, key=lambda stretch: stretch.begin)


def _deeds(stretches: Sequence[Stretch], problem: Mapping[str, Any], plan: Mapping[str, Any]) -> tuple[Deed, ...]:
    """Return what is done when; neighbours that do the same for the same reason are one deed."""
    told = [(_key(stretch, problem, plan), _span(stretch)) for stretch in stretches]
    return tuple(Deed(key, tuple(span for _, span in same)) for key, same in groupby(told, key=lambda deed: deed[0]))


def _span(stretch: Stretch) -> Span:
    is_broken = stretch.end - stretch.begin - stretch.active > MERGE_SLOTS
    return Span(stretch.begin, stretch.end, stretch.active if is_broken else None)


def _key(stretch: Stretch, problem: Mapping[str, Any], plan: Mapping[str, Any]) -> str:
    if stretch.verb == "holds":
        return "hold"
    if stretch.verb == "gives power back":
        return "discharge"
    for reason in ("minimum", "absorb"):
        if reason in stretch.reasons:
            return reason
    if "cheap" in stretch.reasons:
        return "cheap_and_clean" if _is_clean(stretch, problem, plan) else "cheap"
    return "clean" if "clean" in stretch.reasons else "deadline"


def _is_clean(stretch: Stretch, problem: Mapping[str, Any], plan: Mapping[str, Any]) -> bool:
    """Say whether the stretch draws power clearly cleaner than that of the time the car is plugged in."""
    if "clean" in stretch.reasons:
        return True
    carbon = problem.get("carbon_kg_per_kwh")
    if not carbon:
        return False
    drawn = [max(power, 0.0) for power in plan["power_kw"][stretch.begin : stretch.end]]
    ours = sum(kg * kw for kg, kw in zip(carbon[stretch.begin : stretch.end], drawn, strict=True)) / sum(drawn)
    plugged = [kg for kg, is_on in zip(carbon, problem["plugged"], strict=True) if is_on]
    return bool(ours < CLEARLY * sum(plugged) / len(plugged))


def _ending(problem: Mapping[str, Any], plan: Mapping[str, Any], target: tuple[int, float] | None) -> Ending:
    if target is None:
        slots = len(plan["reasons"])
        return Ending(slots, _floor(plan["soc_percent"][slots]))
    slot, wanted = target
    reached = plan["soc_percent"][slot]
    missing_kwh = (wanted - reached) / 100.0 * problem["capacity_kwh"]
    if missing_kwh > 1e-6:
        return Ending(slot, _floor(reached), wanted, is_missed=True, cause=shortfall_cause(problem, plan))
    return Ending(slot, _floor(reached), wanted)


def _floor(percent: float) -> int:
    # Rounded down, so that a promise is never larger than the plan.
    return int(percent + 1e-6)
