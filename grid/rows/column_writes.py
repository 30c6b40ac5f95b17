"""Many rows written at once: COPY and one UPDATE on PostgreSQL, the ordinary way on other databases."""

import json
import struct
import uuid
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import datetime
from itertools import chain, repeat
from typing import Any

from django.db import connection
from django.db.models import Field, Model

from grid.rows.columns import COPY_CLOSING, COPY_OPENING, POSTGRES_EPOCH, micros_of

Encode = Callable[[Any], bytes]
NULL = b"\xff\xff\xff\xff"

_long, _int, _short, _length = struct.Struct(">iq"), struct.Struct(">ii"), struct.Struct(">ih"), struct.Struct(">i")


def insert_rows(model: type[Model], columns: Mapping[str, Sequence[Any]]) -> None:
    """Insert rows given as columns by field name.

    JSON is given as text, a foreign key as the other row's key, a UUID as such or as its 16 bytes.
    """
    fields = _fields(model, columns)
    if connection.vendor != "postgresql":
        _insert_ordinarily(model, fields, columns)
        return
    opening = struct.pack(">h", len(fields))
    pieces = _pieces(opening, fields, list(columns.values()))
    table, names = _quoted(model._meta.db_table), ", ".join(_quoted(field.column) for field in fields)  # noqa: SLF001
    statement = f"COPY {table} ({names}) FROM STDIN (FORMAT BINARY)"
    # Django puts the faults of statements into its own words, but not those of COPY.
    with connection.wrap_database_errors, connection.cursor() as cursor, cursor.copy(statement) as copy:
        copy.write(b"".join((COPY_OPENING, *chain.from_iterable(zip(*pieces, strict=False)), COPY_CLOSING)))


def update_rows(model: type[Model], columns: Mapping[str, Sequence[Any]]) -> None:
    """Update rows given as columns by field name, the first of them the primary key; JSON is given as text."""
    fields = _fields(model, columns)
    table, key = _quoted(model._meta.db_table), _quoted(fields[0].column)  # noqa: SLF001
    with connection.cursor() as cursor:
        if connection.vendor != "postgresql":
            sets = ", ".join(f"{_quoted(field.column)} = %s" for field in fields[1:])
            rows = zip(*map(_prepared, fields[1:], list(columns.values())[1:]), columns[fields[0].name], strict=True)
            cursor.executemany(f"UPDATE {table} SET {sets} WHERE {key} = %s", list(rows))  # noqa: S608 - names only
            return
        _update_at_once(cursor, table, fields, list(columns.values()))


def _update_at_once(cursor: Any, table: str, fields: Sequence[Any], columns: Sequence[Sequence[Any]]) -> None:
    """Update by one statement; what all rows are given is told once, not once a row."""
    types = [
        field.rel_db_type(connection) if field.primary_key else field.db_type(connection) for field in fields
    ]  # fmt: skip
    sets, arrays, names = [], [f"%s::{types[0]}[]"], [_quoted(fields[0].column)]
    shared, listed = [], [array_of(columns[0])]
    for field, kind, values in zip(fields[1:], types[1:], columns[1:], strict=True):
        name = _quoted(field.column)
        if _is_shared(values):
            sets.append(f"{name} = %s::{kind}")
            shared.append(values[0])
        else:
            sets.append(f"{name} = new.{name}")
            names.append(name)
            arrays.append(f"%s::{kind}[]")
            listed.append(array_of(values))
    cursor.execute(
        f"UPDATE {table} SET {', '.join(sets)} FROM unnest({', '.join(arrays)}) AS new ({', '.join(names)}) "  # noqa: S608 - names only
        f"WHERE {table}.{names[0]} = new.{names[0]}",
        [*shared, *listed],
    )


def _fields(model: type[Model], names: Iterable[str]) -> list[Any]:
    return [model._meta.get_field(name) for name in names]  # noqa: SLF001 - public but for its name


def _quoted(name: str) -> str:
    return connection.ops.quote_name(name)


def _is_shared(values: Sequence[Any]) -> bool:
    return len(values) > 0 and values.count(values[0]) == len(values)


def _pieces(opening: bytes, fields: Sequence[Any], columns: Sequence[Sequence[Any]]) -> list[Iterable[bytes]]:
    """Return what each row's bytes are joined from; neighbours that all rows share are one piece."""
    pieces: list[Iterable[bytes]] = []
    shared = opening
    for field, values in zip(fields, columns, strict=True):
        encode = _ENCODERS[field.get_internal_type()]
        if _is_shared(values):
            shared += _with_null(encode, values[:1])[0]
            continue
        if shared:
            pieces.append(repeat(shared))
            shared = b""
        pieces.append(_with_null(encode, values))
    return [*pieces, repeat(shared, len(columns[0]))]


def _with_null(encode: Encode, values: Sequence[Any]) -> list[bytes]:
    return [NULL if value is None else encode(value) for value in values]


def _insert_ordinarily(model: type[Model], fields: Sequence[Any], columns: Mapping[str, Sequence[Any]]) -> None:
    values = [
        _objects(field.get_internal_type(), column) for field, column in zip(fields, columns.values(), strict=True)
    ]
    names = [field.attname for field in fields]
    rows = [model(**dict(zip(names, row, strict=True))) for row in zip(*values, strict=True)]
    model._default_manager.bulk_create(rows)  # noqa: SLF001


def _objects(kind: str, column: Sequence[Any]) -> Sequence[Any]:
    if kind == "JSONField":
        return [None if value is None else json.loads(value) for value in column]
    if kind == "UUIDField":
        return [uuid.UUID(bytes=value) if isinstance(value, bytes) else value for value in column]
    return column


def _prepared(field: "Field[Any, Any]", values: Sequence[Any]) -> list[Any]:
    if field.get_internal_type() == "JSONField":  # it is text already
        return list(values)
    return [field.get_db_prep_save(value, connection) for value in values]


def array_of(values: Sequence[Any]) -> str:
    """Return values as one parameter that PostgreSQL reads as an array; cast it in the statement."""
    return "{" + ",".join([_element(value) for value in values]) + "}"


def _element(value: Any) -> str:
    if value is None:
        return "NULL"
    if isinstance(value, datetime):
        return value.isoformat()
    if isinstance(value, str):
        return '"' + value.replace("\\", "\\\\").replace('"', '\\"') + '"'
    return str(value)


def _sized(raw: bytes) -> bytes:
    return _length.pack(len(raw)) + raw


_ENCODERS: dict[str, Encode] = {
    "BigIntegerField": lambda value: _long.pack(8, value),
    "ForeignKey": lambda value: _long.pack(8, value),
    "PositiveIntegerField": lambda value: _int.pack(4, value),
    "PositiveSmallIntegerField": lambda value: _short.pack(2, value),
    "BooleanField": lambda value: b"\0\0\0\x01\x01" if value else b"\0\0\0\x01\0",
    "DateTimeField": lambda value: _long.pack(8, micros_of(value) - POSTGRES_EPOCH),
    "UUIDField": lambda value: b"\0\0\0\x10" + (value.bytes if isinstance(value, uuid.UUID) else value),
    "CharField": lambda value: _sized(value.encode()),
    "SlugField": lambda value: _sized(value.encode()),
    "BinaryField": _sized,
    "JSONField": lambda value: _sized(b"\x01" + value.encode()),
}
