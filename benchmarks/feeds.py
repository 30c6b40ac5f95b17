"""How fast a year of five-minute prices of 20 zones is stored on PostgreSQL, as ratios to plain COPY.

Plain COPY sends text that was made before the clock ran, once into a bare table without any key and once into a copy
of the platform's own table; the loader sends columns, leaves out what is known, and commits 200,000 rows at a time.
All are taken in turns and each rate is a median. The work runs in `benchmarks.feeds_work`, a program of its own.
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
ZONES, DAYS = 20, 365
SHORT_ZONES, SHORT_DAYS = 4, 90


def run(*, is_short: bool) -> Iterator[Ratio]:
    """Yield the loader's ratios; none where PostgreSQL's binaries are missing."""
    zones, days = (SHORT_ZONES, SHORT_DAYS) if is_short else (ZONES, DAYS)
    try:
        with postgres(is_durable=True) as url, tempfile.TemporaryDirectory() as folder:
            told = _measure(url, folder, zones, days)
    except Missing as missing:
        sys.stdout.write(f"  left out: {missing}\n")
        return
    rows = f"{zones * days * 288:,} rows"
    detail = f"{rows}: {told['loader']:,.0f} rows/s beside {told['same']:,.0f} (wall)"
    yield Ratio(
        "loading new values over plain COPY into the same table", told["loader"] / told["same"], 0.8, detail=detail
    )
    detail = f"beside {told['bare']:,.0f} rows/s: no key, no check, nothing compared"
    yield Ratio("loading new values over plain COPY into a bare table", told["loader"] / told["bare"], detail=detail)
    detail = f"{told['again']:,.0f} rows/s, each compared with what is known, nothing stored"
    yield Ratio("loading known values again over plain COPY", told["again"] / told["same"], detail=detail)
    detail = f"{told['corrected']:,.0f} rows/s, each a newer issue beside the older one"
    yield Ratio("correcting every value over plain COPY", told["corrected"] / told["same"], detail=detail)


def _measure(url: str, folder: str, zones: int, days: int) -> dict[str, float]:
    environment = {"DATABASE_URL": url, "VAR_DIR": folder, "DJANGO_SETTINGS_MODULE": "chargescape.settings"}
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks.feeds_work", str(zones), str(days)],
        cwd=ROOT,
        env={**os.environ, **environment, "LOG_LEVEL": "CRITICAL"},
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        raise RuntimeError(done.stderr[-2000:])
    told: dict[str, float] = json.loads(done.stdout)
    return told
