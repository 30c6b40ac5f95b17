"""Load on a server: some connections that ask again as soon as they are answered."""

import http.client
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

CONNECTIONS = 8


@dataclass(frozen=True)
class Round:
    """What one stretch of load saw."""

    per_second: float
    p95_seconds: float


def load(port: int, path: str, callers: list[dict[str, str]], *, seconds: float) -> Round:
    """Return how many requests were answered a second and how long the slowest twentieth took at least.

    Each connection asks for one caller after the other; `{cursor}` in the path becomes the caller's own. Raises
    RuntimeError for an answer that is no success.
    """
    until = time.perf_counter() + seconds
    with ThreadPoolExecutor(CONNECTIONS) as pool:
        begun = time.perf_counter()
        shares = [callers[number::CONNECTIONS] for number in range(CONNECTIONS)]
        asked = [pool.submit(_ask, port, path, share, until) for share in shares]
        every = sorted(one for some in asked for one in some.result())
        spent = time.perf_counter() - begun
    return Round(len(every) / spent, every[int(len(every) * 0.95)])


def _ask(port: int, path: str, callers: list[dict[str, str]], until: float) -> list[float]:
    times: list[float] = []
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
    while time.perf_counter() < until:
        caller = callers[len(times) % len(callers)]
        headers = {"Cookie": f"chargescape_session={caller['session']}", "Host": "localhost"}
        if path.startswith("/api/"):
            headers = {"Authorization": f"Bearer {caller['token']}", "Host": "localhost"}
        if "part=" in path:
            headers["HX-Request"] = "true"
        begun = time.perf_counter()
        connection.request("GET", path.replace("{cursor}", caller["cursor"]), headers=headers)
        answer = connection.getresponse()
        answer.read()
        times.append(time.perf_counter() - begun)
        if answer.status != 200:
            raise RuntimeError(f"{path} answered {answer.status}")
    connection.close()
    return times
