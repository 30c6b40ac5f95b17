"""How fast the ledger writes on PostgreSQL, as ratios to one committed bare INSERT a row in the same run.

Both are taken in turns and each rate is a median, because other work on the machine comes and goes. The server is a
throw-away one whose commits wait for the disk, as in production. The work itself runs in `benchmarks.ledger_work`, a
program of its own, since settings are read once a process.
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
ROWS, SHORT_ROWS = 6000, 1500


def run(*, is_short: bool) -> Iterator[Ratio]:
    """Yield the ratios of single and batched posts; none where PostgreSQL's binaries are missing."""
    try:
        with postgres(is_durable=True) as url, tempfile.TemporaryDirectory() as folder:
            told = _measure(url, folder, SHORT_ROWS if is_short else ROWS)
    except Missing as missing:
        sys.stdout.write(f"  left out: {missing}\n")
        return
    for writers in (1, 2, 8):
        single, bare = told[f"single_{writers}"], told[f"bare_{writers}"]
        detail = f"{single:,.0f} posts/s beside {bare:,.0f} INSERTs/s (wall)"
        yield Ratio(f"single posts over bare INSERTs, {writers} writers", single / bare, 0.3, detail=detail)
    batched, bare = told["batched_1"], told["bare_beside_batched_1"]
    detail = f"{batched:,.0f} posts/s in batches of 500 beside {bare:,.0f} INSERTs/s (wall)"
    yield Ratio("batched posts over bare INSERTs, 1 writer", batched / bare, 1.0, detail=detail)


def _measure(url: str, folder: str, rows: int) -> dict[str, float]:
    environment = {
        **os.environ,
        "DJANGO_SETTINGS_MODULE": "chargescape.settings",
        "DATABASE_URL": url,
        "VAR_DIR": folder,
        "LOG_LEVEL": "CRITICAL",
    }
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks.ledger_work", str(rows)],
        cwd=ROOT,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        raise RuntimeError(done.stderr[-2000:])
    told: dict[str, float] = json.loads(done.stdout)
    return told
