"""What a utility asks of a group of cars, whatever protocol brought it, and what can go wrong on the way.

Adapters know neither Django nor models: they receive an HTTP session, an address, credentials and the time. What a
utility's server says is untrusted: what cannot be read is refused by name and kept for a person to look at, never
guessed, and never allowed to end what was asked before.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum


class OperatorError(Exception):
    """The utility's server gave nothing that can be used; `code` is short and stable."""

    code = "failed"


class OperatorUnreachable(OperatorError):
    """It cannot be reached or is failing. What it asked before stays asked: silence is no cancellation."""

    code = "unreachable"


class OperatorBusy(OperatorError):
    """It asks us to wait; `retry_after_seconds` where it says how long."""

    code = "busy"

    def __init__(self, message: str, *, retry_after_seconds: float | None = None) -> None:
        super().__init__(message)
        self.retry_after_seconds = retry_after_seconds


class OperatorRefused(OperatorError):
    """It does not accept our credentials or forbids what we asked; a person must look."""

    code = "refused"


class OperatorUnreadable(OperatorError):
    """It answered something that is not what its protocol documents."""

    code = "unreadable answer"


class AskKind(StrEnum):
    """What is asked of the group."""

    HOLD = "hold"  # take less than it would
    ABSORB = "absorb"  # take more than it would
    DISCHARGE = "discharge"  # give back


@dataclass(frozen=True)
class Ask:
    """One stretch of help, `[starts_at, ends_at)` in aware UTC. `target_w` None = as much as there is.

    `randomize_seconds` bounds the offset, earlier or later, that each site draws for itself so that not all move at
    once. `is_emergency` marks what outranks price but never an owner's departure or reserve. `is_open_ended` says that
    it goes on until the server says otherwise; `ends_at` is then as far as it is taken.
    """

    kind: AskKind
    starts_at: datetime
    ends_at: datetime
    target_w: int | None = None
    randomize_seconds: int = 0
    is_emergency: bool = False
    is_open_ended: bool = False


@dataclass(frozen=True)
class SeriesValue:
    """One value of a price or emissions signal, in millionths of `unit` (`USD/kWh`, `kg/kWh`)."""

    kind: str
    starts_at: datetime
    ends_at: datetime
    value_micros: int
    unit: str


@dataclass(frozen=True)
class Asked:
    """Everything one message asks, once it is understood.

    `remote_id` is the server's name for it. `revision`, where the protocol counts changes, and `changed_at`, its own
    time of the last change, tell an older copy from a newer one. A message that asks nothing any more has no asks: it
    was called off, or reports are all that it wants, over `span`. `questions` are parts that were not understood, for a
    person to look at.
    """

    remote_id: str
    program_id: str
    name: str
    changed_at: datetime
    revision: int = 0
    priority: int | None = None
    targets: tuple[str, ...] = ()
    asks: tuple[Ask, ...] = ()
    series: tuple[SeriesValue, ...] = ()
    questions: tuple[str, ...] = ()
    reports: tuple["ReportWish", ...] = ()
    intervals: tuple[tuple[int, datetime, datetime], ...] = ()
    span: tuple[datetime, datetime] | None = None


@dataclass(frozen=True)
class ReportWish:
    """A report that the utility wants. Counts are intervals; -1 means as OpenADR 3 defines it (all, at the end).

    `intervals`: INTERVALS are told as the event has them, SUB_INTERVALS cut finer, OPEN_INTERVALS as we choose.
    """

    payload_type: str
    reading_type: str = ""
    units: str = ""
    targets: tuple[str, ...] = ()
    is_aggregate: bool = False
    start_interval: int = -1
    num_intervals: int = -1
    is_historical: bool = True
    frequency: int = -1
    repeat: int = 1
    intervals: str = "INTERVALS"


@dataclass(frozen=True)
class ProgramWords:
    """How one program uses the protocol's words: settled with the utility, stored, never inferred from one message.

    `export_is_negative`: whether a setpoint below zero asks for export (else above zero does). `setpoint_is_relative`:
    whether a plain setpoint means a change from what the group would do. `simple_shares` gives SIMPLE's levels as
    shares of the group's enrolled power. `state_of_charge_is_ratio`: 0 to 1 instead of 0 to 100.
    """

    export_is_negative: bool = True
    setpoint_is_relative: bool = False
    simple_shares: Mapping[int, float] = field(default_factory=lambda: {1: 0.33, 2: 0.66, 3: 1.0})
    state_of_charge_is_ratio: bool = False
    usage_may_be_negative: bool = False
    currency: str = "USD"
