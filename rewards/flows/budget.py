"""Keeps sweeps within their task's time: a processor that answers slowly must not let a sweep be killed half-way."""

import time
from collections.abc import Iterable, Iterator
from typing import TypeVar

SWEEP_SECONDS = 20.0

T = TypeVar("T")


def in_time(rows: Iterable[T], *, seconds: float = SWEEP_SECONDS) -> Iterator[T]:
    """Yield rows until `seconds` of real time have passed; the rest is the next sweep's."""
    started = time.monotonic()
    for row in rows:
        if time.monotonic() - started > seconds:
            return
        yield row
