"""A client of any pretend automaker that links by redirect, at the registration the sandbox has by default."""

import base64
import hashlib
import secrets
from collections.abc import Sequence
from typing import Any
from urllib.parse import parse_qs, urlencode, urlsplit

import requests

from tests.sandbox_owner import OwnerBrowser
from tests.sandbox_process import SandboxProcess


class MakerClient:
    """Holds one grant at one maker."""

    def __init__(self, sandbox: SandboxProcess, maker: str, *, scope: str) -> None:
        self.sandbox = sandbox
        self.maker = maker
        self.scope = scope
        self.verifier = secrets.token_urlsafe(48)
        self.redirect_uri = f"http://localhost:8000/cars/link/callback/{maker}/"
        self.tokens: dict[str, Any] = {}
        self.session = requests.Session()
        self.session.trust_env = False

    def authorize_url(self) -> str:
        """Return where to send the owner."""
        digest = hashlib.sha256(self.verifier.encode()).digest()
        query = {
            "client_id": f"chargescape-{self.maker}",
            "response_type": "code",
            "state": "a-state",
            "redirect_uri": self.redirect_uri,
            "scope": self.scope,
            "code_challenge": base64.urlsafe_b64encode(digest).rstrip(b"=").decode(),
            "code_challenge_method": "S256",
        }
        return f"{self.sandbox.url}/{self.maker}/oauth2/authorize?{urlencode(query)}"

    def post_token(self, **fields: str) -> requests.Response:
        """Call the token endpoint."""
        known = {"client_id": f"chargescape-{self.maker}", "client_secret": "charge-the-grid"}
        return self.session.post(f"{self.sandbox.url}/{self.maker}/oauth2/token", data=known | fields, timeout=30)

    def link(self, account: str, *, without_scopes: Sequence[str] = ()) -> "MakerClient":
        """Walk the whole link for an account, some scopes unticked, and keep the tokens."""
        return self.redeem(OwnerBrowser(account).allow(self.authorize_url(), without_scopes=without_scopes))

    def redeem(self, callback: str) -> "MakerClient":
        """Trade the code that came back for tokens and keep them."""
        reply = self.post_token(
            grant_type="authorization_code",
            code=parse_qs(urlsplit(callback).query)["code"][0],
            redirect_uri=self.redirect_uri,
            code_verifier=self.verifier,
        )
        assert reply.status_code == 200, reply.text
        self.tokens = reply.json()
        return self

    def refresh(self, refresh_token: str) -> requests.Response:
        """Trade a refresh token."""
        return self.post_token(grant_type="refresh_token", refresh_token=refresh_token)

    def call(self, method: str, path: str, **kwargs: Any) -> requests.Response:
        """Call the API (`path` below the maker's slug) with the token."""
        headers = {"Authorization": f"Bearer {self.tokens.get('access_token', 'none')}"} | kwargs.pop("headers", {})
        url = f"{self.sandbox.url}/{self.maker}/{path}"
        return self.session.request(method, url, headers=headers, timeout=30, **kwargs)
