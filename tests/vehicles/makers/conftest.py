"""One sandbox for the adapters that are tried against it; each uses cars and controls of its own maker."""

from collections.abc import Iterator

import pytest

from tests.sandbox_process import SandboxProcess, start_sandbox


@pytest.fixture(scope="session")
def sandbox(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SandboxProcess]:
    """A running sandbox with real time until a test sets its clock."""
    process = start_sandbox(tmp_path_factory)
    yield process
    process.stop()
