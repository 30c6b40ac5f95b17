"""The whole path in real processes, with worker, beat, broker and web killed by signal 9 in the middle of the event."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

HOME = Path(__file__).resolve().parents[2]


@pytest.mark.slow
@pytest.mark.long
@pytest.mark.once
def test_kills_during_an_event_leave_cars_charged_and_the_owner_paid_once(tmp_path: Path) -> None:
    # The walk uses SQLite of its own, but the suite's PostgreSQL where the suite runs on one: the production shape.
    environment = dict(os.environ)
    if not environment.get("TEST_DATABASE_URL"):
        environment.pop("DATABASE_URL", None)
    done = subprocess.run(
        [
            sys.executable,
            "-m",
            "journey",
            "--kill",
            "--until-morning",
            "--rate",
            "75",
            "--folder",
            str(tmp_path / "stack"),
        ],
        cwd=HOME,
        capture_output=True,
        text=True,
        timeout=1200,
        check=False,
        env=environment,
    )
    assert done.returncode == 0, done.stdout[-8000:] + done.stderr[-2000:]
    for word in ("linked", "planned", "commanded", "killed", "measured", "settled", "checked", "paid", "leaves"):
        assert f"  {word} " in done.stdout, f"nothing was {word}:\n{done.stdout}"
