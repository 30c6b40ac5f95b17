"""Reading cars and renewing grants at a maker that answers after 200 ms: side by side against one after another.

The platform's own sweeps run in child processes on a throw-away PostgreSQL, against `benchmarks.slow_maker`. The whole
count is 10,000 links of one car each; what one call alone takes is measured on a sample, and where its time goes.
"""

import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime

from benchmarks import children
from benchmarks.children import ROOT
from benchmarks.ratios import Ratio
from tests.throwaway import Missing, postgres

WORK = "benchmarks.links_work"
LINKS, SHORT_LINKS = 10_000, 1_500
SAMPLE = 40
LATENCY_SECONDS = 0.2
TARGET = 20.0
PROCESSES = 2


def run(*, is_short: bool) -> Iterator[Ratio]:
    """Yield the ratios for readings and for refreshes; none where PostgreSQL's binaries are missing."""
    count = int(os.environ.get("LINKS_COUNT", SHORT_LINKS if is_short else LINKS))
    try:
        with postgres(is_durable=True) as url, tempfile.TemporaryDirectory() as folder, _maker() as (port, tally):
            environment = children.environment(url, folder, port) | {"FORD_PARTNER_API_BASE": ""}
            children.report(children.start(environment, WORK, "make", count))
            for work in ("read", "refresh"):
                yield from _measure(environment, work, count)
            counted = tally()
    except Missing as missing:
        sys.stdout.write(f"  left out: {missing}\n")
        return
    # Each of the rows was asked for once by whichever sweep, and none twice.
    exact = counted["read"] == counted["token"] == count
    yield Ratio(
        "calls at the maker over rows due, readings and refreshes together",
        (counted["read"] + counted["token"]) / (2 * count),
        detail=f"{'exact' if exact else 'NOT EXACT'}; at most {counted['most_at_once']} at once",
    )


def _measure(environment: dict[str, str], work: str, count: int) -> Iterator[Ratio]:
    alone = children.report(children.start(environment, WORK, work, SAMPLE, 1))
    one_by_one = alone["done"] / alone["seconds"]
    parts = ", ".join(f"{part} {alone[part] / alone['done'] * 1e3:.1f}" for part in ("http", "db", "crypto", "rest"))
    yield Ratio(f"{work} one after another, a second", one_by_one, detail=f"ms a call: {parts}")
    begun = time.perf_counter()
    reports = [
        children.report(child)
        for child in [children.start(environment, WORK, work, count, 0) for _ in range(PROCESSES)]
    ]
    seconds = max(report["ended"] for report in reports) - min(report["begun"] for report in reports)
    # Two workers who met on one grant both counted it.
    done = min(sum(report["done"] for report in reports), count - alone["done"])
    cpu = sum(report["cpu"] for report in reports) / max(1, done)
    detail = (
        f"{done / seconds:,.0f}/s, {done:,.0f} in {seconds:.1f} s (with start {time.perf_counter() - begun:.0f} s);"
    )
    detail += f" {cpu * 1e3:.1f} ms of our CPU a call; {PROCESSES} processes"
    yield Ratio(f"{work} side by side over one after another", done / seconds / one_by_one, TARGET, detail=detail)


@contextmanager
def _maker() -> Iterator[tuple[int, Callable[[], dict[str, int]]]]:
    at = datetime.now(UTC).strftime("%m-%d-%Y %H:%M:%S")
    command = [sys.executable, "-m", "benchmarks.slow_maker", str(LATENCY_SECONDS), at]
    pipe = subprocess.PIPE
    with subprocess.Popen(command, stdin=pipe, stdout=pipe, text=True, cwd=ROOT) as child:
        assert child.stdout is not None
        port = int(child.stdout.readline())
        told: dict[str, int] = {}

        def tally() -> dict[str, int]:
            if not told:
                out, _ = child.communicate()
                told.update(json.loads(out))
            return told

        try:
            yield port, tally
        finally:
            child.terminate()
