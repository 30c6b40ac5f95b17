"""The watchdog: a plain process beside Celery and its broker that lets no car stay held."""

import logging
import signal
import threading
from datetime import datetime
from typing import Any

from django.core.management.base import BaseCommand, CommandParser
from django.db import DatabaseError, close_old_connections, connection

from foundation import clock
from vehicles.flows import heartbeats
from vehicles.flows.watching import release_expired_holds

logger = logging.getLogger(__name__)

TICK_SECONDS = 1.0
WORKERS = 16  # one maker that hangs must not keep the cars of the others held


class Command(BaseCommand):
    """Ticks once a second of real time: ends what is over, and goes on until readings show it.

    Several may run at once. It needs the database and HTTPS; where the database is away it waits and tries again.
    """

    help = "Releases cars whose hold is over, until a reading shows it. Run at least one, beside Celery."
    requires_system_checks: list[str] = []  # it has work to do whatever a page lacks

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.started_at = clock.wall()
        self.beat_at: datetime | None = None
        self.failures = 0

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--once", action="store_true", help="make one round and end")

    def handle(self, *args: Any, **options: Any) -> None:  # noqa: ARG002 - Django's signature
        if options["once"]:
            logger.info("watchdog round: %d", release_expired_holds(now=clock.now()))
            return
        stopped = threading.Event()
        for name in (signal.SIGTERM, signal.SIGINT):
            signal.signal(name, lambda *_: stopped.set())
        logger.info("watchdog up")
        while not stopped.is_set():
            self._round()
            stopped.wait(TICK_SECONDS)
        logger.info("watchdog down")

    def _round(self) -> None:
        try:
            close_old_connections()
            count = release_expired_holds(now=clock.now(), workers=WORKERS)
            self._beat()
        except DatabaseError:
            self.failures += 1
            logger.exception("watchdog: database trouble, trying again")
            connection.close()
        except Exception:  # whatever one round meets, the next one must come
            self.failures += 1
            logger.exception("watchdog: round failed, trying again")
        else:
            if count:
                logger.info("watchdog round: %d", count)

    def _beat(self) -> None:
        wall = clock.wall()
        if self.beat_at is None or wall >= self.beat_at + heartbeats.EVERY:
            heartbeats.beat(kind=heartbeats.WATCHDOG, started_at=self.started_at, failures=self.failures)
            self.beat_at = wall
