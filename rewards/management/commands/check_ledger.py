"""Prove the ledger's books from the command line."""

import sys
from typing import Any

from django.core.management.base import BaseCommand, CommandParser

from foundation import clock
from rewards import gateway, ledger
from rewards.flows.pauses import open_findings
from rewards.flows.reconciling import reconcile_now
from rewards.processors.base import ProcessorError


class Command(BaseCommand):
    """Prints every finding; the exit code is 1 where there is any."""

    help = "Proves that the books balance, counters and chain are right, and the processor agrees."

    def add_arguments(self, parser: CommandParser) -> None:
        """Let the processor be left alone."""
        parser.add_argument("--books-only", action="store_true", help="do not compare with the payment processor")

    def handle(self, *_args: Any, **options: Any) -> None:
        """Compare first: what differs pauses payouts, and the books' proof then says so."""
        findings: list[str] = []
        if gateway.is_configured() and not options["books_only"]:
            try:
                reconcile_now(now=clock.now())
            except ProcessorError as error:
                findings.append(f"the processor's books could not be compared: {error}")
        findings += [f"{one.get_kind_display()}: {one.subject} {one.detail}".strip() for one in open_findings()]
        findings += ledger.check()
        for finding in findings:
            self.stdout.write(finding)
        if findings:
            sys.exit(1)
        self.stdout.write("The ledger is in order.")
