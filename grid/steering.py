"""What a car shall be told at one moment: pure rules over plain numbers, no Django.

Precedence: the owner's override, then minimum and departure, then the reserve, then events, then price. Whatever is
not known speaks for leaving the car alone, because a car left alone charges.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

MAX_COMMAND = timedelta(minutes=15)
RENEW_BEFORE = timedelta(minutes=10)
# A car that has what its owner wants may charge for a minute between two holds: nothing is lost but a call spared.
RENEW_LATE = timedelta(minutes=2)
# A command that would end sooner than this is not worth a call to the maker.
MIN_COMMAND = timedelta(minutes=1)
STALE_AFTER = timedelta(minutes=30)
MAX_PLAN_AGE = timedelta(hours=3)
# A timed car is held shortly before its event, so that the event's first minutes are not lost to latency.
EVENT_LEAD = timedelta(minutes=5)
# The car stops by itself at the reserve; close to it, no discharge is begun at all.
RESERVE_GUARD_PERCENT = 1.0

FREE, HOLD, DISCHARGE = "free", "hold", "discharge"


@dataclass(frozen=True)
class PlanSlot:
    """One slot of the plan, from the current one on. `power_w` > 0 charges, < 0 discharges, AC side."""

    starts_at: datetime
    ends_at: datetime
    power_w: int
    is_plugged: bool = True


@dataclass(frozen=True)
class EventWindow:
    """An announced event that the car takes part in; `participation` is its row's key."""

    participation: int
    kind: str
    starts_at: datetime
    ends_at: datetime

    def covers(self, at: datetime) -> bool:
        """Say whether the event is under way at `at`."""
        return self.starts_at <= at < self.ends_at


@dataclass(frozen=True)
class Moment:
    """What is known of a car now. `obstacle` is why it is not steered at all; `override` charge_now, skip or "".

    `is_timed`: the car ends a hold by itself, or keeps a schedule that does. `discharge_w` is what it may give back now
    (0 = nothing), positive. `safe_release_at` is the last instant at which a hold may end so that departure is kept;
    None = no departure. `is_full`: the car has reached its own limit, so that it would not charge anyhow.
    """

    now: datetime
    obstacle: str = ""
    read_at: datetime | None = None
    is_plugged_at_home: bool = True
    soc_percent: float | None = None
    minimum_percent: float = 0.0
    reserve_percent: float = 0.0
    target_percent: float = 100.0
    is_full: bool = False
    stale_after: timedelta = STALE_AFTER
    override: str = ""
    can_hold: bool = True
    is_timed: bool = True
    discharge_w: int = 0
    planned_at: datetime | None = None
    slots: Sequence[PlanSlot] = ()
    events: Sequence[EventWindow] = ()
    safe_release_at: datetime | None = None


@dataclass(frozen=True)
class Wish:
    """What the car shall do: `free` (charge as it would), `hold` or `discharge` until the stretch ends.

    `until` is the latest end of a command asked for now; `ends_at` the end of the plan's stretch. A command in force is
    followed by the next one `renew_before` its end.
    """

    mode: str
    reason: str
    power_w: int = 0
    ends_at: datetime | None = None
    until: datetime | None = None
    participation: int | None = None
    renew_before: timedelta = RENEW_BEFORE


def decide(moment: Moment) -> Wish:
    """Return what the car shall do at this moment, and why."""
    reason = _why_free(moment)
    if reason:
        return Wish(FREE, reason)
    slots = [slot for slot in moment.slots if slot.ends_at > moment.now]
    if not slots or slots[0].starts_at > moment.now:
        return Wish(FREE, "no_plan")
    wish = _wanted(moment, slots)
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
    mode = _mode_of(moment, slots[0])
    event = _event_at(moment, moment.now)
    if mode == FREE:
        early = _early_hold(moment, slots)
        return early or Wish(FREE, "left" if not slots[0].is_plugged else "plan")
    if mode == HOLD and not moment.is_timed and event is None:
        return Wish(FREE, "not_in_event")
    if mode == HOLD and moment.is_full and event is None:
        return Wish(FREE, "full")
    is_ready = moment.soc_percent is not None and moment.soc_percent >= moment.target_percent
    power_w = -min(-slots[0].power_w, moment.discharge_w) if mode == DISCHARGE else 0
    ends_at = _stretch_end(moment, slots, mode, event)
    quiet_until = ends_at if mode == DISCHARGE else _quiet_end(moment, slots, event)
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
    is_above_reserve = moment.soc_percent is not None and (
        moment.soc_percent > moment.reserve_percent + RESERVE_GUARD_PERCENT
    )
    # What was planned to discharge and may not any more is at least not charged.
    return DISCHARGE if moment.is_timed and moment.discharge_w > 0 and is_above_reserve else HOLD


def _event_at(moment: Moment, at: datetime) -> EventWindow | None:
    return next((event for event in moment.events if event.kind != "absorb" and event.covers(at)), None)


def _early_hold(moment: Moment, slots: Sequence[PlanSlot]) -> Wish | None:
    """Hold a timed car in the minutes before an event for which its plan stops charging."""
    if not moment.is_timed:
        return None
    soon = moment.now + EVENT_LEAD
    event = _event_at(moment, soon)
    if event is None or event.covers(moment.now):
        return None
    first = next((place for place, slot in enumerate(slots) if slot.starts_at <= event.starts_at < slot.ends_at), None)
    if first is None or _mode_of(moment, slots[first]) == FREE:
        return None
    until = min(moment.now + MAX_COMMAND, _quiet_end(moment, slots[first:], event))
    return Wish(HOLD, "before_event", ends_at=event.starts_at, until=until)


def _stretch_end(moment: Moment, slots: Sequence[PlanSlot], mode: str, event: EventWindow | None) -> datetime:
    """Return until when mode, power and event stay the same."""
    ends_at = slots[0].ends_at
    for slot in slots[1:]:
        if slot.starts_at != ends_at or _mode_of(moment, slot) != mode or slot.power_w != slots[0].power_w:
            break
        ends_at = slot.ends_at
    edges = [event.ends_at] if event else [other.starts_at for other in moment.events if other.starts_at > moment.now]
    return min([ends_at, *edges])


def _quiet_end(moment: Moment, slots: Sequence[PlanSlot], event: EventWindow | None) -> datetime:
    """Return until when the car does not charge: a hold may run into a discharge, never into charging."""
    ends_at = slots[0].ends_at
    for slot in slots[1:]:
        if slot.starts_at != ends_at or _mode_of(moment, slot) == FREE:
            break
        ends_at = slot.ends_at
    return min(ends_at, event.ends_at) if event and not moment.is_timed else ends_at


def must_renew(*, wish: Wish, command_ends_at: datetime | None, now: datetime) -> bool:
    """Say whether a command must be asked for: none is in force, or the one in force ends soon and may be longer."""
    if wish.until is None:
        return False
    if command_ends_at is None or command_ends_at <= now:
        return True
    return command_ends_at < now + wish.renew_before and wish.until - command_ends_at >= MIN_COMMAND
