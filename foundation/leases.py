"""Leases: who may work on a named thing until when. They are rows, so losing a process loses nothing."""

import uuid
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from datetime import timedelta

from django.db import IntegrityError, connection, transaction

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


def acquire_all(names: Collection[str], *, seconds: float) -> tuple[str, frozenset[str]]:
    """Take each of these leases that is free, in one statement; return their token and the names of those obtained."""
    token, at = uuid.uuid4().hex, clock.wall()
    if not names:
        return token, frozenset()
    table = Lease._meta.db_table  # noqa: SLF001 - Django's own way to a table's name
    free_at, until = (connection.ops.adapt_datetimefield_value(one) for one in (at, at + timedelta(seconds=seconds)))
    # Everybody takes many in the same order, so that nobody waits for each other.
    rows = [value for name in sorted(names) for value in (name, token, until)]
    statement = (
        f"INSERT INTO {table} (name, token, expires_at) VALUES {', '.join(['(%s, %s, %s)'] * len(names))}"  # noqa: S608 - own names only
        " ON CONFLICT (name) DO UPDATE SET token = excluded.token, expires_at = excluded.expires_at"
        f" WHERE {table}.expires_at <= %s RETURNING name"
    )
    with connection.cursor() as cursor:
        cursor.execute(statement, [*rows, free_at])
        return token, frozenset(name for (name,) in cursor.fetchall())


def release_all(names: Collection[str], token: str) -> None:
    """Give back those of these leases that are still held by `token`."""
    Lease.objects.filter(name__in=names, token=token).update(expires_at=clock.wall())


@contextmanager
def held(name: str, *, seconds: float) -> Iterator[bool]:
    """Hold the lease for the block; yields whether it was obtained."""
    token = acquire(name, seconds=seconds)
    try:
        yield token is not None
    finally:
        if token is not None:
            release(name, token)
