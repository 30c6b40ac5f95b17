"""A bare counting server on loopback: every answer takes as long as told, tokens and cars are a few bytes of JSON.

`python -m benchmarks.slow_maker SECONDS` prints its port, then serves until its input ends and prints what it counted.
"""

import asyncio
import json
import sys
import time
from collections import Counter

STATE = {
    "status": "SUCCESS",
    "vehicle": {
        "vehicleDetails": {"batteryChargeLevel": {"value": 61.5, "timestamp": "{at}"}},
        "vehicleStatus": {
            "chargingStatus": {"value": "ChargingAC", "timestamp": "{at}"},
            "plugStatus": {"value": True, "timestamp": "{at}"},
        },
        "vehicleLocation": {"latitude": "30.2672", "longitude": "-97.7431", "timestamp": "{at}"},
    },
}
TAKEN = b'{"status": "SUCCESS", "commandStatus": "PENDINGRESPONSE", "commandId": "one"}'
TOKEN = {"refresh_token": "r" * 900, "expires_in": 1200, "refresh_expires_in": 7776000}


class Maker:
    """Counts what is asked and how much of it at once."""

    def __init__(self, *, seconds: float, at: str) -> None:
        self.seconds = seconds
        self.counts: Counter[str] = Counter()
        self.now, self.most = 0, 0
        self.last_command_at = 0.0
        self.state = json.dumps(STATE).replace("{at}", at).encode()

    def token(self) -> bytes:
        """Return a grant whose tokens no grant before had."""
        access = f"{self.counts['token']:0900}"
        return json.dumps({**TOKEN, "access_token": access, "token_type": "Bearer"}).encode()

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Answer one connection's requests, one after another."""
        try:
            while head := await reader.readuntil(b"\r\n\r\n"):
                length = next(
                    (int(line[15:]) for line in head.lower().split(b"\r\n") if line.startswith(b"content-length:")), 0
                )
                if length:
                    await reader.readexactly(length)
                first = head.split(b"\r\n", 1)[0]
                is_token = b"/token" in first
                is_command = not is_token and not first.startswith(b"GET")
                self.counts["token" if is_token else "command" if is_command else "read"] += 1
                self.now += 1
                self.most = max(self.most, self.now)
                await asyncio.sleep(self.seconds)
                self.now -= 1
                if is_command:
                    self.last_command_at = time.time()
                body = self.token() if is_token else TAKEN if is_command else self.state
                writer.write(
                    b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%s"
                    % (len(body), body)
                )
                await writer.drain()
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            writer.close()


async def main(seconds: float, at: str) -> None:
    """Serve until the parent closes our input."""
    maker = Maker(seconds=seconds, at=at)
    server = await asyncio.start_server(maker.serve, "127.0.0.1", 0, backlog=1024)
    print(server.sockets[0].getsockname()[1], flush=True)
    await asyncio.get_running_loop().run_in_executor(None, sys.stdin.read)
    told = {**maker.counts, "most_at_once": maker.most, "last_command_at": maker.last_command_at}
    print(json.dumps(told), flush=True)
    server.close()


if __name__ == "__main__":
    asyncio.run(main(float(sys.argv[1]), sys.argv[2]))
