"""The kill switch at the command line: needs the database and HTTPS, neither broker nor worker."""

import time
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from accounts.models import User
from foundation import clock
from foundation.refusals import Refusal
from grid.flows.events.stopping import stop_all
from vehicles.flows import sending
from vehicles.flows.stopping import REASON, lift_switch, stop_in_force
from vehicles.models import Command as CarCommand

WORKERS = 32
AT_ONCE = 5_000


class Command(BaseCommand):
    """Stops everything and sends every release itself; the watchdog goes on until readings show them."""

    help = "Stops every hold and discharge of every car, and all new ones, until two people lift it."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--by", required=True, metavar="EMAIL", help="who does this: a member of staff")
        parser.add_argument("--reason", default="", help="why; whoever lifts it reads this")
        parser.add_argument("--lift", action="store_true", help="ask to lift the stop, or lift it as the second person")
        parser.add_argument("--seconds", type=float, default=60.0, help="how long to go on sending releases")

    def handle(self, *args: Any, **options: Any) -> None:  # noqa: ARG002 - Django's signature
        person = User.objects.filter(email__iexact=options["by"]).first()
        if person is None:
            raise CommandError(f"There is nobody with the address {options['by']}.")
        try:
            if options["lift"]:
                self._lift(person)
            else:
                self._stop(person, reason=options["reason"], seconds=options["seconds"])
        except Refusal as refusal:
            raise CommandError(refusal.reason) from refusal

    def _stop(self, person: User, *, reason: str, seconds: float) -> None:
        begun = time.monotonic()
        order = stop_all(reason=reason, made_by=person, now=clock.now())
        told = CarCommand.objects.filter(kind=CarCommand.Kind.RESUME, reason=REASON)
        waiting = told.filter(state=CarCommand.State.DUE, attempts=0)
        cars = waiting.count()
        self.stdout.write(f"stopped at {order.made_at:%Y-%m-%d %H:%M:%S}Z; {cars} cars to give back")
        while waiting.exists() and time.monotonic() - begun < seconds:
            sending.send_resumes(now=clock.now(), limit=AT_ONCE, workers=WORKERS)
        left = waiting.count()
        self.stdout.write(f"{cars - left} of {cars} releases sent in {time.monotonic() - begun:.1f} s")
        if left:
            raise CommandError(f"{left} releases wait still: run this again, and see that a watchdog runs.")

    def _lift(self, person: User) -> None:
        order = stop_in_force()
        if order is None:
            raise CommandError("Nothing is stopped.")
        lifted = lift_switch(order=order, by=person, now=clock.now())
        self.stdout.write("lifted" if lifted.lifted_at else "asked to lift: a second person must do the same")
