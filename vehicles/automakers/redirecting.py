"""What partners share that link by redirect with PKCE, rotate refresh tokens and take a bearer token on every call."""

from collections.abc import Mapping
from http.cookiejar import DefaultCookiePolicy
from typing import Any

import requests

from vehicles.automakers.base import Grant, LinkBegin, LinkCallback, LinkKind, LinkStart, Tools
from vehicles.automakers.defaults import Defaults
from vehicles.automakers.errors import AutomakerError, TokenRejected
from vehicles.automakers.oauth import OAuthClient, Provider
from vehicles.automakers.wire import ask


class Redirecting(Defaults):
    """A partner's sign-in and calls; what a car can be told is the partner's own."""

    link_kind = LinkKind.REDIRECT

    def __init__(
        self,
        credentials: Mapping[str, str],
        tools: Tools,
        *,
        scope: str,
        subject_field: str = "",
        sign_in: Mapping[str, str] | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> None:
        """Speak as `credentials` say; `sign_in` adds to the sign-in page's query, `headers` go with every call."""
        self.tools = tools
        self.headers = dict(headers or {})
        self.api_base = credentials["api_base"].rstrip("/")
        self.oauth = OAuthClient(
            Provider(
                authorize_url=credentials["authorize_url"],
                token_url=credentials["token_url"],
                revoke_url=credentials.get("revoke_url", ""),
                client_id=credentials["client_id"],
                client_secret=credentials["client_secret"],
                scope=scope,
                subject_field=subject_field,
                extra=dict(sign_in or {}),
            ),
            tools,
        )
        self.session = tools.open_session()
        # One session serves every owner, so it must carry nothing from one to the next.
        self.session.cookies.set_policy(DefaultCookiePolicy(allowed_domains=[]))

    def begin_link(self, begin: LinkBegin) -> LinkStart:
        """Return the partner's sign-in page."""
        return self.oauth.begin(begin)

    def complete_link(self, callback: LinkCallback) -> Grant:
        """Trade the code for a grant."""
        return self.oauth.complete(callback)

    def refresh(self, refresh_token: str) -> Grant:
        """Trade the refresh token; the partner rotates it."""
        return self.oauth.refresh(refresh_token)

    def revoke(self, *, access_token: str, refresh_token: str) -> None:
        """Give the grant back."""
        self.oauth.revoke(access_token=access_token, refresh_token=refresh_token)

    def call(
        self,
        method: str,
        url: str,
        access_token: str,
        *,
        body: Mapping[str, Any] | None = None,
        key: str = "",
        is_command: bool = False,
    ) -> Any:
        """Make one call in an owner's name and return its JSON; raises AutomakerError."""
        if not access_token:
            raise TokenRejected("no access token")
        headers = self.headers | {"Authorization": f"Bearer {access_token}"}
        if key:
            headers["Idempotency-Key"] = key
        return ask(
            self.session,
            method,
            url,
            headers=headers,
            clock=self.tools.clock,
            body=body,
            is_command=is_command,
            meaning=self.meaning,
        )

    def meaning(self, reply: requests.Response) -> AutomakerError | None:  # noqa: ARG002 - for those who word their own
        """Return what a failed answer means in the maker's own words, None where its HTTP status says it."""
        return None
