"""Working through rows that each wait on somebody else's server: one failure or one slow maker stops no other."""

import logging
import time
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

from django.db import connections

logger = logging.getLogger(__name__)
Row = TypeVar("Row")

# A round ends well inside the 30 s that a task may take; what it leaves is due still.
LONGEST_ROUND_SECONDS = 15.0


def work_through(rows: Iterable[Row], work: Callable[[Row], int], *, workers: int = 1) -> int:
    """Do `work` for each row and return the sum of what it returned; a row whose work fails is logged and counts 0.

    With several `workers` rows are worked on side by side, each on a database connection of its own, so no caller may
    be inside a transaction then. No row is begun once the round has taken 15 seconds of real time.
    """
    deadline = time.monotonic() + LONGEST_ROUND_SECONDS
    todo = list(rows)
    if workers <= 1 or len(todo) <= 1:
        return sum(_attempt(row, work, deadline) for row in todo)
    with ThreadPoolExecutor(min(workers, len(todo))) as threads:
        return sum(threads.map(lambda row: _attempt_apart(row, work, deadline), todo))


def _attempt_apart(row: Row, work: Callable[[Row], int], deadline: float) -> int:
    try:
        return _attempt(row, work, deadline)
    finally:
        connections.close_all()  # the thread's own


def _attempt(row: Row, work: Callable[[Row], int], deadline: float) -> int:
    if time.monotonic() > deadline:
        return 0
    try:
        return int(work(row))
    except Exception:  # whatever one car meets, the next one must have its turn
        logger.exception("%s failed", type(row).__name__)
        return 0
