"""The supervisor of the demo's processes: starts, revives, stops, and leaves nothing behind."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from journey.stack import HOME, Stack, StackFailed, free_port, is_free


def wait_until(what: Callable[[], bool], *, seconds: float = 60) -> bool:
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if what():
            return True
        time.sleep(0.05)
    return False


@pytest.fixture
def stack(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Stack]:
    monkeypatch.delenv("CELERY_BROKER_URL", raising=False)
    stack = Stack(tmp_path / "stack", web_port=free_port(), sandbox_port=free_port(), smtp_port=free_port())
    yield stack
    stack.stop()


def test_embedded_broker_starts_from_its_wheel_and_stops(stack: Stack) -> None:
    stack.start("broker")
    assert not is_free(stack.broker_port)
    stack.stop()
    assert is_free(stack.broker_port)


def test_broker_is_left_to_the_operator_who_brings_one(stack: Stack, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CELERY_BROKER_URL", "redis://elsewhere.example:6379/0")
    stack.start("broker")
    assert stack.services == {}
    assert stack.platform_environment()["CELERY_BROKER_URL"] == "redis://elsewhere.example:6379/0"


def test_killed_process_is_started_again(stack: Stack) -> None:
    stack.start("broker")
    process = stack.services["broker"].process
    assert process is not None
    process.kill()
    process.wait()
    assert wait_until(lambda: stack.restart_dead() == ["broker"])
    assert wait_until(lambda: not is_free(stack.broker_port))


def test_process_that_does_not_come_up_names_its_log(stack: Stack) -> None:
    (stack.folder / "sandbox").write_text("a file where a folder should be")
    with pytest.raises(StackFailed, match=r"sandbox\.log"):
        stack.start("sandbox")


def test_secrets_are_made_once_and_kept_to_the_user(stack: Stack) -> None:
    again = Stack(stack.folder, web_port=1, sandbox_port=2, smtp_port=3)
    assert again.secrets == stack.secrets
    assert (stack.folder / "secrets.json").stat().st_mode & 0o077 == 0


@pytest.mark.skipif(sys.platform != "linux", reason="the kernel's parent-death signal is Linux's")
def test_killed_supervisor_leaves_no_process(tmp_path: Path) -> None:
    code = (
        "import sys, time; from pathlib import Path; from journey.stack import Stack;"
        "s = Stack(Path(sys.argv[1]), web_port=1, sandbox_port=2, smtp_port=3); s.start('broker');"
        "print(s.services['broker'].process.pid, flush=True); time.sleep(60)"
    )
    environment = {name: value for name, value in os.environ.items() if name != "CELERY_BROKER_URL"}
    supervisor = subprocess.Popen(
        [sys.executable, "-c", code, str(tmp_path)], cwd=HOME, stdout=subprocess.PIPE, text=True, env=environment
    )
    assert supervisor.stdout is not None
    broker = int(supervisor.stdout.readline())
    supervisor.send_signal(signal.SIGKILL)
    supervisor.wait()
    supervisor.stdout.close()

    def is_gone() -> bool:
        try:
            os.kill(broker, 0)
        except ProcessLookupError:
            return True
        return Path(f"/proc/{broker}/stat").read_text().split()[2] == "Z"

    assert wait_until(is_gone)
