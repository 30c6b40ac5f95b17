"""Query results as columns, for sweeps over thousands of rows; rows written back as quickly.

PostgreSQL streams both ways in its binary COPY format, which is read and written here without making an object a
value; other databases take the ordinary way and give the same columns. The format:
https://www.postgresql.org/docs/current/sql-copy.html#id-1.9.3.55.9.4
"""

from collections.abc import Generator, Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime, time, timedelta
from typing import Any

import numpy as np
from django.db import connection, transaction
from django.db.models import F, QuerySet, TextField
from django.db.models.functions import Cast
from psycopg.errors import error_from_result
from psycopg.generators import fetch_many
from psycopg.pq import ExecStatus
from psycopg.waiting import Wait

from grid.planner.compiled import compiled

MISSING = -(2**63)  # what stands for NULL among whole numbers and times
WHOLE, REAL, TIME, CLOCK, TEXT, IDENTITY = "whole", "real", "time", "clock", "text", "identity"
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
POSTGRES_EPOCH = 946_684_800_000_000  # 2000-01-01, from which PostgreSQL counts microseconds
COPY_HEAD = 19  # signature, flags and the length of an extension that is never there
COPY_OPENING = b"PGCOPY\n\xff\r\n\0" + bytes(8)
COPY_CLOSING = b"\xff\xff"
MICROSECOND = timedelta(microseconds=1)


def read_columns(rows: QuerySet[Any, Any], kinds: Sequence[str]) -> list[Any]:
    """Return the columns of a `values_list`, one of each kind.

    WHOLE: int64 [N], MISSING for NULL; truth values are 0 and 1. REAL: float64 [N], NaN for NULL; cast decimals to
    float in the query. TIME: int64 [N] microseconds since 1970 UTC, MISSING for NULL. CLOCK: microseconds since
    midnight. TEXT: a list of str or None; cast JSON to text in the query. IDENTITY: a list of UUIDs as text.
    """
    if connection.vendor != "postgresql":
        columns = list(zip(*rows, strict=True)) or [()] * len(kinds)
        return [_converted(column, kind) for column, kind in zip(columns, kinds, strict=True)]
    sql, parameters = rows.query.sql_with_params()
    with connection.cursor() as cursor:
        bound = cursor.mogrify(sql, parameters)  # COPY takes no parameters
        with cursor.copy(f"COPY ({bound}) TO STDOUT (FORMAT BINARY)") as copy:
            stream, count = _drained(copy)
    data = np.frombuffer(stream, dtype=np.uint8)
    starts, lengths = np.empty((len(kinds), count), np.int64), np.empty((len(kinds), count), np.int64)
    find_values(data, COPY_HEAD, starts, lengths)
    return [_decoded(stream, data, starts[i], lengths[i], kind) for i, kind in enumerate(kinds)]


def as_text(name: str) -> Any:
    """Return an expression for a decimal column that is read as TEXT, with all its places on every database."""
    return Cast(name, TextField()) if connection.vendor == "postgresql" else F(name)


def at_micros(micros: int) -> datetime:
    """Return the instant so many microseconds after 1970."""
    return EPOCH + timedelta(microseconds=micros)


def micros_of(at: datetime) -> int:
    """Return the microseconds from 1970 to an instant."""
    return (at - EPOCH) // MICROSECOND


@contextmanager
def row_by_row() -> Iterator[None]:
    """Have PostgreSQL look rows up by their keys, in this process alone, for the length of the block.

    A sweep asks for thousands of keys at once, which its planner takes for a reason to read whole tables and to start
    further processes: the cores those would run on are busy planning.
    """
    if connection.vendor != "postgresql":
        yield
        return
    with transaction.atomic(savepoint=False), connection.cursor() as cursor:
        cursor.execute(
            "SELECT set_config('max_parallel_workers_per_gather', '0', true), set_config('jit', 'off', true), "
            "set_config('random_page_cost', '1.1', true)"
        )
        yield


def _drained(copy: Any) -> tuple[bytes, int]:
    """Return a COPY stream and its number of rows; `Copy` takes longer to hand out a row than the server to send it."""
    raw, parts = copy.connection.pgconn, []
    while True:
        size, data = raw.get_copy_data(1)
        if size == 0:  # nothing has come yet
            copy.connection.wait(_arrival(raw))
        elif size < 0:
            break
        else:
            parts.append(data)
    result = copy.connection.wait(fetch_many(raw))[-1]
    if result.status != ExecStatus.COMMAND_OK:
        raise error_from_result(result)
    return b"".join(parts), result.command_tuples


def _arrival(raw: Any) -> Generator[Wait, Any, None]:
    while not (yield Wait.R):
        continue
    raw.consume_input()


@compiled
def find_values(data: Any, begin: int, starts: Any, lengths: Any) -> None:
    """Write where each value of a COPY stream starts and how long it is, [fields, rows]; -1 for NULL."""
    at = begin
    for row in range(starts.shape[1]):
        at += 2
        for field in range(starts.shape[0]):
            length = np.int64(0)
            for place in range(4):
                length = length << 8 | np.int64(data[at + place])
            at += 4
            if length >= 1 << 31:
                length = np.int64(-1)
            starts[field, row] = at
            lengths[field, row] = length
            if length > 0:
                at += int(length)


@compiled
def whole_values(data: Any, starts: Any, lengths: Any, missing: int, out: Any) -> None:
    """Write big-endian whole numbers of 1, 2, 4 or 8 bytes."""
    for row in range(starts.shape[0]):
        if lengths[row] < 0:
            out[row] = missing
            continue
        value = np.int64(0)
        for place in range(lengths[row]):
            value = value << 8 | np.int64(data[starts[row] + place])
        if 1 < lengths[row] < 8 and value >= np.int64(1) << (8 * lengths[row] - 1):
            value -= np.int64(1) << (8 * lengths[row])
        out[row] = value


def _decoded(stream: bytes, data: Any, starts: Any, lengths: Any, kind: str) -> Any:
    if kind in {TEXT, IDENTITY}:
        return _texts(stream, starts.tolist(), lengths.tolist(), kind)
    out = np.empty(len(starts), np.int64)
    whole_values(data, starts, lengths, MISSING, out)
    if kind == TIME:
        return np.where(out == MISSING, out, out + POSTGRES_EPOCH)
    if kind == REAL:
        return np.where(lengths < 0, np.nan, out.view(np.float64))
    return out


def _texts(stream: bytes, starts: list[int], lengths: list[int], kind: str) -> list[str | None]:
    if kind == IDENTITY:
        written = (stream[start : start + 16].hex() for start in starts)
        return [f"{it[:8]}-{it[8:12]}-{it[12:16]}-{it[16:20]}-{it[20:]}" for it in written]
    known: dict[bytes, str] = {}
    found: list[str | None] = []
    for start, length in zip(starts, lengths, strict=True):
        if length < 0:
            found.append(None)
            continue
        raw = stream[start : start + length]
        text = known.get(raw)
        if text is None:
            text = known[raw] = raw.decode()
        found.append(text)
    return found


def _converted(column: Sequence[Any], kind: str) -> Any:
    if kind in {TEXT, IDENTITY}:
        return [None if value is None else str(value) for value in column]
    if kind == REAL:
        return np.array([np.nan if value is None else float(value) for value in column], dtype=np.float64)
    if kind == TIME:
        return np.array([MISSING if value is None else micros_of(value) for value in column], dtype=np.int64)
    if kind == CLOCK:
        return np.array([MISSING if value is None else _since_midnight(value) for value in column], dtype=np.int64)
    return np.array([MISSING if value is None else int(value) for value in column], dtype=np.int64)


def _since_midnight(at: time) -> int:
    return ((at.hour * 60 + at.minute) * 60 + at.second) * 1_000_000 + at.microsecond
