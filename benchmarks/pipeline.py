"""From database rows to stored plans, on a throw-away PostgreSQL: load, plan and store, in one process and in two.

The whole count is 100,000 cars (`PIPELINE_CARS` names another). Each car has its own owner, home, wishes, a week of
stays and readings; a quarter gives energy back. The search for plans out of date is told beside, not in the rate.
"""

import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from datetime import UTC, datetime

from benchmarks.ratios import Ratio
from tests.throwaway import postgres

NOW = datetime(2026, 11, 18, 23, 5, tzinfo=UTC)
SHORT_CARS, CARS = 5_000, 100_000
BATCH = 1_000
TARGET, MOONSHOT = 5_000, 20_000


def run(*, is_short: bool) -> Iterator[Ratio]:
    """Measure in child processes, so that none of them inherits a connection or a warm cache."""
    cars = int(os.environ.get("PIPELINE_CARS", SHORT_CARS if is_short else CARS))
    with postgres() as url:
        _child(url, "make", cars)
        for workers in (1, 2):
            share = cars // 3 * workers
            reports, seconds = _race(url, workers, share // workers)
            made = sum(report["cars"] for report in reports)
            split = ", ".join(
                f"{part} {sum(report[part] for report in reports) / made * 1e6:.0f}"
                for part in ("load", "plan", "store")
            )
            detail = f"{made / seconds:,.0f} cars/s over {made:,} cars; us/car: {split}"
            name = f"rows to stored plans, {workers} process{'es' if workers > 1 else ''}, cars/s"
            yield Ratio(name, made / seconds, TARGET if workers > 1 else None, MOONSHOT if workers > 1 else None,
                        detail=f"{detail}; ratio to target {made / seconds / TARGET:.3f}")  # fmt: skip
        report = _child(url, "notice", cars)
        yield Ratio("search for plans out of date, us/car", report["notice"] / cars * 1e6, detail="once a sweep")


def _child(url: str, *arguments: object) -> dict[str, float]:
    return _report(_start(url, *arguments))


def _start(url: str, *arguments: object) -> "subprocess.Popen[str]":
    command = [sys.executable, "-m", "benchmarks.pipeline", *map(str, arguments)]
    environment = {**os.environ, "TEST_DATABASE_URL": url, "DJANGO_SETTINGS_MODULE": "tests.settings"}
    pipe = subprocess.PIPE
    return subprocess.Popen(command, env=environment, stdin=pipe, stdout=pipe, text=True)


def _report(child: "subprocess.Popen[str]") -> dict[str, float]:
    out, _ = child.communicate()
    if child.returncode:
        raise RuntimeError(f"{child.args!r} ended with {child.returncode}")
    found: dict[str, float] = json.loads(out.splitlines()[-1])
    return found


def _race(url: str, workers: int, cars: int) -> tuple[list[dict[str, float]], float]:
    """Let the workers plan side by side, once all of them are warm; returns their reports and the wall time."""
    children = [_start(url, "work", cars) for _ in range(workers)]
    for child in children:
        assert child.stdout is not None
        child.stdout.readline()
    begun = time.perf_counter()
    for child in children:
        assert child.stdin is not None
        child.stdin.write("go\n")
        child.stdin.flush()
    reports = [_report(child) for child in children]
    return reports, time.perf_counter() - begun


def _work(cars: int) -> dict[str, float]:
    from grid.flows import planning  # noqa: PLC0415 - after django.setup()
    from grid.flows.storing import store_plans  # noqa: PLC0415

    store_plans(planning.make_plans(planning.load_due(now=NOW, limit=50), now=NOW), now=NOW)
    print("warm", flush=True)
    sys.stdin.readline()
    spent = {"cars": 0.0, "load": 0.0, "plan": 0.0, "store": 0.0}
    while spent["cars"] < cars:
        begun = time.perf_counter()
        loaded = planning.load_due(now=NOW, limit=BATCH)
        read = time.perf_counter()
        planned = planning.make_plans(loaded, now=NOW)
        made = time.perf_counter()
        count = store_plans(planned, now=NOW)
        if not count:
            break
        spent["cars"] += count
        spent["load"] += read - begun
        spent["plan"] += made - read
        spent["store"] += time.perf_counter() - made
    return spent


def main() -> None:
    """Do one child's part: make the world, plan a share of it, or look for plans out of date."""
    import django  # noqa: PLC0415

    django.setup()
    from django.core.management import call_command  # noqa: PLC0415
    from django.db import connection  # noqa: PLC0415

    from benchmarks.rows import make_cars  # noqa: PLC0415 - models need django.setup()
    from grid.flows.staleness import mark_stale  # noqa: PLC0415

    part, cars = sys.argv[1], int(sys.argv[2])
    report: dict[str, float] = {}
    if part == "make":
        call_command("migrate", verbosity=0)
        make_cars(cars, now=NOW)
        with connection.cursor() as cursor:
            cursor.execute("analyze")
    elif part == "work":
        report = _work(cars)
    else:
        begun = time.perf_counter()
        mark_stale(now=NOW)
        report = {"notice": time.perf_counter() - begun}
    print(json.dumps(report))
    connection.close()


if __name__ == "__main__":
    main()
