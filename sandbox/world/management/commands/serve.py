"""`python -m sandbox serve`: the whole outside world in the foreground, until SIGTERM."""

from typing import Any

from django.core.management import call_command
from django.core.management.base import BaseCommand
from django.db import connections

from sandbox.cars import fleet
from sandbox.makers import boxes, registration
from sandbox.vtn import registration as vtn
from sandbox.world import config
from sandbox.world.server import Server


class Command(BaseCommand):
    help = "Migrate, register client and fleet, then serve HTTP and SMTP on loopback."

    def handle(self, *args: Any, **options: Any) -> None:  # noqa: ARG002 - the base class calls it so
        """Set everything up and serve; returns when the server was told to stop."""
        call_command("migrate", verbosity=0, interactive=False)
        fleet.set_up()
        boxes.set_up()
        registration.set_up()
        vtn.set_up()
        connections.close_all()  # no connection may cross the fork into the worker
        self.stdout.write(f"sandbox: {config.PUBLIC_URL} (SMTP on {config.SMTP_PORT})")
        self.stdout.flush()
        Server(port=config.PORT).run()
