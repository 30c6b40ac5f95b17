"""Pages and calls under load: requests a second beside an empty Django view's in the same run, on gunicorn.

The database is a throw-away PostgreSQL with 2,000 owners (WEB_OWNERS names another count) and a year of history, made
in bulk: 80 evenings with events, settlements and transfers each, a week of readings, half a year of notices, and the
planner's own plans for tonight. One gunicorn process with four threads answers eight connections. Each address and the
empty view take turns, so that other work on the machine weighs on both alike. The empty view goes through the same
middleware for the same signed-in owner.
"""

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from statistics import median
from typing import Any

from benchmarks.ratios import Ratio
from benchmarks.web_load import Round, load
from tests.throwaway import Missing, free_port, postgres, wait_for_port

ROOT = Path(__file__).resolve().parent.parent
SHORT_OWNERS, OWNERS = 60, 2_000
TARGET = 0.25
PAGES = {"Tonight": "/tonight/", "Tonight, the part that refreshes": "/tonight/?part=now", "Earnings": "/earnings/"}
CALLS = {
    "API: tonight": "/api/v1/tonight/",
    "API: cars": "/api/v1/vehicles/",
    "API: settlements": "/api/v1/settlements/?page_size=20",
    "API: balances": "/api/v1/balances/",
    "API: changes, none": "/api/v1/changes/?since={cursor}",
}


def run(*, is_short: bool) -> Iterator[Ratio]:
    """Yield one ratio an address; none without PostgreSQL's binaries."""
    owners = int(os.environ.get("WEB_OWNERS", SHORT_OWNERS if is_short else OWNERS))
    rounds, seconds = (3, 1.5) if is_short else (5, 3.0)
    try:
        with postgres() as url, tempfile.TemporaryDirectory() as folder:
            environment = _environment(url, folder)
            callers = json.loads(_work("make", str(owners), environment=environment))
            with _server(environment, folder) as port:
                for name, path in {**PAGES, **CALLS}.items():
                    yield _measure(name, path, port=port, callers=callers, rounds=rounds, seconds=seconds)
    except Missing as missing:
        sys.stdout.write(f"  left out: {missing}\n")


def _measure(name: str, path: str, *, port: int, callers: Any, rounds: int, seconds: float) -> Ratio:
    load(port, path, callers, seconds=0.5)  # warm: templates are compiled at their first use
    pairs: list[tuple[Round, Round]] = [
        (load(port, "/empty/", callers, seconds=seconds / 2), load(port, path, callers, seconds=seconds))
        for _ in range(rounds)
    ]
    ratio = median(ours.per_second / empty.per_second for empty, ours in pairs)
    ours, empty = (median(pair[which].per_second for pair in pairs) for which in (1, 0))
    p95 = median(pair[1].p95_seconds for pair in pairs)
    detail = f"{ours:.0f} requests/s, p95 {p95 * 1e3:.0f} ms at 8 connections; the empty view {empty:.0f}"
    return Ratio(f"{name}, to an empty view", ratio, TARGET, detail=detail)


def _environment(url: str, folder: str) -> dict[str, str]:
    return {
        **os.environ,
        "DATABASE_URL": url,
        "VAR_DIR": folder,
        "DJANGO_SETTINGS_MODULE": "benchmarks.web_settings",
        "LOG_LEVEL": "CRITICAL",
        "CLOCK_ANCHOR_FILE": f"{folder}/clock.json",
        "PYTHONPATH": str(ROOT),
    }


def _work(*arguments: str, environment: dict[str, str]) -> str:
    command = [sys.executable, "-m", "benchmarks.web_work", *arguments]
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)
    if done.returncode:
        raise RuntimeError(done.stderr[-3000:])
    return done.stdout.splitlines()[-1]


@contextmanager
def _server(environment: dict[str, str], folder: str) -> Iterator[int]:
    """Run the platform as the demo does: one process, threads."""
    port = free_port()
    command = [sys.executable, "-m", "gunicorn", "chargescape.wsgi", "--bind", f"127.0.0.1:{port}"]
    command += ["--worker-class", "gthread", "--threads", "4", "--no-control-socket", "--keep-alive", "30"]
    with (Path(folder) / "web.log").open("wb") as log:
        process = subprocess.Popen(command, cwd=ROOT, env=environment, stdout=log, stderr=log)
    try:
        wait_for_port(port, process)
        yield port
    finally:
        process.terminate()
        process.wait(30)


if __name__ == "__main__":
    for found in run(is_short="--short" in sys.argv):
        sys.stdout.write(found.line() + "\n")
        sys.stdout.flush()
