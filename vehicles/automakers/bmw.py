"""BMW CarData: readings by a quota of 50 requests a day and by a stream. It takes no command of any kind.

Linked by device code with PKCE (public client, no secret); access and id tokens of an hour, refresh token of 14 days,
rotating; the token answer names the account (gcid). Telematics come out of a *container* of chosen descriptors. The
stream is MQTT over TLS: user gcid, password id_token, topic gcid/VIN, one connection an account; the broker drops it
when the id_token ends, so connecting again every 45 minutes is its normal life, and it is silent while a car idles.
Sources: BMW's OpenAPI files and README in the PyPI package bmw-cardata 0.1.0a3; CarData integration guide.
"""

import base64
import json
from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from http.cookiejar import DefaultCookiePolicy
from typing import Any
from urllib.parse import quote

from vehicles.automakers import bmw_answers
from vehicles.automakers.answers import number, pick, rows, text
from vehicles.automakers.base import (
    Account,
    Capabilities,
    CarAccess,
    Grant,
    HoldEnds,
    LinkBegin,
    LinkCallback,
    LinkKind,
    LinkStart,
    Tools,
    VehicleRef,
    VehicleState,
)
from vehicles.automakers.bmw_answers import ContainerGone
from vehicles.automakers.defaults import Defaults
from vehicles.automakers.errors import (
    AutomakerError,
    NotSupported,
    RateLimited,
    ScopeMissing,
    TokenRejected,
    UpstreamDown,
)
from vehicles.automakers.oauth import OAuthClient, Provider
from vehicles.automakers.push import Push, StreamPlan
from vehicles.automakers.wire import ask

STREAM_SCOPE = "cardata:streaming:read"
SCOPES = f"authenticate_user openid cardata:api:read {STREAM_SCOPE}"
REFRESH_SECONDS = 14 * 86_400  # the token answer does not say it
CONTAINER_NAME = "ChargeScape"
MOST_REMEMBERED = 50_000
UNTOLD_LIFE = timedelta(minutes=45)  # of an id_token that does not say when it ends; BMW's live for an hour
READ_ONLY = Capabilities(
    link_kind=LinkKind.DEVICE_CODE,
    reads=("soc_percent", "limit_percent", "range_km", "is_plugged_in", "charge_state", "power_w", "place"),
    hold_ends=HoldEnds.NONE,
    pushes=("stream",),
    refusals=("no_commands", "no_discharge"),
    min_poll_seconds=1800,
    daily_budget=45,  # of the account's 50: lists of cars and containers need some, too
    budget_scope="user",
)


class Bmw(Defaults):
    """The adapter of BMW CarData; every command is refused by `Defaults`."""

    slug = "bmw"
    name = "BMW"
    link_kind = LinkKind.DEVICE_CODE
    idle_days = 14

    def __init__(self, credentials: Mapping[str, str], tools: Tools) -> None:
        self.tools = tools
        self.api_base = credentials["api_base"].rstrip("/")
        self.stream_host = credentials.get("stream_host", "")
        self.stream_port = int(number(credentials.get("stream_port", ""), low=1, high=65_535) or 0)
        self.stream_ca_file = credentials.get("stream_ca_file", "")
        self.oauth = OAuthClient(
            Provider(
                authorize_url="",
                token_url=credentials["token_url"],
                revoke_url="",
                client_id=credentials["client_id"],
                client_secret="",
                scope=SCOPES,
                subject_field="gcid",
                kept_fields=("gcid", "id_token"),
                device_code_url=credentials["device_code_url"],
            ),
            tools,
        )
        self.session = tools.open_session()
        # One session serves every owner, so it must carry nothing from one to the next.
        self.session.cookies.set_policy(DefaultCookiePolicy(allowed_domains=[]))
        # Containers found since the grant was stored, by account: a grant's extras change at a refresh alone.
        self.containers: dict[str, str] = {}

    def begin_link(self, begin: LinkBegin) -> LinkStart:
        """Return the code that the owner types at BMW."""
        return self.oauth.begin_device(begin)

    def complete_link(self, callback: LinkCallback) -> Grant:
        """Trade the device code for a grant, with a container made for it."""
        grant = _with_lifetime(self.oauth.complete_device(callback))
        try:
            container_id = self._find_or_make_container(grant.access_token)
        except AutomakerError:
            return grant  # the device code is spent and the grant good: reading makes up for the container
        return replace(grant, extras={**grant.extras, "container_id": container_id})

    def refresh(self, refresh_token: str) -> Grant:
        """Trade the refresh token; BMW rotates it and brings a new id_token for the stream."""
        return _with_lifetime(self.oauth.refresh(refresh_token))

    def revoke(self, *, access_token: str, refresh_token: str) -> None:  # noqa: ARG002 - it lapses after 14 idle days
        """Delete our containers, so that nothing is gathered for us any more; BMW takes no tokens back."""
        if access_token:
            for container_id, _ in self._our_containers(access_token):
                self._delete_container(access_token, container_id)

    def list_vehicles(self, account: Account) -> list[VehicleRef]:
        """Return the account's cars; those of which the owner is not the primary user count as not shared."""
        mappings = bmw_answers.read_mappings(self._call("GET", "vehicles/mappings", account.access_token))
        return [self._describe(account, number, is_primary=is_primary) for number, is_primary in mappings]

    def _describe(self, account: Account, number: str, *, is_primary: bool) -> VehicleRef:
        body: Any = {}
        if is_primary:
            try:
                body = self._call("GET", f"vehicles/{number}/basicData", account.access_token)
            except (RateLimited, TokenRejected):
                raise
            except AutomakerError:
                body = {}  # the car is there all the same
        return bmw_answers.read_basic_data(body, number=number, is_primary=is_primary)

    def capabilities(self, account: Account, external_id: str) -> Capabilities:  # noqa: ARG002 - all cars are alike
        """Return reading alone, with the stream where the owner granted it."""
        return READ_ONLY if self._may_stream(account) else replace(READ_ONLY, pushes=())

    def read_state(self, car: CarAccess) -> VehicleState:
        """Return the last values that the car sent to BMW; makes the container anew where it was deleted."""
        account = car.account
        container_id = self._container(account)
        try:
            body = self._telematics(car, container_id)
        except ContainerGone:
            container_id = self._find_or_make_container(car.access_token, not_this=container_id)
            self._remember(account, container_id)
            body = self._telematics(car, container_id)
        return bmw_answers.read_telematics(pick(body, "telematicData"), now=self.tools.clock.now())

    def _telematics(self, car: CarAccess, container_id: str) -> Any:
        path = f"vehicles/{quote(car.external_id, safe='')}/telematicData?containerId={quote(container_id, safe='')}"
        return self._call("GET", path, car.access_token)

    def _container(self, account: Account) -> str:
        known = self.containers.get(account.extras.get("gcid", "")) or account.extras.get("container_id", "")
        if not known:
            known = self._find_or_make_container(account.access_token)
            self._remember(account, known)
        return known

    def _remember(self, account: Account, container_id: str) -> None:
        if len(self.containers) >= MOST_REMEMBERED:
            self.containers.clear()
        if gcid := account.extras.get("gcid", ""):
            self.containers[gcid] = container_id

    def _find_or_make_container(self, access_token: str, *, not_this: str = "") -> str:
        """Return our container, made where there is none; one of ours with other descriptors is deleted first.

        Accounts hold ten containers at most, and an old one goes on streaming the same values a second time.
        """
        purpose = bmw_answers.container_purpose()
        for container_id, its_purpose in self._our_containers(access_token):
            if container_id != not_this and its_purpose == purpose:
                return container_id
            if container_id != not_this:
                self._delete_container(access_token, container_id)
        wanted = {
            "name": CONTAINER_NAME,
            "purpose": purpose,
            "technicalDescriptors": list(bmw_answers.DESCRIPTORS),
        }
        made = text(pick(self._call("POST", "containers", access_token, body=wanted), "containerId"), limit=120)
        if not made:
            raise UpstreamDown("container without an id")
        return made

    def _our_containers(self, access_token: str) -> list[tuple[str, str]]:
        """Return id and purpose of the containers that we made and nobody deleted."""
        listed = rows(self._call("GET", "containers", access_token), "containers", limit=100)
        ours = [row for row in listed if row.get("name") == CONTAINER_NAME and row.get("state") == "ACTIVE"]
        found = [(text(row.get("containerId"), limit=120), text(row.get("purpose"))) for row in ours]
        return [(container_id, purpose) for container_id, purpose in found if container_id]

    def _delete_container(self, access_token: str, container_id: str) -> None:
        self._call("DELETE", f"containers/{quote(container_id, safe='')}", access_token)

    def open_stream(self, account: Account) -> StreamPlan:
        """Return the account's stream.

        Raises ScopeMissing where the owner did not grant it, TokenRejected where the id_token has run out: a refresh
        brings a new one.
        """
        if not self.stream_host or not self.stream_port:
            raise NotSupported("no stream configured")
        gcid, id_token = account.extras.get("gcid", ""), account.extras.get("id_token", "")
        if not self._may_stream(account) or not id_token or not _is_topic_level(gcid):
            raise ScopeMissing("stream")
        wall = self.tools.clock.wall()
        expires_at = _expiry(id_token) or wall + UNTOLD_LIFE
        if expires_at <= wall:
            raise TokenRejected("id_token has run out")
        return StreamPlan(
            host=self.stream_host,
            port=self.stream_port,
            username=gcid,
            password=id_token,
            topics=(f"{gcid}/+",),
            expires_at=expires_at,
            ca_file=self.stream_ca_file,
        )

    def read_message(self, topic: str, payload: bytes) -> list[Push]:
        """Return the car's new values in one message."""
        return bmw_answers.read_message(topic, payload, now=self.tools.clock.now())

    def _may_stream(self, account: Account) -> bool:
        is_granted = not account.scopes or STREAM_SCOPE in account.scopes
        return is_granted and bool(self.stream_host and self.stream_port)

    def _call(self, method: str, path: str, access_token: str, *, body: Mapping[str, Any] | None = None) -> Any:
        if not access_token:
            raise TokenRejected("no access token")
        clock = self.tools.clock
        return ask(
            self.session,
            method,
            f"{self.api_base}/customers/{path}",
            headers={"Authorization": f"Bearer {access_token}", "x-version": "v1"},
            clock=clock,
            body=body,
            meaning=lambda reply: bmw_answers.refusal(reply, clock=clock),
        )


def _with_lifetime(grant: Grant) -> Grant:
    return replace(grant, refresh_expires_in_seconds=grant.refresh_expires_in_seconds or REFRESH_SECONDS)


def _expiry(id_token: str) -> datetime | None:
    """Return when an id_token ends, by its own word: it is only handed on, so its signature is the broker's to check.

    None where it does not tell.
    """
    try:
        payload = id_token.split(".")[1]
        claims = json.loads(base64.urlsafe_b64decode(payload + "=" * (-len(payload) % 4)))
    except (IndexError, ValueError, RecursionError):
        return None
    seconds = number(pick(claims, "exp"), low=1, high=4_102_444_800)  # up to the year 2100
    return None if seconds is None else datetime.fromtimestamp(seconds, UTC)


def _is_topic_level(gcid: str) -> bool:
    return bool(gcid) and all(letter.isascii() and (letter.isalnum() or letter in "-_") for letter in gcid)
