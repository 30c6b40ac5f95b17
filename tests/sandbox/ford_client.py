"""A client of the Ford-like dialect, written from the wire contract alone."""

import base64
import hashlib
import secrets
from typing import Any
from urllib.parse import parse_qs, urlencode, urlsplit

import requests

from tests.sandbox_owner import OwnerBrowser
from tests.sandbox_process import APPLICATION_ID, CLIENT_ID, CLIENT_SECRET, REDIRECT_URI, SandboxProcess


class FordClient:
    """Holds one grant; `cars` are the ids of the account's cars, the V2G truck first where there is one."""

    def __init__(self, sandbox: SandboxProcess) -> None:
        self.sandbox = sandbox
        self.verifier = secrets.token_urlsafe(48)
        self.tokens: dict[str, Any] = {}
        self.session = requests.Session()
        self.session.trust_env = False

    def authorize_url(self, **changes: str | None) -> str:
        """Return where to send the owner; a change of None drops a parameter."""
        digest = hashlib.sha256(self.verifier.encode()).digest()
        query: dict[str, str | None] = {
            "make": "F",
            "application_id": APPLICATION_ID,
            "client_id": CLIENT_ID,
            "response_type": "code",
            "state": "0123456789abcdef",
            "redirect_uri": REDIRECT_URI,
            "scope": "access",
            "code_challenge": base64.urlsafe_b64encode(digest).rstrip(b"=").decode(),
            "code_challenge_method": "S256",
        }
        kept = {name: value for name, value in (query | changes).items() if value is not None}
        return f"{self.sandbox.url}/ford/oauth2/authorize?{urlencode(kept)}"

    def post_token(self, **fields: str) -> requests.Response:
        """Call the token endpoint."""
        fields = {"client_id": CLIENT_ID, "client_secret": CLIENT_SECRET} | fields
        return self.session.post(f"{self.sandbox.url}/ford/oauth2/token", data=fields, timeout=30)

    def redeem(self, code: str, **changes: str) -> requests.Response:
        """Exchange a code."""
        fields = {
            "grant_type": "authorization_code",
            "code": code,
            "redirect_uri": REDIRECT_URI,
            "code_verifier": self.verifier,
        }
        return self.post_token(**fields | changes)

    def refresh(self, refresh_token: str) -> requests.Response:
        """Exchange a refresh token."""
        return self.post_token(grant_type="refresh_token", refresh_token=refresh_token)

    def link(self, account: str, vehicle_ids: list[str] | None = None) -> "FordClient":
        """Walk the whole link for an account and keep the tokens."""
        callback = OwnerBrowser(account).allow(self.authorize_url(), vehicle_ids)
        reply = self.redeem(callback_query(callback)["code"])
        assert reply.status_code == 200, reply.text
        self.tokens = reply.json()
        return self

    def call(self, method: str, path: str, **kwargs: Any) -> requests.Response:
        """Call the API (`path` below /ford/) with token and application id."""
        headers = {
            "Authorization": f"Bearer {self.tokens.get('access_token', 'none')}",
            "Application-Id": APPLICATION_ID,
        } | kwargs.pop("headers", {})
        return self.session.request(method, f"{self.sandbox.url}/ford/{path}", headers=headers, timeout=30, **kwargs)

    def vehicle(self, method: str, vehicle_id: str, tail: str = "") -> requests.Response:
        """Call FordConnect about one car."""
        return self.call(method, f"api/fordconnect/v3/vehicles/{vehicle_id}{tail}")

    def partner(self, method: str, vehicle_id: str, tail: str, **kwargs: Any) -> requests.Response:
        """Call the partner extension about one car."""
        return self.call(method, f"partner/v1/vehicles/{vehicle_id}/{tail}", **kwargs)

    def order(
        self, vehicle_id: str, *, power_kw: float, until: str, floor: float = 0, key: str = ""
    ) -> requests.Response:
        """Send a setpoint under a key."""
        body = {"powerKw": power_kw, "until": until, "minSocPercent": floor}
        headers = {"Idempotency-Key": key or secrets.token_hex(8)}
        return self.partner("POST", vehicle_id, "setpoint", json=body, headers=headers)


def callback_query(callback: str) -> dict[str, str]:
    """Return the parameters that came back to the redirect URI."""
    assert callback.startswith(f"{REDIRECT_URI}?"), callback
    return {name: values[0] for name, values in parse_qs(urlsplit(callback).query).items()}
