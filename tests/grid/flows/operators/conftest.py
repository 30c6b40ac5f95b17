"""The sandbox's utility, cleared after each test."""

from collections.abc import Iterator
from datetime import datetime

import pytest

from tests.grid.flows.operators.utility_desk import Utility
from tests.sandbox_process import SandboxProcess


@pytest.fixture
def utility(sandbox: SandboxProcess, now: datetime) -> Iterator[Utility]:
    world = Utility(sandbox, now)
    yield world
    world.clear()
    sandbox.control("DELETE", "clock")
