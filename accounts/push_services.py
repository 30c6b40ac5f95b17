"""The door to browsers' push services (RFC 8030, 8291, 8292): only known ones, everything encrypted for the browser."""

import base64
import logging
from dataclasses import dataclass
from functools import lru_cache
from urllib.parse import urlsplit

import requests
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from django.conf import settings
from py_vapid import Vapid02
from pywebpush import WebPushException, webpush

from foundation.http import open_session

logger = logging.getLogger(__name__)

# Google (Chrome, Edge on Android, Brave, Opera), Mozilla, Apple, Microsoft. Nobody else makes a browser's service.
HOSTS = frozenset({"fcm.googleapis.com"})
BELOW = (".push.services.mozilla.com", ".push.apple.com", ".notify.windows.com")
LONGEST_WAIT_SECONDS = 3600.0
READ_SECONDS = 10.0


class PushFailed(Exception):
    """The service did not take the message; asking again later may help."""

    def __init__(self, reason: str, *, wait_seconds: float = 0) -> None:
        super().__init__(reason)
        self.wait_seconds = wait_seconds


class PushRefused(Exception):
    """The service will not take this message, however often it is asked."""


class DeviceGone(Exception):
    """The browser has ended its subscription (HTTP 404 or 410): the endpoint is to be forgotten."""


@dataclass(frozen=True)
class Push:
    """One message: JSON for the service worker, how long it is worth keeping, and what it replaces."""

    body: str
    ttl_seconds: int
    topic: str  # at most 32 characters of base64url: a message that still waits is replaced by one of the same topic
    is_urgent: bool = False


def is_enabled() -> bool:
    """Tell whether this installation has a key to sign with."""
    return bool(settings.VAPID_PRIVATE_KEY)


def is_known(endpoint: str) -> bool:
    """Tell whether the endpoint belongs to a browser's push service, by HTTPS on its own port.

    `settings.PUSH_EXTRA_ORIGINS` adds whole origins ("http://127.0.0.1:9000"), for trials.
    """
    try:
        parts = urlsplit(endpoint)
        host, port = parts.hostname or "", parts.port
    except ValueError:
        return False
    if (
        not (endpoint.isascii() and endpoint.isprintable())
        or any(sign in endpoint for sign in "@\\ \t\r\n")
        or not parts.path.strip("/")
    ):
        return False
    if f"{parts.scheme}://{parts.netloc}" in settings.PUSH_EXTRA_ORIGINS:
        return True
    return parts.scheme == "https" and port in {None, 443} and (host in HOSTS or host.endswith(BELOW))


@lru_cache(maxsize=4)
def _signer(private_key: str) -> Vapid02:
    return Vapid02.from_string(private_key=private_key)


def public_key() -> str:
    """Return the key that browsers subscribe with, base64url of the uncompressed point; "" where push is off."""
    if not is_enabled():
        return ""
    point = _signer(settings.VAPID_PRIVATE_KEY).public_key.public_bytes(Encoding.X962, PublicFormat.UncompressedPoint)
    return base64.urlsafe_b64encode(point).rstrip(b"=").decode()


def open_door() -> requests.Session:
    """Return a session for many messages; the caller closes it."""
    return open_session(read_seconds=READ_SECONDS)


def send(push: Push, *, endpoint: str, p256dh: str, auth: str, session: requests.Session) -> None:
    """Encrypt the message for one browser and hand it to its service.

    Raises DeviceGone, PushRefused, or PushFailed with the wait that the service asks for.
    """
    if not is_known(endpoint):  # the list may have become shorter since it was kept
        raise PushRefused("unknown service")
    try:
        webpush(
            {"endpoint": endpoint, "keys": {"p256dh": p256dh, "auth": auth}},
            data=push.body,
            vapid_private_key=_signer(settings.VAPID_PRIVATE_KEY),
            vapid_claims={"sub": settings.VAPID_CONTACT},
            ttl=push.ttl_seconds,
            headers={"Topic": push.topic, "Urgency": "high" if push.is_urgent else "normal"},
            requests_session=session,
            timeout=READ_SECONDS,
        )
    except WebPushException as error:
        _raise_for(error.status_code or 0, str(error.retry_after or ""))
    except requests.RequestException as error:
        raise PushFailed(type(error).__name__) from error


def _raise_for(status: int, retry_after: str) -> None:
    if status in {404, 410}:
        raise DeviceGone(f"HTTP {status}")
    if status == 429 or status >= 500 or status == 0:
        wait = float(retry_after) if retry_after.isdigit() else 0.0
        raise PushFailed(f"HTTP {status}", wait_seconds=min(wait, LONGEST_WAIT_SECONDS))
    raise PushRefused(f"HTTP {status}")
