"""The sandbox as a process: its clock, its restart, its end."""

import time
from datetime import datetime
from typing import Any

import pytest
import requests

from tests.sandbox.cast import ALICE, ALICES_TRUCK
from tests.sandbox.ford_client import FordClient
from tests.sandbox_process import SandboxProcess, start_sandbox


def test_clock_stands_runs_and_goes_back_to_real_time(sandbox: SandboxProcess) -> None:
    standing = sandbox.control("PUT", "clock", simulated_at="2026-11-18T22:00:00Z", rate=0)
    assert standing["now"] == sandbox.control("GET", "clock")["now"] == "2026-11-18T22:00:00+00:00"
    anchor: dict[str, Any] = {
        "simulated_at": "2026-11-18T22:00:00+00:00",
        "wall_at": "2026-11-18T00:00:00+00:00",
        "rate": 2.0,
    }
    running = sandbox.control("PUT", "clock", **anchor)
    assert {name: running[name] for name in anchor} == anchor
    wall_seconds = time.time() - datetime.fromisoformat(anchor["wall_at"]).timestamp()
    simulated_seconds = datetime.fromisoformat(running["now"]) - datetime.fromisoformat(anchor["simulated_at"])
    assert simulated_seconds.total_seconds() == pytest.approx(2 * wall_seconds, abs=5)
    real = sandbox.control("DELETE", "clock")
    assert real["simulated_at"] is None
    assert datetime.fromisoformat(real["now"]).timestamp() == pytest.approx(time.time(), abs=5)


@pytest.mark.parametrize(
    "body",
    [
        "not json",
        "[]",
        "{}",
        '{"simulated_at": "2026-11-18T22:00:00"}',
        '{"simulated_at": "yesterday"}',
        '{"simulated_at": "2026-11-18T22:00:00Z", "rate": -1}',
        '{"simulated_at": "2026-11-18T22:00:00Z", "rate": true}',
    ],
)
def test_clock_refuses_what_is_no_anchor(sandbox: SandboxProcess, body: str) -> None:
    reply = requests.put(f"{sandbox.url}/control/clock", data=body, timeout=30)
    assert reply.status_code == 400
    assert reply.json()["error"]


def test_strange_hosts_are_refused(sandbox: SandboxProcess) -> None:
    reply = requests.get(f"{sandbox.url}/control/cars", headers={"Host": "rebound.example"}, timeout=30)
    assert reply.status_code == 400


@pytest.mark.slow
def test_restart_keeps_links_and_batteries(tmp_path_factory: pytest.TempPathFactory) -> None:
    folder = str(tmp_path_factory.mktemp("kept"))
    first = start_sandbox(tmp_path_factory, SANDBOX_VAR_DIR=folder)
    first.control("PUT", "clock", simulated_at="2026-11-19T02:00:00Z", rate=0)
    client = FordClient(first).link(ALICE)
    first.control("PATCH", f"cars/{ALICES_TRUCK}", socPercent=37)
    first.stop()
    assert first.process.returncode == 0
    second = start_sandbox(tmp_path_factory, SANDBOX_VAR_DIR=folder)
    try:
        client.sandbox = second
        assert client.partner("GET", ALICES_TRUCK, "telemetry").json()["socPercent"] == 37
        assert client.refresh(client.tokens["refresh_token"]).status_code == 200
    finally:
        second.stop()
