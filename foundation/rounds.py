"""Working through rows that each wait on somebody else's server: one failure or one slow answer stops no other."""

import itertools
import logging
import threading
import time
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from typing import Generic, TypeVar

from django.db import connections

logger = logging.getLogger(__name__)
Row = TypeVar("Row")

# A round ends well inside the 30 s that a task may take; what it leaves is due still.
LONGEST_ROUND_SECONDS = 15.0


def work_through(rows: Iterable[Row], work: Callable[[Row], int], *, workers: int = 1) -> int:
    """Do `work` for each row and return the sum of what it returned; a row whose work fails is logged and counts 0.

    Rows are taken as they are needed, so an iterator may claim them piece by piece. With several `workers` they are
    worked on side by side by so many threads, each on one database connection of its own for the whole round, so no
    caller may be inside a transaction then. No row is begun once the round has taken 15 seconds of real time.
    """
    todo = _Todo(rows, deadline=time.monotonic() + LONGEST_ROUND_SECONDS)
    if workers <= 1:
        return sum(_attempt(row, work) for row in todo)
    first = list(itertools.islice(todo, 2))
    if len(first) < 2:  # most rounds find nothing or little, and need no threads
        return sum(_attempt(row, work) for row in first)
    todo.put_back(first)
    with ThreadPoolExecutor(workers) as threads:
        return sum(threads.map(lambda _number: _drain(todo, work), range(workers)))


class _Todo(Generic[Row]):
    """Hands out rows one by one to whichever thread asks, until there are none or time is up."""

    def __init__(self, rows: Iterable[Row], *, deadline: float) -> None:
        self._rows = iter(rows)
        self._first: list[Row] = []
        self._deadline = deadline
        self._lock = threading.Lock()

    def __iter__(self) -> "_Todo[Row]":
        return self

    def __next__(self) -> Row:
        with self._lock:
            if time.monotonic() > self._deadline:
                raise StopIteration
            return self._first.pop(0) if self._first else next(self._rows)

    def put_back(self, rows: Iterable[Row]) -> None:
        """Have these rows handed out first."""
        self._first = list(rows)


def _drain(todo: _Todo[Row], work: Callable[[Row], int]) -> int:
    """Take rows as long as there are any: a slow row holds up one thread, not a share of the rows."""
    try:
        return sum(_attempt(row, work) for row in todo)
    finally:
        connections.close_all()  # the thread's own


def _attempt(row: Row, work: Callable[[Row], int]) -> int:
    try:
        return int(work(row))
    except Exception:  # whatever one row meets, the next one must have its turn
        logger.exception("%s failed", type(row).__name__)
        return 0
