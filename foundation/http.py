"""The one door to the outside: every outbound session has timeouts, a size limit, no redirects and quiet logs.

Automaker, utility, feed and payment adapters receive a session from `open_session` (or mount `Door` on the session
that their library makes) and open no socket of their own.
"""

import json
import logging
import time
from collections.abc import Iterator
from typing import Any
from urllib.parse import urlsplit

import requests
import urllib3
from requests.adapters import HTTPAdapter

logger = logging.getLogger(__name__)

CONNECT_SECONDS = 5.0
READ_SECONDS = 20.0
BODY_SECONDS = 60.0  # for a whole body, however slowly it trickles in
MAX_BODY_BYTES = 8_000_000


class AnswerTooLarge(requests.exceptions.RequestException):
    """The other side sent more than `MAX_BODY_BYTES`."""


class AnswerUnreadable(ValueError):
    """The other side's body is not the JSON that was expected."""


class Door(HTTPAdapter):
    """A transport that adds a timeout to every call, bounds the answer and logs only method, host, status and time."""

    def __init__(self, *, read_seconds: float = READ_SECONDS, max_body_bytes: int = MAX_BODY_BYTES) -> None:
        self.read_seconds = read_seconds
        self.max_body_bytes = max_body_bytes
        super().__init__(pool_maxsize=32, max_retries=0)

    def send(self, request: requests.PreparedRequest, *args: Any, **kwargs: Any) -> requests.Response:
        """Send one request; raises `requests` exceptions, and `AnswerTooLarge` for an oversized body."""
        is_streamed, kwargs["stream"] = kwargs.get("stream", False), True
        kwargs["timeout"] = kwargs.get("timeout") or (CONNECT_SECONDS, self.read_seconds)
        reply = super().send(request, *args, **kwargs)
        if not is_streamed:
            self._read_bounded(reply)
        logger.info("outbound %s %s -> %s", request.method, urlsplit(request.url or "").netloc, reply.status_code)
        return reply

    def _read_bounded(self, reply: requests.Response) -> None:
        chunks, size, until = [], 0, time.monotonic() + BODY_SECONDS
        for chunk in _arriving(reply):
            size += len(chunk)
            if size > self.max_body_bytes:
                reply.close()
                raise AnswerTooLarge(f"more than {self.max_body_bytes} bytes", response=reply)
            if time.monotonic() > until:  # a byte now and then keeps every single read within its timeout
                reply.close()
                raise requests.exceptions.ReadTimeout(f"the body took over {BODY_SECONDS} s", response=reply)
            chunks.append(chunk)
        reply._content = b"".join(chunks)  # noqa: SLF001 - requests offers no public way to hand over a body already read


def _arriving(reply: requests.Response) -> Iterator[bytes]:
    """Yield the body as it comes, in whatever pieces; raises `requests` exceptions."""
    try:
        while chunk := reply.raw.read1(64 * 1024, decode_content=True):
            yield chunk
    except urllib3.exceptions.ReadTimeoutError as error:
        raise requests.exceptions.ReadTimeout(error, response=reply) from error
    except urllib3.exceptions.DecodeError as error:
        raise requests.exceptions.ContentDecodingError(error, response=reply) from error
    except urllib3.exceptions.HTTPError as error:
        raise requests.exceptions.ChunkedEncodingError(error, response=reply) from error


class _QuietSession(requests.Session):
    """A session that follows no redirect: a redirect from an API is an answer to look at, not to obey."""

    def get_redirect_target(self, _resp: requests.Response) -> None:
        """Return nowhere."""


def mount_door(session: requests.Session, *, read_seconds: float = READ_SECONDS) -> None:
    """Put the door on a session that another library made (Authlib's, the Stripe SDK's)."""
    door = Door(read_seconds=read_seconds)
    session.mount("https://", door)
    session.mount("http://", door)
    session.trust_env = False
    session.max_redirects = 0  # a library's own session raises instead of following


def open_session(*, read_seconds: float = READ_SECONDS) -> requests.Session:
    """Return a new session whose every call goes through the door."""
    session = _QuietSession()
    mount_door(session, read_seconds=read_seconds)
    return session


def read_json(reply: requests.Response) -> Any:
    """Return the answer's JSON; raises `AnswerUnreadable` (without quoting the body, which may hold secrets)."""
    try:
        return json.loads(reply.content)
    except (UnicodeDecodeError, json.JSONDecodeError) as error:
        raise AnswerUnreadable(f"HTTP {reply.status_code} with a body that is not JSON") from error
