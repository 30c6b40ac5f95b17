"""A whole sandbox on free loopback ports, for tests that talk to the outside world over the wire."""

import os
import signal
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import requests

from journey.stack import free_port

ROOT = Path(__file__).resolve().parent.parent
START_SECONDS = 120.0
CLIENT_ID = "chargescape-tests"
CLIENT_SECRET = "a-client-secret-of-the-tests"
APPLICATION_ID = "application-of-the-tests"
REDIRECT_URI = "http://localhost:8000/cars/link/callback/ford/"
STRIPE_KEY = "sk_test_sandbox"
STRIPE_WEBHOOK_SECRET = "whsec_sandbox"
PASSWORD = "charge-the-grid"


@dataclass
class SandboxProcess:
    """A running sandbox; `url` has no slash at its end."""

    url: str
    smtp_port: int
    process: subprocess.Popen[bytes]
    log_path: Path
    stream_port: int = 0
    stream_ca_file: str = ""

    def stop(self) -> None:
        """End it as a supervisor would; raises where it does not end."""
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
        try:
            self.process.wait(timeout=60)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
            raise

    def control(self, method: str, path: str, **body: Any) -> Any:
        """Call the control API (`path` like "clock" or "cars/<id>") and return its JSON; raises for refusals."""
        reply = requests.request(method, f"{self.url}/control/{path}", json=body or None, timeout=30)
        reply.raise_for_status()
        return reply.json()


def start_sandbox(tmp_path_factory: pytest.TempPathFactory, **environment: str) -> SandboxProcess:
    """Start a sandbox with a database of its own and wait until it answers; `environment` adds SANDBOX_* settings."""
    folder = tmp_path_factory.mktemp("sandbox")
    port, smtp_port, stream_port = free_port(), free_port(), free_port()
    url = f"http://localhost:{port}"
    settings = {
        "SANDBOX_VAR_DIR": str(folder),
        "SANDBOX_URL": url,
        "SANDBOX_PORT": str(port),
        "SANDBOX_SMTP_PORT": str(smtp_port),
        "SANDBOX_FORD_CLIENT_ID": CLIENT_ID,
        "SANDBOX_FORD_CLIENT_SECRET": CLIENT_SECRET,
        "SANDBOX_FORD_APPLICATION_ID": APPLICATION_ID,
        "SANDBOX_FORD_REDIRECT_URI": REDIRECT_URI,
        "SANDBOX_BMW_STREAM_PORT": str(stream_port),
        "SANDBOX_STRIPE_KEY": STRIPE_KEY,
        "SANDBOX_STRIPE_WEBHOOK_SECRET": STRIPE_WEBHOOK_SECRET,
    }
    log_path = folder / "sandbox.log"
    with log_path.open("wb") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", "sandbox", "serve"],
            cwd=ROOT,
            env={name: value for name, value in os.environ.items() if not name.startswith("SANDBOX_")}
            | settings
            | environment,
            stdout=log,
            stderr=subprocess.STDOUT,
        )
    ca_file = str(folder / "bmw-stream" / "ca.pem")
    sandbox = SandboxProcess(url, smtp_port, process, log_path, stream_port, ca_file)
    _wait_until_up(sandbox)
    return sandbox


def _wait_until_up(sandbox: SandboxProcess) -> None:
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline and sandbox.process.poll() is None:
        try:
            if requests.get(f"{sandbox.url}/healthz", timeout=2).ok:
                return
        except requests.ConnectionError:
            time.sleep(0.1)
    sandbox.stop()
    raise RuntimeError(f"the sandbox did not start:\n{sandbox.log_path.read_text()[-4000:]}")
