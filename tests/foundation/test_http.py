"""The outbound door, against a real server on loopback."""

import logging
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
import requests

from foundation.http import AnswerTooLarge, AnswerUnreadable, Door, open_session, read_json


class Handler(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        if self.path.startswith("/slow"):
            threading.Event().wait(2)
        if self.path.startswith("/away"):
            self.send_response(302)
            self.send_header("Location", "/big")
            self.end_headers()
            return
        body = b"x" * 5000 if self.path.startswith("/big") else b'{"ok": true}'
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_args: object) -> None:
        """Stay quiet."""


@pytest.fixture(scope="module")
def server() -> Iterator[str]:
    httpd = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    httpd.daemon_threads = True
    thread = threading.Thread(target=httpd.serve_forever, daemon=True)
    thread.start()
    yield f"http://127.0.0.1:{httpd.server_port}"
    httpd.shutdown()
    httpd.server_close()


def test_a_good_answer_is_read(server: str) -> None:
    with open_session() as session:
        assert read_json(session.get(f"{server}/")) == {"ok": True}


def test_a_slow_answer_times_out_without_being_asked_to(server: str) -> None:
    with open_session(read_seconds=0.2) as session, pytest.raises(requests.exceptions.ReadTimeout):
        session.get(f"{server}/slow")


def test_a_redirect_is_an_answer_and_not_followed(server: str) -> None:
    with open_session() as session:
        assert session.get(f"{server}/away").status_code == 302


def test_an_oversized_answer_is_refused(server: str) -> None:
    with requests.Session() as session:
        session.mount("http://", Door(max_body_bytes=1000))
        with pytest.raises(AnswerTooLarge):
            session.get(f"{server}/big")


def test_a_body_that_is_no_json_is_refused_without_being_quoted(server: str) -> None:
    with open_session() as session, pytest.raises(AnswerUnreadable) as refused:
        read_json(session.get(f"{server}/big"))
    assert "xxx" not in str(refused.value)


def test_the_log_holds_neither_path_nor_query(server: str, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO), open_session() as session:
        session.get(f"{server}/canary-path?token=canary-token")
    assert "canary" not in caplog.text
