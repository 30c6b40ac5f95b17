"""gunicorn as a library: one worker, sixteen threads, and the background listeners beside them."""

from importlib import import_module
from typing import Any

from gunicorn.app.base import BaseApplication  # type: ignore[import-untyped]

from sandbox.mailbox import smtp
from sandbox.makers import deliverer as maker_deliverer
from sandbox.makers.dialects.bmw import stream
from sandbox.stripe import deliverer
from sandbox.world import config


def start_background(worker: Any) -> None:  # noqa: ARG001 - gunicorn's hook signature
    """Start the SMTP listener and the webhook deliverers inside the worker: threads do not survive a fork."""
    stream.start()  # first: it starts a process, which wants no threads beside it
    smtp.start(config.SMTP_PORT)
    deliverer.start()
    maker_deliverer.start()


class Server(BaseApplication):
    """The HTTP server on loopback; SIGTERM ends it within two seconds."""

    def __init__(self, *, port: int) -> None:
        self.port = port
        super().__init__()

    def load_config(self) -> None:
        """Set gunicorn's options; its command line and config files are not read."""
        options: dict[str, Any] = {
            "bind": f"127.0.0.1:{self.port}",
            "workers": 1,
            "worker_class": "gthread",
            "threads": 16,
            "keepalive": 30,
            "timeout": 60,
            "graceful_timeout": 2,
            "control_socket_disable": True,
            "loglevel": "warning",
            "proc_name": "chargescape-sandbox",
            "post_worker_init": start_background,
        }
        for name, value in options.items():
            self.cfg.set(name, value)

    def load(self) -> Any:
        """Return the WSGI application, imported in the worker."""
        return import_module("sandbox.world.wsgi").application
