"""The pretend utility's server, driven by our VEN's client; the Alliance's description judges every message."""

import threading
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import Any

import pytest
import requests

from foundation.http import open_session
from grid.operators.base import OperatorBusy, OperatorRefused, OperatorUnreachable, OperatorUnreadable, ProgramWords
from grid.operators.openadr3.asking import read_asked
from grid.operators.openadr3.client import VtnClient
from grid.operators.openadr3.messages import read_event
from grid.operators.openadr3.reporting import AGGREGATED, Told, write_report
from tests.openadr3_spec import judge
from tests.sandbox_process import SandboxProcess

NOW = datetime(2026, 11, 19, 2, 0, tzinfo=UTC)
VERSIONS = ("3.1.0", "3.0.1")
SCHEMAS = {
    ("GET", "programs"): "program",
    ("GET", "events"): "event",
    ("GET", "vens"): "ven",
    ("GET", "resources"): "resource",
    ("GET", "subscriptions"): "subscription",
    ("GET", "reports"): "report",
}


class JudgingSession(requests.Session):
    """Passes calls on and judges every answer of 2xx by the version its address names."""

    def request(self, method: str | bytes, url: str | bytes, *args: Any, **options: Any) -> requests.Response:
        reply = super().request(method, url, *args, **{"timeout": 20, **options})
        parts = str(url).split("/vtn/")[1].split("?")[0].split("/")
        objects = "resources" if "resources" in parts else parts[1]
        if reply.ok and objects in {name for _, name in SCHEMAS}:
            answer = reply.json()
            for item in answer if isinstance(answer, list) else [answer]:
                judge(SCHEMAS["GET", objects], item, version=parts[0])
        return reply


@pytest.fixture
def vtn(sandbox: SandboxProcess) -> Iterator[SandboxProcess]:
    """The utility with its clock standing still, no events and no faults."""
    sandbox.control("PUT", "clock", simulated_at=NOW.isoformat(), rate=0)
    drop_all(sandbox)
    yield sandbox
    requests.delete(f"{sandbox.url}/vtn/control/faults", timeout=30)
    drop_all(sandbox)
    sandbox.control("DELETE", "clock")


def drop_all(sandbox: SandboxProcess) -> None:
    assert requests.delete(f"{sandbox.url}/vtn/control/events", timeout=30).json() == []


def client(sandbox: SandboxProcess, version: str, session: Any = None, **credentials: str) -> VtnClient:
    access = {"client_id": "chargescape-ven", "client_secret": "charge-the-grid"} | credentials
    base = f"{sandbox.url}/vtn/{version}"
    return VtnClient(session=session or JudgingSession(), api_base=base, version=version, **access)


def ask(sandbox: SandboxProcess, **body: Any) -> dict[str, Any]:
    wish = {"kind": "hold", "minutesAhead": 60, "minutes": 120, "targetKw": 20} | body
    reply = requests.post(f"{sandbox.url}/vtn/control/events", json=wish, timeout=30)
    assert reply.status_code == 201, reply.text
    return dict(reply.json())


def fault(sandbox: SandboxProcess, kind: str, **body: Any) -> None:
    requests.delete(f"{sandbox.url}/vtn/control/faults", timeout=30)
    assert requests.post(f"{sandbox.url}/vtn/control/faults", json={"kind": kind, **body}, timeout=30).ok


@pytest.mark.parametrize("version", VERSIONS)
def test_ask_goes_to_and_fro(vtn: SandboxProcess, version: str) -> None:
    ven = client(vtn, version)
    (program,) = ven.programs()
    for kind, target in (("hold", 20_000), ("absorb", 20_000), ("discharge", 20_000)):
        ask(vtn, kind=kind, priority=3)
        events = ven.events(str(program["id"]))
        asked = read_asked(read_event(events[-1], now=NOW), words=ProgramWords(), enrolled_w=50_000)
        (wish,) = asked.asks
        assert (wish.kind, wish.target_w, asked.priority) == (kind, target, 3)
        assert (wish.starts_at - NOW, wish.ends_at - NOW) == (timedelta(hours=1), timedelta(hours=3))
        assert asked.questions == ()

    ven_id = ven.register("fleet-1")
    assert ven.register("fleet-1") == ven_id
    resource_id = ven.put_resource(ven_id, f"group-{version}", [{"type": "MAX_POWER_CONSUMPTION", "values": [50.0]}])
    attributes = [{"type": "MAX_POWER_CONSUMPTION", "values": [60.0]}]
    assert ven.put_resource(ven_id, f"group-{version}", attributes) == resource_id

    report = write_report(
        version=version,
        program_id=str(program["id"]),
        event_id=str(events[-1]["id"]),
        client_name="fleet-1",
        starts_at=NOW,
        length=timedelta(minutes=15),
        told={AGGREGATED: [Told(net_wh=-500, baseline_wh=1000)]},
        words=ProgramWords(),
    )
    identity = ven.send_report(report)
    assert ven.send_report(report, identity) == identity
    assert identity in [row["id"] for row in requests.get(f"{vtn.url}/vtn/control/reports", timeout=30).json()]


def test_what_is_over_is_not_active_any_more(vtn: SandboxProcess) -> None:
    ask(vtn, minutesAhead=-180, minutes=60)
    running = ask(vtn, minutesAhead=-30, minutes=60)
    ven = client(vtn, "3.1.0")
    (program,) = ven.programs()
    assert [event["id"] for event in ven.events(str(program["id"]))] == [running["id"]]


def test_targets_keep_events_from_others(vtn: SandboxProcess) -> None:
    desk = client(vtn, "3.1.0", client_id="utility-desk", client_secret="keep-the-lights-on")
    hidden = ask(vtn)
    desk._ask("PUT", f"/events/{hidden['id']}", body=hidden | {"targets": ["feeder-9"]})
    ven = client(vtn, "3.1.0")
    (program,) = ven.programs()
    assert ven.events(str(program["id"])) == []
    with pytest.raises(OperatorRefused):
        ven._ask("POST", "/programs", body={"programName": "mine"})
    with pytest.raises(OperatorRefused):
        ven._ask("POST", "/events", body={"programID": program["id"]})


@pytest.mark.parametrize(
    ("kind", "error"),
    [
        ("outage", OperatorUnreachable),
        ("rate_limit", OperatorBusy),
        ("unauthorized", OperatorRefused),
        ("cut", OperatorUnreadable),
    ],
)
def test_fault_is_met_as_what_it_is(vtn: SandboxProcess, kind: str, error: type[Exception]) -> None:
    ask(vtn)
    ven = client(vtn, "3.1.0", session=open_session())
    (program,) = ven.programs()
    fault(vtn, kind)
    with pytest.raises(error):
        ven.events(str(program["id"]))


def test_flood_loose_stamps_and_broken_events_come_through_one_by_one(vtn: SandboxProcess) -> None:
    ask(vtn)
    ven = client(vtn, "3.1.0", session=open_session())
    (program,) = ven.programs()
    fault(vtn, "flood")
    with pytest.raises(OperatorUnreadable, match="more than 40 pages"):
        ven.events(str(program["id"]))
    fault(vtn, "loose_stamps")
    (event,) = client(vtn, "3.1.0", session=open_session()).events(str(program["id"]))
    assert "T" not in event["modificationDateTime"]
    assert read_event(event, now=NOW).changed_at == NOW
    fault(vtn, "malformed")
    (event,) = ven.events(str(program["id"]))
    with pytest.raises(OperatorUnreadable):
        read_event(event, now=NOW)


def test_subscriber_is_told_of_each_change(vtn: SandboxProcess) -> None:
    heard: list[tuple[str, str]] = []
    bell = threading.Event()

    class Listener(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            self.rfile.read(int(self.headers["Content-Length"]))
            heard.append((self.headers["Authorization"], self.path))
            self.send_response(200)
            self.end_headers()
            bell.set()

        def log_message(self, *_: Any) -> None:
            """Say nothing."""

    server = HTTPServer(("127.0.0.1", 0), Listener)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        ven = client(vtn, "3.1.0")
        (program,) = ven.programs()
        wish = {"client_name": "us", "program_id": str(program["id"]), "bearer": "hush"}
        url = f"http://127.0.0.1:{server.server_port}/hook"
        assert ven.subscribe(callback_url=url, **wish) == ven.subscribe(callback_url=url, **wish)
        ask(vtn)
        assert bell.wait(5)
        assert heard[0] == ("Bearer hush", "/hook")
    finally:
        server.shutdown()
        server.server_close()


def test_desk_shows_asks_and_calls_off(vtn: SandboxProcess) -> None:
    browser = requests.Session()
    page = browser.get(f"{vtn.url}/vtn/", timeout=30)
    assert page.status_code == 200
    token = browser.cookies["sandbox_csrf"]
    form = {"csrfmiddlewaretoken": token, "kind": "hold", "minutes_ahead": "30", "minutes": "60", "target_kw": "5"}
    assert "hold 2026-11-19 02:30Z" in browser.post(f"{vtn.url}/vtn/ask", data=form, timeout=30).text
    assert browser.post(f"{vtn.url}/vtn/ask", data=form | {"minutes": "soon"}, timeout=30).status_code == 400
    (event,) = requests.get(f"{vtn.url}/vtn/control/events", timeout=30).json()
    off = {"csrfmiddlewaretoken": token, "how": "shrink"}
    browser.post(f"{vtn.url}/vtn/events/{event['id']}/call-off", data=off, timeout=30)
    (event,) = requests.get(f"{vtn.url}/vtn/control/events", timeout=30).json()
    assert event["intervalPeriod"]["duration"] == "PT0S"
    browser.post(f"{vtn.url}/vtn/events/{event['id']}/call-off", data=off | {"how": "delete"}, timeout=30)
    assert requests.get(f"{vtn.url}/vtn/control/events", timeout=30).json() == []
