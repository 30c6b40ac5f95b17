"""Working through rows that each wait on somebody else's server: one failure or one slow answer stops no other."""

import itertools
import logging
import threading
import time
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from queue import SimpleQueue
from typing import Generic, TypeVar

from django.db import connections

logger = logging.getLogger(__name__)
Row = TypeVar("Row")
Job = TypeVar("Job")
Result = TypeVar("Result")

# A round ends well inside the 30 s that a task may take; what it leaves is due still.
LONGEST_ROUND_SECONDS = 15.0
# So long answers are waited for before they are noted together.
GATHER_SECONDS = 0.01
# Where answers come fast, so much work (at the pace so far) is taken ahead, in fewer and larger pieces.
AHEAD_SECONDS, MOST_AHEAD = 0.25, 4


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


def keep_busy(
    take: Callable[[int], Sequence[Job]],
    work: Callable[[Job], Result],
    note: Callable[[Sequence[tuple[Job, Result | None]]], object],
    *,
    workers: int = 1,
) -> int:
    """Have up to `workers` jobs under way at any time until there are none left, and return how many there were.

    `take(n)` claims up to n jobs (none: there are none left) and `note` writes down what came of some; the caller's
    thread does both for many at once, and takes no more ahead than is worked off in a quarter of a second. `work`
    alone runs in threads, so a slow answer holds up no other; where it raises, that is logged and its result is None.
    Nothing is taken any more once the round has taken 15 seconds of real time. A `take` or `note` that raises ends the
    round, and what was under way is not noted.
    """
    deadline = time.monotonic() + LONGEST_ROUND_SECONDS
    done, first = 0, take(workers)
    while first and (workers <= 1 or len(first) < 2):  # most rounds find nothing or little, and need no threads
        note([_worked(job, work) for job in first])
        done += len(first)
        first = take(workers) if time.monotonic() < deadline else ()
    if not first:
        return done
    jobs: SimpleQueue[Job | None] = SimpleQueue()
    results: SimpleQueue[tuple[Job, Result | None]] = SimpleQueue()
    with ThreadPoolExecutor(workers) as threads:
        try:
            for _ in range(workers):
                threads.submit(_work_off, jobs, work, results)
            return done + _hand_out(first, take, jobs, results, note, workers=workers, deadline=deadline)
        finally:
            for _ in range(workers):
                jobs.put(None)


def _hand_out(
    taken: Sequence[Job],
    take: Callable[[int], Sequence[Job]],
    jobs: "SimpleQueue[Job | None]",
    results: "SimpleQueue[tuple[Job, Result | None]]",
    note: Callable[[Sequence[tuple[Job, Result | None]]], object],
    *,
    workers: int,
    deadline: float,
) -> int:
    begun = time.monotonic()
    done = under_way = 0
    is_over = False
    while True:
        for job in taken:
            jobs.put(job)
        under_way += len(taken)
        if not under_way:
            return done
        finished = [results.get()]
        if under_way > 1:
            time.sleep(GATHER_SECONDS)
        while not results.empty():
            finished.append(results.get())
        under_way -= len(finished)
        done += len(finished)
        wanted = _wanted(workers, done / (time.monotonic() - begun))
        taken = ()
        # Whoever is free gets something to do before the rest is written down.
        if not is_over and (under_way < workers or under_way <= wanted // 2):
            taken = take(wanted - under_way) if time.monotonic() < deadline else ()
            is_over = not taken
        note(finished)


def _wanted(workers: int, pace: float) -> int:
    """Return how many jobs may be under way where `pace` of them are worked off in a second."""
    return min(MOST_AHEAD * workers, max(workers, round(pace * AHEAD_SECONDS)))


def _work_off(
    jobs: "SimpleQueue[Job | None]", work: Callable[[Job], Result], results: "SimpleQueue[tuple[Job, Result | None]]"
) -> None:
    try:
        while (job := jobs.get()) is not None:
            results.put(_worked(job, work))
    finally:
        connections.close_all()  # the thread's own


def _worked(job: Job, work: Callable[[Job], Result]) -> tuple[Job, Result | None]:
    try:
        return job, work(job)
    except Exception:  # whatever one job meets, the next one must have its turn
        logger.exception("%s failed", type(job).__name__)
        return job, None


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
