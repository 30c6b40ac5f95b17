"""`manage.py plan`: lines in, lines out, no database."""

import io
import json
import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from django.core.management import CommandError, call_command

from grid.management.commands.plan import Command

ROOT = Path(__file__).parents[3]


def _run(lines: Sequence[str], *arguments: str) -> list[dict[str, Any]]:
    command = Command(stdout=io.StringIO())
    command.stdin = io.BytesIO("\n".join(lines).encode())
    call_command(command, *arguments)
    return [json.loads(line) for line in command.stdout.getvalue().splitlines()]


def test_command_plans_line_by_line(night: dict[str, Any]) -> None:
    plans = _run([json.dumps(night), json.dumps(night | {"id": "other"})])
    assert [plan["id"] for plan in plans] == ["night", "other"]
    assert plans[0]["power_kw"] == pytest.approx([0, 0, 0, 10, 10, 0, 0, 0])


def test_bad_line_is_answered_and_fails_the_command_at_the_end(night: dict[str, Any]) -> None:
    bad = ["nonsense", '{"id": "half"', "[" * 100_000, '{"id": "few"}', '{"id": "n", "slot_minutes": NaN}', "\x00"]
    command = Command(stdout=io.StringIO())
    command.stdin = io.BytesIO("\n".join([*bad, json.dumps(night)]).encode() + b"\n\xff\xfe\n")
    with pytest.raises(SystemExit) as ended:
        call_command(command)
    plans = [json.loads(line) for line in command.stdout.getvalue().splitlines()]
    assert ended.value.code == 1
    assert [plan["status"] for plan in plans] == ["error"] * 6 + ["optimal", "error"]
    assert [plan["id"] for plan in plans] == [None, None, None, "few", "n", None, "night", None]


def test_missing_limits_file_is_refused(night: dict[str, Any], tmp_path: Path) -> None:
    with pytest.raises(CommandError, match=r"limits\.json"):
        _run([json.dumps(night)], "--fleet", str(tmp_path / "limits.json"))


@pytest.mark.slow
def test_command_needs_no_database(night: dict[str, Any], tmp_path: Path) -> None:
    environment = os.environ | {
        "DATABASE_URL": "postgres://nobody@127.0.0.1:9/none",
        "VAR_DIR": str(tmp_path),
        "DJANGO_SETTINGS_MODULE": "chargescape.settings",
    }
    done = subprocess.run(
        [sys.executable, "manage.py", "plan"],
        cwd=ROOT, env=environment, input=json.dumps(night).encode(), capture_output=True, timeout=120, check=True,
    )  # fmt: skip
    assert json.loads(done.stdout)["status"] == "optimal"
