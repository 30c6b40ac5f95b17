"""One world for the adapters that are tried against the sandbox: both clocks stand still until a test moves them."""

import json
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest

from accounts.models import User
from foundation import clock
from foundation.clock import Anchor, write_anchor
from journey import makers
from tests.factories import vehicles as make
from tests.sandbox_owner import OwnerBrowser
from tests.sandbox_process import APPLICATION_ID, CLIENT_ID, CLIENT_SECRET, SandboxProcess
from vehicles import gateway
from vehicles.automakers.base import Grant, LinkBegin, LinkCallback, RedirectTo
from vehicles.automakers.push import WebhookAnswer
from vehicles.flows.commands import confirm_commands, release_expired_holds, request_command, send_due_commands
from vehicles.flows.links import begin_link, choose_vehicles, complete_link
from vehicles.flows.places import set_home_from_vehicle
from vehicles.flows.telemetry import read_due_vehicles, read_vehicle
from vehicles.models import Command, Vehicle, VehicleLink

MINUTE = timedelta(minutes=1)
EVENING = datetime.fromisoformat("2026-11-19T02:00:00+00:00")  # Wednesday 20:00 in Austin
SECRET = "charge-the-grid"


class World:
    """Platform and sandbox under one clock."""

    def __init__(self, sandbox: SandboxProcess, anchor_file: Path) -> None:
        self.sandbox = sandbox
        self.anchor_file = anchor_file
        self.park()

    def park(self, *, soc_percent: float = 50) -> None:
        """Put every car back to its plug, on the evening from which everything starts."""
        self.sandbox.control("POST", "reset", at=EVENING.isoformat(), socPercent=soc_percent)
        self.now = EVENING
        self._tell_platform()

    def _tell_platform(self) -> None:
        write_anchor(self.anchor_file, Anchor(simulated_at=self.now, wall_at=clock.wall(), rate=0))

    def step(self, span: timedelta) -> datetime:
        """Move both clocks and return the time."""
        self.now += span
        self.sandbox.control("PUT", "clock", simulated_at=self.now.isoformat(), rate=0)
        self._tell_platform()
        return self.now

    def pass_by(self, span: timedelta) -> None:
        """Let time pass in minutes with the sweeps ticking."""
        end = self.now + span
        while self.now < end:
            self.step(MINUTE)
            release_expired_holds(now=self.now)
            send_due_commands(now=self.now, limit=20)
            confirm_commands(now=self.now, limit=20)
            read_due_vehicles(now=self.now, limit=20)

    def truth(self, vehicle_id: str) -> dict[str, Any]:
        """What the car really does."""
        found: dict[str, Any] = self.sandbox.control("GET", f"cars/{vehicle_id}")
        return found

    def break_car(self, vehicle_id: str, **faults: Any) -> None:
        """Switch a car's faults."""
        self.sandbox.control("PATCH", f"cars/{vehicle_id}", faults=faults)

    def break_maker(self, maker: str, **faults: Any) -> None:
        """Switch a maker's faults."""
        self.sandbox.control("PATCH", f"makers/{maker}", **faults)

    def link(
        self,
        owner: User,
        maker: str,
        *,
        account: str = "alice",
        without_scopes: tuple[str, ...] = (),
        vehicle_ids: Sequence[str] | None = None,
    ) -> VehicleLink:
        """Have the owner link an account at the maker, by redirect or on its hosted page; all cars by default."""
        make.consents(owner, now=self.now)
        back = f"http://localhost:8000/cars/link/callback/{maker}/"
        url = begin_link(owner=owner, maker=maker, session_key="session", redirect_uri=back, now=self.now)
        callback = OwnerBrowser(f"{account}@{maker}.sandbox").allow(url, vehicle_ids, without_scopes=without_scopes)
        params = {name: values[0] for name, values in parse_qs(urlsplit(callback).query).items()}
        return complete_link(
            owner=owner, maker=maker, session_key="session", params=params, redirect_uri=back, now=self.now
        )

    def sign_in(self, maker: str, *, account: str = "alice", without_scopes: tuple[str, ...] = ()) -> Grant:
        """Return a grant of the account, without any row of ours."""
        adapter, verifier = gateway.adapter(maker), "v" * 64
        back = f"http://localhost:8000/cars/link/callback/{maker}/"
        start = adapter.begin_link(LinkBegin(state="s" * 16, code_verifier=verifier, redirect_uri=back))
        assert isinstance(start, RedirectTo)
        callback = OwnerBrowser(f"{account}@{maker}.sandbox").allow(start.url, without_scopes=without_scopes)
        params = {name: values[0] for name, values in parse_qs(urlsplit(callback).query).items()}
        return adapter.complete_link(LinkCallback(params=params, code_verifier=verifier, redirect_uri=back))

    def take_part(self, link: VehicleLink) -> dict[str, Vehicle]:
        """Let every car of the link take part and be read at its home; returns them by what the maker calls them."""
        offered = list(link.vehicles.values_list("public_id", flat=True))
        cars = choose_vehicles(link=link, vehicle_ids=offered, now=self.now)
        set_home_from_vehicle(vehicle=cars[0], now=self.now)
        for car in cars:
            read_vehicle(vehicle=car, now=self.now)
        return {car.external_id: car for car in cars}

    def ask(self, car: Vehicle, key: str, **fields: Any) -> Command:
        """Request a command of a quarter of an hour."""
        values: dict[str, Any] = {
            "kind": "hold",
            "ends_at": self.now + 15 * MINUTE,
            "departure_at": self.now + timedelta(hours=11.5),
        }
        return request_command(vehicle=car, key=key, now=self.now, **(values | fields))


@pytest.fixture
def evening(sandbox: SandboxProcess, settings: Any, tmp_path: Path) -> Iterator[World]:
    """A Wednesday evening on which every maker of the sandbox can be linked."""
    settings.CLOCK_ANCHOR_FILE = str(tmp_path / "clock.json")
    access = makers.platform_access(sandbox.url, client_secret=SECRET, webhook_secret=SECRET)
    access["ford"] |= {"client_id": CLIENT_ID, "client_secret": CLIENT_SECRET, "application_id": APPLICATION_ID}
    settings.AUTOMAKERS = access
    yield World(sandbox, tmp_path / "clock.json")
    sandbox.control("DELETE", "clock")


class Ear:
    """Where a maker's webhooks arrive: keeps what its adapter takes, counts what it refuses."""

    def __init__(self, maker: str, url: str) -> None:
        self.maker = maker
        self.url = url
        self.heard: list[tuple[dict[str, str], bytes]] = []
        self.answers: list[WebhookAnswer] = []
        self.refused = 0

    def hear(self, headers: dict[str, str], body: bytes) -> tuple[int, bytes]:
        """Take one delivery; returns status and body of the answer."""
        try:
            answer = gateway.adapter(self.maker).read_webhook(headers, body)
        except Exception:  # noqa: BLE001 - an answer is due whatever went wrong
            self.refused += 1
            return 400, b""
        self.heard.append((headers, body))
        self.answers.append(answer)
        return 200, json.dumps(answer.reply).encode() if answer.reply else b""

    @property
    def pushes(self) -> list[Any]:
        """Return every push taken so far, in the order of their arrival."""
        return [push for answer in self.answers for push in answer.pushes]

    def wait(self, what: Any, *, seconds: float = 30.0) -> None:
        """Wait until `what()` is true; fails where it never is."""
        deadline = time.monotonic() + seconds
        while not what():
            assert time.monotonic() < deadline, f"heard {len(self.heard)}, refused {self.refused}"
            time.sleep(0.05)


@contextmanager
def open_ear(maker: str) -> Iterator[Ear]:
    """Listen on a free loopback port."""

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
            status, answer = ear.hear(dict(self.headers.items()), body)
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(answer)))
            self.end_headers()
            self.wfile.write(answer)

        def log_message(self, *_: Any) -> None:
            """Stay quiet."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    ear = Ear(maker, f"http://127.0.0.1:{server.server_port}/")
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
    thread.start()
    try:
        yield ear
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
