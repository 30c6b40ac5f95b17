"""From a utility's event to the last dispatch row, and to the last command at a counting maker, for all enrolled cars.

The event stands at an OpenADR 3 server and is found there by polling it; every enrolled car is invited and its owner
told; every car is planned anew; when the event begins all of them are steered, and their commands sent to
`benchmarks.slow_maker`, which answers at once. Each stage is over before the next begins, the platform's own sweeps
run in child processes on a throw-away PostgreSQL, two at a time where they may.

Every car stands at its plug with time to spare, so that every one is told to hold: timed cars could be told from five
minutes before the event on, start/stop cars no sooner than it begins, which is why all are steered at its first
instant. The whole count is 100,000 cars (`EVENT_CARS` names another); offsets and the utility's limit on switched
power are left out, since they spread commands over minutes on purpose. Making the cars is not counted.
"""

import json
import os
import sys
import tempfile
import time
from collections.abc import Generator, Iterator

from benchmarks.children import CountingMaker, environment, report, start
from benchmarks.ratios import Ratio
from tests.throwaway import Missing, postgres

CARS, SHORT_CARS = 100_000, 2_000
PROCESSES = 2
TARGET_SECONDS = 900.0  # a quarter of an hour's notice, for 100,000 cars
WORK = "benchmarks.event_work"


def run(*, is_short: bool) -> Iterator[Ratio]:
    """Yield each stage's rate, and the whole for 100,000 cars; nothing where PostgreSQL's binaries are missing."""
    cars = int(os.environ.get("EVENT_CARS", SHORT_CARS if is_short else CARS))
    try:
        with postgres() as url, tempfile.TemporaryDirectory() as folder, CountingMaker() as (port, maker):
            settings = environment(url, folder, port)
            begun = time.monotonic()
            report(start(settings, WORK, "make", cars))
            for child in [start(settings, WORK, "plan") for _ in range(PROCESSES)]:
                report(child)
            report(start(settings, WORK, "tidy"))
            sys.stdout.write(f"  {cars:,} cars made and planned in {time.monotonic() - begun:.0f} s\n")
            total = yield from _stages(settings)
            out, _ = maker.communicate()
            counted = json.loads(out)
    except Missing as missing:
        sys.stdout.write(f"  left out: {missing}\n")
        return
    commands = counted.get("command", 0)
    detail = f"of {cars:,} cars; at most {counted['most_at_once']} at once"
    yield Ratio("commands at the maker, each once", commands, detail=detail)
    whole = total / cars * CARS
    detail = f"{total:.0f} s for {cars:,} cars"
    yield Ratio(
        "event to last command for 100,000 cars, s", whole, target=TARGET_SECONDS, is_ceiling=True, detail=detail
    )


def _stages(settings: dict[str, str]) -> Generator[Ratio, None, float]:
    """Run the stages one after another; returns their seconds together."""
    seconds = 0.0
    for part, name, processes in (
        ("announce", "server asked to last owner told", 1),
        ("plan", "planned anew", PROCESSES),
        ("dispatch", "dispatch rows", PROCESSES),
        ("send", "commands sent", PROCESSES),
    ):
        reports = [report(child) for child in [start(settings, WORK, part) for _ in range(processes)]]
        took = max(one["ended"] for one in reports) - min(one["begun"] for one in reports)
        done = sum(one["done"] for one in reports)
        cpu = sum(one["cpu"] for one in reports) / max(1, done)
        seconds += took
        detail = f"{done:,.0f} in {took:.1f} s, {processes} processes, {cpu * 1e6:.0f} us of our CPU each"
        yield Ratio(f"{name}, a second", done / took, detail=detail)
    return seconds


if __name__ == "__main__":
    begun = time.perf_counter()
    for ratio in run(is_short="--short" in sys.argv):
        print(ratio.line(), flush=True)
    print(f"{time.perf_counter() - begun:.0f} s")
