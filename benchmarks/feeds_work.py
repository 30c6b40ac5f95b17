"""The measured part of `benchmarks.feeds`: a program with its own database, told by DATABASE_URL.

Prints one JSON object: rows a second of plain COPY and of the loader, in turns. Arguments: zones, days.
"""

import json
import statistics
import sys
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import django
import numpy as np

django.setup()

from django.core.management import call_command  # noqa: E402 - Django first
from django.db import connection  # noqa: E402

from grid.flows.prices.series import TABLE, Values, store_values  # noqa: E402
from grid.models import Feed, SeriesPoint  # noqa: E402
from grid.rows.columns import micros_of  # noqa: E402

FIRST = datetime(2025, 1, 1, tzinfo=UTC)
NOW, LATER = datetime(2026, 1, 1, tzinfo=UTC), datetime(2026, 1, 2, tzinfo=UTC)
STEP = timedelta(minutes=5)
ROUNDS = 3
NAMES = "feed_id, starts_at, ends_at, value, unit, issued_at"


def _year(zone: int, count: int) -> Values:
    """Return one zone's values, as an adapter or a file gives them once read."""
    step = STEP // timedelta(microseconds=1)
    starts = micros_of(FIRST) + step * np.arange(count, dtype=np.int64)
    values = np.random.default_rng(zone).integers(-60_000, 9_000_000, count)
    return Values(starts, starts + step, values, np.full(count, micros_of(NOW), dtype=np.int64), unit="USD/kWh")


def _lines(feed: int, count: int) -> bytes:
    """Return the same as text for a plain COPY, made before the clock runs."""
    rows = [
        f"{feed}\t{(FIRST + STEP * place).isoformat()}\t{(FIRST + STEP * (place + 1)).isoformat()}\t{place}\tUSD/kWh\t"
        f"{NOW.isoformat()}\n"
        for place in range(count)
    ]
    return "".join(rows).encode()


def _plain(table: str, texts: list[bytes]) -> None:
    for text in texts:
        with connection.cursor() as cursor, cursor.copy(f"COPY {table} ({NAMES}) FROM STDIN") as copy:
            copy.write(text)


def _seconds(work: Callable[[], object]) -> float:
    begun = time.perf_counter()
    work()
    return time.perf_counter() - begun


def _run(sql: str) -> None:
    with connection.cursor() as cursor:
        cursor.execute(sql)


def main() -> None:
    """Migrate, load in turns, and print the median rows a second of each way."""
    zones, count = int(sys.argv[1]), int(sys.argv[2]) * 288
    call_command("migrate", verbosity=0)
    feeds = [Feed.objects.create(source="bench", zone=f"Z{n}", kind=Feed.Kind.REAL_TIME_PRICE) for n in range(zones)]
    years = [_year(number, count) for number in range(zones)]
    texts = [_lines(feed.pk, count) for feed in feeds]
    _run(f"CREATE TABLE bench_bare AS SELECT {NAMES} FROM {TABLE} LIMIT 0")  # noqa: S608 - names alone
    _run(f"CREATE TABLE bench_same (LIKE {TABLE} INCLUDING ALL)")

    def load(values: list[Values]) -> int:
        return sum(store_values(feed=feed, values=one) for feed, one in zip(feeds, values, strict=True))

    def timed(name: str, work: Callable[[], object], table: str) -> None:
        _run(f"TRUNCATE {table}")
        found[name].append(zones * count / _seconds(work))

    found: dict[str, list[float]] = {name: [] for name in ("bare", "same", "loader", "again", "corrected")}
    for _ in range(ROUNDS):
        timed("bare", lambda: _plain("bench_bare", texts), "bench_bare")
        timed("same", lambda: _plain("bench_same", texts), "bench_same")
        timed("loader", lambda: load(years), TABLE)
        found["again"].append(zones * count / _seconds(lambda: load(years)))
    if SeriesPoint.objects.count() != zones * count:
        raise RuntimeError("loading again stored something")
    late = [
        Values(one.starts, one.ends, one.values + 1, one.issued + micros_of(LATER) - micros_of(NOW), one.unit)
        for one in years
    ]
    found["corrected"].append(zones * count / _seconds(lambda: load(late)))
    sys.stdout.write(json.dumps({name: statistics.median(rates) for name, rates in found.items()}))


if __name__ == "__main__":
    main()
