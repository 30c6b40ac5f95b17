"""How calls travel: tokens, repeats that are safe, problems as exceptions."""

import time
import uuid
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qs, urlsplit

import requests

TIMEOUT_SECONDS = 30
TRIES = 3
LONGEST_WAIT_SECONDS = 10
PASSING = {502, 503, 504}  # a proxy without a server behind it


class Problem(Exception):
    """The platform did not do what was asked: `code` is stable, `detail` is for people."""

    def __init__(self, status: int, body: Mapping[str, Any], retry_after_seconds: float | None = None) -> None:
        self.status = status
        self.code = str(body.get("code", "error"))
        self.detail = str(body.get("detail", f"HTTP {status}"))
        self.errors: Mapping[str, Any] = body.get("errors", {})
        self.retry_after_seconds = retry_after_seconds
        super().__init__(f"{status} {self.code}: {self.detail} {self.errors or ''}".rstrip())


class Unreachable(Exception):
    """Nobody answered, however often we asked."""


@dataclass
class Tokens:
    """What a sign-in gave: the access token lives five minutes, the refresh token a day and is used once."""

    session: str = ""
    access: str = ""
    refresh: str = ""


@dataclass
class Transport:
    """Sends calls to one platform. `base_url` is its address, such as https://chargescape.example."""

    base_url: str
    tokens: Tokens = field(default_factory=Tokens)
    session: requests.Session = field(default_factory=requests.Session)
    sleep: Callable[[float], None] = time.sleep
    etag: str = ""  # of what was read last, for `if_match`

    def call(
        self,
        method: str,
        path: str,
        *,
        query: Mapping[str, Any] | None = None,
        body: Any = None,
        if_match: str | None = None,
        key: str | None = None,
    ) -> Any:
        """Send one call and return its JSON, the bytes of a file, or None.

        A write carries an Idempotency-Key (`key`, or a new one), so it is sent again where its answer was lost.
        Raises Problem for a refusal, Unreachable where no try was answered.
        """
        headers = {"Accept": "application/json"}
        if method != "GET":
            headers["Idempotency-Key"] = key or str(uuid.uuid4())
        if if_match:
            headers["If-Match"] = if_match
        wanted = {name: value for name, value in (query or {}).items() if value is not None}
        answer = self._patiently(method, path, params=wanted, json=body, headers=headers)
        self.etag = answer.headers.get("ETag", "")
        if "json" in answer.headers.get("Content-Type", ""):
            return answer.json()
        return answer.content or None

    def _patiently(self, method: str, path: str, **request: Any) -> requests.Response:
        """Try again where a try was lost or came too early; renew the access token once."""
        may_renew = True
        for number in range(1, TRIES + 1):
            try:
                answer = self.send(method, path, **request)
            except requests.ConnectionError as error:
                if number == TRIES:
                    raise Unreachable(f"{method} {path}: {error}") from error
                self.sleep(number)
                continue
            if answer.status_code == 401 and may_renew and self.renew():
                may_renew = False
                answer = self.send(method, path, **request)
            if answer.status_code < 400:
                return answer
            problem = _problem_of(answer)
            if number == TRIES or not _is_passing(problem):
                raise problem
            self.sleep(problem.retry_after_seconds or number)
        raise Unreachable(f"{method} {path}")

    def send(self, method: str, path: str, **request: Any) -> requests.Response:
        """Send one request with what shows who we are."""
        headers = dict(request.pop("headers", {}))
        if self.tokens.access:
            headers["Authorization"] = f"Bearer {self.tokens.access}"
        elif self.tokens.session:
            headers["X-Session-Token"] = self.tokens.session
        return self.session.request(
            method, f"{self.base_url}{path}", headers=headers, timeout=TIMEOUT_SECONDS, allow_redirects=False, **request
        )

    def renew(self) -> bool:
        """Return whether a new access token could be had for the refresh token, which is spent by this."""
        if not self.tokens.refresh:
            return False
        answer = self.session.post(
            f"{self.base_url}/_allauth/app/v1/tokens/refresh",
            json={"refresh_token": self.tokens.refresh},
            timeout=TIMEOUT_SECONDS,
        )
        if answer.status_code != 200:
            return False
        given = answer.json()["data"]
        self.tokens.access, self.tokens.refresh = given["access_token"], given.get("refresh_token", self.tokens.refresh)
        return True


def each(list_call: Callable[..., Any], **query: Any) -> Iterator[Any]:
    """Yield every item of a list, page after page: `each(api.payouts_list)`."""
    cursor: str | None = None
    while True:
        page = list_call(cursor=cursor, **query)
        yield from page["results"]
        if page["next"] is None:
            return
        cursor = parse_qs(urlsplit(page["next"]).query)["cursor"][0]


def _problem_of(answer: requests.Response) -> Problem:
    try:
        body = answer.json()
    except ValueError:
        body = {}
    after = answer.headers.get("Retry-After", "")
    return Problem(
        answer.status_code, body if isinstance(body, dict) else {}, float(after) if after.isdigit() else None
    )


def _is_passing(problem: Problem) -> bool:
    if problem.status == 429:
        return (problem.retry_after_seconds or 1) <= LONGEST_WAIT_SECONDS
    return problem.status in PASSING or problem.code == "idempotency_in_flight"
