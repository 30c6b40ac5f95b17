"""A bare OpenADR 3 server on loopback with one event to tell, counting how often it was asked for its events."""

import json
import threading
from collections.abc import Mapping
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Self


class Vtn:
    """The server for the block."""

    def __init__(self, event: Mapping[str, Any]) -> None:
        self.event = event
        self.polls = 0

    def __enter__(self) -> Self:
        self.server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(self))
        self.thread = threading.Thread(target=self.server.serve_forever, daemon=True)
        self.thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.server.shutdown()
        self.thread.join()
        self.server.server_close()

    @property
    def address(self) -> str:
        """Its base address."""
        return f"http://127.0.0.1:{self.server.server_port}/openadr3/3.1.0"

    def answer(self, path: str) -> object:
        """Return what stands there: the event, a token, or an empty list."""
        if path.endswith("/auth/token"):
            return {"access_token": "bench", "token_type": "Bearer", "expires_in": 3600}
        if "/events?" in path:
            self.polls += 1
            return [self.event] if "skip=0" in path or "skip=" not in path else []
        return []


def _handler(vtn: Vtn) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        """Answers one request after another."""

        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            """Answer with JSON."""
            self.rfile.read(int(self.headers.get("Content-Length") or 0))
            body = json.dumps(vtn.answer(self.path)).encode()
            self.send_response(200)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        do_POST = do_GET  # noqa: N815 - named by the library

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    return Handler
