"""One clock for the whole platform: `simulated = simulated_0 + rate * (wall - wall_0)`.

In production there is no anchor, so simulated time is wall time. The demo writes an anchor file to make a night
pass in minutes, or to step through two weeks of history; every process reads the same file.

Simulated time rules prices, plans, events, command ends and payouts. Wall time rules sign-in sessions, OAuth
expiry, signatures, leases and timeouts.
"""

import json
import os
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from django.conf import settings


@dataclass(frozen=True)
class Anchor:
    """Ties simulated time to wall time at one instant; `rate` is simulated seconds per wall second (0 = frozen)."""

    simulated_at: datetime
    wall_at: datetime
    rate: float

    def simulated(self, wall: datetime) -> datetime:
        """Return the simulated instant that belongs to the wall instant `wall`."""
        return self.simulated_at + timedelta(seconds=(wall - self.wall_at).total_seconds() * self.rate)


_cached: tuple[str, int, Anchor] | None = None


def wall() -> datetime:
    """Return the real time, aware UTC."""
    return datetime.now(UTC)


def now() -> datetime:
    """Return the platform's time, aware UTC: the simulated time where an anchor is set, else the real time."""
    anchor = current_anchor()
    return wall() if anchor is None else anchor.simulated(wall())


def rate() -> float:
    """Return how many simulated seconds pass in one wall second."""
    anchor = current_anchor()
    return 1.0 if anchor is None else anchor.rate


def current_anchor() -> Anchor | None:
    """Return the anchor in force, re-read whenever its file was replaced; None means real time."""
    global _cached  # noqa: PLW0603 - one cache of one small file a process
    path = settings.CLOCK_ANCHOR_FILE
    if not path:
        return None
    try:
        stamp = Path(path).stat()
    except FileNotFoundError:
        return None
    mark = stamp.st_mtime_ns ^ stamp.st_ino
    if _cached is None or _cached[:2] != (path, mark):
        _cached = (path, mark, read_anchor(Path(path)))
    return _cached[2]


def read_anchor(path: Path) -> Anchor:
    """Read an anchor file; raises ValueError where it is not one."""
    record = json.loads(path.read_text())
    return Anchor(
        simulated_at=datetime.fromisoformat(record["simulated_at"]),
        wall_at=datetime.fromisoformat(record["wall_at"]),
        rate=float(record["rate"]),
    )


def write_anchor(path: Path, anchor: Anchor) -> None:
    """Replace the anchor file in one step, so that no reader ever sees half of it."""
    record = {
        "simulated_at": anchor.simulated_at.isoformat(),
        "wall_at": anchor.wall_at.isoformat(),
        "rate": anchor.rate,
    }
    draft = path.with_suffix(f".{os.getpid()}.tmp")
    draft.write_text(json.dumps(record))
    draft.replace(path)
