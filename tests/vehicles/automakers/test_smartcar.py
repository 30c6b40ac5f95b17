"""Smartcar's own ways: its errors, one token for the app, outcomes behind a 202, makes that differ."""

import json
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest
import responses

from tests.vehicles.automakers.kits import smartcar
from tests.vehicles.automakers.kits.base import NOW, OPERATIONS, recording
from vehicles.automakers import smartcar as module
from vehicles.automakers.base import LinkCallback
from vehicles.automakers.errors import (
    AuthRevoked,
    AutomakerError,
    CommandTimeout,
    NotPluggedIn,
    NotSupported,
    RateLimited,
    Rejected,
    ScopeMissing,
    SubscriptionInactive,
    TokenRejected,
    Unreachable,
    UpstreamDown,
    VehicleGone,
)
from vehicles.automakers.smartcar import Smartcar

KIT = smartcar.KIT
STOP = KIT.asks["stop"][1]


ERRORS: list[tuple[int, str, str, str, type[AutomakerError]]] = [
    (401, "AUTHENTICATION", "UNAUTHORIZED", "", TokenRejected),
    (403, "AUTHENTICATION", "ACCESS_DENIED", "", ScopeMissing),
    (403, "PERMISSION", "", "", ScopeMissing),
    (430, "BILLING", "VEHICLE_REQUEST_LIMIT", "", RateLimited),
    (430, "BILLING", "ACCOUNT_SUSPENDED", "CONTACT_SUPPORT", RateLimited),
    (501, "COMPATIBILITY", "VEHICLE_NOT_CAPABLE", "", NotSupported),
    (400, "CONNECTED_SERVICES_ACCOUNT", "AUTHENTICATION_FAILED", "REAUTHENTICATE", AuthRevoked),
    (400, "CONNECTED_SERVICES_ACCOUNT", "ACCOUNT_ISSUE", "REAUTHENTICATE", AuthRevoked),
    (400, "CONNECTED_SERVICES_ACCOUNT", "SUBSCRIPTION", "REAUTHENTICATE", SubscriptionInactive),
    (400, "CONNECTED_SERVICES_ACCOUNT", "PERMISSION", "REAUTHENTICATE", ScopeMissing),
    (400, "CONNECTED_SERVICES_ACCOUNT", "VEHICLE_MISSING", "", VehicleGone),
    (400, "CONNECTED_SERVICES_ACCOUNT", "NO_VEHICLES", "", VehicleGone),
    (429, "RATE_LIMIT", "VEHICLE", "", RateLimited),
    (404, "RESOURCE_NOT_FOUND", "PATH", "", UpstreamDown),
    (404, "RESOURCE_NOT_FOUND", "VEHICLE", "", VehicleGone),
    (500, "SERVER", "INTERNAL", "RETRY_LATER", CommandTimeout),
    (502, "UPSTREAM", "RATE_LIMIT", "", RateLimited),
    (502, "UPSTREAM", "NO_RESPONSE", "RETRY_LATER", CommandTimeout),
    (504, "UPSTREAM", "UNKNOWN_ISSUE", "", CommandTimeout),
    (400, "VALIDATION", "INVALID_INPUT_FORMAT", "", Rejected),
    (409, "VEHICLE_STATE", "ASLEEP", "RETRY_LATER", Unreachable),
    (409, "VEHICLE_STATE", "UNREACHABLE", "", Unreachable),
    (409, "VEHICLE_STATE", "CHARGING_PLUG_NOT_CONNECTED", "", NotPluggedIn),
    (409, "VEHICLE_STATE", "IN_MOTION", "", Rejected),
    (418, "SOMETHING", "NEW", "", CommandTimeout),
]


@pytest.mark.parametrize("is_streamed", [False, True], ids=["at_once", "behind_a_202"])
@pytest.mark.parametrize("case", ERRORS, ids=lambda case: f"{case[1]} {case[2]}")
def test_every_error_object_has_its_meaning(
    door: responses.RequestsMock, case: tuple[int, str, str, str, type[AutomakerError]], *, is_streamed: bool
) -> None:
    status, kind, code, resolution, error = case
    body = {"type": kind, "code": code, "status": status, "resolution": {"type": resolution}}
    door.add("POST", STOP, json=body if is_streamed else {"errors": [body]}, status=202 if is_streamed else status)

    with pytest.raises(AutomakerError) as caught:
        OPERATIONS["hold"](KIT.adapter(), KIT.car())

    assert type(caught.value) is error


def test_budgets_say_whose_they_are(door: responses.RequestsMock) -> None:
    scopes = {("RATE_LIMIT", "SMARTCAR_API", 429): "app", ("RATE_LIMIT", "VEHICLE", 429): "vehicle"}
    scopes |= {("BILLING", "VEHICLE_REQUEST_LIMIT", 430): "vehicle", ("BILLING", "INVALID_PLAN", 430): "app"}
    for (kind, code, status), scope in scopes.items():
        door.upsert("GET", KIT.asks["signals"][1], json={"type": kind, "code": code}, status=status)
        with pytest.raises(RateLimited) as caught:
            KIT.adapter().read_state(KIT.car())
        assert caught.value.scope == scope
        assert caught.value.retry_at is not None
        assert caught.value.retry_at > NOW.replace(year=2031)


@pytest.mark.parametrize(
    ("operation", "ask", "code"),
    [
        ("resume", "start", "CHARGING_IN_PROGRESS"),
        ("resume", "start", "FULLY_CHARGED"),
        ("hold", "stop", "NOT_CHARGING"),
    ],
)
def test_what_is_already_so_is_no_failure(door: responses.RequestsMock, operation: str, ask: str, code: str) -> None:
    door.add("POST", KIT.asks[ask][1], json={"type": "VEHICLE_STATE", "code": code, "status": 409}, status=409)

    assert OPERATIONS[operation](KIT.adapter(), KIT.car()).state == "noop"


@contextmanager
def cloud(*pieces: bytes, is_whole: bool = True, pause: float = 0.0) -> Iterator[Smartcar]:
    """A Smartcar that answers every command with 202 and these pieces of a body, one after the other."""
    waiting = threading.Event()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            self.rfile.read(int(self.headers.get("Content-Length", 0)))
            self.send_response(202)
            self.send_header("Transfer-Encoding", "chunked")
            self.end_headers()
            for piece in pieces:
                self.wfile.write(f"{len(piece):x}\r\n".encode() + piece + b"\r\n")
                self.wfile.flush()
                waiting.wait(pause)
            if is_whole:
                self.wfile.write(b"0\r\n\r\n")
            self.close_connection = True

        def log_message(self, *_: Any) -> None:
            """Stay quiet."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    adapter = KIT.adapter()
    assert isinstance(adapter, Smartcar)
    adapter.base = f"http://127.0.0.1:{server.server_port}"
    try:
        yield adapter
    finally:
        waiting.set()
        server.shutdown()
        server.server_close()


def test_outcome_is_read_to_its_end() -> None:
    success = json.dumps(recording("smartcar", "command")).encode()
    with cloud(b" ", b" ", success[:20], success[20:], pause=0.05) as adapter:
        assert OPERATIONS["hold"](adapter, KIT.car()).state == "accepted"
    failure = json.dumps(recording("smartcar", "failed_later")).encode()
    with cloud(b" ", failure) as adapter, pytest.raises(Unreachable):
        OPERATIONS["hold"](adapter, KIT.car())


def test_cut_outcome_is_unknown() -> None:
    success = json.dumps(recording("smartcar", "command")).encode()
    for pieces, is_whole in (((b" ", success[:20]), False), ((b" ",), True), ((success[:20],), True)):
        with cloud(*pieces, is_whole=is_whole) as adapter, pytest.raises(CommandTimeout):
            OPERATIONS["hold"](adapter, KIT.car())


def test_nobody_waits_for_ever(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "COMMAND_SECONDS", 0.3)
    with cloud(*[b" "] * 50, pause=0.1) as adapter, pytest.raises(CommandTimeout):  # it goes on sending blanks
        OPERATIONS["hold"](adapter, KIT.car())
    with cloud(b" ", pause=5) as adapter, pytest.raises(CommandTimeout):  # it falls silent
        OPERATIONS["hold"](adapter, KIT.car())
    monkeypatch.setattr(module, "MOST_OUTCOME_BYTES", 64)
    with cloud(b" " * 200) as adapter, pytest.raises(CommandTimeout):
        OPERATIONS["hold"](adapter, KIT.car())


def test_app_token_is_fetched_once_for_all_owners(door: responses.RequestsMock) -> None:
    door.add("POST", KIT.token_url, json=recording("smartcar", "token"))
    adapter = KIT.adapter()

    with ThreadPoolExecutor(16) as pool:
        grants = list(pool.map(lambda number: adapter.refresh(f"user-{number}"), range(64)))

    assert len(door.calls) == 1
    assert {grant.access_token for grant in grants} == {f"user-{number} access-one" for number in range(64)}
    assert {grant.access_expires_in_seconds for grant in grants} == {3600}


def test_refused_app_token_is_fetched_anew(door: responses.RequestsMock) -> None:
    door.add("POST", KIT.token_url, json=recording("smartcar", "token"))
    door.add("GET", KIT.asks["signals"][1], status=401)
    adapter = KIT.adapter()
    adapter.refresh("user-1")
    for token in ("older", "access-one"):
        with pytest.raises(TokenRejected):
            adapter.read_state(type(KIT.car())(smartcar.CAR, f"user-1 {token}"))
        adapter.refresh("user-1")

    fetched = [call for call in door.calls if call.request.url == KIT.token_url]
    assert len(fetched) == 2  # the refusal of a token that was replaced long ago costs nothing


def test_link_needs_a_user_id(door: responses.RequestsMock) -> None:
    door.add("POST", KIT.token_url, json=recording("smartcar", "token"))
    for bad in ("", "a b", "../users", "x" * 65):
        with pytest.raises(AuthRevoked):
            KIT.adapter().complete_link(LinkCallback({"code": "c", "user_id": bad}, "v", "https://us.test/cb"))
    grant = KIT.adapter().complete_link(LinkCallback({"code": "c", "user_id": "user-1"}, "v", "https://us.test/cb"))

    assert (grant.subject, grant.access_token) == ("user-1", "user-1 access-one")


def test_connections_are_read_page_by_page(door: responses.RequestsMock) -> None:
    body = recording("smartcar", "connections")
    for page in (1, 2, 3):
        links = {"next": f"/v3/connections?page[number]={page + 1}"} if page < 3 else {"next": None}
        match = responses.matchers.query_param_matcher(
            {"filter[userId]": "user-1", "page[number]": str(page), "page[size]": "10"}
        )
        door.add("GET", KIT.asks["list"][1], json=body | {"links": links}, match=[match])
    for car in ("sc-ioniq-1", "sc-id4-2", "sc-golf-3"):
        door.add("GET", KIT.asks["vin"][1].replace(smartcar.CAR, car), json=recording("smartcar", "vin"))

    assert len(KIT.adapter().list_vehicles(KIT.account)) == 9


@pytest.mark.parametrize(
    ("make", "hold_ends", "least_percent"),
    [("HYUNDAI", "start_stop", 0), ("NISSAN", "none", 0), ("CHEVROLET", "start_stop", 50)],
)
def test_makes_differ_in_what_they_can_be_told(
    door: responses.RequestsMock, make: str, hold_ends: str, least_percent: int
) -> None:
    signals = recording("smartcar", "signals")
    signals["included"]["vehicle"]["attributes"]["make"] = make
    door.add("GET", KIT.asks["list"][1], json=recording("smartcar", "connections"))
    door.add("GET", KIT.asks["signals"][1], json=signals)

    can = KIT.adapter().capabilities(KIT.account, smartcar.CAR)

    assert (can.hold_ends, can.min_restart_soc_percent, can.max_discharge_w) == (hold_ends, least_percent, 0)
    assert "is_asleep" in can.reads  # asleep is an error that passes; what the car cannot do is none


def test_permissions_that_were_not_ticked_turn_off_what_they_cover(door: responses.RequestsMock) -> None:
    door.add("GET", KIT.asks["list"][1], json=recording("smartcar", "connections"))
    door.add("GET", KIT.asks["signals"][1].replace(smartcar.CAR, "sc-id4-2"), json=recording("smartcar", "signals"))

    can = KIT.adapter().capabilities(KIT.account, "sc-id4-2")

    assert (can.can_hold, "place" in can.reads) == (False, False)
    assert can.refusals == ("place_scope_missing", "charging_scope_missing")


def test_revoking_removes_the_user(door: responses.RequestsMock) -> None:
    door.add("POST", KIT.token_url, json=recording("smartcar", "token"))
    door.add("DELETE", f"{KIT.credentials['vehicle_base']}/users/user-1", status=204)

    KIT.adapter().revoke(access_token=KIT.access_token, refresh_token="user-1")

    assert door.calls[-1].request.method == "DELETE"
