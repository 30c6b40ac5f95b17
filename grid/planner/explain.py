"""A plan in one sentence, for the owner of the car."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import groupby
from typing import Any
from zoneinfo import ZoneInfo

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


def explain(problem: Mapping[str, Any], plan: Mapping[str, Any], starts_at: datetime, zone: str) -> str:
    """Say in one sentence what the car will do up to its next departure, and why.

    Args:
        problem: the problem as docs/planner-format.md fixes it.
        plan: its plan, of any status.
        starts_at: aware start of slot 0.
        zone: IANA name of the owner's time zone, in which the times are told.
    """
    if plan.get("status") == "error":
        return f"No plan could be made ({plan.get('error')})."
    clock = _Clock(starts_at, float(problem["slot_minutes"]), ZoneInfo(zone))
    reasons = list(plan["reasons"])
    if all(reason == "unplugged" for reason in reasons):
        return "Plans nothing yet: the car is not plugged in at home."
    target = _next_target(problem)
    last = target[0] if target else len(reasons)
    stretches = _told(_stretches(reasons[:last]))
    clauses = _clauses(stretches, clock, problem, plan)
    if all(stretch.verb == "holds" for stretch in stretches):
        clauses.append("needs no charging")
    sentence = ", ".join([*clauses, _ending(problem, plan, target, clock)])
    return sentence[0].upper() + sentence[1:] + "."


def shortfall_cause(problem: Mapping[str, Any], plan: Mapping[str, Any]) -> str:
    """Say why a target is missed, or nothing where none is."""
    if not plan.get("shortfall_kwh"):
        return ""
    if not any(problem["plugged"]):
        return "the car is not plugged in"
    top = problem.get("max_percent", 100.0)
    if any(target["soc_percent"] > top for target in problem["targets"]):
        return f"the car may charge to {top:g} % only"
    hours = (
        sum(problem["plugged"][: max(target["slot"] for target in problem["targets"])]) * problem["slot_minutes"] / 60
    )
    return f"{hours:.3g} h at {problem['max_charge_kw']:g} kW are not enough"


class _Clock:
    """Tells slot boundaries as local wall time."""

    def __init__(self, starts_at: datetime, slot_minutes: float, zone: ZoneInfo) -> None:
        self.starts_at, self.slot, self.zone = starts_at, timedelta(minutes=slot_minutes), zone

    def tell(self, boundary: int) -> str:
        """HH:MM, with the day where it is not clear from the hour."""
        local = (self.starts_at + boundary * self.slot).astimezone(self.zone)
        is_near = boundary * self.slot < timedelta(hours=20)
        return f"{local:%H:%M}" if is_near else f"{local:%A %H:%M}"

    def span(self, begin: int, end: int) -> str:
        return f"{self.tell(begin)} to {self.tell(end)}"

    def length(self, slots: int) -> str:
        minutes = round(slots * self.slot / timedelta(minutes=1))
        hours, rest = divmod(minutes, 60)
        return " ".join(part for part in (f"{hours} h" if hours else "", f"{rest} min" if rest else "") if part)


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


def _clauses(
    stretches: Sequence[Stretch], clock: _Clock, problem: Mapping[str, Any], plan: Mapping[str, Any]
) -> list[str]:
    """Say what is done when and why; neighbours that do the same for the same reason share a clause."""
    told = [(stretch.verb, _why(stretch, problem, plan), _when(stretch, clock)) for stretch in stretches]
    clauses = []
    for (verb, why), same in groupby(told, key=lambda clause: clause[:2]):
        whens = " and ".join(when for _, _, when in same)
        clauses.append(" ".join(part for part in (verb, whens, why) if part))
    return clauses


def _when(stretch: Stretch, clock: _Clock) -> str:
    if stretch.end - stretch.begin - stretch.active > MERGE_SLOTS:
        return f"for {clock.length(stretch.active)} between {clock.tell(stretch.begin)} and {clock.tell(stretch.end)}"
    return ("from " if stretch.verb == "holds" else "") + clock.span(stretch.begin, stretch.end)


def _why(stretch: Stretch, problem: Mapping[str, Any], plan: Mapping[str, Any]) -> str:
    if stretch.verb == "holds":
        return "for the event"
    if stretch.verb == "gives power back":
        return ""
    if "minimum" in stretch.reasons:
        return f"up to its minimum of {problem.get('minimum_percent', 0):g} %"
    if "absorb" in stretch.reasons:
        return "when the grid has power to spare"
    if "cheap" in stretch.reasons:
        return "when power is cheapest" + (" and cleanest" if _is_clean(stretch, problem, plan) else "")
    return "when power is cleanest" if "clean" in stretch.reasons else "to be ready in time"


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


def _ending(
    problem: Mapping[str, Any], plan: Mapping[str, Any], target: tuple[int, float] | None, clock: _Clock
) -> str:
    if target is None:
        slots = len(plan["reasons"])
        return f"has {_percent(plan['soc_percent'][slots])} % at {clock.tell(slots)}"
    slot, wanted = target
    reached = plan["soc_percent"][slot]
    missing_kwh = (wanted - reached) / 100.0 * problem["capacity_kwh"]
    if missing_kwh > 1e-6:
        cause = shortfall_cause(problem, plan)
        because = f" because {cause}" if cause else ""
        return f"has {_percent(reached)} % of the wanted {wanted:g} % at {clock.tell(slot)}{because}"
    return f"ready at {clock.tell(slot)} with {_percent(reached)} %"


def _percent(value: float) -> str:
    # Rounded down, so that a promise is never larger than the plan.
    return f"{int(value + 1e-6)}"
