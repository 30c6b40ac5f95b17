"""The listener: a plain process that keeps the streams of makers that push over MQTT."""

import logging
import re
import signal
import threading
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.db import DatabaseError, close_old_connections, connection

from vehicles.streams import MOST_CONNECTIONS, Listener

logger = logging.getLogger(__name__)

TICK_SECONDS = 1.0


class Command(BaseCommand):
    """Ticks once a second of real time: connects accounts that stream, renews what ends, keeps what they say.

    Each account may be connected once, so processes share the accounts by `--shard i/n`, counted from 0.
    """

    help = "Listens to the accounts of makers that stream. Run one for each shard, where such a maker is in use."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--shard", default="0/1", help="which part of the accounts, as i/n counted from 0")
        parser.add_argument("--most", type=int, default=MOST_CONNECTIONS, help="connections at most")

    def handle(self, *args: Any, **options: Any) -> None:  # noqa: ARG002 - Django's signature
        shard, shards = read_shard(options["shard"])
        listener = Listener(shard=shard, shards=shards, most_connections=options["most"])
        stopped = threading.Event()
        for name in (signal.SIGTERM, signal.SIGINT):
            signal.signal(name, lambda *_: stopped.set())
        worker = threading.Thread(target=listener.work, args=[stopped], name="readings")
        worker.start()
        logger.info("listener up, shard %d of %d", shard, shards)
        count = 0
        while not stopped.is_set():
            count = self._round(listener, count)
            stopped.wait(TICK_SECONDS)
        listener.close()
        worker.join()
        logger.info("listener down")

    def _round(self, listener: Listener, before: int) -> int:
        try:
            close_old_connections()
            count = listener.tick()
        except DatabaseError:
            logger.exception("listener: database trouble, trying again")
            connection.close()
            return before
        except Exception:  # whatever one round meets, the next one must come
            logger.exception("listener: round failed, trying again")
            return before
        if count != before:
            logger.info("listener: %d accounts connected", count)
        return count


def read_shard(text: str) -> tuple[int, int]:
    """Return (i, n) of "i/n"; raises CommandError where it is none."""
    found = re.fullmatch(r"(\d{1,4})/(\d{1,4})", text)
    if found is None or not int(found[1]) < int(found[2]):
        raise CommandError(f"--shard is i/n with i below n, as 0/1 or 2/4, not {text!r}")
    return int(found[1]), int(found[2])
