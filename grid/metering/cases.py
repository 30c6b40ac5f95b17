"""What a settlement is computed from: one car, one event, its stays at the plug and the readings around it."""

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import NamedTuple

KINDS = ("hold", "discharge", "absorb")


@dataclass(frozen=True, slots=True)
class Window:
    """A period `[starts_at, ends_at)`, aware UTC."""

    starts_at: datetime
    ends_at: datetime

    def __post_init__(self) -> None:
        if self.ends_at < self.starts_at:
            raise ValueError("A window ends at its start or later.")

    def clip(self, other: "Window") -> "Window | None":
        """Return the part that both windows share, or None where they share nothing."""
        starts_at, ends_at = max(self.starts_at, other.starts_at), min(self.ends_at, other.ends_at)
        return Window(starts_at, ends_at) if starts_at < ends_at else None


@dataclass(frozen=True, slots=True)
class Stay:
    """One stay at the home plug, with what was recorded when it began. `unplugged_at` None: it goes on."""

    plugged_in_at: datetime
    unplugged_at: datetime | None
    soc_percent: Decimal
    limit_percent: Decimal

    def within(self, window: Window) -> Window | None:
        """Return the part of `window` in which the car was at the plug, or None."""
        ends_at = window.ends_at if self.unplugged_at is None else self.unplugged_at
        if ends_at <= self.plugged_in_at:
            return None
        return Window(self.plugged_in_at, ends_at).clip(window)


class Reading(NamedTuple):
    """What the car showed at one instant; None = it did not say. Meters are running AC-side counters.

    A tuple, because a hundred thousand cars have a million of them.
    """

    observed_at: datetime
    soc_percent: Decimal | None = None
    imported_wh: int | None = None
    exported_wh: int | None = None


@dataclass(frozen=True)
class Car:
    """The numbers of the car and its charger. `power_w` is the lower of what both can charge, AC side."""

    capacity_wh: int
    charge_efficiency: Decimal
    power_w: int


@dataclass(frozen=True)
class Frozen:
    """What was known of the car before its owner was told of the event, at `noticed_at`. `stay`: the one under way."""

    noticed_at: datetime
    limit_percent: Decimal | None = None
    stay: Stay | None = None


@dataclass(frozen=True)
class Case:
    """Everything one settlement depends on. `kind` is the event's: hold, discharge or absorb."""

    kind: str
    event: Window
    car: Car
    stays: tuple[Stay, ...]
    readings: tuple[Reading, ...]
    method: str
    method_version: int
    rate_micros_per_kwh: int
    currency: str
    frozen: Frozen | None = None  # method version 2 and later need it

    def __post_init__(self) -> None:
        if self.kind not in KINDS:
            raise ValueError(f"An event of kind {self.kind!r} cannot be settled.")
