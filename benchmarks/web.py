"""Pages and calls under load: requests a second beside an empty Django view's in the same run, on gunicorn.

The database is a throw-away PostgreSQL with 2,000 owners (WEB_OWNERS names another count) and a year of history, made
in bulk: for each car 80 evenings with events and settlements, credited and paid out through the ledger, which proves
itself at the end; a stay a day and what it saved, two readings a day, half a year of notices, and the planner's own
plans for tonight. One gunicorn process with four threads answers eight connections. Each address and the
empty view take turns, so that other work on the machine weighs on both alike. The empty view goes through the same
middleware for the same signed-in owner.

The platform keeps what it made while nothing that it shows has changed, so three figures are told. The ratio that
counts is of visits: owner after owner comes, asks eight times in a row, the first time for what nobody has asked for,
and before one in ten asks the owner's data changes. Beside it stand the two ends: `cold`, where nothing is ever kept,
and `warm`, where everything is.
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

from benchmarks.ratios import Ratio
from benchmarks.web_load import COLD, CONNECTIONS, MIXED, WARM, Load, Place, Round
from journey.stack import free_port
from tests.throwaway import Missing, postgres, wait_for_port

ROOT = Path(__file__).resolve().parent.parent
SHORT_OWNERS, OWNERS = 60, 2_000
TARGET = 0.25
EMPTY = "empty"
_READ = (
    "INSERT INTO vehicles_chargereading (vehicle_id, observed_at, fetched_at, source, soc_percent, limit_percent,"
    " is_plugged_in, is_at_home, charge_state) SELECT car.id, max(observed_at) + interval '1 second', now(), 'poll',"
    " 50, 90, true, true, 'charging' FROM vehicles_vehicle car JOIN vehicles_chargereading ON vehicle_id = car.id"
    " WHERE owner_id = %(owner)s GROUP BY car.id"
)
_TOLD = (
    "INSERT INTO accounts_notice (public_id, user_id, kind, key, params, created_at)"
    " VALUES (gen_random_uuid(), %(owner)s, 'payout_paid', gen_random_uuid()::text, '{}', now())"
)
_NAMED = "UPDATE vehicles_vehicle SET trim = left(gen_random_uuid()::text, 20) WHERE owner_id = %(owner)s"
_SET = "UPDATE rewards_payoutaccount SET threshold_minor = threshold_minor + 1 WHERE owner_id = %(owner)s"
# What the answer shows changes: a reading, a notice in the head, a car's name, a payout setting.
PLACES = {
    "Tonight": Place("/tonight/", _READ),
    "Tonight, the part that refreshes": Place("/tonight/?part=now", _READ),
    "Earnings": Place("/earnings/", _TOLD),
    "API: tonight": Place("/api/v1/tonight/", _READ),
    "API: cars": Place("/api/v1/vehicles/", _READ),
    "API: settlements": Place("/api/v1/settlements/?page_size=20", _NAMED),
    "API: balances": Place("/api/v1/balances/", _SET),
    "API: changes": Place("/api/v1/changes/?since={cursor}", _TOLD),
}


def run(*, is_short: bool) -> Iterator[Ratio]:
    """Yield one ratio an address; none without PostgreSQL's binaries."""
    owners = int(os.environ.get("WEB_OWNERS", SHORT_OWNERS if is_short else OWNERS))
    rounds, visits = (3, 4) if is_short else (5, 12)
    try:
        with postgres() as url, tempfile.TemporaryDirectory() as folder:
            environment = _environment(url, folder)
            callers = json.loads(_work("make", str(owners), environment=environment))
            with _server(environment, folder) as port:
                load = Load(port=port, database_url=url, callers=callers)
                for name, place in PLACES.items():
                    yield _measure(load, name, place, rounds=rounds, visits=visits)
    except Missing as missing:
        sys.stdout.write(f"  left out: {missing}\n")


def _measure(load: Load, name: str, place: Place, *, rounds: int, visits: int) -> Ratio:
    for how in (COLD, WARM):  # templates are compiled at their first use
        load.ask(place, how=how, visits=1)
    turns = [_turn(load, place, visits) for _ in range(rounds)]
    mixed, cold, warm = (
        median(turn[how].per_second / turn[EMPTY].per_second for turn in turns) for how in (MIXED, COLD, WARM)
    )
    ours, empty = (median(turn[how].per_second for turn in turns) for how in (MIXED, EMPTY))
    p95 = median(turn[MIXED].p95_seconds for turn in turns)
    detail = (
        f"visits: {ours:.0f} requests/s, p95 {p95 * 1e3:.0f} ms at {CONNECTIONS} connections; the empty view "
        f"{empty:.0f}; all cold {cold:.2f}, all warm {warm:.2f}"
    )
    return Ratio(f"{name}, to an empty view", mixed, TARGET, detail=detail)


def _turn(load: Load, place: Place, visits: int) -> dict[str, Round]:
    """Let the empty view and the address answer in turn, the empty view to the same visits with the same changes."""
    return {
        EMPTY: load.ask(Place("/empty/", place.change), how=MIXED, visits=visits),
        MIXED: load.ask(place, how=MIXED, visits=visits),
        COLD: load.ask(place, how=COLD, visits=visits // 4),
        WARM: load.ask(place, how=WARM, visits=visits),
    }


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
