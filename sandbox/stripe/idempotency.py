"""Idempotency keys (https://docs.stripe.com/api/idempotent_requests): what was answered once is answered again.

v1 keys live 24 hours of real time and remember 500s; v2 keys live 30 days and let a 500 be tried again. Refused
parameters are never remembered, since nothing ran.
"""

import hashlib
import json
from datetime import datetime, timedelta
from typing import Any

from django.db import IntegrityError, transaction
from django.db.models import Q, QuerySet

from sandbox.stripe.errors import StripeError
from sandbox.stripe.models import Knobs, StoredReply

V2_LIFETIME = timedelta(days=30)
ABANDONED_AFTER = timedelta(minutes=2)
MAX_KEY_CHARACTERS = 255


def request_hash(method: str, path: str, params: dict[str, Any]) -> str:
    """Return what must be equal for two requests to be the same one."""
    text = json.dumps([method, path, params], sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()


def begin(*, key: str, scope: str, digest: str, request_id: str, is_v2: bool, wall: datetime) -> StoredReply | None:
    """Claim `key` for a new call and return None, or return the reply that it was answered with.

    Raises StripeError where the key belongs to another request (400) or to one still running (409).
    """
    if len(key) > MAX_KEY_CHARACTERS:
        raise StripeError(f"Idempotency keys have at most {MAX_KEY_CHARACTERS} characters.", kind="idempotency_error")
    _drop_old(StoredReply.objects.filter(key=key, scope=scope), wall=wall)
    lifetime = V2_LIFETIME if is_v2 else timedelta(seconds=Knobs.current().key_lifetime_seconds)
    try:
        with transaction.atomic():
            StoredReply.objects.create(
                key=key,
                scope=scope,
                request_hash=digest,
                request_id=request_id,
                stored_at=wall,
                expires_at=wall + lifetime,
            )
    except IntegrityError:
        return _known(StoredReply.objects.get(key=key, scope=scope), digest)
    return None


def finish(*, key: str, scope: str, status: int, body: str) -> None:
    """Remember the answer; part of the effect's own transaction, so that neither exists without the other."""
    StoredReply.objects.filter(key=key, scope=scope).update(status=status, body=body)


def forget(*, key: str, scope: str) -> None:
    """Give the key back: nothing happened under it."""
    StoredReply.objects.filter(key=key, scope=scope).delete()


def prune(*, wall: datetime) -> int:
    """Delete keys past their life, and claims whose call died without an answer; return how many."""
    return _drop_old(StoredReply.objects.all(), wall=wall)


def _drop_old(replies: QuerySet[StoredReply], *, wall: datetime) -> int:
    old = replies.filter(Q(expires_at__lte=wall) | Q(status=0, stored_at__lte=wall - ABANDONED_AFTER))
    return old.delete()[0] if old.exists() else 0


def _known(stored: StoredReply, digest: str) -> StoredReply:
    if stored.request_hash != digest:
        raise StripeError(
            "Keys for idempotent requests can only be used with the same parameters they were first used with. "
            f"Try using a key other than '{stored.key}' if you meant to execute a different request.",
            kind="idempotency_error",
            code="idempotency_error",
        )
    if stored.status == 0:
        raise StripeError(
            "There is currently another in-progress request using this Idempotent Key (that probably means you "
            "submitted twice, and the other request is still going through).",
            status=409,
            kind="idempotency_error",
            code="idempotency_key_in_use",
        )
    return stored
