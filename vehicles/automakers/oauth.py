"""OAuth 2 with PKCE (S256) by Authlib, its outcomes put into the contract's words: by redirect and by device code."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import requests
from authlib.integrations.base_client import OAuthError
from authlib.integrations.requests_client import OAuth2Session
from authlib.oauth2.rfc7636 import create_s256_code_challenge
from authlib.oauth2.rfc8628 import DEVICE_CODE_GRANT_TYPE

from foundation.http import AnswerUnreadable, read_json
from vehicles.automakers.answers import integer, number, pick, text
from vehicles.automakers.base import DeviceCode, Grant, LinkBegin, LinkCallback, RedirectTo, Tools
from vehicles.automakers.errors import AuthRevoked, AutomakerError, LinkPending, RateLimited, UpstreamDown
from vehicles.automakers.wire import wait_until

DEAD_GRANT = frozenset({"invalid_grant", "login_required", "interaction_required", "consent_required"})
DEAD_CODE = frozenset({"access_denied", "expired_token"})  # RFC 8628: the owner denied, or took too long
POLL_SECONDS = 5  # RFC 8628: where the maker names no interval, and what each slow_down adds
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
    token_extra: Mapping[str, str] = field(default_factory=dict)  # what a code is traded with besides
    subject_field: str = ""  # where the token answer names the account, if it does
    kept_fields: tuple[str, ...] = ()  # what else of the token answer is kept as the grant's extras
    device_code_url: str = ""


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
            **self.provider.token_extra,
        )

    def begin_device(self, begin: LinkBegin) -> DeviceCode:
        """Return a code for the owner to type at the maker (RFC 8628, with PKCE); raises an AutomakerError."""
        fields = {
            "client_id": self.provider.client_id,
            "response_type": "device_code",
            "scope": self.provider.scope,
            "code_challenge": create_s256_code_challenge(begin.code_verifier),
            "code_challenge_method": "S256",
            **self.provider.extra,
        }
        if self.provider.client_secret:  # RFC 8628, 3.1: who has a secret shows it here, too
            fields["client_secret"] = self.provider.client_secret
        try:
            reply = self._look_at_status(
                self._open("").post(
                    self.provider.device_code_url, data=fields, withhold_token=True, allow_redirects=False
                )
            )
            return read_device_code(read_json(reply))
        except requests.exceptions.RequestException as error:
            raise UpstreamDown(f"device code: {type(error).__name__}") from None
        except AnswerUnreadable:
            raise UpstreamDown("device code: unreadable answer") from None

    def complete_device(self, callback: LinkCallback) -> Grant:
        """Trade the device code for a grant; raises LinkPending until the owner typed the user code, AuthRevoked then.

        AuthRevoked says by its reason whether the owner denied (access_denied) or took too long (expired_token).
        """
        session = self._open("")
        return self._receive(
            session.fetch_token,
            self.provider.token_url,
            grant_type=DEVICE_CODE_GRANT_TYPE,
            device_code=callback.params.get("device_code", ""),
            code_verifier=callback.code_verifier,
            allow_redirects=False,
        )

    def refresh(self, refresh_token: str) -> Grant:
        """Trade the refresh token for a new grant; raises AuthRevoked where it is dead."""
        session = self._open("")
        session.scope = None  # an owner may have granted less than we ask for, and a refresh may not ask for more
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
        method = "client_secret_post" if self.provider.client_secret else "none"
        session = OAuth2Session(
            client_id=self.provider.client_id,
            client_secret=self.provider.client_secret,
            token_endpoint_auth_method=method,
            revocation_endpoint_auth_method=method,
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
            answer = call(url, **arguments)
            return read_grant(answer, subject_field=self.provider.subject_field, kept_fields=self.provider.kept_fields)
        except AutomakerError:
            raise
        except OAuthError as error:
            # Only what says that the grant is dead may cost the owner the link; the rest is the server's or ours.
            if error.error in DEAD_GRANT | DEAD_CODE:
                raise AuthRevoked(error.error) from None
            if error.error in {"authorization_pending", "slow_down"}:
                steps = 2 if error.error == "slow_down" else 1
                raise LinkPending(error.error, interval_seconds=POLL_SECONDS * steps) from None
            raise UpstreamDown(f"token endpoint: {str(error.error)[:40]}") from None
        except (requests.exceptions.RequestException, ValueError, TypeError, KeyError) as error:
            raise UpstreamDown(f"token endpoint: {type(error).__name__}") from None


def read_device_code(answer: Any) -> DeviceCode:
    """Return the code in a device authorisation answer; raises UpstreamDown where an owner could not use it."""
    device_code, url = pick(answer, "device_code"), text(pick(answer, "verification_uri"), limit=300)
    user_code = text(pick(answer, "user_code"), limit=20)
    if not _is_token(device_code) or not user_code or not url.startswith(("https://", "http://")):
        raise UpstreamDown("device code answer without a usable code")
    return DeviceCode(
        user_code=user_code,
        verification_url=url,
        device_code=device_code,
        interval_seconds=integer(pick(answer, "interval"), low=1, high=600) or POLL_SECONDS,
        expires_in_seconds=integer(pick(answer, "expires_in"), low=1, high=86_400) or 300,
    )


def read_grant(answer: Any, *, subject_field: str = "", kept_fields: Sequence[str] = ()) -> Grant:
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
        extras={name: str(answer[name]) for name in kept_fields if _is_token(answer.get(name))},
    )


def _is_token(value: Any) -> bool:
    return isinstance(value, str) and 0 < len(value) <= LONGEST_TOKEN and value.isascii() and value.isprintable()
