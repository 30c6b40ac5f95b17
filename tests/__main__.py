"""Runs the whole suite: on SQLite with the coverage gate, then on PostgreSQL and Redis where their binaries are."""

import os
import subprocess
import sys
from contextlib import ExitStack

from tests.throwaway import Missing, postgres, redis

WORKERS = ["-n", os.environ.get("TEST_WORKERS", "auto"), "--dist", "worksteal"]


def run_pytest(*arguments: str, **environment: str) -> int:
    """Run pytest in a process of its own; return its exit code."""
    command = [sys.executable, "-m", "pytest", "-q", *WORKERS, *arguments]
    return subprocess.run(command, env={**os.environ, **environment}, check=False).returncode


def main() -> int:
    """Run the suite on every database that is here; return the first failure's exit code."""
    with ExitStack() as services:
        try:
            servers = {
                "TEST_DATABASE_URL": services.enter_context(postgres()),
                "TEST_REDIS_URL": services.enter_context(redis()),
            }
        except Missing as missing:
            if os.environ.get("CI"):
                raise
            print(f"Skipped on PostgreSQL: {missing}", flush=True)
            servers = {}
        print("The suite on SQLite", flush=True)
        once = ["-m", "not once"] if servers else []
        failed = run_pytest("--cov", "--cov-report=term:skip-covered", *once)
        again = 0
        if servers:
            print("The suite on PostgreSQL and Redis", flush=True)
            again = run_pytest("-m", "not browser and not databaseless and (once or not shows)", **servers)
    return failed or again


if __name__ == "__main__":
    sys.exit(main())
