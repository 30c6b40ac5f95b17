"""An owner's browser at the pretend automaker: signs in, checks cars, allows or denies."""

import re
from collections.abc import Sequence
from html import unescape
from urllib.parse import urlencode

import requests

from tests.sandbox_process import PASSWORD

_HIDDEN = re.compile(r'<input type="hidden" name="([^"]+)" value="([^"]*)"')
_SCOPE = re.compile(r'<input type="checkbox" name="scopes" value="([^"]+)"')
_BOX = re.compile(r'<input type="checkbox" name="vehicles" value="([^"]+)"')


class OwnerBrowser:
    """One owner with cookies of their own."""

    def __init__(self, account: str, *, password: str = PASSWORD) -> None:
        self.account = account
        self.password = password
        self.session = requests.Session()
        self.session.trust_env = False

    def open_consent(self, authorize_url: str) -> requests.Response:
        """Open the page an app sends its owners to, signing in on the way."""
        page = self.session.get(authorize_url, timeout=30)
        if "/sign-in" not in page.url:
            return page
        fields = _hidden_fields(page.text) | {"username": self.account, "password": self.password}
        return self.session.post(page.url, data=fields, headers={"Referer": page.url}, timeout=30)

    def decide(
        self, page: requests.Response, *, action: str, vehicle_ids: Sequence[str], without_scopes: Sequence[str] = ()
    ) -> requests.Response:
        """Press `allow` or `deny` with these cars checked, some scopes unticked; the Location leads back to the app."""
        form = _first_form(page.text)
        fields = [(name, unescape(value)) for name, value in _HIDDEN.findall(form)] + [("action", action)]
        fields += [("scopes", scope) for scope in _SCOPE.findall(form) if scope not in without_scopes]
        fields += [("vehicles", vehicle_id) for vehicle_id in vehicle_ids]
        return self.session.post(
            page.url, data=fields, headers={"Referer": page.url}, allow_redirects=False, timeout=30
        )

    def allow(
        self, authorize_url: str, vehicle_ids: Sequence[str] | None = None, *, without_scopes: Sequence[str] = ()
    ) -> str:
        """Sign in, check the cars (all of them by default), allow; returns the callback URL with the code."""
        page = self.open_consent(authorize_url)
        chosen = offered_cars(page) if vehicle_ids is None else vehicle_ids
        reply = self.decide(page, action="allow", vehicle_ids=chosen, without_scopes=without_scopes)
        return reply.headers["Location"]

    def pair(
        self,
        page_url: str,
        user_code: str,
        *,
        action: str = "allow",
        vehicle_ids: Sequence[str] | None = None,
        without_scopes: Sequence[str] = (),
    ) -> requests.Response:
        """Type a device's code on the maker's page and allow (all cars by default) or deny; returns the last page."""
        page = self.open_consent(f"{page_url}?{urlencode({'user_code': user_code})}")
        chosen = offered_cars(page) if vehicle_ids is None else vehicle_ids
        return self.decide(page, action=action, vehicle_ids=chosen, without_scopes=without_scopes)

    def deny(self, authorize_url: str) -> str:
        """Sign in and deny; returns the callback URL with the error."""
        return self.decide(self.open_consent(authorize_url), action="deny", vehicle_ids=[]).headers["Location"]


def offered_cars(page: requests.Response) -> list[str]:
    """Return the vehicle ids that the consent page offers."""
    return _BOX.findall(page.text)


def _first_form(text: str) -> str:
    return text.split("</form>", maxsplit=1)[0]


def _hidden_fields(text: str) -> dict[str, str]:
    return {name: unescape(value) for name, value in _HIDDEN.findall(text)}
