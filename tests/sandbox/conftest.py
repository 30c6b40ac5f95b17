"""One sandbox for the suite, and a client of the pretend automaker as an app would write it."""

from collections.abc import Iterator

import pytest

from tests.sandbox.ford_client import FordClient
from tests.sandbox_process import SandboxProcess


@pytest.fixture
def frozen(sandbox: SandboxProcess) -> Iterator[SandboxProcess]:
    """The sandbox with its clock standing still on a Wednesday at 20:00 in Austin, everybody at home and plugged in."""
    sandbox.control("POST", "reset", at="2026-11-19T02:00:00Z", socPercent=50)
    yield sandbox
    sandbox.control("DELETE", "clock")


@pytest.fixture
def ford(frozen: SandboxProcess) -> FordClient:
    """A client without tokens yet."""
    return FordClient(frozen)
