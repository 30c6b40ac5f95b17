"""`manage.py load_programs`: loads the utilities, tariffs and programs of grid/data, again and again if need be."""

import json
from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from foundation import clock
from grid.flows.programs.catalogue import UnableToLoad, load_catalogue

FOLDER = Path(__file__).resolve().parents[2] / "data"


class Command(BaseCommand):
    help = "Loads utilities, tariffs and programs from JSON files; loading again changes only what a file changed."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("paths", nargs="*", type=Path, help="Files; those of grid/data where none is named.")

    def handle(self, *_args: Any, **options: Any) -> None:
        for path in options["paths"] or sorted(FOLDER.glob("*.json")):
            try:
                utility = load_catalogue(json.loads(path.read_text()), now=clock.now())
            except (UnableToLoad, OSError, json.JSONDecodeError) as error:
                raise CommandError(f"{path.name}: {getattr(error, 'reason', error)}") from error
            self.stdout.write(f"{utility}: {utility.tariffs.count()} tariffs, {utility.programs.count()} programs")
