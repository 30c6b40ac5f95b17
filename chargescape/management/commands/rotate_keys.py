"""Writes every encrypted value anew under the newest key."""
# ruff: noqa: SLF001 - `_meta` is a documented name of Django models

from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from accounts.flows.second_factors import rotate_second_factors
from foundation.rotation import encrypted_columns, rotate_column


class Command(BaseCommand):
    """Goes through every encrypted column and the second factors; may be stopped and started again at will."""

    help = "Re-encrypts everything under the first of FIELD_ENCRYPTION_KEYS, so that older keys can be removed."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--batch", type=int, default=500, help="rows read at a time")

    def handle(self, *args: Any, **options: Any) -> None:  # noqa: ARG002 - Django's signature
        batch = max(1, options["batch"])
        lost_in_all = 0
        for model, name in encrypted_columns():
            done, lost = rotate_column(model, name, batch=batch)
            lost_in_all += lost
            self.stdout.write(f"{model._meta.label}.{name}: {done} renewed{f', {lost} unreadable' if lost else ''}")
        self.stdout.write(f"second factors: {rotate_second_factors(batch=batch)} renewed")
        if lost_in_all:
            raise CommandError(f"{lost_in_all} values are under a key that is not listed: keep the old keys, add it.")
        self.stdout.write("Everything is under the newest key: older keys may be removed.")
