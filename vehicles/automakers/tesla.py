"""Tesla: the Fleet API (developer.tesla.com), commands through the proxy that signs them with our virtual key.

Sign-in per owner, scopes that can be unticked; single-use refresh tokens; cars asleep answer 408 until woken; a command
answers 200 with `result: false` and a reason where the car refuses or has nothing to do. A hold is a charge_stop with a
one-time charge schedule stored in the car before it, so that the car starts by itself if nobody says so.
"""

from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime
from typing import Any
from urllib.parse import quote, urlsplit

import requests

from foundation.http import AnswerUnreadable, read_json
from vehicles.automakers import tesla_answers
from vehicles.automakers.answers import pick, text
from vehicles.automakers.base import (
    Account,
    Backstop,
    Capabilities,
    CarAccess,
    CommandReceipt,
    Grant,
    LinkCallback,
    ReceiptState,
    Tools,
    VehicleRef,
    VehicleState,
)
from vehicles.automakers.errors import (
    AuthRevoked,
    AutomakerError,
    NotSupported,
    RateLimited,
    Rejected,
    UpstreamDown,
)
from vehicles.automakers.oauth import OAuthClient
from vehicles.automakers.redirecting import Redirecting
from vehicles.automakers.wire import wait_until

WRONG_REGION = "wrong region"
NO_KEY = "public key has not been paired"  # the proxy's words, with a 500: the owner has yet to add our virtual key
REGION = "api_base"  # the name under which a grant's extras keep the account's region
ENDPOINTS = ("charge_state", "location_data")


class KeyMissing(Rejected):
    """The car refused because its owner has yet to add our virtual key. Final for this command; tell the owner."""

    message_key = "key_missing"


ASK_AGAIN = {"prompt_missing_scopes": "true"}  # an owner who left something out is asked for it when linking again


class Tesla(Redirecting):
    """The adapter of the Fleet API. A car's external id is its VIN, which its addresses take as well as an id."""

    slug = "tesla"
    name = "Tesla"

    def __init__(self, credentials: Mapping[str, str], tools: Tools) -> None:
        super().__init__(credentials, tools, scope=" ".join(tesla_answers.SCOPES), sign_in=ASK_AGAIN)
        self.command_base = (credentials.get("command_base") or self.api_base).rstrip("/")
        self.oauth = OAuthClient(replace(self.oauth.provider, token_extra={"audience": self.api_base}), tools)

    def complete_link(self, callback: LinkCallback) -> Grant:
        """Trade the code for a grant that knows its scopes and its region."""
        grant = tesla_answers.read_claims(self.oauth.complete(callback))
        try:
            region = self._region(grant.access_token)
        except AutomakerError:
            return grant  # the code is spent, so the grant must be kept; a read asks for the region again
        return replace(grant, extras={REGION: region})

    def refresh(self, refresh_token: str) -> Grant:
        """Trade the refresh token, which serves once; scopes may have changed meanwhile."""
        return tesla_answers.read_claims(self.oauth.refresh(refresh_token))

    def list_vehicles(self, account: Account) -> list[VehicleRef]:
        """Return the account's cars; model and year follow from the VIN."""
        return tesla_answers.read_vehicle_list(self._read(account, "/api/1/vehicles"))

    def capabilities(self, account: Account, external_id: str) -> Capabilities:  # noqa: ARG002 - all cars are alike
        """Return what the granted scopes allow; asks nothing."""
        return tesla_answers.capabilities_under(tesla_answers.scopes_in(account.access_token) or account.scopes)

    def read_state(self, car: CarAccess) -> VehicleState:
        """Return what the car says; Unreachable while it sleeps, for asking never wakes it."""
        granted = tesla_answers.scopes_in(car.access_token) or car.scopes  # an owner may take the place back later
        has_place = "place" in car.capabilities.reads and tesla_answers.PLACE in granted
        wanted = ENDPOINTS if has_place else ENDPOINTS[:1]
        path = f"/api/1/vehicles/{quote(car.external_id, safe='')}/vehicle_data?endpoints={'%3B'.join(wanted)}"
        return tesla_answers.read_data(self._read(car.account, path), now=self.tools.clock.now())

    def wake(self, car: CarAccess) -> CommandReceipt:
        """Wake the car; the dearest of all calls."""
        if not car.capabilities.can_wake:
            raise NotSupported("wake")
        url = f"{self.command_base}/api/1/vehicles/{quote(car.external_id, safe='')}/wake_up"
        self.call("POST", url, car.access_token, body={}, is_command=True)
        return CommandReceipt("", str(ReceiptState.ACCEPTED), self.tools.clock.now())

    def hold(
        self,
        car: CarAccess,
        *,
        until: datetime,  # noqa: ARG002 - the stored schedule, not a time of ours, ends the hold
        key: str,  # noqa: ARG002 - Tesla takes none; both steps may be repeated without harm
        backstop: Backstop | None = None,
    ) -> CommandReceipt:
        """Store the start that ends the hold in the car, then stop charging; without the first no second."""
        if not car.capabilities.needs_backstop or backstop is None:
            raise NotSupported("hold")
        if backstop.start_at <= self.tools.clock.now():
            raise Rejected("the backstop has passed")
        schedule = tesla_answers.write_schedule(backstop, schedule_id=tesla_answers.schedule_id(car.external_id))
        self._command(car, "add_charge_schedule", schedule)
        return self._command(car, "charge_stop")

    def resume(self, car: CarAccess, *, key: str) -> CommandReceipt:  # noqa: ARG002 - as for hold
        """Start charging, then take our schedule out of the car; should that fail, it does no harm and we try again."""
        if not car.capabilities.can_start_stop:
            raise NotSupported("resume")
        receipt = self._command(car, "charge_start")
        if car.capabilities.needs_backstop:
            self._command(car, "remove_charge_schedule", {"id": tesla_answers.schedule_id(car.external_id)})
        return receipt

    def set_limit(self, car: CarAccess, *, percent: int, key: str) -> CommandReceipt:  # noqa: ARG002 - as for hold
        """Have the car stop charging at `percent`."""
        limit = car.capabilities.set_limit_percent
        if limit is None or not limit[0] <= percent <= limit[1]:
            raise NotSupported("set_limit")
        return self._command(car, "set_charge_limit", {"percent": percent})

    def _command(self, car: CarAccess, name: str, body: Mapping[str, Any] | None = None) -> CommandReceipt:
        url = f"{self.command_base}/api/1/vehicles/{quote(car.external_id, safe='')}/command/{name}"
        answer = self.call("POST", url, car.access_token, body=body or {}, is_command=True)
        return tesla_answers.read_outcome(answer, command=name, now=self.tools.clock.now())

    def _read(self, account: Account, path: str) -> Any:
        """Ask in the account's region; where that has changed, ask once more in the right one."""
        base = account.extras.get(REGION) or self.api_base
        try:
            return self.call("GET", f"{base}{path}", account.access_token)
        except UpstreamDown as error:
            if error.reason != WRONG_REGION:
                raise
        return self.call("GET", f"{self._region(account.access_token)}{path}", account.access_token)

    def _region(self, access_token: str) -> str:
        """Return the address that serves the account's cars; raises UpstreamDown where it is none of Tesla's."""
        body = self.call("GET", f"{self.api_base}/api/1/users/region", access_token)
        base = text(pick(body, "response", "fleet_api_base_url"), limit=200).rstrip("/")
        if not self._may_get_tokens(base):
            raise UpstreamDown("unknown region")
        return base

    def _may_get_tokens(self, base: str) -> bool:
        """Say whether an address may be shown an owner's token: our own settings', or one of Tesla's over HTTPS."""
        asked, ours = urlsplit(base), urlsplit(self.api_base)
        host = asked.hostname or ""
        if (asked.scheme, asked.netloc) == (ours.scheme, ours.netloc):
            return True
        return asked.scheme == "https" and not asked.username and host.endswith((".cloud.tesla.com", ".cloud.tesla.cn"))

    def meaning(self, reply: requests.Response) -> AutomakerError | None:
        """Return what Tesla means where its status says something else than everybody's."""
        if reply.status_code == 421:
            return UpstreamDown(WRONG_REGION)
        if reply.status_code == 500 and NO_KEY in _error_word(reply):
            return KeyMissing("virtual key missing")
        if reply.status_code == 401 and _error_word(reply) == "login_required":
            return AuthRevoked("login_required")  # a new password, or a refresh token used twice
        if reply.status_code == 429:
            reset = reply.headers.get("RateLimit-Reset")
            if reset and "Retry-After" not in reply.headers:
                reply.headers["Retry-After"] = reset
            return RateLimited("HTTP 429", scope="vehicle", retry_at=wait_until(reply, clock=self.tools.clock))
        return None


def _error_word(reply: requests.Response) -> str:
    try:
        return text(pick(read_json(reply), "error"), limit=300)
    except AnswerUnreadable:
        return ""
