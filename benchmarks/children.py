"""Child processes with the platform's ordinary settings on a throw-away database, and the maker they talk to."""

import json
import os
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent


class CountingMaker:
    """The counting maker for the block; yields its port and its process, which tells its counts when its input ends.

    It takes `seconds` for every answer.
    """

    def __init__(self, *, seconds: float = 0.0) -> None:
        self.seconds = seconds

    def __enter__(self) -> "tuple[int, subprocess.Popen[str]]":
        at = datetime.now(UTC).strftime("%m-%d-%Y %H:%M:%S")
        command = [sys.executable, "-m", "benchmarks.slow_maker", str(self.seconds), at]
        pipe = subprocess.PIPE
        self.process = subprocess.Popen(command, stdin=pipe, stdout=pipe, text=True, cwd=ROOT)
        assert self.process.stdout is not None
        return int(self.process.stdout.readline()), self.process

    def __exit__(self, *_: object) -> None:
        self.process.terminate()


def environment(url: str, folder: str, port: int) -> dict[str, str]:
    """Return what a child's settings are read from."""
    base = f"http://127.0.0.1:{port}"
    return {
        **os.environ,
        "DJANGO_SETTINGS_MODULE": "chargescape.settings",
        "DATABASE_URL": url,
        "VAR_DIR": folder,
        "LOG_LEVEL": "CRITICAL",
        "FORD_CLIENT_ID": "bench",
        "FORD_CLIENT_SECRET": "bench",
        "FORD_TOKEN_URL": f"{base}/token",
        "FORD_API_BASE": f"{base}/v3",
        "FORD_PARTNER_API_BASE": f"{base}/partner",
    }


def start(environment: dict[str, str], module: str, *arguments: object) -> "subprocess.Popen[str]":
    """Start a module of ours as a child that prints its report as JSON on its last line."""
    command = [sys.executable, "-m", module, *map(str, arguments)]
    return subprocess.Popen(command, cwd=ROOT, env=environment, stdout=subprocess.PIPE, text=True)


def report(child: "subprocess.Popen[str]") -> dict[str, float]:
    """Wait for the child and return its report; raises RuntimeError where it failed."""
    out, _ = child.communicate()
    if child.returncode:
        raise RuntimeError(f"{child.args!r} ended with {child.returncode}")
    found: dict[str, float] = json.loads(out.splitlines()[-1])
    return found
