"""From readings to credits on PostgreSQL: one event with 100,000 cars is settled and posted, end to end.

Once each car alone, and once by the group: every car measured, the group priced once, its shares reserved, and posted.

SETTLEMENT_CARS names another count. The work runs in `benchmarks.settlement_work`, in programs of their own. The
server is a throw-away one; each sweep commits as in production.
"""

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

from benchmarks.ratios import Ratio
from tests.throwaway import Missing, postgres

ROOT = Path(__file__).resolve().parent.parent
SHORT_CARS, CARS = 5_000, 100_000


def run(*, is_short: bool) -> Iterator[Ratio]:
    """Yield cars a second of settling, of posting, and of both; none where PostgreSQL's binaries are missing."""
    cars = int(os.environ.get("SETTLEMENT_CARS", SHORT_CARS if is_short else CARS))
    for settles, measure in (("car", _alone), ("group", _together)):
        try:
            with postgres() as url, tempfile.TemporaryDirectory() as folder:
                yield from measure(url, folder, cars, settles)
        except Missing as missing:
            sys.stdout.write(f"  left out: {missing}\n")
            return


def _together(url: str, folder: str, cars: int, settles: str) -> Iterator[Ratio]:
    _made, settled, reserved, credited = (
        _tell(url, folder, part, cars, settles) for part in ("make", "settle", "reserve", "credit")
    )
    detail = f"{settled['sweeps']} sweeps; {settled['cpu'] / cars * 1e6:.0f} us of Python a car"
    yield Ratio("event settled by the group, cars/s", cars / settled["seconds"], detail=detail)
    detail = f"{reserved['cpu'] / cars * 1e6:.0f} us of Python a car"
    yield Ratio("shares reserved, cars/s", cars / reserved["seconds"], detail=detail)
    detail = f"{credited['credits']:,} shares; {credited['cpu'] / cars * 1e6:.0f} us of Python a car"
    yield Ratio("reserved shares posted, cars/s", cars / credited["seconds"], detail=detail)


def _alone(url: str, folder: str, cars: int, settles: str) -> Iterator[Ratio]:
    made, settled, credited = (_tell(url, folder, part, cars, settles) for part in ("make", "settle", "credit"))
    seconds = settled["seconds"] + credited["seconds"]
    detail = f"{made['readings']:,} readings; {settled['cpu'] / cars * 1e6:.0f} us of Python a car"
    yield Ratio("event settled, cars/s", cars / settled["seconds"], detail=f"{settled['sweeps']} sweeps; {detail}")
    detail = f"{credited['credits']:,} credits in the ledger; {credited['cpu'] / cars * 1e6:.0f} us of Python a car"
    yield Ratio("settlements posted, cars/s", cars / credited["seconds"], detail=detail)
    yield Ratio("readings to credits, cars/s", cars / seconds, detail=f"{cars:,} cars in {seconds:.0f} s, one process")


def _tell(url: str, folder: str, part: str, cars: int, settles: str) -> dict[str, float]:
    environment = {"DATABASE_URL": url, "VAR_DIR": folder, "DJANGO_SETTINGS_MODULE": "chargescape.settings"}
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks.settlement_work", part, str(cars), settles],
        cwd=ROOT,
        env={**os.environ, **environment, "LOG_LEVEL": "CRITICAL"},
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        raise RuntimeError(done.stderr[-2000:])
    told: dict[str, float] = json.loads(done.stdout.splitlines()[-1])
    return told


if __name__ == "__main__":
    for ratio in run(is_short="--short" in sys.argv):
        sys.stdout.write(ratio.line() + "\n")
