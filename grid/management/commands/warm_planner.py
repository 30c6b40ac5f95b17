"""`manage.py warm_planner`: compiles the planner once, so that the first worker of a new release starts in seconds."""

from typing import Any

from django.core.management.base import BaseCommand

from grid.arrays.bulk import warm


class Command(BaseCommand):
    """Leave the compiled planner in the cache beside its source, where every later process finds it."""

    help = "Compile the planner ahead of its first use (about half a minute; a second when it was compiled before)."

    def handle(self, *_args: Any, **_options: Any) -> None:
        """Compile what planning cars needs, or find it compiled."""
        warm()
        self.stdout.write("The planner is compiled.")
