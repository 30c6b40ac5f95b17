"""The process that speaks OpenADR 2.0b with utilities' servers."""

import asyncio
import logging
import signal
from typing import Any

from django.core.management.base import BaseCommand, CommandParser
from django.db import close_old_connections

from foundation import clock
from grid.ven import serve

logger = logging.getLogger(__name__)

MOST_AT_ONCE = 20


class Command(BaseCommand):
    """Asks every active 2.0b link when due. Several processes share the links: each visit claims its link."""

    help = "Speaks OpenADR 2.0b with the utilities' servers of that protocol. Run it where there is such a link."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--most", type=int, default=MOST_AT_ONCE, help="servers asked at once")

    def handle(self, *args: Any, **options: Any) -> None:  # noqa: ARG002 - Django's signature
        logger.info("openadr2b up")
        asyncio.run(self._serve(max(1, options["most"])))
        logger.info("openadr2b down")

    async def _serve(self, most: int) -> None:
        stopped, loop = asyncio.Event(), asyncio.get_running_loop()
        for name in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(name, stopped.set)
        await serve(stopped=stopped, most=most, read_now=clock.now, freshen=close_old_connections)
