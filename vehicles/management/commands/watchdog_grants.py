"""Prints the SQL that gives the watchdog's own database role what it needs and nothing more."""

import re
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from vehicles.watchdog_rights import statements


class Command(BaseCommand):
    """Changes nothing by itself: the database's owner runs what it prints, once and after each release."""

    help = "Prints the SQL for the watchdog's database role (PostgreSQL). Run it as the tables' owner."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--role", default="chargescape_watchdog", help="an existing role")

    def handle(self, *args: Any, **options: Any) -> None:  # noqa: ARG002 - Django's signature
        role = options["role"]
        if not re.fullmatch(r"[a-z_][a-z0-9_]{0,62}", role):
            raise CommandError("A role's name has small letters, digits and underscores.")
        for statement in statements(role):
            self.stdout.write(f"{statement};")
