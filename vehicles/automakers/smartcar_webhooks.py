"""Smartcar's webhook: a challenge to answer, events signed over the raw body, errors of whole connections."""

import json
import re
from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime
from typing import Any

from vehicles.automakers import signatures, smartcar_answers
from vehicles.automakers.answers import instant, pick, rows, text
from vehicles.automakers.errors import WebhookRefused
from vehicles.automakers.push import Push, PushKind, WebhookAnswer

# The challenge is answered with the very signature that events carry. Were a whole event taken as a challenge, anybody
# could have it signed; so it must be short and free of braces and quotes.
CHALLENGE = re.compile(r"[A-Za-z0-9._~+/=-]{1,128}")
# Errors of the account at the make that end the connection until the owner connects again.
DEAD = {"AUTHENTICATION_FAILED": PushKind.LINK_REVOKED, "VEHICLE_MISSING": PushKind.CAR_GONE}


def read_webhook(headers: Mapping[str, str], raw_body: bytes, *, secret: str, now: datetime) -> WebhookAnswer:
    """Return what one delivery says, or the reply to a challenge; raises WebhookRefused.

    `secret` is the application management token. The challenge comes unsigned; test events say nothing.
    """
    event = _read_event(raw_body)
    kind = text(event.get("eventType"))
    if kind == "VERIFY":
        return _answer(pick(event, "data", "challenge"), secret=secret)
    if not signatures.is_signed(signatures.header(headers, "sc-signature"), raw_body, secret=secret):
        raise WebhookRefused("signature does not match")
    if text(pick(event, "meta", "mode")).upper() == "TEST":
        return WebhookAnswer()
    push = _read_push(event, kind, now=now)
    return WebhookAnswer([push] if push is not None else [])


def _read_event(raw_body: bytes) -> Mapping[str, Any]:
    try:
        event = json.loads(raw_body)
    except ValueError:
        raise WebhookRefused("body is no JSON") from None
    if not isinstance(event, Mapping):
        raise WebhookRefused("body is no object")
    return event


def _answer(challenge: Any, *, secret: str) -> WebhookAnswer:
    if not secret or not isinstance(challenge, str) or not CHALLENGE.fullmatch(challenge):
        raise WebhookRefused("no challenge")
    return WebhookAnswer(reply={"challenge": signatures.digest(secret, challenge.encode())})


def _read_push(event: Mapping[str, Any], kind: str, *, now: datetime) -> Push | None:
    push = Push(
        kind=str(PushKind.STATE),
        event_id=text(event.get("eventId"), limit=120),
        external_id=text(pick(event, "data", "vehicle", "id"), limit=120),
        subject=text(pick(event, "data", "user", "id"), limit=120),
        occurred_at=instant(pick(event, "meta", "occurredAt"), now=now),
    )
    if not push.event_id or not push.external_id:
        return None
    if kind == "VEHICLE_STATE":
        signals = smartcar_answers.signals_of_event(event)
        return replace(push, state=smartcar_answers.read_state(signals, now=now, source="webhook"))
    if kind == "VEHICLE_ERROR":
        for error in rows(pick(event, "data"), "errors", limit=20):
            ended = DEAD.get(text(error.get("code")))
            if ended is not None and text(error.get("state")) != "RESOLVED":
                return replace(push, kind=str(ended))
    return None
