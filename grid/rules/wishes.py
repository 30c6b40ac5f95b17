"""What steering knows of a car at one moment, and what it wishes of it: plain values."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import NamedTuple

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


class PlanSlot(NamedTuple):
    """One slot of the plan, from the current one on. `power_w` > 0 charges, < 0 discharges, AC side."""

    starts_at: datetime
    ends_at: datetime
    power_w: int
    is_plugged: bool = True


@dataclass(frozen=True)
class EventWindow:
    """An announced event that the car takes part in; `participation` is its row's key.

    `spread` is the car's own offset: it begins so much earlier and ends so much later than the paid window, so that no
    two cars switch at once. `shift` moves the whole event for this car, either way, where the utility asked for that.
    `is_pressed`: the car gives what it can in place of others, not only what its plan says.
    """

    participation: int
    kind: str
    starts_at: datetime
    ends_at: datetime
    spread: timedelta = timedelta(0)
    shift: timedelta = timedelta(0)
    is_pressed: bool = False

    def covers(self, at: datetime) -> bool:
        """Say whether the event is under way at `at`, as this car sees it."""
        return self.begins_at <= at < self.over_at

    @property
    def is_paid(self) -> bool:
        """Whether any of it falls into the paid window: none does where it was called off before it was moved to."""
        return self.begins_at < self.ends_at and self.over_at > self.starts_at

    @property
    def begins_at(self) -> datetime:
        """When the event begins for this car, its spread apart."""
        return self.starts_at + self.shift

    @property
    def over_at(self) -> datetime:
        """When the event is over for this car, its spread apart."""
        return self.ends_at + self.shift


@dataclass(frozen=True)
class Moment:
    """What is known of a car now. `obstacle` is why it is not steered at all; `override` charge_now, skip or "".

    `is_timed`: the car ends a hold by itself, or keeps a schedule that does. `discharge_w` is what it may give back now
    (0 = nothing), positive. `safe_release_at` is the last instant at which a hold may end so that departure is kept;
    None = no departure. `is_full`: the car has reached its own limit, so that it would not charge anyhow. `held_w`:
    what it is told now, 0 = held, < 0 = discharging, None = nothing. `spread`: so much later it
    begins to charge than its plan says. `must_wait`: its wires carry no more.
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
    held_w: int | None = None
    spread: timedelta = timedelta(0)
    must_wait: bool = False


@dataclass(frozen=True)
class Wish:
    """What the car shall do: `free` (charge as it would), `hold` or `discharge` until the stretch ends.

    `until` is the latest end of a command asked for now; `ends_at` the end of the plan's stretch. A command in force is
    followed by the next one `renew_before` its end. `look_at` is when something begins or ends for this car.
    """

    mode: str
    reason: str
    power_w: int = 0
    ends_at: datetime | None = None
    until: datetime | None = None
    participation: int | None = None
    renew_before: timedelta = RENEW_BEFORE
    look_at: datetime | None = None
