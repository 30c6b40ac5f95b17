"""Leases: who may work on a named thing until when. They are rows, so losing a process loses nothing."""

import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta

from django.db import IntegrityError, transaction

from foundation import clock
from foundation.models import Lease


def acquire(name: str, *, seconds: float) -> str | None:
    """Take the lease `name` for `seconds` of wall time; return its token, or None where somebody else holds it."""
    token, at = uuid.uuid4().hex, clock.wall()
    until = at + timedelta(seconds=seconds)
    if Lease.objects.filter(name=name, expires_at__lte=at).update(token=token, expires_at=until):
        return token
    if Lease.objects.filter(name=name).exists():
        return None
    try:
        with transaction.atomic():
            Lease.objects.create(name=name, token=token, expires_at=until)
    except IntegrityError:
        return None
    return token


def release(name: str, token: str) -> bool:
    """Give the lease back; False where it had lapsed and somebody else took it."""
    return Lease.objects.filter(name=name, token=token).update(expires_at=clock.wall()) == 1


@contextmanager
def held(name: str, *, seconds: float) -> Iterator[bool]:
    """Hold the lease for the block; yields whether it was obtained."""
    token = acquire(name, seconds=seconds)
    try:
        yield token is not None
    finally:
        if token is not None:
            release(name, token)
