"""OAuth 2 with PKCE (S256) by Authlib, its outcomes put into the contract's words; shared by makers that redirect."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import requests
from authlib.integrations.base_client import OAuthError
from authlib.integrations.requests_client import OAuth2Session

from vehicles.automakers.answers import number, text
from vehicles.automakers.base import Grant, LinkBegin, LinkCallback, RedirectTo, Tools
from vehicles.automakers.errors import AuthRevoked, AutomakerError, RateLimited, UpstreamDown
from vehicles.automakers.wire import wait_until

DEAD_GRANT = frozenset({"invalid_grant", "login_required", "interaction_required", "consent_required"})
LONGEST_TOKEN = 8192


@dataclass(frozen=True)
class Provider:
    """One maker's authorisation server and our registration there."""

    authorize_url: str
    token_url: str
    revoke_url: str
    client_id: str
    client_secret: str = field(repr=False)
    scope: str
    extra: Mapping[str, str] = field(default_factory=dict)
    subject_field: str = ""  # where the token answer names the account, if it does


class OAuthClient:
    """Speaks to one provider. A session lives for one call: it holds tokens and must never serve two owners."""

    def __init__(self, provider: Provider, tools: Tools) -> None:
        self.provider = provider
        self.tools = tools

    def begin(self, begin: LinkBegin) -> RedirectTo:
        """Return where the owner signs in."""
        session = self._open(begin.redirect_uri)
        url, _ = session.create_authorization_url(
            self.provider.authorize_url, state=begin.state, code_verifier=begin.code_verifier, **self.provider.extra
        )
        return RedirectTo(url)

    def complete(self, callback: LinkCallback) -> Grant:
        """Trade the code for a grant; raises AuthRevoked where the code is not taken."""
        session = self._open(callback.redirect_uri)
        return self._receive(
            session.fetch_token,
            self.provider.token_url,
            grant_type="authorization_code",
            code=callback.params.get("code", ""),
            code_verifier=callback.code_verifier,
            allow_redirects=False,
        )

    def refresh(self, refresh_token: str) -> Grant:
        """Trade the refresh token for a new grant; raises AuthRevoked where it is dead."""
        session = self._open("")
        return self._receive(
            session.refresh_token, self.provider.token_url, refresh_token=refresh_token, allow_redirects=False
        )

    def enter_as_app(self) -> Grant:
        """Return a token of our own registration (client credentials): it speaks for no owner and has no refresh."""
        session = self._open("")
        return self._receive(
            session.fetch_token, self.provider.token_url, grant_type="client_credentials", allow_redirects=False
        )

    def revoke(self, *, access_token: str, refresh_token: str) -> None:
        """Give the tokens back (RFC 7009), the refresh token first; nothing where the maker has no address for it."""
        if not self.provider.revoke_url:
            return
        for hint, token in (("refresh_token", refresh_token), ("access_token", access_token)):
            if not token:
                continue
            try:
                reply = self._open("").revoke_token(
                    self.provider.revoke_url, token=token, token_type_hint=hint, allow_redirects=False
                )
            except requests.exceptions.RequestException as error:
                raise UpstreamDown(type(error).__name__) from None
            if reply.status_code >= 500 or reply.status_code == 429:
                raise UpstreamDown(f"HTTP {reply.status_code}")

    def _open(self, redirect_uri: str) -> OAuth2Session:
        session = OAuth2Session(
            client_id=self.provider.client_id,
            client_secret=self.provider.client_secret,
            token_endpoint_auth_method="client_secret_post",  # noqa: S106 - a method's name
            revocation_endpoint_auth_method="client_secret_post",
            scope=self.provider.scope,
            redirect_uri=redirect_uri or None,
            code_challenge_method="S256",
        )
        self.tools.mount_door(session)
        for hook in ("access_token_response", "refresh_token_response"):
            session.register_compliance_hook(hook, self._look_at_status)
        return session

    def _look_at_status(self, reply: requests.Response) -> requests.Response:
        if reply.status_code == 429:
            raise RateLimited("HTTP 429", scope="app", retry_at=wait_until(reply, clock=self.tools.clock))
        if reply.status_code >= 500 or reply.is_redirect:
            raise UpstreamDown(f"HTTP {reply.status_code}")
        return reply

    def _receive(self, call: Any, url: str, **arguments: Any) -> Grant:
        try:
            return read_grant(call(url, **arguments), subject_field=self.provider.subject_field)
        except AutomakerError:
            raise
        except OAuthError as error:
            # Only what says that the grant is dead may cost the owner the link; the rest is the server's or ours.
            if error.error in DEAD_GRANT:
                raise AuthRevoked(error.error) from None
            raise UpstreamDown(f"token endpoint: {str(error.error)[:40]}") from None
        except (requests.exceptions.RequestException, ValueError, TypeError, KeyError) as error:
            raise UpstreamDown(f"token endpoint: {type(error).__name__}") from None


def read_grant(answer: Any, *, subject_field: str = "") -> Grant:
    """Return the grant in a token answer; raises UpstreamDown where it holds no usable token."""
    if not isinstance(answer, Mapping):
        raise UpstreamDown("token answer is no object")
    access, refresh = answer.get("access_token"), answer.get("refresh_token") or ""
    if not _is_token(access) or not (refresh == "" or _is_token(refresh)):
        raise UpstreamDown("token answer without a usable token")
    if str(answer.get("token_type") or "Bearer").lower() != "bearer":
        raise UpstreamDown("token answer of another type")
    access_seconds = number(answer.get("expires_in"), low=1, high=366 * 86_400)
    refresh_seconds = number(answer.get("refresh_expires_in"), low=1, high=10 * 366 * 86_400)
    return Grant(
        access_token=str(access),
        refresh_token=str(refresh),
        access_expires_in_seconds=int(access_seconds) if access_seconds else 300,
        refresh_expires_in_seconds=int(refresh_seconds) if refresh_seconds else None,
        subject=text(answer.get(subject_field), limit=120) if subject_field else "",
        scopes=tuple(str(answer.get("scope") or "").split()[:50]),
    )


def _is_token(value: Any) -> bool:
    return isinstance(value, str) and 0 < len(value) <= LONGEST_TOKEN and value.isascii() and value.isprintable()
