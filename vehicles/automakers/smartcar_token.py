"""The token that opens every account connected to our app at Smartcar: an hour long, without a refresh token."""

import threading
from datetime import datetime, timedelta

from vehicles.automakers.base import Tools
from vehicles.automakers.oauth import OAuthClient

TOKEN_LEEWAY_SECONDS = 300


class AppToken:
    """The token of our app at Smartcar, one for all owners in this process; of many who need it anew, one fetches."""

    def __init__(self, oauth: OAuthClient, tools: Tools) -> None:
        self.oauth = oauth
        self.tools = tools
        self.lock = threading.Lock()
        self.value = ""
        self.expires_at: datetime | None = None

    def get(self) -> tuple[str, int]:
        """Return the token and for how many more seconds it is good; raises AutomakerError."""
        with self.lock:
            wall = self.tools.clock.wall()
            if self.expires_at is None or self.expires_at <= wall + timedelta(seconds=TOKEN_LEEWAY_SECONDS):
                grant = self.oauth.enter_as_app()
                self.value = grant.access_token
                self.expires_at = wall + timedelta(seconds=grant.access_expires_in_seconds)
            return self.value, int((self.expires_at - wall).total_seconds())

    def forget(self, value: str) -> None:
        """Drop a token that was refused, unless another one has taken its place."""
        with self.lock:
            if value == self.value:
                self.expires_at = None
