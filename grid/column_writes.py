"""Many rows written at once: COPY and one UPDATE on PostgreSQL, the ordinary way on other databases."""

import json
import struct
import uuid
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import datetime
from itertools import repeat
from typing import Any

from django.db import connection
from django.db.models import Field, Model

from grid.columns import COPY_CLOSING, COPY_OPENING, POSTGRES_EPOCH, micros_of

Encode = Callable[[Any], bytes]
NULL = b"\xff\xff\xff\xff"

_long, _int, _short, _length = struct.Struct(">iq"), struct.Struct(">ii"), struct.Struct(">ih"), struct.Struct(">i")


def insert_rows(model: type[Model], columns: Mapping[str, Sequence[Any]]) -> None:
    """Insert rows given as columns by field name; JSON is given as text, a foreign key as the other row's key."""
    fields = _fields(model, columns)
    if connection.vendor != "postgresql":
        _insert_ordinarily(model, fields, columns)
        return
    encoded = [
        map(_ENCODERS[field.get_internal_type()], values)
        for field, values in zip(fields, columns.values(), strict=True)
    ]
    opening = struct.pack(">h", len(fields))
    table, names = _quoted(model._meta.db_table), ", ".join(_quoted(field.column) for field in fields)  # noqa: SLF001
    statement = f"COPY {table} ({names}) FROM STDIN (FORMAT BINARY)"
    # Django puts the faults of statements into its own words, but not those of COPY.
    with connection.wrap_database_errors, connection.cursor() as cursor, cursor.copy(statement) as copy:
        rows = map(b"".join, zip(repeat(opening), *encoded))
        copy.write(b"".join((COPY_OPENING, *rows, COPY_CLOSING)))


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
        sets = ", ".join(f"{_quoted(field.column)} = new.{_quoted(field.column)}" for field in fields[1:])
        names = ", ".join(_quoted(field.column) for field in fields)
        arrays = ", ".join(f"%s::{field.rel_db_type(connection) if field.primary_key else field.db_type(connection)}[]"
                           for field in fields)  # fmt: skip
        cursor.execute(
            f"UPDATE {table} SET {sets} FROM unnest({arrays}) AS new ({names}) "  # noqa: S608 - names only
            f"WHERE {table}.{key} = new.{key}",
            [_array(values) for values in columns.values()],
        )


def _fields(model: type[Model], names: Iterable[str]) -> list[Any]:
    return [model._meta.get_field(name) for name in names]  # noqa: SLF001 - public but for its name


def _quoted(name: str) -> str:
    return connection.ops.quote_name(name)


def _insert_ordinarily(model: type[Model], fields: Sequence[Any], columns: Mapping[str, Sequence[Any]]) -> None:
    values = [
        [None if value is None else json.loads(value) for value in column]
        if field.get_internal_type() == "JSONField" else column
        for field, column in zip(fields, columns.values(), strict=True)
    ]  # fmt: skip
    names = [field.attname for field in fields]
    rows = [model(**dict(zip(names, row, strict=True))) for row in zip(*values, strict=True)]
    model._default_manager.bulk_create(rows)  # noqa: SLF001


def _prepared(field: "Field[Any, Any]", values: Sequence[Any]) -> list[Any]:
    if field.get_internal_type() == "JSONField":  # it is text already
        return list(values)
    return [field.get_db_prep_save(value, connection) for value in values]


def _array(values: Sequence[Any]) -> str:
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


def _nullable(encode: Encode) -> Encode:
    return lambda value: NULL if value is None else encode(value)


_ENCODERS: dict[str, Encode] = {
    "BigIntegerField": _nullable(lambda value: _long.pack(8, value)),
    "ForeignKey": _nullable(lambda value: _long.pack(8, value)),
    "PositiveIntegerField": _nullable(lambda value: _int.pack(4, value)),
    "PositiveSmallIntegerField": _nullable(lambda value: _short.pack(2, value)),
    "BooleanField": _nullable(lambda value: b"\0\0\0\x01\x01" if value else b"\0\0\0\x01\0"),
    "DateTimeField": _nullable(lambda value: _long.pack(8, micros_of(value) - POSTGRES_EPOCH)),
    "UUIDField": _nullable(lambda value: b"\0\0\0\x10" + (value.bytes if isinstance(value, uuid.UUID) else value)),
    "CharField": _nullable(lambda value: _sized(value.encode())),
    "BinaryField": _nullable(_sized),
    "JSONField": _nullable(lambda value: _sized(b"\x01" + value.encode())),
}
