"""An event as a closed loop, in plain numbers: who begins when, who gives what, who makes up for whom. No Django."""

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

NEAR_W = 500  # a car that gives so much less than it was told to gives enough
MOST_PRESSED = 0.5  # of the group asked anew in one look: readings must show what the first ones did
# More is asked of cars than is missing: some of them will not do it either.
MARGIN = 1.1

UNKNOWN, DERIVED, MEASURED = "unknown", "derived", "measured"


def share_of(seed: str) -> float:
    """Return a number from 0 to 1 that is the same for the same seed and as good as drawn for another."""
    return int.from_bytes(hashlib.sha256(seed.encode()).digest()[:8], "big") / 2**64


def offset(seed: str, most: timedelta) -> timedelta:
    """Return how much earlier a car begins and later it ends: drawn evenly from nothing to `most`."""
    return most * share_of(seed)


def shift(seed: str, most: timedelta) -> timedelta:
    """Return by how much a car's event is moved, as OpenADR's randomizeStart asks: evenly, either way."""
    return most * (2.0 * share_of(f"shift:{seed}") - 1.0)


@dataclass(frozen=True, slots=True)
class Stay:
    """A car at its plug: since when, with which SoC, up to which limit, percent; capacity Wh, power W, AC side."""

    plugged_in_at: datetime
    soc_percent: float
    limit_percent: float
    capacity_wh: int
    charge_w: int
    charge_efficiency: float

    def left_alone_w(self, at: datetime) -> int:
        """Return what the car would draw at `at` had nobody told it anything since it was plugged in."""
        missing_wh = max(0.0, self.limit_percent - self.soc_percent) / 100 * self.capacity_wh
        full_at = self.plugged_in_at + timedelta(hours=missing_wh / self.charge_efficiency / max(1, self.charge_w))
        return self.charge_w if self.plugged_in_at <= at < full_at else 0


@dataclass(frozen=True, slots=True)
class Part:
    """One car's part in a running event, as it was told and as it was seen. Powers in W, AC side, > 0 charges.

    `told_w` is None where nothing is asked of it; `seen_w` None where no fresh reading speaks of it (`grade` unknown).
    `trouble` is why its command did not come through, "" where it did. `spare_w` is what it could give beyond that.
    """

    key: int
    left_alone_w: int
    told_w: int | None = None
    seen_w: int | None = None
    grade: str = UNKNOWN
    trouble: str = ""
    spare_w: int = 0
    is_reserve: bool = False
    calls_before: int = 0


@dataclass(frozen=True, slots=True)
class Look:
    """What one look at the group found, W, positive where it helps; `stragglers` by key, with the reason."""

    planned_w: int = 0
    measured_w: int = 0
    unknown_w: int = 0
    measured_cars: int = 0
    derived_cars: int = 0
    unknown_cars: int = 0
    stragglers: tuple[tuple[int, str], ...] = ()


def look_at(parts: Iterable[Part], *, sign: int) -> Look:
    """Add up what the cars called were told and what readings show; `sign` is -1 where using more helps.

    A car nobody has heard of lately counts as unknown: neither as giving nor as giving nothing.
    """
    planned = measured = unknown = 0
    grades = {MEASURED: 0, DERIVED: 0, UNKNOWN: 0}
    stragglers: list[tuple[int, str]] = []
    for part in parts:
        if part.told_w is None:
            continue
        told = sign * (part.left_alone_w - part.told_w)
        planned += told
        grades[part.grade] += 1
        if part.seen_w is None:
            unknown += told
        else:
            measured += sign * (part.left_alone_w - part.seen_w)
        short = part.seen_w is not None and told - sign * (part.left_alone_w - part.seen_w) > NEAR_W
        if part.trouble or short:
            stragglers.append((part.key, part.trouble or "not_done"))
    return Look(
        planned_w=planned,
        measured_w=measured,
        unknown_w=unknown,
        measured_cars=grades[MEASURED],
        derived_cars=grades[DERIVED],
        unknown_cars=grades[UNKNOWN],
        stragglers=tuple(stragglers),
    )


def missing_w(look: Look, *, asked_w: int) -> int:
    """Return what the group is short of, taking those that nobody has heard of at their word for the moment."""
    return max(0, asked_w - look.measured_w - max(0, look.unknown_w))


def call_up(parts: Sequence[Part], *, missing_w: int, seed: str) -> tuple[list[Part], int]:
    """Choose who makes up for what is missing; return them and what they should give together, W.

    Cars in reserve come before those that already do what their plan says; whoever was called least often comes
    first, and among equals the draw of `seed` decides.
    """
    if missing_w <= 0:
        return [], 0
    able = [part for part in parts if part.spare_w > NEAR_W and not part.trouble]
    able.sort(key=lambda part: (not part.is_reserve, part.calls_before, share_of(f"{seed}:{part.key}")))
    chosen: list[Part] = []
    given = 0
    for part in able:
        if given >= missing_w * MARGIN:
            break
        chosen.append(part)
        given += part.spare_w
    return chosen, given


def choose_reserve(parts: Sequence[Part], *, asked_w: int, seed: str) -> list[int]:
    """Return the keys of the cars that need not be asked at first: what the others give is enough.

    Rotation is fair: whoever was asked least often lately is asked first, and among equals the draw decides.
    """
    order = sorted(parts, key=lambda part: (part.calls_before, share_of(f"{seed}:{part.key}")))
    given, reserve = 0, []
    for part in order:
        if given >= asked_w * MARGIN:
            reserve.append(part.key)
        else:
            given += part.spare_w
    return reserve
