"""A Ford-like cloud of a few lines on a loopback port that counts every call; cars obey, or misbehave as told."""

import json
import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs

from foundation import clock


class MakerDouble:
    """What the cloud knows and counts.

    `script` maps a call's label to a status, "drop" (obey, then hang up) or "ignore" (accept, then do nothing); a list
    of them is used up in order.
    """

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.counts: Counter[str] = Counter()
        self.keys: list[str] = []
        self.bodies: list[dict[str, Any]] = []
        self.script: dict[str, Any] = {}
        self.refresh_seconds = 0.0
        self.answer_seconds = 0.0
        self.command_seconds = 0.0
        self.under_way = self.most_under_way = 0  # commands at once
        self.command_status = "PENDINGRESPONSE"
        self.is_silent = False
        self.tokens = 0
        self.valid_refresh: set[str] = {"refresh-one"}
        self.is_charging: dict[str, bool] = {}
        self.is_metered = False
        self.place = ("30.2672", "-97.7431")
        self.soc_percent = 60.0

    def read_at(self) -> str:
        """The car's clock, as FordConnect writes it; a silent car was last heard of long ago."""
        if self.is_silent:
            return "11-01-2026 08:00:00"
        return clock.now().astimezone(UTC).strftime("%m-%d-%Y %H:%M:%S")

    def state_of(self, car: str) -> str:
        """What the car does."""
        return "ChargingAC" if self.is_charging.get(car, True) else "Ready"

    def commands(self) -> int:
        """How many commands that change the car arrived."""
        return sum(self.counts[name] for name in ("stopCharge", "startCharge", "POST setpoint", "DELETE setpoint"))


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    double: MakerDouble

    def log_message(self, *_: Any) -> None:
        """Say nothing."""

    def do_GET(self) -> None:
        """Answer questions."""
        parts = self.path.strip("/").split("/")
        car = parts[parts.index("vehicles") + 1] if len(parts) > 2 and "vehicles" in parts else ""
        name = parts[-1] if parts[-1] != car else "state"
        threading.Event().wait(self.double.answer_seconds)
        self._count(f"GET {name}")
        if self._misbehaves(f"GET {name}"):
            return
        if "statusrefresh" in parts:
            self._answer(200, {"status": "SUCCESS", "commandStatus": self.double.command_status, "commandId": name})
        elif name == "telemetry":
            self._answer(200, self._telemetry(car))
        elif name == "capabilities":
            self._answer(404, {})
        elif name == "vin":
            self._answer(200, {"status": "SUCCESS", "vin": "1FT6W3L72RWG00001"})
        elif name == "state":
            self._answer(200, {"status": "SUCCESS", "vehicle": self._vehicle(car)})
        else:
            self._answer(200, {"status": "SUCCESS", "vehicles": []})

    def do_POST(self) -> None:
        """Take tokens and commands."""
        raw = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        if self.path.endswith("/token"):
            self._token(parse_qs(raw.decode()))
            return
        self._command("POST", raw)

    def do_DELETE(self) -> None:
        """End a setpoint."""
        self._command("DELETE", b"")

    def _command(self, method: str, raw: bytes) -> None:
        parts = self.path.strip("/").split("/")
        car, name = parts[-2], parts[-1]
        label = f"{method} setpoint" if name == "setpoint" else name
        self._count(label)
        with self.double.lock:
            self.double.under_way += 1
            self.double.most_under_way = max(self.double.under_way, self.double.most_under_way)
        threading.Event().wait(self.double.command_seconds)
        with self.double.lock:
            self.double.under_way -= 1
            self.double.keys.append(self.headers.get("Idempotency-Key", ""))
            self.double.bodies.append(json.loads(raw or b"{}") if name == "setpoint" else {})
        if self._misbehaves(label):
            return
        self._obey(label, car)
        self._answer(202, {"status": "SUCCESS", "commandStatus": "PENDINGRESPONSE", "commandId": "one"})

    def _obey(self, label: str, car: str) -> None:
        if label in {"stopCharge", "POST setpoint"}:
            self.double.is_charging[car] = False
        if label in {"startCharge", "DELETE setpoint"}:
            self.double.is_charging[car] = True

    def _misbehaves(self, label: str) -> bool:
        planned = self.double.script.get(label)
        if isinstance(planned, list):
            planned = planned.pop(0) if planned else None
        if planned is None:
            return False
        if planned == "drop":
            car = self.path.strip("/").split("/")[-2]
            self._obey(label, car)
            self.close_connection = True
            self.connection.close()
            return True
        if planned == "ignore":
            accepted = {"status": "SUCCESS", "commandStatus": "PENDINGRESPONSE", "commandId": "one"}
            self._answer(202, accepted)
            return True
        self._answer(int(planned), {"status": "FAILED"})
        return True

    def _token(self, form: dict[str, list[str]]) -> None:
        self._count("token")
        threading.Event().wait(self.double.refresh_seconds)
        with self.double.lock:
            given = form.get("refresh_token", [""])[0]
            if given not in self.double.valid_refresh:
                self._answer(400, {"error": "invalid_grant"})
                return
            self.double.valid_refresh.discard(given)
            self.double.tokens += 1
            fresh = f"refresh-new-{self.double.tokens}"
            self.double.valid_refresh.add(fresh)
            access = f"access-new-{self.double.tokens}"
        self._answer(200, {"access_token": access, "refresh_token": fresh, "expires_in": 1200, "token_type": "Bearer"})

    def _vehicle(self, car: str) -> dict[str, Any]:
        at = self.double.read_at()
        latitude, longitude = self.double.place
        return {
            "vehicleId": car,
            "vehicleDetails": {"batteryChargeLevel": {"value": self.double.soc_percent, "timestamp": at}},
            "vehicleStatus": {
                "chargingStatus": {"value": self.double.state_of(car), "timestamp": at},
                "plugStatus": {"value": True, "timestamp": at},
            },
            "vehicleLocation": {"latitude": latitude, "longitude": longitude, "timestamp": at},
        }

    def _telemetry(self, car: str) -> dict[str, Any]:
        is_charging = self.double.is_charging.get(car, True)
        return {
            "socPercent": self.double.soc_percent,
            "limitPercent": 90,
            "powerKw": 11.3 if is_charging else 0,
            "pluggedIn": True,
            "state": "CHARGING" if is_charging else "HOLDING",
            "observedAt": datetime.isoformat(clock.now()),
        }

    def _count(self, label: str) -> None:
        with self.double.lock:
            self.double.counts[label] += 1

    def _answer(self, status: int, body: dict[str, Any]) -> None:
        content = json.dumps(body).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 128


@contextmanager
def maker_double() -> Iterator[tuple[MakerDouble, dict[str, str]]]:
    """Serve a double for the block; yields it and the credentials that lead the Ford adapter to it."""
    double = MakerDouble()
    server = _Server(("127.0.0.1", 0), type("Handler", (_Handler,), {"double": double}))
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    base = f"http://127.0.0.1:{server.server_address[1]}"
    try:
        yield double, credentials(base)
    finally:
        server.shutdown()
        server.server_close()
        thread.join(5)


def credentials(base: str) -> dict[str, str]:
    """Return Ford settings that lead to `base`."""
    return {
        "authorize_url": f"{base}/ford/oauth2/authorize",
        "token_url": f"{base}/ford/oauth2/token",
        "revoke_url": f"{base}/ford/oauth2/revoke",
        "api_base": f"{base}/ford/api/fordconnect/v3",
        "partner_api_base": f"{base}/ford/partner/v1",
        "application_id": "app-one",
        "client_id": "client-one",
        "client_secret": "secret-one",
    }
