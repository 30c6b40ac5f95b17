"""Makes the demo's past by stepping the clock."""

import logging
from datetime import datetime
from pathlib import Path
from typing import Any

import requests
from django.conf import settings
from django.core.management.base import BaseCommand, CommandError, CommandParser

from chargescape.history import step_through
from foundation import clock
from foundation.http import open_session

PROGRESS_EVERY = 50


class Command(BaseCommand):
    help = "Steps the demo's clock to --until, working off what falls due. Refused without a demo clock."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--until", type=datetime.fromisoformat, required=True, help="ISO time with zone")

    def handle(self, *_args: Any, **options: Any) -> None:
        if not settings.CLOCK_ANCHOR_FILE or not settings.DEMO_SANDBOX_URL:
            raise CommandError("There is no demo clock to step: set CLOCK_ANCHOR_FILE and DEMO_SANDBOX_URL.")
        logging.getLogger("foundation.http").setLevel(logging.WARNING)
        with open_session() as session:
            steps = step_through(
                starts_at=clock.now(),
                ends_at=options["until"],
                set_clock=lambda at: _freeze_both_clocks(session, at),
            )
            for count, (at, _worked_off) in enumerate(steps):
                if count % PROGRESS_EVERY == 0:
                    self.stdout.write(f"{at:%Y-%m-%d %H:%M}Z")
                    self.stdout.flush()
            _freeze_both_clocks(session, options["until"])


def _freeze_both_clocks(session: requests.Session, at: datetime) -> None:
    anchor = clock.Anchor(simulated_at=at, wall_at=clock.wall(), rate=0.0)
    record = {"simulated_at": at.isoformat(), "wall_at": anchor.wall_at.isoformat(), "rate": 0.0}
    session.put(f"{settings.DEMO_SANDBOX_URL}/control/clock", json=record).raise_for_status()
    clock.write_anchor(Path(settings.CLOCK_ANCHOR_FILE), anchor)
