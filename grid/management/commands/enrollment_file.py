"""`manage.py enrollment_file UTILITY`: prints who waits for the utility's word, or takes its answers (`--take`)."""

from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from foundation import clock
from grid.flows.programs.confirming import UnableToTakeFile, enrollment_file, take_confirmations
from grid.models import Utility


class Command(BaseCommand):
    help = "Prints a utility's enrolment file as CSV, or takes its answers from one."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("utility", help="The utility's slug.")
        parser.add_argument("--take", type=Path, help="The utility's answers, CSV in UTF-8.")

    def handle(self, *_args: Any, **options: Any) -> None:
        utility = Utility.objects.filter(slug=options["utility"]).first()
        if utility is None:
            raise CommandError(f"There is no utility {options['utility']}.")
        if options["take"] is None:
            self.stdout.write(enrollment_file(utility=utility, now=clock.now()), ending="")
            return
        try:
            text = options["take"].read_text("utf-8-sig")
            report = take_confirmations(utility=utility, text=text, taken_by=None, now=clock.now())
        except (UnableToTakeFile, OSError, UnicodeDecodeError) as error:
            raise CommandError(f"{options['take'].name}: {getattr(error, 'reason', error)}") from error
        self.stdout.write(report.summary)
        for bad in report.bad_rows:
            self.stderr.write(f"line {bad.line}: {bad.text}")
