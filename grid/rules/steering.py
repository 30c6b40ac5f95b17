"""What a car shall be told at one moment: pure rules over plain numbers, no Django.

Precedence: the owner's override, then minimum and departure, then the reserve, then events, then price. Whatever is
not known speaks for leaving the car alone, because a car left alone charges.
"""

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime, timedelta

from grid.rules.wishes import (
    DISCHARGE,
    EVENT_LEAD,
    FREE,
    HOLD,
    MAX_COMMAND,
    MAX_PLAN_AGE,
    MIN_COMMAND,
    RENEW_BEFORE,
    RENEW_LATE,
    RESERVE_GUARD_PERCENT,
    STALE_AFTER,
    EventWindow,
    Moment,
    PlanSlot,
    Wish,
)

__all__ = [
    "DISCHARGE",
    "EVENT_LEAD",
    "FREE",
    "HOLD",
    "MAX_COMMAND",
    "STALE_AFTER",
    "EventWindow",
    "Moment",
    "PlanSlot",
    "Wish",
    "decide",
    "must_renew",
]


def decide(moment: Moment) -> Wish:
    """Return what the car shall do at this moment, and why."""
    return replace(_decide(moment), look_at=_next_edge(moment)) if moment.events else _decide(moment)


def _next_edge(moment: Moment) -> datetime | None:
    """Return when something begins or ends for this car alone."""
    lead = EVENT_LEAD if moment.is_timed else timedelta(0)
    edges = []
    for event in moment.events:
        edges += [event.begins_at - lead - event.spread, event.begins_at - event.spread / 2, event.begins_at]
        edges += [event.over_at, event.over_at + event.spread / 2, event.over_at + event.spread]
    return min((edge for edge in edges if edge > moment.now), default=None)


def _decide(moment: Moment) -> Wish:
    reason = _why_free(moment)
    if reason:
        return Wish(FREE, reason)
    slots = [slot for slot in moment.slots if slot.ends_at > moment.now]
    if not slots or slots[0].starts_at > moment.now:
        return Wish(FREE, "no_plan")
    wish = _wanted(moment, slots)
    if wish.mode == FREE and moment.must_wait and moment.is_timed and wish.reason in {"plan", "absorb"}:
        until = moment.now + MAX_COMMAND
        wish = Wish(HOLD, "feeder", ends_at=until, until=until)
    if wish.until is None:
        return wish
    if moment.safe_release_at is not None and wish.until > moment.safe_release_at:
        wish = replace(wish, until=moment.safe_release_at)
    if wish.until is not None and wish.until - moment.now < MIN_COMMAND:
        return Wish(FREE, "departure" if wish.until == moment.safe_release_at else "over")
    return wish


def _why_free(moment: Moment) -> str:
    if moment.obstacle:
        return moment.obstacle
    if moment.read_at is None or moment.now - moment.read_at > moment.stale_after:
        return "stale"
    if not moment.is_plugged_at_home:
        return "unplugged"
    if not moment.can_hold:
        return "car"
    if moment.override:
        return moment.override
    if moment.soc_percent is None or moment.soc_percent < moment.minimum_percent:
        return "minimum"
    if moment.planned_at is None or moment.now - moment.planned_at > MAX_PLAN_AGE:
        return "no_plan"
    return ""


def _wanted(moment: Moment, slots: Sequence[PlanSlot]) -> Wish:
    event = _event_at(moment, moment.now)
    if event is None and _must_absorb(moment):
        return Wish(FREE, "absorb")
    mode = _pressed(moment, event, _mode_of(moment, slots[0]))
    if mode == FREE:
        around = _early_hold(moment, slots) or _late_hold(moment, slots)
        return around or Wish(FREE, "left" if not slots[0].is_plugged else "plan")
    if event is None and moment.held_w is None and _is_too_soon(moment):
        return _early_hold(moment, slots) or Wish(FREE, "not_yet")
    if event is None and mode == DISCHARGE and _event_nominal(moment) is not None:
        mode = HOLD  # the event is moved for this car, and not there yet
    if mode == HOLD and not moment.is_timed and event is None:
        return _early_hold(moment, slots) or _late_hold(moment, slots) or Wish(FREE, "not_in_event")
    if mode == HOLD and moment.is_full and event is None:
        return Wish(FREE, "full")
    is_ready = moment.soc_percent is not None and moment.soc_percent >= moment.target_percent
    is_pressed = event is not None and event.is_pressed
    planned_w = moment.discharge_w if is_pressed else min(-slots[0].power_w, moment.discharge_w)
    power_w = -planned_w if mode == DISCHARGE else 0
    ends_at = _stretch_end(moment, slots, mode, event)
    if is_pressed and event is not None:
        quiet_until = ends_at = event.over_at
    else:
        quiet_until = ends_at if mode == DISCHARGE else _quiet_end(moment, slots, event)
        quiet_until += moment.spread if mode == HOLD and moment.is_timed else timedelta(0)
    quiet_until = _spread_end(event, mode, quiet_until)
    return Wish(
        mode=mode,
        reason=event.kind if event else "price",
        power_w=power_w,
        ends_at=ends_at,
        until=min(moment.now + MAX_COMMAND, quiet_until),
        participation=event.participation if event else None,
        renew_before=RENEW_LATE if is_ready and mode == HOLD and event is None else RENEW_BEFORE,
    )


def _mode_of(moment: Moment, slot: PlanSlot) -> str:
    if not slot.is_plugged or slot.power_w > 0:
        return FREE
    if slot.power_w == 0:
        return HOLD
    # What was planned to discharge and may not any more is at least not charged.
    return DISCHARGE if moment.is_timed and moment.discharge_w > 0 and _is_above_reserve(moment) else HOLD


def _is_above_reserve(moment: Moment) -> bool:
    return moment.soc_percent is not None and moment.soc_percent > moment.reserve_percent + RESERVE_GUARD_PERCENT


def _event_at(moment: Moment, at: datetime) -> EventWindow | None:
    return next((event for event in moment.events if event.kind != "absorb" and event.covers(at)), None)


def _must_absorb(moment: Moment) -> bool:
    """Say whether the car makes up for others in an event that wants cars to charge."""
    return any(one.kind == "absorb" and one.is_pressed and one.covers(moment.now) for one in moment.events)


def _event_nominal(moment: Moment) -> EventWindow | None:
    at = moment.now
    return next((one for one in moment.events if one.kind != "absorb" and one.starts_at <= at < one.ends_at), None)


def _pressed(moment: Moment, event: EventWindow | None, mode: str) -> str:
    """Let a car that makes up for others give what it can; departure, minimum and reserve are looked at as ever."""
    if event is None or not event.is_pressed:
        return mode
    may_discharge = moment.is_timed and moment.discharge_w > 0 and _is_above_reserve(moment)
    return DISCHARGE if event.kind == "discharge" and may_discharge else HOLD


def _is_too_soon(moment: Moment) -> bool:
    """Say whether the car is held for an event alone that is moved for it and has not begun."""
    nominal = _event_nominal(moment)
    return nominal is not None and moment.now < nominal.begins_at and nominal.shift > timedelta(0)


def _early_hold(moment: Moment, slots: Sequence[PlanSlot]) -> Wish | None:
    """Begin in the minutes before an event for which the plan stops charging, each car in minutes of its own."""
    lead = EVENT_LEAD if moment.is_timed else timedelta(0)
    for event in moment.events:
        begins_at = max(event.begins_at, event.starts_at)
        if event.kind == "absorb" or moment.now >= begins_at or event.begins_at - lead - event.spread > moment.now:
            continue
        at = max(begins_at, slots[0].starts_at)
        first = next((place for place, slot in enumerate(slots) if slot.starts_at <= at < slot.ends_at), None)
        mode = FREE if first is None else _mode_of(moment, slots[first])
        if first is None or (mode == FREE and not event.is_pressed):
            continue
        quiet_end = _quiet_end(moment, slots[first:], event)
        if mode == DISCHARGE and event.kind == DISCHARGE and moment.now >= event.begins_at - event.spread / 2:
            power_w = -min(-slots[first].power_w, moment.discharge_w)
            until = min(moment.now + MAX_COMMAND, slots[first].ends_at)
            return Wish(DISCHARGE, "before_event", power_w=power_w, ends_at=begins_at, until=until)
        until = min(moment.now + MAX_COMMAND, quiet_end)
        return Wish(HOLD, "before_event", ends_at=begins_at, until=until)
    return None


def _late_hold(moment: Moment, slots: Sequence[PlanSlot]) -> Wish | None:
    """Let a car that was held for an event go on for its own few minutes, so that not all begin to charge at once."""
    if moment.held_w is None:
        return None
    for event in moment.events:
        last = event.over_at + event.spread
        if event.kind == "absorb" or not min(event.ends_at, event.over_at) <= moment.now < last:
            continue
        back_until = event.over_at + event.spread / 2
        if moment.held_w < 0 and moment.now < back_until and moment.discharge_w and _is_above_reserve(moment):
            power_w = max(moment.held_w, -moment.discharge_w)
            until = min(moment.now + MAX_COMMAND, back_until)
            return Wish(DISCHARGE, "after_event", power_w=power_w, ends_at=back_until, until=until)
        return Wish(HOLD, "after_event", ends_at=last, until=min(moment.now + MAX_COMMAND, last))
    last = slots[0].starts_at + moment.spread
    if moment.is_timed and slots[0].is_plugged and moment.now < last:
        return Wish(HOLD, "spread", ends_at=last, until=min(moment.now + MAX_COMMAND, last))
    return None


def _spread_end(event: EventWindow | None, mode: str, until: datetime) -> datetime:
    """Let a command that would end with its event end a little later, by the car's own offset."""
    if event is None or until < event.over_at:
        return until
    return max(until, event.over_at + (event.spread / 2 if mode == DISCHARGE else event.spread))


def _stretch_end(moment: Moment, slots: Sequence[PlanSlot], mode: str, event: EventWindow | None) -> datetime:
    """Return until when mode, power and event stay the same."""
    ends_at = slots[0].ends_at
    for slot in slots[1:]:
        if slot.starts_at != ends_at or _mode_of(moment, slot) != mode or slot.power_w != slots[0].power_w:
            break
        ends_at = slot.ends_at
    edges = [event.over_at] if event else [other.begins_at for other in moment.events if other.begins_at > moment.now]
    return min([ends_at, *edges])


def _quiet_end(moment: Moment, slots: Sequence[PlanSlot], event: EventWindow | None) -> datetime:
    """Return until when the car does not charge: a hold may run into a discharge, never into charging."""
    ends_at = slots[0].ends_at
    for slot in slots[1:]:
        if slot.starts_at != ends_at or _mode_of(moment, slot) == FREE:
            break
        ends_at = slot.ends_at
    return min(ends_at, event.over_at) if event and not moment.is_timed else ends_at


def must_renew(*, wish: Wish, command_ends_at: datetime | None, now: datetime) -> bool:
    """Say whether a command must be asked for: none is in force, or the one in force ends soon and may be longer."""
    if wish.until is None:
        return False
    if command_ends_at is None or command_ends_at <= now:
        return True
    return command_ends_at < now + wish.renew_before and wish.until - command_ends_at >= MIN_COMMAND
