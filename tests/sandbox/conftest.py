"""One sandbox for the suite, and a client of the pretend automaker as an app would write it."""

from collections.abc import Iterator

import pytest

from tests.sandbox.ford_client import FordClient
from tests.sandbox_process import SandboxProcess, start_sandbox


@pytest.fixture(scope="session")
def sandbox(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SandboxProcess]:
    """A running sandbox, shared: tests use cars of their own or put back what they change."""
    process = start_sandbox(tmp_path_factory)
    yield process
    process.stop()


@pytest.fixture
def frozen(sandbox: SandboxProcess) -> Iterator[SandboxProcess]:
    """The sandbox with its clock standing still on a Wednesday at 20:00 in Austin, everybody at home and plugged in."""
    sandbox.control("PUT", "clock", simulated_at="2027-06-01T00:00:00Z", rate=0)
    sandbox.control("GET", "cars")  # from there, setting the clock back parks every car at home, free of orders
    sandbox.control("PUT", "clock", simulated_at="2026-11-19T02:00:00Z", rate=0)
    for car in sandbox.control("GET", "cars"):
        no_faults = {name: 0 if name == "commandDelaySeconds" else False for name in car["faults"]}
        sandbox.control("PATCH", f"cars/{car['vehicleId']}", faults=no_faults, socPercent=50)
    sandbox.control("PATCH", "makers/ford", apiDown=False, rateLimited=False, tokenDown=False, garbled=False)
    yield sandbox
    sandbox.control("DELETE", "clock")


@pytest.fixture
def ford(frozen: SandboxProcess) -> FordClient:
    """A client without tokens yet."""
    return FordClient(frozen)
