"""A VEN's side of OpenADR 3 over HTTP: token, programs, events, VEN and resources, reports, subscriptions.

Speaks 3.1.0 and 3.0.1: resources stand below the VEN in 3.0.1 and beside it in 3.1.0, where a VEN's and a resource's
body also carry an objectType; operations of a subscription are verbs of HTTP in 3.0.1. Lists come in pages of at
most 50. The token (OAuth 2 client credentials, form-encoded) is fetched when there is none and once more when the
server refuses it. Tolerated, as the reference server does it: no `expires_in`, stamps without a zone.
"""

import time
from collections.abc import Iterator, Mapping
from typing import Any
from urllib.parse import quote

import requests

from foundation.http import AnswerUnreadable, read_json
from grid.operators.base import OperatorBusy, OperatorRefused, OperatorUnreachable, OperatorUnreadable
from grid.operators.openadr3.messages import read_targets

VERSIONS = ("3.1.0", "3.0.1")
PAGE = 50
MOST_PAGES = 200
MOST_EVENT_PAGES = 40  # 2,000 events of one program; more is a server gone wild
PATIENCE_SECONDS = 60  # others wait for their turn
SCOPES = "read_all read_targets read_ven_objects write_reports write_subscriptions write_vens"


class NotThere(OperatorUnreadable):
    """The server has no such object (404)."""


class VtnClient:
    """One VTN as one VEN sees it. Raises `grid.operators.base` errors."""

    def __init__(
        self,
        *,
        session: requests.Session,
        api_base: str,
        version: str,
        client_id: str,
        client_secret: str,
        token_url: str = "",
    ) -> None:
        if version not in VERSIONS:
            raise ValueError(f"OpenADR {version} is not spoken here")
        self.session = session
        self.api_base = api_base.rstrip("/")
        self.version = version
        self.credentials = (client_id, client_secret)
        self.token_url = token_url
        self.token = ""
        self.deadline = time.monotonic() + PATIENCE_SECONDS

    @property
    def is_3_1(self) -> bool:
        """Whether the server speaks 3.1 rather than 3.0.1."""
        return self.version == "3.1.0"

    def programs(self) -> list[Mapping[str, Any]]:
        """Return every program that we may see."""
        return list(self._pages("/programs", {}))

    def events(self, program_id: str) -> list[Mapping[str, Any]]:
        """Return the program's events that are not over, whole pages or nothing: a part would look like deletions."""
        query = {"programID": program_id}
        query |= {"active": "true"} if self.is_3_1 else {}
        return list(self._pages("/events", query, most_pages=MOST_EVENT_PAGES))

    def event(self, event_id: str) -> Mapping[str, Any] | None:
        """Return one event, None where the server says that it is no more."""
        path = f"/events/{quote(event_id, safe='')}"
        try:
            record = self._ask("GET", path)
        except NotThere:
            return None
        if not isinstance(record, Mapping):
            raise OperatorUnreadable("an event is no object")
        return record

    def register(self, ven_name: str, attributes: list[dict[str, Any]] | None = None) -> str:
        """Return the id of our VEN of that name, made where the server has none."""
        for ven in self._pages("/vens", {"venName": ven_name}):
            if ven.get("venName") == ven_name:
                return _identity(ven)
        body: dict[str, Any] = {"venName": ven_name, "attributes": attributes or []}
        return _identity(self._ask("POST", "/vens", body=body | self._typed("VEN_VEN_REQUEST")))

    def put_resource(self, ven_id: str, name: str, attributes: list[dict[str, Any]]) -> str:
        """Return the id of the VEN's resource of that opaque name, made or brought up to date."""
        base = "/resources" if self.is_3_1 else f"/vens/{quote(ven_id, safe='')}/resources"
        body: dict[str, Any] = {"resourceName": name, "attributes": attributes}
        if self.is_3_1:
            body |= {"venID": ven_id, **self._typed("VEN_RESOURCE_REQUEST")}
        query = {"resourceName": name} | ({"venID": ven_id} if self.is_3_1 else {})
        for known in self._pages(base, query):
            if known.get("resourceName") == name:
                identity = _identity(known)
                if known.get("attributes") != attributes:
                    self._ask("PUT", f"{base}/{quote(identity, safe='')}", body=body)
                return identity
        return _identity(self._ask("POST", base, body=body))

    def send_report(self, report: Mapping[str, Any], report_id: str = "") -> str:
        """Send a report, or put a newer state of one in its place, and return its id."""
        if report_id:
            return _identity(self._ask("PUT", f"/reports/{quote(report_id, safe='')}", body=report))
        return _identity(self._ask("POST", "/reports", body=report))

    def find_report(self, *, event_id: str, client_name: str, name: str) -> str:
        """Return the id of our report of that name on the event, "" where the server has none.

        A server that lets nobody read reports has none for us.
        """
        try:
            for known in self._pages("/reports", {"eventID": event_id, "clientName": client_name}):
                if (known.get("eventID"), known.get("clientName"), known.get("reportName")) == (
                    event_id,
                    client_name,
                    name,
                ):
                    return _identity(known)
        except OperatorRefused:
            return ""
        return ""

    def targets_given(self, ven_id: str, ven_name: str) -> dict[str, list[str]]:
        """Return what the server's targets mean: by target, the names of our resources that bear it, * for our VEN."""
        given: dict[str, list[str]] = {}
        base = "/resources" if self.is_3_1 else f"/vens/{quote(ven_id, safe='')}/resources"
        for ven in self._pages("/vens", {"venName": ven_name}):
            for target in read_targets(ven.get("targets")) if ven.get("id") == ven_id else ():
                given.setdefault(target, []).append("*")
        for resource in self._pages(base, {"venID": ven_id} if self.is_3_1 else {}):
            for target in read_targets(resource.get("targets")):
                given.setdefault(target, []).append(str(resource.get("resourceName"))[:128])
        return given

    def subscribe(self, *, client_name: str, program_id: str, callback_url: str, bearer: str) -> str:
        """Ask to be told when events of the program change, and return the subscription's id.

        What a callback says is a hint to look: nothing is believed that was not fetched.
        """
        for known in self._pages("/subscriptions", {"programID": program_id, "clientName": client_name}):
            wishes = known.get("objectOperations")
            if isinstance(wishes, list) and any(
                isinstance(wish, Mapping) and wish.get("callbackUrl") == callback_url for wish in wishes
            ):
                return _identity(known)
        operations = ["CREATE", "UPDATE", "DELETE"] if self.is_3_1 else ["POST", "PUT", "DELETE"]
        wish = {"objects": ["EVENT"], "operations": operations, "callbackUrl": callback_url, "bearerToken": bearer}
        body = {"clientName": client_name, "programID": program_id, "objectOperations": [wish]}
        return _identity(self._ask("POST", "/subscriptions", body=body))

    def _typed(self, object_type: str) -> dict[str, str]:
        return {"objectType": object_type} if self.is_3_1 else {}

    def _pages(
        self, path: str, query: Mapping[str, str], *, most_pages: int = MOST_PAGES
    ) -> Iterator[Mapping[str, Any]]:
        seen = set[str]()
        for page in range(most_pages):
            span = {"skip": str(page * PAGE), "limit": str(PAGE)}
            rows = self._ask("GET", path, query={**query, **span})
            if not isinstance(rows, list) or any(not isinstance(row, Mapping) for row in rows):
                raise OperatorUnreadable("a list is no list of objects")
            names = {str(row["id"]) for row in rows if "id" in row}
            if page and names and names <= seen:
                raise OperatorUnreadable("a list repeats its pages")
            seen |= names
            yield from rows
            if len(rows) < PAGE:
                return
        raise OperatorUnreadable(f"more than {most_pages} pages")

    def _ask(
        self, method: str, path: str, *, query: Mapping[str, str] | None = None, body: Mapping[str, Any] | None = None
    ) -> Any:
        """Ask with the token we have; where it is refused, fetch another one and ask once more.

        A server that takes longer than `PATIENCE_SECONDS` over all that is asked of it at once counts as down.
        """
        if time.monotonic() > self.deadline:
            raise OperatorUnreachable(f"it took longer than {PATIENCE_SECONDS} s over its answers")
        if not self.token:
            self.token = self._fetch_token()
        reply = self._send(method, path, query, body)
        if reply.status_code == requests.codes.unauthorized:
            self.token = self._fetch_token()
            reply = self._send(method, path, query, body)
        check_status(reply)
        return _json(reply)

    def _send(
        self, method: str, path: str, query: Mapping[str, str] | None, body: Mapping[str, Any] | None
    ) -> requests.Response:
        headers = {"Authorization": f"Bearer {self.token}", "Accept": "application/json"}
        try:
            return self.session.request(method, self.api_base + path, params=query, json=body, headers=headers)
        except requests.RequestException as error:
            raise OperatorUnreachable(f"no answer: {type(error).__name__}") from None

    def _fetch_token(self) -> str:
        client_id, client_secret = self.credentials
        form = {
            "grant_type": "client_credentials",
            "client_id": client_id,
            "client_secret": client_secret,
            "scope": SCOPES,
        }
        # The reference server reads the form under these names.
        form |= {"clientID": client_id, "clientSecret": client_secret}
        try:
            reply = self.session.post(self.token_url or f"{self.api_base}/auth/token", data=form)
        except requests.RequestException as error:
            raise OperatorUnreachable(f"no answer: {type(error).__name__}") from None
        if reply.status_code == requests.codes.bad_request:
            raise OperatorRefused("the token request was refused")
        check_status(reply)
        answer = _json(reply)
        token = answer.get("access_token") if isinstance(answer, Mapping) else None
        if not isinstance(token, str) or not token.isascii() or not token.isprintable() or not token:
            raise OperatorUnreadable("the token answer holds no token")
        return token


def check_status(reply: requests.Response) -> None:
    """Raise the OperatorError that belongs to the answer's status, none for a success."""
    status = reply.status_code
    if reply.ok and not reply.is_redirect:
        return
    if status == requests.codes.too_many_requests:
        after = reply.headers.get("Retry-After", "")
        seconds = float(after) if after.isascii() and after.isdigit() and len(after) <= 6 else None
        raise OperatorBusy("HTTP 429", retry_after_seconds=seconds)
    if status in {requests.codes.unauthorized, requests.codes.forbidden}:
        raise OperatorRefused(f"HTTP {status}")
    if status >= requests.codes.internal_server_error:
        raise OperatorUnreachable(f"HTTP {status}")
    raise (NotThere if status == requests.codes.not_found else OperatorUnreadable)(f"HTTP {status}")


def _json(reply: requests.Response) -> Any:
    try:
        return read_json(reply)
    except AnswerUnreadable as error:
        raise OperatorUnreadable(str(error)) from error


def _identity(record: Any) -> str:
    identity = record.get("id") if isinstance(record, Mapping) else None
    if not isinstance(identity, str) or not 0 < len(identity) <= 128:
        raise OperatorUnreadable("an object has no id")
    return identity
