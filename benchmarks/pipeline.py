"""From database rows to stored plans, on a throw-away PostgreSQL: load, plan and store, on one core and on two.

The whole count is 100,000 cars (`PIPELINE_CARS` names another). Four processes (`PIPELINE_WORKERS`) keep two cores
busy: PostgreSQL runs on the same cores, and while one process waits for it another plans. Each car has its own owner,
home, wishes, a week of stays and readings; a quarter gives energy back. First every car is planned for the first time,
its habits learnt and all; then, on two cores, once more as an hour later. The search for plans out of date is told
beside, not in the rate. CPU is that of the workers and of their PostgreSQL processes together: what the cores would do
with nobody else there.
"""

import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from benchmarks.ratios import Ratio
from tests.throwaway import postgres

NOW = datetime(2026, 11, 18, 23, 5, tzinfo=UTC)
SHORT_CARS, CARS = 5_000, 100_000
TARGET, MOONSHOT = 5_000, 20_000
CORES = 2


def run(*, is_short: bool) -> Iterator[Ratio]:
    """Measure in child processes, so that none of them inherits a connection or a warm cache."""
    cars = int(os.environ.get("PIPELINE_CARS", SHORT_CARS if is_short else CARS))
    workers = int(os.environ.get("PIPELINE_WORKERS", 2 * CORES))
    with postgres() as url:
        _child(url, "make", cars)
        yield _rate(url, "rows to stored plans", 1, cars // 3)
        yield _rate(url, "rows to stored plans", workers, cars // 3 * 2, target=TARGET, moonshot=MOONSHOT)
        report = _child(url, "notice", cars)
        detail = (
            f"once a sweep; the first look takes {report['first'] * 1e3:.0f} ms, the next {report['notice'] * 1e3:.0f}"
        )
        yield Ratio("search for plans out of date, ms", report["notice"] * 1e3, detail=detail)
        _child(url, "age", cars)
        yield _rate(url, "planned again an hour later", workers, cars // 3 * 2)


def _rate(
    url: str, name: str, workers: int, cars: int, *, target: int | None = None, moonshot: int | None = None
) -> Ratio:
    reports, seconds = _race(url, workers, cars // workers)
    made = sum(report["cars"] for report in reports)
    parts = {
        part: sum(report[part] for report in reports) / made * 1e6 for part in ("load", "plan", "store", "cpu", "pg")
    }
    split = ", ".join(f"{part} {parts[part]:.0f}" for part in ("load", "plan", "store"))
    cpu, cores = parts["cpu"] + parts["pg"], min(workers, CORES)
    detail = (
        f"{made / seconds:,.0f} cars/s over {made:,.0f} cars; us/car: {split}; CPU {cpu:.0f}, of it PostgreSQL "
        f"{parts['pg']:.0f}, which makes {cores / cpu * 1e6:,.0f} cars/s on {cores} free core{'s' * (cores > 1)}"
    )
    title = f"{name}, {workers} process{'es' if workers > 1 else ''}, cars/s"
    return Ratio(
        title, made / seconds, target, moonshot, detail=f"{detail}; ratio to target {made / seconds / TARGET:.3f}"
    )


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
    from django.db import connection  # noqa: PLC0415 - after django.setup()

    from grid.flows.plans import planning  # noqa: PLC0415
    from grid.flows.plans.storing import store_plans  # noqa: PLC0415
    from grid.models import PlanningState  # noqa: PLC0415

    due_at = PlanningState.objects.order_by("due_at").values_list("due_at", flat=True)[0]
    now = max(NOW, due_at)
    loaded = planning.load_due(now=now, limit=50)
    store_plans(planning.make_plans(loaded, now=now), lease_until=loaded.lease_until, now=now)
    print("warm", flush=True)
    sys.stdin.readline()
    limit = min(planning.BATCH, max(1, cars // 4))  # a short run has more than one batch, too
    spent = {"cars": 0.0, "load": 0.0, "plan": 0.0, "store": 0.0}  # seconds of wall time
    cpu, postgres_cpu = time.process_time(), _backend_seconds(connection)
    while spent["cars"] < cars:
        begun = time.perf_counter()
        loaded = planning.load_due(now=now, limit=limit)
        read = time.perf_counter()
        planned = planning.make_plans(loaded, now=now)
        made = time.perf_counter()
        count = store_plans(planned, lease_until=loaded.lease_until, now=now)
        if not count:
            break
        spent["cars"] += count
        spent["load"] += read - begun
        spent["plan"] += made - read
        spent["store"] += time.perf_counter() - made
    spent["cpu"], spent["pg"] = time.process_time() - cpu, _backend_seconds(connection) - postgres_cpu
    return spent


def _backend_seconds(connection: Any) -> float:
    """Return the CPU time of the PostgreSQL process behind the connection, as Linux tells it."""
    with connection.cursor() as cursor:
        cursor.execute("select pg_backend_pid()")
        told = Path(f"/proc/{cursor.fetchone()[0]}/stat").read_text().rpartition(")")[2].split()
    return (int(told[11]) + int(told[12])) / os.sysconf("SC_CLK_TCK")


def _look(mark_stale: Any) -> float:
    begun = time.perf_counter()
    mark_stale(now=NOW)
    return time.perf_counter() - begun


def main() -> None:
    """Do one child's part: make the world, plan a share of it, let an hour pass or look for plans out of date."""
    import django  # noqa: PLC0415

    django.setup()
    from django.core.management import call_command  # noqa: PLC0415
    from django.db import connection  # noqa: PLC0415

    from benchmarks.rows import make_cars  # noqa: PLC0415 - models need django.setup()
    from grid.flows.plans.staleness import mark_stale  # noqa: PLC0415
    from grid.models import PlanningState  # noqa: PLC0415

    part, cars = sys.argv[1], int(sys.argv[2])
    report: dict[str, float] = {}
    if part == "make":
        call_command("migrate", verbosity=0)
        make_cars(cars, now=NOW)
        with connection.cursor() as cursor:
            cursor.execute("analyze")
    elif part == "work":
        report = _work(cars)
    elif part == "age":
        PlanningState.objects.update(due_at=NOW + timedelta(hours=1), lease_until=None)
        with connection.cursor() as cursor:
            cursor.execute("vacuum analyze")
    else:
        report = {"first": _look(mark_stale), "notice": _look(mark_stale)}
    print(json.dumps(report))
    connection.close()


if __name__ == "__main__":
    main()
