"""A payout worker that dies by SIGKILL at a numbered boundary: before or after one SQL statement or one HTTP call.

Run as a program by `test_crashes.py`, with the platform's settings in its environment. It reads one JSON order a line
({"die_at": n, "senders": n, "now": iso}) and forks a child for each, so that every death is a real one and starting is
cheap; it answers with how many boundaries the child passed and whether it died. Two boundaries enclose every commit,
too: the one after a transaction's last statement comes before it, and the next one after it. With several senders every
thread passes boundaries, and all of them die together.
"""

import itertools
import json
import os
import signal
import sys
from collections.abc import Callable
from datetime import datetime
from typing import Any

import django
import requests

django.setup()

import stripe  # noqa: E402 - Django first
from django.conf import settings  # noqa: E402
from django.db.backends.signals import connection_created  # noqa: E402

from rewards.flows.banking import follow_bank_payouts  # noqa: E402
from rewards.flows.payouts import request_due_payouts, resolve_unknown_payouts, send_due_payouts  # noqa: E402

STEPS = (request_due_payouts, send_due_payouts, resolve_unknown_payouts, follow_bank_payouts)


class Fuse:
    """Counts boundaries and kills the process at the chosen one (0: never)."""

    def __init__(self, die_at: int) -> None:
        self.die_at = die_at
        self._ticks = itertools.count(1)  # each of its numbers goes to one thread alone

    def tick(self) -> int:
        number = next(self._ticks)
        if number == self.die_at:
            os.kill(os.getpid(), signal.SIGKILL)
        return number

    def around(self, call: Callable[..., Any]) -> Callable[..., Any]:
        def guarded(*args: Any, **kwargs: Any) -> Any:
            self.tick()
            result = call(*args, **kwargs)
            self.tick()
            return result

        return guarded

    def statement(self, execute: Callable[..., Any], *args: Any) -> Any:
        return self.around(execute)(*args)

    def watch(self, connection: Any, **_about: object) -> None:
        connection.execute_wrappers.append(self.statement)


def live(die_at: int, senders: int, now: datetime) -> int:
    """Run a worker's sweeps once, until its fuse burns down; returns how many boundaries it passed."""
    fuse = Fuse(die_at)
    settings.PAYOUT_SENDERS = senders
    connection_created.connect(fuse.watch)
    requests.Session.send = fuse.around(requests.Session.send)  # type: ignore[method-assign]
    stripe.HTTPClient.INITIAL_DELAY = stripe.HTTPClient.MAX_DELAY = 0
    for step in STEPS:
        step(now=now, limit=10)
    return fuse.tick() - 1


def main() -> None:
    """Serve orders until the input ends."""
    for line in sys.stdin:
        order = json.loads(line)
        reader, writer = os.pipe()
        child = os.fork()
        if child == 0:
            passed = live(order["die_at"], order["senders"], datetime.fromisoformat(order["now"]))
            os.write(writer, str(passed).encode())
            os._exit(0)
        os.close(writer)
        _, status = os.waitpid(child, 0)
        told = os.read(reader, 16)
        os.close(reader)
        answer = {"died": os.WIFSIGNALED(status), "exit": status, "passed": int(told or b"0")}
        sys.stdout.write(json.dumps(answer) + "\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main()
