"""`python -m sandbox serve`: the whole outside world in the foreground, until SIGTERM."""

from importlib import import_module
from importlib.util import find_spec
from typing import Any

from django.core.management import call_command
from django.core.management.base import BaseCommand
from django.db import connections

from sandbox.world import config
from sandbox.world.server import Server


class Command(BaseCommand):
    help = "Migrate, register client and fleet, then serve HTTP and SMTP on loopback."

    def handle(self, *args: Any, **options: Any) -> None:  # noqa: ARG002 - the base class calls it so
        """Set everything up and serve; returns when the server was told to stop."""
        call_command("migrate", verbosity=0, interactive=False)
        for name in ("sandbox.cars.fleet", "sandbox.makers.registration"):
            if find_spec(name) is not None:
                import_module(name).set_up()
        connections.close_all()  # no connection may cross the fork into the worker
        self.stdout.write(f"sandbox: {config.PUBLIC_URL} (SMTP on {config.SMTP_PORT})")
        self.stdout.flush()
        Server(port=config.PORT).run()
