"""A night at loopback: time passes with the sweeps ticking."""

from datetime import datetime, timedelta

import time_machine

from foundation import clock
from vehicles.flows.commands import confirm_commands, release_expired_holds, send_due_commands
from vehicles.flows.telemetry import read_due_vehicles
from vehicles.models import Command

MINUTE = timedelta(minutes=1)
SECOND = timedelta(seconds=1)


class Night:
    """Lets time pass with the sweeps ticking, as Celery and the watchdog would."""

    def __init__(self, traveller: time_machine.Traveller) -> None:
        self.traveller = traveller

    @property
    def now(self) -> datetime:
        return clock.now()

    def pass_by(self, span: timedelta, *, step: timedelta = 15 * SECOND, with_celery: bool = True) -> None:
        """Tick until `span` is over; without Celery only the watchdog works."""
        end = self.now + span
        while self.now < end:
            self.traveller.shift(step)
            release_expired_holds(now=self.now)
            if with_celery:
                send_due_commands(now=self.now, limit=50)
                confirm_commands(now=self.now, limit=50)
                read_due_vehicles(now=self.now, limit=50)


def state_of(command: Command) -> str:
    """Return what became of the command by now."""
    command.refresh_from_db()
    return command.state
