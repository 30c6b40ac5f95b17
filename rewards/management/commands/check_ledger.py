"""Prove the ledger's books from the command line."""

import sys
from typing import Any

from django.core.management.base import BaseCommand

from rewards import ledger


class Command(BaseCommand):
    """Prints every finding; the exit code is 1 where there is any."""

    help = "Proves that the books balance, counters are right, nobody is overdrawn and the chain is unbroken."

    def handle(self, *_args: Any, **_options: Any) -> None:
        findings = ledger.check()
        for finding in findings:
            self.stdout.write(finding)
        if findings:
            sys.exit(1)
        self.stdout.write("The ledger is in order.")
