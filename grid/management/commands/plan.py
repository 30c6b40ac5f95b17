"""`manage.py plan < problems.jsonl > plans.jsonl`: plans as docs/planner-format.md fixes them, without the database."""

import json
import sys
from argparse import ArgumentParser
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import Any, BinaryIO

from django.core.management.base import BaseCommand, CommandError

from grid.planner.fleet import LimitsError, plan_fleet
from grid.planner.solve import plan_problems

CHUNK = 2000  # problems planned at once


class Command(BaseCommand):
    """Plan the problems on standard input, one JSON object a line."""

    help = "Plans charging problems read as JSON lines from standard input (docs/planner-format.md); uses no database."
    requires_system_checks = []
    stdin: BinaryIO | None = None  # tests put a file here

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--fleet", metavar="LIMITS", help="JSON file of limits all the cars keep together")
        parser.add_argument("--threads", type=int, default=2, help="cores to use (default 2)")

    def handle(self, *_args: Any, **options: Any) -> None:
        lines = iter(self.stdin or sys.stdin.buffer)
        if options["fleet"]:
            has_errors = self._plan_fleet(lines, Path(options["fleet"]), options["threads"])
        else:
            has_errors = self._plan_each(lines, options["threads"])
        if has_errors:
            sys.exit(1)

    def _plan_each(self, lines: Iterator[bytes], threads: int) -> bool:
        has_errors = False
        while chunk := [_read(line) for line in islice(lines, CHUNK)]:
            for plan in plan_problems(chunk, threads=threads):
                has_errors |= plan["status"] == "error"
                self._write(plan)
        return has_errors

    def _plan_fleet(self, lines: Iterator[bytes], path: Path, threads: int) -> bool:
        try:
            limits = json.loads(path.read_bytes())
            plans, fleet = plan_fleet([_read(line) for line in lines], limits, threads=threads)
        except (OSError, ValueError, LimitsError) as error:
            raise CommandError(f"{path}: {error}") from None
        for plan in plans:
            self._write(plan)
        self._write({"fleet": fleet})
        return any(plan["status"] == "error" for plan in plans)

    def _write(self, record: dict[str, object]) -> None:
        self.stdout.write(json.dumps(record, allow_nan=False))


def _read(line: bytes) -> object:
    """Return the line's JSON value; None, which no problem is, where it has none."""
    try:
        return json.loads(line)
    except (ValueError, RecursionError):
        return None
