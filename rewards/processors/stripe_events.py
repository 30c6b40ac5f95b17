"""Messages that Stripe pushes: verified as raw bytes, then read as a v1 snapshot or a v2 thin event."""

import json
from collections.abc import Sequence
from datetime import datetime
from typing import Any

import stripe

from rewards.processors.base import BadSignature, PushedEvent

SIGNATURE_TOLERANCE_SECONDS = 300


def read_event(*, raw_body: bytes, signature: str, secrets: Sequence[str], at: datetime) -> PushedEvent:
    """Return the message that one of the endpoints' secrets signed; `at` is the real time. Raises BadSignature."""
    if not any(_is_signed(raw_body, signature, secret, at) for secret in secrets):
        raise BadSignature("no configured secret signed this body within the last five minutes")
    try:
        return _event(json.loads(raw_body))
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise BadSignature("signed, but not an event") from error


def _is_signed(raw_body: bytes, signature: str, secret: str, at: datetime) -> bool:
    try:
        stripe.WebhookSignature.verify_header(raw_body, signature, secret, SIGNATURE_TOLERANCE_SECONDS)
    except (stripe.SignatureVerificationError, UnicodeDecodeError):
        return False
    # The SDK lets timestamps of the future pass, which would keep a stolen message usable for ever.
    stamp = next(part[2:] for part in signature.split(",") if part.startswith("t="))
    return int(stamp) <= at.timestamp() + SIGNATURE_TOLERANCE_SECONDS


def _event(body: dict[str, Any]) -> PushedEvent:
    if body["object"] == "v2.core.event":
        about, account = body.get("related_object") or {}, body.get("context")
    elif body["object"] == "event":
        about, account = body["data"]["object"], body.get("account")
    else:
        raise ValueError("an object of another kind")
    return PushedEvent(
        external_id=_text(body["id"], least=1, most=80),
        kind=_text(body["type"], least=1, most=120),
        account_id=_text(account or "", least=0, most=64),
        object_id=_text(about.get("id") or "", least=0, most=80),
    )


def _text(value: Any, *, least: int, most: int) -> str:
    if not isinstance(value, str) or not least <= len(value) <= most:
        raise ValueError("a name that is none")
    return value
