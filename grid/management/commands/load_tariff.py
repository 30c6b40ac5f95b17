"""`manage.py load_tariff`: loads tariffs of OpenEI's Utility Rate Database from a file, or one from its own address."""

import json
from argparse import ArgumentParser
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from grid.flows.prices.tariffs import LoadedTariff, UnableToSaveTariff, fetch_tariff, load_tariff
from grid.models import Utility


class Command(BaseCommand):
    help = "Loads tariffs from a file with URDB records (one, a list, or an answer's items), or one by its label."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("path", nargs="?", type=Path, help="The file; none with --fetch.")
        parser.add_argument("--utility", required=True, help="The slug of the utility that the tariffs are of.")
        parser.add_argument("--label", default="", help="Only the record with this label.")
        parser.add_argument("--slug", default="", help="The tariff to make or to give its next version (one record).")
        parser.add_argument("--fetch", action="store_true", help="Ask OpenEI for --label (needs OPENEI_API_KEY).")

    def handle(self, *_args: Any, **options: Any) -> None:
        utility = Utility.objects.filter(slug=options["utility"]).first()
        if utility is None:
            raise CommandError(f"There is no utility {options['utility']}: load it with load_programs first.")
        slug, label = options["slug"], options["label"]
        if options["fetch"]:
            failed = [not self._tell(label, partial(fetch_tariff, label=label, utility=utility, slug=slug))]
        else:
            records = _records(options["path"], label)
            if slug and len(records) > 1:
                raise CommandError("The file has several records: name one with --label.")
            failed = [
                not self._tell(_label(record), partial(load_tariff, record=record, utility=utility, slug=slug))
                for record in records
            ]
        if any(failed):
            raise CommandError(f"{sum(failed)} of {len(failed)} records were not loaded.")

    def _tell(self, label: str, load: Callable[[], LoadedTariff]) -> bool:
        """Load one and say what came of it."""
        try:
            loaded = load()
        except UnableToSaveTariff as error:
            self.stderr.write(f"{label}: {error.reason}")
            return False
        self.stdout.write(f"{label}: {loaded.tariff.slug} version {loaded.tariff.version}, {loaded.tariff.name}")
        for warning in loaded.warnings:
            self.stdout.write(f"  {warning}")
        return True


def _records(path: Path | None, label: str) -> list[Any]:
    if path is None:
        raise CommandError("Name a file, or a label with --fetch.")
    try:
        told = json.loads(path.read_text())
    except (OSError, ValueError) as error:
        raise CommandError(f"{path.name}: {error}") from error
    if isinstance(told, dict):
        told = told.get("items", [told])
    if not isinstance(told, list):
        raise CommandError(f"{path.name} holds no records.")
    found = [record for record in told if not label or _label(record) == label]
    if not found:
        raise CommandError(f"{path.name} has no such record.")
    return found


def _label(record: object) -> str:
    return str(record.get("label", "?")) if isinstance(record, dict) else "?"
