"""Smartcar v3: many makes behind one hosted page, read from its cache and told to start, stop and charge up to a limit.

The owner connects on Smartcar's page; all that comes back is a user id. One token of our app opens every account,
together with that id in a header; so an "access token" here is "<user id> <app token>" and the refresh token is the
user id. A Ford told to start while it keeps a schedule for the place charges to 100 %, whatever its limit.
"""

import re
import time
from collections.abc import Mapping
from datetime import datetime
from http.cookiejar import DefaultCookiePolicy
from typing import Any
from urllib.parse import quote, urlencode

import requests

from foundation.http import AnswerUnreadable, read_json
from vehicles.automakers import smartcar_answers
from vehicles.automakers.answers import pick
from vehicles.automakers.base import (
    Account,
    Backstop,
    Capabilities,
    CarAccess,
    CommandReceipt,
    Grant,
    LinkBegin,
    LinkCallback,
    LinkKind,
    LinkStart,
    ReceiptState,
    RedirectTo,
    Tools,
    VehicleRef,
    VehicleState,
)
from vehicles.automakers.defaults import Defaults
from vehicles.automakers.errors import (
    AuthRevoked,
    AutomakerError,
    CommandTimeout,
    NotSupported,
    ScopeMissing,
    TokenRejected,
    UpstreamDown,
)
from vehicles.automakers.oauth import OAuthClient, Provider
from vehicles.automakers.push import WebhookAnswer
from vehicles.automakers.smartcar_errors import find_error, is_already_so, read_error
from vehicles.automakers.smartcar_token import AppToken
from vehicles.automakers.smartcar_webhooks import read_webhook
from vehicles.automakers.wire import was_never_sent

PAGE_SIZE, MOST_PAGES = 10, 10
# Smartcar holds a slow command's connection for up to five minutes; nobody here can wait that long, so what is not
# told by then counts as unknown and is looked up at the car.
COMMAND_SECONDS = 25.0
MOST_OUTCOME_BYTES = 64 * 1024
USER_ID = re.compile(r"[A-Za-z0-9_-]{1,64}")


class Smartcar(Defaults):
    """The adapter of Smartcar's vehicle and management APIs, version 3."""

    slug = "smartcar"
    name = "Other makes (Smartcar)"
    link_kind = LinkKind.HOSTED_PAGE
    idle_days = 0  # every token is our app's own; owners withdraw their connection, it does not lapse

    def __init__(self, credentials: Mapping[str, str], tools: Tools) -> None:
        self.tools = tools
        self.credentials = credentials
        self.base = credentials["vehicle_base"].rstrip("/")
        self.management_token = credentials.get("management_token", "")
        self.token = AppToken(
            OAuthClient(
                Provider(
                    authorize_url=credentials["connect_url"],
                    token_url=credentials["token_url"],
                    revoke_url="",
                    client_id=credentials["client_id"],
                    client_secret=credentials["client_secret"],
                    scope="",
                ),
                tools,
            ),
            tools,
        )
        self.session = tools.open_session()
        # One session serves every owner, so it must carry nothing from one to the next.
        self.session.cookies.set_policy(DefaultCookiePolicy(allowed_domains=[]))

    def begin_link(self, begin: LinkBegin) -> LinkStart:
        """Return Smartcar's hosted page, where the owner picks a make, signs in there and ticks permissions."""
        query = {
            "response_type": "code",
            "client_id": self.credentials["client_id"],
            "redirect_uri": begin.redirect_uri,
            "scope": " ".join(smartcar_answers.PERMISSIONS),
            "mode": self.credentials.get("mode") or "live",
            "state": begin.state,
        }
        return RedirectTo(f"{self.credentials['connect_url']}?{urlencode(query)}")

    def complete_link(self, callback: LinkCallback) -> Grant:
        """Return a grant for the user id that came back; raises AuthRevoked where none did."""
        return self._grant(callback.params.get("user_id") or callback.params.get("userId") or "")

    def refresh(self, refresh_token: str) -> Grant:
        """Return the app's present token for the same user."""
        return self._grant(refresh_token)

    def _grant(self, user_id: str) -> Grant:
        if not USER_ID.fullmatch(user_id):
            raise AuthRevoked("no user id")
        token, seconds = self.token.get()
        return Grant(
            access_token=f"{user_id} {token}",
            refresh_token=user_id,
            access_expires_in_seconds=seconds,
            subject=user_id,
        )

    def revoke(self, *, access_token: str, refresh_token: str) -> None:  # noqa: ARG002 - the user id says it all
        """Remove the user and with it every connection to our app."""
        if USER_ID.fullmatch(refresh_token):
            token, _ = self.token.get()
            self._ask("DELETE", f"{self.base}/users/{refresh_token}", f"{refresh_token} {token}")

    def list_vehicles(self, account: Account) -> list[VehicleRef]:
        """Return the user's cars over all pages, with VINs where the owner ticked that."""
        refs = []
        for connection in self._connections(account.access_token):
            external_id = smartcar_answers.vehicle_of(connection)
            try:
                url = f"{self._car(external_id)}/signals/{smartcar_answers.VIN}"
                body = self._ask("GET", url, account.access_token)
            except (ScopeMissing, NotSupported):
                body = None
            refs.append(smartcar_answers.read_ref(connection, vin_body=body))
        return refs

    def _connections(self, access_token: str) -> list[Mapping[str, Any]]:
        user_id, _ = _split(access_token)
        found: list[Mapping[str, Any]] = []
        for page in range(1, MOST_PAGES + 1):
            query = {"filter[userId]": user_id, "page[number]": page, "page[size]": PAGE_SIZE}
            body = self._ask("GET", f"{self.base}/connections", access_token, query=query)
            found += smartcar_answers.read_connections(body)
            if not pick(body, "links", "next"):
                break
        return found

    def capabilities(self, account: Account, external_id: str) -> Capabilities:
        """Return what this car can do under the permissions that its owner left ticked."""
        connections = self._connections(account.access_token)
        body = self._ask("GET", f"{self._car(external_id)}/signals", account.access_token)
        return smartcar_answers.read_capabilities(
            smartcar_answers.read_signals(body),
            make=smartcar_answers.make_of(body),
            permissions=smartcar_answers.read_permissions(connections, external_id),
            has_webhook=bool(self.management_token),
        )

    def read_state(self, car: CarAccess) -> VehicleState:
        """Return what Smartcar's cache holds, each value with the car's own time."""
        body = self._ask("GET", f"{self._car(car.external_id)}/signals", car.access_token)
        return smartcar_answers.read_state(smartcar_answers.read_signals(body), now=self.tools.clock.now())

    def hold(
        self,
        car: CarAccess,
        *,
        until: datetime,  # noqa: ARG002 - nobody but our watchdog ends it
        key: str,  # noqa: ARG002 - Smartcar takes no key
        backstop: Backstop | None = None,  # noqa: ARG002 - nor a schedule for a hold
    ) -> CommandReceipt:
        """Stop charging, until somebody starts it again."""
        return self._command(car, "stop")

    def resume(self, car: CarAccess, *, key: str) -> CommandReceipt:  # noqa: ARG002 - Smartcar takes no key
        """Start charging."""
        return self._command(car, "start")

    def set_limit(self, car: CarAccess, *, percent: int, key: str) -> CommandReceipt:  # noqa: ARG002 - no key
        """Have the car stop charging at `percent`, 50 to 100."""
        limit = car.capabilities.set_limit_percent
        if limit is None or not limit[0] <= percent <= limit[1]:
            raise NotSupported("set_limit")
        return self._command(car, "set-limit", body={"data": {"attributes": {"percent": percent}}})

    def _command(self, car: CarAccess, name: str, *, body: Mapping[str, Any] | None = None) -> CommandReceipt:
        """Send a command and wait for its real outcome, which a slow one streams behind its 202."""
        if not car.capabilities.can_start_stop:
            raise NotSupported(name)
        submitted_at = self.tools.clock.now()
        url = f"{self._car(car.external_id)}/commands/charge/{name}"
        headers = self._headers(car.access_token)
        timeout = (5.0, COMMAND_SECONDS)
        try:
            with self.session.post(url, headers=headers, json=body, timeout=timeout, stream=True) as reply:
                _read_to_end(reply)
        except requests.exceptions.RequestException as cut:
            raise (UpstreamDown if was_never_sent(cut) else CommandTimeout)(type(cut).__name__) from None
        outcome = _read_outcome(reply)
        error = find_error(outcome)
        if error is not None and is_already_so(error, name):
            return CommandReceipt("", str(ReceiptState.NOOP), submitted_at)
        if error is not None or not reply.ok or reply.is_redirect:
            raise self._failure(reply, error, car.access_token, is_command=True)
        if not isinstance(outcome, Mapping):
            raise CommandTimeout("outcome was cut off")
        return CommandReceipt("", str(ReceiptState.ACCEPTED), submitted_at)

    def read_webhook(self, headers: Mapping[str, str], raw_body: bytes) -> WebhookAnswer:
        """Answer the challenge, or return what a signed event says; test events say nothing."""
        return read_webhook(headers, raw_body, secret=self.management_token, now=self.tools.clock.now())

    def _ask(self, method: str, url: str, access_token: str, *, query: Mapping[str, Any] | None = None) -> Any:
        headers = self._headers(access_token)
        try:
            reply = self.session.request(method, url, headers=headers, params=query)
        except requests.exceptions.RequestException as error:
            raise UpstreamDown(type(error).__name__) from None
        try:
            body = read_json(reply) if reply.content else None
        except AnswerUnreadable:
            body = None
            if reply.ok and not reply.is_redirect:
                raise UpstreamDown("unreadable answer") from None
        if not reply.ok or reply.is_redirect:
            raise self._failure(reply, find_error(body), access_token, is_command=False)
        return body

    def _failure(
        self, reply: requests.Response, error: Mapping[str, Any] | None, access_token: str, *, is_command: bool
    ) -> AutomakerError:
        failure = read_error(reply, error, clock=self.tools.clock, is_command=is_command)
        if isinstance(failure, TokenRejected):
            self.token.forget(_split(access_token)[1])
        return failure

    def _headers(self, access_token: str) -> dict[str, str]:
        user_id, token = _split(access_token)
        return {"Authorization": f"Bearer {token}", "sc-user-id": user_id}

    def _car(self, external_id: str) -> str:
        return f"{self.base}/vehicles/{quote(external_id, safe='')}"


def _split(access_token: str) -> tuple[str, str]:
    user_id, _, token = access_token.partition(" ")
    if not user_id or not token:
        raise TokenRejected("no access token")
    return user_id, token


def _read_to_end(reply: requests.Response) -> None:
    """Read the answer as far as it comes within COMMAND_SECONDS; raises CommandTimeout where it goes on."""
    deadline = time.monotonic() + COMMAND_SECONDS
    body = bytearray()
    for chunk in reply.iter_content(1):  # bytes as they come: a bigger bite would wait for its end
        body += chunk
        if len(body) > MOST_OUTCOME_BYTES or time.monotonic() > deadline:
            raise CommandTimeout("outcome did not come in time")
    reply._content = bytes(body)  # noqa: SLF001 - requests offers no public way to hand over a body already read


def _read_outcome(reply: requests.Response) -> Any:
    try:
        return read_json(reply)
    except AnswerUnreadable:
        return None
