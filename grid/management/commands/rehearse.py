"""Plays a draft of a program on recorded days and prints what it would have come to."""

import json
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from foundation import clock
from grid.flows.programs.rehearsing import UnableToRehearse, rehearse
from grid.models import Utility


class Command(BaseCommand):
    help = "Plays a draft of a program (docs/utility-desk.md) on recorded days; prints the result as JSON."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("file", type=Path)
        parser.add_argument("--utility", default="", help="Its slug: played on its own cars where enough are recorded.")
        parser.add_argument("--events", action="store_true", help="Print each day as well.")

    def handle(self, *_args: Any, **options: Any) -> None:
        utility = Utility.objects.filter(slug=options["utility"]).first()
        if options["utility"] and utility is None:
            raise CommandError(f"There is no utility {options['utility']!r}.")
        try:
            raw = json.loads(options["file"].read_text())
        except (OSError, ValueError) as error:
            raise CommandError(f"{options['file']} cannot be read as JSON: {error}") from error
        try:
            kept = rehearse(raw=raw, utility=utility, made_by=None, now=clock.now())
        except UnableToRehearse as refusal:
            raise CommandError(refusal.reason) from refusal
        shown = {"rehearsal": str(kept.public_id), "source": kept.inputs["source"], **kept.result["summary"]}
        self.stdout.write(json.dumps(shown | ({"days": kept.result["events"]} if options["events"] else {}), indent=1))
