"""Idempotency keys: a write that is sent again is answered again, not done again."""

import hashlib
from dataclasses import dataclass
from datetime import timedelta

from django.db import IntegrityError, transaction
from rest_framework.request import Request
from rest_framework.response import Response

from accounts.models import User
from chargescape.api.problems import KeyInFlight, KeyInvalid, KeyReused
from chargescape.models import WriteKey
from foundation import clock
from foundation.fields import keyed_hash

HEADER = "Idempotency-Key"
LONGEST_KEY = 200
KEPT = timedelta(hours=24)
LEASE = timedelta(seconds=90)  # longer than a web request may take


@dataclass(frozen=True)
class Answered:
    """An answer that was given before."""

    status: int
    content_type: str
    body: bytes


def read_key(request: Request) -> str:
    """Return the request's key, "" where it has none; raises KeyInvalid for one that cannot be kept."""
    key = request.headers.get(HEADER)
    if key is None:
        return ""
    if not 1 <= len(key) <= LONGEST_KEY or not all("!" <= letter <= "~" for letter in key):
        raise KeyInvalid
    return key


def claim(*, user: User, key: str, request: Request) -> WriteKey | Answered:
    """Take the key for this request, or return the answer that it was given before.

    Raises KeyReused where the key stands for another method, address or body, KeyInFlight while the first request
    is under way. A request whose process died is taken over once its lease is out: every flow looks at the state
    before it acts, so what was done is not done twice.
    """
    at, asked = clock.wall(), _hash_of(request)
    key_hash = keyed_hash(key)
    WriteKey.objects.filter(user=user, key_hash=key_hash, created_at__lte=at - KEPT).delete()
    try:
        with transaction.atomic():
            return WriteKey.objects.create(
                user=user, key_hash=key_hash, request_hash=asked, created_at=at, locked_until_at=at + LEASE
            )
    except IntegrityError:
        row = WriteKey.objects.filter(user=user, key_hash=key_hash).first()
    if row is None:  # the first request failed on our side in this very moment
        raise KeyInFlight
    if row.request_hash != asked:
        raise KeyReused
    if row.status is not None:
        return Answered(row.status, row.content_type, row.body.encode())
    taken = WriteKey.objects.filter(pk=row.pk, status__isnull=True, locked_until_at=row.locked_until_at)
    if row.locked_until_at > at or not taken.filter(locked_until_at__lte=at).update(locked_until_at=at + LEASE):
        raise KeyInFlight
    row.locked_until_at = at + LEASE
    return row


def keep(row: WriteKey, answer: Response) -> None:
    """Keep the rendered answer, unless somebody took the key over; a failure of ours gives the key free."""
    mine = WriteKey.objects.filter(pk=row.pk, locked_until_at=row.locked_until_at)
    if answer.status_code >= 500:
        mine.delete()
        return
    row.status, row.body = answer.status_code, answer.content.decode()
    row.content_type = answer.headers.get("Content-Type", "")
    mine.update(status=row.status, content_type=row.content_type, body=row.body)


def give_free(row: WriteKey) -> None:
    """Forget a key whose request broke, so that it can be tried again at once."""
    WriteKey.objects.filter(pk=row.pk, locked_until_at=row.locked_until_at, status__isnull=True).delete()


def forget_old(*, limit: int) -> int:
    """Delete keys older than a day, at most `limit`; return how many."""
    old = WriteKey.objects.filter(created_at__lte=clock.wall() - KEPT).values_list("pk", flat=True)[:limit]
    return WriteKey.objects.filter(pk__in=list(old)).delete()[0]


def _hash_of(request: Request) -> str:
    body = hashlib.sha256(request._request.body).hexdigest()  # noqa: SLF001 - the bytes as they came
    return keyed_hash(f"{request.method} {request.get_full_path()} {body}")
