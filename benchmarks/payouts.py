"""A payout run on PostgreSQL against the sandbox's stand-in for Stripe, over HTTP: 10,000 owners on one payday.

PAYOUT_OWNERS names another count. Everybody's payday has come: payouts are requested, sent, and reconciled with the
processor's books; at the end each owner was sent what they were owed, once. The first are sent one after another, the
rest by two workers of several threads each. The stand-in is one process on the same machine that computes as long as
it answers, which keeps the two alike; so the same is measured with a stand-in that takes its time without computing,
as a processor far away does.
"""

import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.error import URLError
from urllib.request import urlopen

from benchmarks.ratios import Ratio
from journey.stack import free_port
from tests.throwaway import Missing, postgres

ROOT = Path(__file__).resolve().parent.parent
SHORT_OWNERS, OWNERS = 400, 10_000
PART = 40  # sent one after another
THREADS = 8
FAR_SECONDS = 0.3
START_SECONDS = 90
KEY = "sk_test_benchmark"
# The stand-in's accounts are made in its database: ten thousand walks through its pages would measure the pages.
STOCK = """
import sys
from datetime import UTC, datetime
from sandbox.stripe.models import Account, BalanceEntry, BankAccount
count, at = {count}, datetime(2026, 11, 1, tzinfo=UTC)
accounts = Account.objects.bulk_create(
    (Account(object_id=f"acct_bench{{n}}", created_at=at, country="US", currency="usd", is_recipient=True,
             has_requested_transfers=True, transfers_status="active") for n in range(count)), batch_size=500)
BankAccount.objects.bulk_create(
    (BankAccount(object_id=f"ba_bench{{n}}", created_at=at, account=one, country="US", currency="usd",
                 routing_number="110000000", last4="6789") for n, one in enumerate(accounts)), batch_size=500)
"""


def run(*, is_short: bool) -> Iterator[Ratio]:
    """Yield payouts a second of requesting, sending and of the whole run; none without PostgreSQL's binaries."""
    owners = int(os.environ.get("PAYOUT_OWNERS", SHORT_OWNERS if is_short else OWNERS))
    try:
        with postgres() as url, tempfile.TemporaryDirectory() as folder, _stand_in(folder, owners) as base:
            environment = {
                **os.environ,
                "DATABASE_URL": url,
                "VAR_DIR": folder,
                "DJANGO_SETTINGS_MODULE": "chargescape.settings",
                "STRIPE_API_BASE": f"{base}/stripe",
                "STRIPE_API_KEY": KEY,
                "LOG_LEVEL": "CRITICAL",
            }
            yield from _measure(owners, environment)
    except Missing as missing:
        sys.stdout.write(f"  left out: {missing}\n")


def _measure(owners: int, environment: dict[str, str]) -> Iterator[Ratio]:
    _tell("make", owners, environment)
    request = _tell("request", owners, environment)
    detail = f"{owners:,} owners, {request['cpu'] / owners * 1e3:.1f} ms of Python each"
    yield Ratio("payouts requested a second", owners / request["seconds"], detail=detail)
    alone, abreast = dict[float, dict[str, float]](), dict[float, dict[str, float]]()
    for far, first, until in ((FAR_SECONDS, PART, 5 * PART), (0.0, 6 * PART, owners)):
        alone[far] = _send(first, environment, processes=1, threads=1, far=far)
        abreast[far] = _send(until, environment, processes=2, threads=THREADS, far=far)
    checked = _tell("check", owners, environment)
    for far, name in ((0.0, "the stand-in"), (FAR_SECONDS, f"a processor {FAR_SECONDS * 1e3:.0f} ms away")):
        one, many = alone[far], abreast[far]
        for how, told in (("one after another", one), (f"2 x {THREADS} at once", many)):
            detail = f"{told['cpu'] * 1e3:.1f} ms of Python each"
            yield Ratio(f"payouts sent a second to {name}, {how}", told["rate"], detail=detail)
        yield Ratio("ratio of the two", many["rate"] / one["rate"])
    seconds = request["seconds"] + sum(one["seconds"] for one in (*alone.values(), *abreast.values()))
    yield Ratio("payday, payouts/s", owners / seconds,
                detail=f"{owners:,} owners in {seconds:.0f} s, each paid once; reconciled without a difference in "
                f"{checked['seconds']:.0f} s")  # fmt: skip


def _send(until: int, environment: dict[str, str], *, processes: int, threads: int, far: float) -> dict[str, float]:
    """Send until so many are sent in all; returns seconds, payouts a second, and CPU seconds a payout."""
    told = {**environment, "PAYOUT_SENDERS": str(threads), "BENCHMARK_FAR_SECONDS": str(far)}
    parts = [_read(child) for child in [_start("send", until, told) for _ in range(processes)]]
    seconds = max(one["ended"] for one in parts) - min(one["begun"] for one in parts)
    sent, cpu = (sum(one[name] for one in parts) for name in ("sent", "cpu"))
    return {"seconds": seconds, "rate": sent / seconds, "cpu": cpu / sent}


@contextmanager
def _stand_in(folder: str, owners: int) -> Iterator[str]:
    """Run the sandbox with an account for each owner; yields its address."""
    port, smtp_port, stream_port = free_port(), free_port(), free_port()
    environment = {
        **os.environ,
        "SANDBOX_VAR_DIR": f"{folder}/sandbox",
        "SANDBOX_URL": f"http://localhost:{port}",
        "SANDBOX_PORT": str(port),
        "SANDBOX_SMTP_PORT": str(smtp_port),
        "SANDBOX_BMW_STREAM_PORT": str(stream_port),
        "SANDBOX_STRIPE_KEY": KEY,
    }
    Path(environment["SANDBOX_VAR_DIR"]).mkdir()
    sandbox = [sys.executable, "-m", "sandbox"]
    for arguments in (["migrate", "-v0"], ["shell", "-v0", "-c", STOCK.format(count=owners)]):
        subprocess.run([*sandbox, *arguments], cwd=ROOT, env=environment, check=True, stdout=subprocess.DEVNULL)
    with (Path(folder) / "sandbox.log").open("wb") as log:
        process = subprocess.Popen([*sandbox, "serve"], cwd=ROOT, env=environment, stdout=log, stderr=log)
    try:
        _wait(environment["SANDBOX_URL"], process)
        yield environment["SANDBOX_URL"]
    finally:
        process.terminate()
        process.wait(30)


def _wait(url: str, process: "subprocess.Popen[bytes]") -> None:
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline and process.poll() is None:
        try:
            with urlopen(f"{url}/healthz", timeout=2):  # noqa: S310 - the address is our own
                return
        except (TimeoutError, URLError, ConnectionError):
            time.sleep(0.2)
    raise RuntimeError("the sandbox did not start")


def _start(part: str, owners: int, environment: dict[str, str]) -> "subprocess.Popen[str]":
    command = [sys.executable, "-m", "benchmarks.payouts_work", part, str(owners)]
    return subprocess.Popen(
        command, cwd=ROOT, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )


def _read(child: "subprocess.Popen[str]") -> dict[str, float]:
    out, errors = child.communicate()
    if child.returncode:
        raise RuntimeError(errors[-2000:])
    told: dict[str, float] = json.loads(out.splitlines()[-1])
    return told


def _tell(part: str, owners: int, environment: dict[str, Any]) -> dict[str, float]:
    return _read(_start(part, owners, environment))


if __name__ == "__main__":
    for ratio in run(is_short="--short" in sys.argv):
        sys.stdout.write(ratio.line() + "\n")
