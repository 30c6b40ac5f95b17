"""Processes beside Celery say that they are alive; whoever looks after them reads here who has fallen silent."""

import os
import socket
from collections.abc import Sequence
from datetime import datetime, timedelta

from foundation import clock
from vehicles.models import Heartbeat

WATCHDOG = "watchdog"
EVERY = timedelta(seconds=5)
SILENT_AFTER = timedelta(seconds=30)
FORGOTTEN_AFTER = timedelta(days=1)


def place() -> str:
    """Return this process's host and number."""
    return f"{socket.gethostname()}:{os.getpid()}"[:120]


def beat(*, kind: str, started_at: datetime, failures: int = 0) -> None:
    """Say that this process is alive (wall time)."""
    wall = clock.wall()
    Heartbeat.objects.update_or_create(
        kind=kind, place=place(), defaults={"started_at": started_at, "beat_at": wall, "failures": failures}
    )


def heartbeats(kind: str) -> Sequence[Heartbeat]:
    """Return the processes of this kind that were heard within a day, the newest first."""
    return list(Heartbeat.objects.filter(kind=kind, beat_at__gt=clock.wall() - FORGOTTEN_AFTER)[:50])


def is_silent(beats: Sequence[Heartbeat], *, wall: datetime) -> bool:
    """Say whether none of them has been heard of lately."""
    return not any(one.beat_at > wall - SILENT_AFTER for one in beats)
