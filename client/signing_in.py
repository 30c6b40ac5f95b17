"""Signing up and in as apps do: allauth's headless API, JSON over HTTP, no cookie."""

from typing import Any

from client.api import Api
from client.http import Problem, Tokens

HEADLESS = "/_allauth/app/v1"


class SignInPending(Exception):
    """More is asked before anybody is signed in; `flows` names it, such as verify_email or mfa_authenticate."""

    def __init__(self, flows: list[str]) -> None:
        self.flows = flows
        super().__init__(f"still to do: {', '.join(flows)}")


class ChargeScape(Api):
    """One owner at one platform."""

    def sign_up(self, email: str, password: str) -> None:
        """Create an account; a code is mailed, which `verify_email` takes."""
        self._progress("auth/signup", {"email": email, "password": password})

    def verify_email(self, code: str) -> None:
        """Prove the address by the mailed code; afterwards the owner is signed in."""
        self._progress("auth/email/verify", {"key": code})
        self._must_be_in()

    def sign_in(self, email: str, password: str) -> None:
        """Sign in; raises SignInPending where a second factor or a proof of the address is asked for."""
        self.tokens = Tokens()
        self._progress("auth/login", {"email": email, "password": password})
        self._must_be_in()

    def answer_second_factor(self, code: str) -> None:
        """Give the code of the authenticator app, or a recovery code."""
        self._progress("auth/2fa/authenticate", {"code": code})
        self._must_be_in()

    def sign_out(self) -> None:
        """End the session: its tokens are worth nothing from this moment."""
        self._headless("DELETE", "auth/session")
        self.tokens = Tokens()

    def _must_be_in(self) -> None:
        if not self.tokens.access:
            raise SignInPending(self.pending)

    def _progress(self, path: str, body: dict[str, Any]) -> None:
        """Take one step; its answer carries new tokens, whether or not it was the last one."""
        answer = self._headless("POST", path, body)
        meta = answer.get("meta", {})
        self.tokens.session = meta.get("session_token", self.tokens.session)
        self.tokens.access = meta.get("access_token", self.tokens.access)
        self.tokens.refresh = meta.get("refresh_token", self.tokens.refresh)
        flows = answer.get("data", {}).get("flows", [])
        self.pending = [str(flow["id"]) for flow in flows if flow.get("is_pending")]

    def _headless(self, method: str, path: str, body: dict[str, Any] | None = None) -> dict[str, Any]:
        headers = {"X-Session-Token": self.tokens.session} if self.tokens.session else {}
        url = f"{self.base_url}{HEADLESS}/{path}"
        answer = self.session.request(method, url, json=body, headers=headers, timeout=30)
        found: dict[str, Any] = answer.json()
        if answer.status_code in {200, 401}:  # 401 says that a further step is asked for
            return found
        errors = {one.get("param", "general"): one["message"] for one in found.get("errors", [])}
        code = found["errors"][0]["code"] if found.get("errors") else "error"
        raise Problem(answer.status_code, {"code": code, "detail": " ".join(errors.values()), "errors": errors})
