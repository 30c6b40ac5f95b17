"""Whether a message comes from who it says: HMAC-SHA256 over the raw bytes, compared in constant time."""

import hashlib
import hmac
from collections.abc import Mapping
from datetime import datetime

from vehicles.automakers.answers import number
from vehicles.automakers.errors import WebhookRefused

REPLAY_SECONDS = 300  # an older message may be somebody's recording


def header(headers: Mapping[str, str], name: str) -> str:
    """Return a header whatever the case of its name; "" where it is missing."""
    return next((value for key, value in headers.items() if key.lower() == name.lower()), "")


def digest(secret: str, message: bytes) -> str:
    """Return the hex HMAC-SHA256."""
    return hmac.new(secret.encode(), message, hashlib.sha256).hexdigest()


def is_signed(signature: str, message: bytes, *, secret: str) -> bool:
    """Say whether `signature` is the hex digest of `message` under `secret`; never under an empty one."""
    return bool(secret) and hmac.compare_digest(digest(secret, message).encode(), signature.lower().encode())


def check_timed(headers: Mapping[str, str], raw_body: bytes, *, name: str, secrets: str, wall: datetime) -> None:
    """Raise WebhookRefused unless header `name` is `t=<unix time>,v1=<hex>` over "<time>.<body>", and recent.

    `secrets` are separated by commas: while one is being replaced both are taken.
    """
    parts = [part.partition("=") for part in header(headers, name)[:1000].split(",")]
    stamp = next((value for key, _, value in parts if key.strip() == "t"), "")
    sent_at = number(stamp, low=0, high=10**11)
    if sent_at is None or abs(wall.timestamp() - sent_at) > REPLAY_SECONDS:
        raise WebhookRefused("signature without a recent time")
    message = stamp.encode() + b"." + raw_body
    offered = [value for key, _, value in parts if key.strip() == "v1"]
    known = [secret.strip() for secret in secrets.split(",")]
    if not any(is_signed(value, message, secret=secret) for value in offered for secret in known):
        raise WebhookRefused("signature does not match")
