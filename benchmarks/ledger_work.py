"""The measured part of `benchmarks.ledger`: a program with its own database, told by DATABASE_URL.

Prints one JSON object: rows a second of each way of writing. Writers are processes, each with its own connection.
"""

import json
import multiprocessing
import statistics
import sys
import time
from collections.abc import Callable
from datetime import UTC, datetime

import django

django.setup()

from django.core.management import call_command  # noqa: E402 - Django first
from django.db import connection  # noqa: E402

from accounts.models import User  # noqa: E402
from rewards import ledger  # noqa: E402
from rewards.models import LedgerAccount  # noqa: E402

NOW = datetime(2026, 11, 18, 23, 5, tzinfo=UTC)
BATCH = 500
BARE = "INSERT INTO bench_bare (key, debit_id, credit_id, amount_minor, created_at) VALUES (%s, %s, %s, %s, %s)"
OWNERS = 64
ROUNDS = 5
WAIT_SECONDS = 120


def _write_bare(writer: int, count: int) -> None:
    with connection.cursor() as cursor:
        for number in range(count):
            cursor.execute(BARE, [f"bare:{writer}:{number}:{time.time_ns()}", 1, 2, 100, NOW])


def _write_singly(writer: int, count: int) -> None:
    receivable, owners = _accounts()
    for number in range(count):
        ledger.post(
            key=f"single:{writer}:{number}:{time.time_ns()}",
            debit=receivable,
            credit=owners[(writer * 7 + number) % OWNERS],
            amount_minor=100,
            label="Event",
            now=NOW,
        )


def _write_batched(writer: int, count: int) -> None:
    receivable, owners = _accounts()
    for first in range(0, count, BATCH):
        entries = [
            ledger.Entry(f"batch:{writer}:{number}:{time.time_ns()}", receivable, owners[number % OWNERS], 100, "Event")
            for number in range(first, min(first + BATCH, count))
        ]
        ledger.post_many(entries, now=NOW)


def _accounts() -> tuple[LedgerAccount, list[LedgerAccount]]:
    return LedgerAccount.objects.get(kind="utility_receivable", part=0), list(
        LedgerAccount.objects.filter(kind="owner_payable").order_by("pk")
    )


def _rows_a_second(write: Callable[[int, int], None], *, writers: int, count: int) -> float:
    """Return how many rows a second `writers` processes commit together, `count` rows each."""
    connection.close()  # children must not share it
    context = multiprocessing.get_context("fork")
    ready, go = context.Semaphore(0), context.Event()

    def work(writer: int) -> None:
        write(writer, 1)  # connects and warms up
        ready.release()
        go.wait()
        write(writer, count)

    processes = [context.Process(target=work, args=(writer,)) for writer in range(writers)]
    for process in processes:
        process.start()
    for _ in processes:
        if not ready.acquire(timeout=WAIT_SECONDS):
            raise RuntimeError("a writer did not start")
    started = time.perf_counter()
    go.set()
    for process in processes:
        process.join()
    seconds = time.perf_counter() - started
    if any(process.exitcode for process in processes):
        raise RuntimeError("a writer failed")
    return writers * count / seconds


def _medians(writers: int, ways: dict[str, tuple[Callable[[int, int], None], int]]) -> dict[str, float]:
    """Run the ways in turn, so that what else the machine does meets each alike; returns each one's median."""
    rates: dict[str, list[float]] = {name: [] for name in ways}
    for _ in range(ROUNDS):
        for name, (write, count) in ways.items():
            rates[name].append(_rows_a_second(write, writers=writers, count=max(50, count // writers // ROUNDS)))
    return {f"{name}_{writers}": statistics.median(found) for name, found in rates.items()}


def main() -> None:
    """Migrate, open accounts, measure; the count of rows a writer is the first argument."""
    count = int(sys.argv[1])
    call_command("migrate", verbosity=0)
    with connection.cursor() as cursor:
        cursor.execute(
            "CREATE TABLE bench_bare (id bigserial PRIMARY KEY, key varchar(160), debit_id bigint, credit_id bigint, "
            "amount_minor bigint, created_at timestamptz)"
        )
    ledger.account(LedgerAccount.Kind.UTILITY_RECEIVABLE, "bench", "USD")
    for number in range(OWNERS):
        ledger.owner_account(User.objects.create_user(f"owner{number}@example.org"), "USD")
    told: dict[str, float] = {}
    for writers in (1, 2, 8):
        told |= _medians(writers, {"bare": (_write_bare, count), "single": (_write_singly, count)})
    told |= _medians(1, {"bare_beside_batched": (_write_bare, count), "batched": (_write_batched, count * 5)})
    findings = ledger.check()
    if findings:
        raise RuntimeError(findings[0])
    sys.stdout.write(json.dumps(told))


if __name__ == "__main__":
    main()
