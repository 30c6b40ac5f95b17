"""Runs the whole suite: on SQLite with the coverage gate, then on PostgreSQL and Redis where their binaries are."""

import os
import subprocess
import sys

from tests.throwaway import Missing, postgres, redis

WORKERS = ["-n", os.environ.get("TEST_WORKERS", "auto")]


def run_pytest(*arguments: str, **environment: str) -> int:
    """Run pytest in a process of its own; return its exit code."""
    command = [sys.executable, "-m", "pytest", "-q", *WORKERS, *arguments]
    return subprocess.run(command, env={**os.environ, **environment}, check=False).returncode


def main() -> int:
    """Run the suite on every database that is here; return the first failure's exit code."""
    print("The suite on SQLite", flush=True)
    failed = run_pytest("--cov", "--cov-report=term:skip-covered")
    try:
        with postgres() as database_url, redis() as redis_url:
            print("The suite on PostgreSQL and Redis", flush=True)
            again = run_pytest(
                "-m", "not browser and not databaseless", TEST_DATABASE_URL=database_url, TEST_REDIS_URL=redis_url
            )
    except Missing as missing:
        if os.environ.get("CI"):
            raise
        print(f"Skipped on PostgreSQL: {missing}", flush=True)
        again = 0
    return failed or again


if __name__ == "__main__":
    sys.exit(main())
