"""From a utility's event to the last dispatch row, and to the last command at a counting maker, for all enrolled cars.

The event comes as an OpenADR 3 message; every enrolled car is invited and its owner told; every car is planned anew;
when the event begins all of them are steered, and their commands sent to `benchmarks.slow_maker`, which answers at
once. The platform's own sweeps run in child processes on a throw-away PostgreSQL, two at a time where they may. The
whole count is 100,000 cars (`EVENT_CARS` names another); the utility's limit on switched power is left out, since it
spreads commands over minutes on purpose. Making the cars is not counted.
"""

import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Generator, Iterator
from datetime import UTC, datetime

from benchmarks.links import ROOT
from benchmarks.ratios import Ratio
from tests.throwaway import Missing, postgres

CARS, SHORT_CARS = 100_000, 2_000
PROCESSES = 2
TARGET_SECONDS = 900.0  # a quarter of an hour's notice, for 100,000 cars


def run(*, is_short: bool) -> Iterator[Ratio]:
    """Yield each stage's rate, and the whole for 100,000 cars; nothing where PostgreSQL's binaries are missing."""
    cars = int(os.environ.get("EVENT_CARS", SHORT_CARS if is_short else CARS))
    try:
        with postgres() as url, tempfile.TemporaryDirectory() as folder, CountingMaker() as (port, maker):
            environment = _environment(url, folder, port)
            _report(_start(environment, "make", cars))
            total = yield from _stages(environment)
            out, _ = maker.communicate()
            counted = json.loads(out)
    except Missing as missing:
        sys.stdout.write(f"  left out: {missing}\n")
        return
    commands = counted.get("command", 0)
    yield Ratio("commands at the maker, each once", commands, detail=f"at most {counted['most_at_once']} at once")
    whole = total["seconds"] / cars * CARS
    detail = f"{total['seconds']:.0f} s for {cars:,} cars"
    yield Ratio("event to last command for 100,000 cars, s", whole, detail=detail)


def _stages(environment: dict[str, str]) -> Generator[Ratio, None, dict[str, float]]:
    """Run the stages one after another; returns their seconds together."""
    seconds = 0.0
    for part, name, processes in (
        ("announce", "message to last owner told", 1),
        ("plan", "planned anew", PROCESSES),
        ("dispatch", "dispatch rows", PROCESSES),
        ("send", "commands sent", PROCESSES),
    ):
        reports = [_report(child) for child in [_start(environment, part) for _ in range(processes)]]
        took = max(report["ended"] for report in reports) - min(report["begun"] for report in reports)
        done = sum(report["done"] for report in reports)
        cpu = sum(report["cpu"] for report in reports) / max(1, done)
        seconds += took
        detail = f"{done:,.0f} in {took:.1f} s, {processes} processes, {cpu * 1e6:.0f} us of our CPU each"
        yield Ratio(f"{name}, a second", done / took, detail=detail)
    return {"seconds": seconds}


class CountingMaker:
    """The counting maker for the block: its port, and the process."""

    def __enter__(self) -> "tuple[int, subprocess.Popen[str]]":
        at = datetime.now(UTC).strftime("%m-%d-%Y %H:%M:%S")
        command = [sys.executable, "-m", "benchmarks.slow_maker", "0.0", at]
        pipe = subprocess.PIPE
        self.process = subprocess.Popen(command, stdin=pipe, stdout=pipe, text=True, cwd=ROOT)
        assert self.process.stdout is not None
        return int(self.process.stdout.readline()), self.process

    def __exit__(self, *_: object) -> None:
        self.process.terminate()


def _environment(url: str, folder: str, port: int) -> dict[str, str]:
    base = f"http://127.0.0.1:{port}"
    return {
        **os.environ,
        "DJANGO_SETTINGS_MODULE": "chargescape.settings",
        "DATABASE_URL": url,
        "VAR_DIR": folder,
        "LOG_LEVEL": "CRITICAL",
        "FORD_CLIENT_ID": "bench",
        "FORD_CLIENT_SECRET": "bench",
        "FORD_TOKEN_URL": f"{base}/token",
        "FORD_API_BASE": f"{base}/v3",
        "FORD_PARTNER_API_BASE": f"{base}/partner",
    }


def _start(environment: dict[str, str], *arguments: object) -> "subprocess.Popen[str]":
    command = [sys.executable, "-m", "benchmarks.event_work", *map(str, arguments)]
    return subprocess.Popen(command, cwd=ROOT, env=environment, stdout=subprocess.PIPE, text=True)


def _report(child: "subprocess.Popen[str]") -> dict[str, float]:
    out, _ = child.communicate()
    if child.returncode:
        raise RuntimeError(f"{child.args!r} ended with {child.returncode}")
    found: dict[str, float] = json.loads(out.splitlines()[-1])
    return found


if __name__ == "__main__":
    begun = time.perf_counter()
    for ratio in run(is_short="--short" in sys.argv):
        print(ratio.line(), flush=True)
    print(f"{time.perf_counter() - begun:.0f} s")
