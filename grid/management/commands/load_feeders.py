"""Loads a utility's feeders and transformers, and which enrolled cars' homes hang on them, from its CSV file."""

from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from foundation import clock
from grid.flows.dispatch.feeder_files import UnableToLoadFeeders, load_feeders
from grid.models import Utility


class Command(BaseCommand):
    """All of the file is taken, or nothing of it."""

    help = "Loads feeders, transformers and homes from CSV: feeder,kind,cap_kw,above,enrollment."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("utility", help="its slug")
        parser.add_argument("file", type=Path)

    def handle(self, *args: Any, **options: Any) -> None:  # noqa: ARG002 - Django's signature
        utility = Utility.objects.filter(slug=options["utility"]).first()
        if utility is None:
            raise CommandError(f"There is no utility {options['utility']!r}.")
        try:
            text = options["file"].read_text(encoding="utf-8-sig")
            wires, homes = load_feeders(utility=utility, text=text, now=clock.now())
        except (OSError, UnicodeDecodeError, UnableToLoadFeeders) as error:
            raise CommandError(str(getattr(error, "reason", error))) from error
        self.stdout.write(f"{wires} feeders and transformers, {homes} homes")
