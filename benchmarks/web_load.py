"""Load on a server: owners who come, ask the same some times in a row, and find their data changed now and then."""

import http.client
import json
import random
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import count, islice
from typing import Any

import psycopg

CONNECTIONS = 8
ASKS = 8  # that one owner makes in one visit
CHANGED = 0.1  # share of asks before which something changed that the answer shows
COLD, WARM, MIXED = "cold", "warm", "mixed"

Caller = dict[str, Any]
_visits = count()


@dataclass(frozen=True)
class Place:
    """An address, and the statement that changes what it shows of the vehicle or the user it is given."""

    path: str
    change: str


@dataclass(frozen=True)
class Round:
    """What one stretch of load saw."""

    per_second: float
    p95_seconds: float


class Load:
    """Eight connections to one server, each of which asks again as soon as it is answered."""

    def __init__(self, *, port: int, database_url: str, callers: list[Caller]) -> None:
        self.port = port
        self.database_url = database_url
        self._callers = callers
        self._next = count()
        self._dice = random.Random(7)  # noqa: S311 - which ask finds a change, nothing secret

    def ask(self, place: Place, *, how: str, visits: int) -> Round:
        """Let each connection make some visits; return the requests a second and what the slowest twentieth took.

        `mixed`: each owner asks some times in a row; the first time nothing is kept of it, and before one in ten asks
        the owner's data changes. `cold`: nothing is ever kept of what is asked. `warm`: all of it is. Raises
        RuntimeError for an answer that is no success.
        """
        with ThreadPoolExecutor(CONNECTIONS) as pool:
            begun = time.perf_counter()
            asked = [pool.submit(self._connection, place, how, visits, seed) for seed in range(CONNECTIONS)]
            every = sorted(one for some in asked for one in some.result())
            spent = time.perf_counter() - begun
        return Round(len(every) / spent, every[int(len(every) * 0.95)])

    def _connection(self, place: Place, how: str, visits: int, seed: int) -> list[float]:
        times: list[float] = []
        server = http.client.HTTPConnection("127.0.0.1", self.port, timeout=120)
        with psycopg.connect(self.database_url, autocommit=True) as database:
            if how == WARM:
                caller, address = next(self._asks(place, how, seed))
                _ask(server, address, caller)
            for caller, address in islice(self._asks(place, how, seed), visits * ASKS):
                if how == MIXED and self._dice.random() < CHANGED:
                    database.execute(place.change, caller)
                begun = time.perf_counter()
                answer = _ask(server, address, caller)
                times.append(time.perf_counter() - begun)
                if "since=" in address:
                    caller["cursor"] = json.loads(answer)["cursor"]
        server.close()
        return times

    def _asks(self, place: Place, how: str, seed: int) -> Iterator[tuple[Caller, str]]:
        """Yield who asks for which address; what nobody asked for before is named by a number of its own."""
        mark = "&" if "?" in place.path else "?"
        while True:
            number = seed if how == WARM else next(self._next)
            caller = self._callers[number % len(self._callers)]
            visit = 0 if how == WARM else next(_visits)
            for ask in range(ASKS):
                name = f"{visit}-{ask}" if how == COLD else f"{visit}"
                yield caller, f"{place.path.replace('{cursor}', caller['cursor'])}{mark}visit={name}"


def _ask(server: http.client.HTTPConnection, address: str, caller: Caller) -> bytes:
    headers = {"Cookie": f"chargescape_session={caller['session']}", "Host": "localhost"}
    if address.startswith("/api/"):
        headers = {"Authorization": f"Bearer {caller['token']}", "Host": "localhost"}
    if "part=" in address:
        headers["HX-Request"] = "true"
    server.request("GET", address, headers=headers)
    answer = server.getresponse()
    content = answer.read()
    if answer.status != 200:
        raise RuntimeError(f"{address} answered {answer.status}: {content[:300]!r}")
    return content
