"""Stamps: marks of rows that change whenever one of the rows does. What was made from them counts until then.

A stamp is asked of the database in one statement, whatever number of tables it watches. The statement is compiled
once; only the owner and the instant differ from one question to the next.
"""

import hashlib
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cached_property
from typing import Any, TypeAlias
from weakref import WeakKeyDictionary

from django.db import connection
from django.db.models import Model, QuerySet, TextField
from django.db.models.functions import Cast, JSONArray

# Stand in the compiled statement where the owner's key and the instant belong; no row has either.
_OWNER, _AT = -987_654_321, datetime(1901, 2, 3, 4, 5, 6, 789, tzinfo=UTC)

Rows: TypeAlias = Callable[[int, datetime], "QuerySet[Any]"]


@dataclass(frozen=True)
class Watched:
    """Rows of one table, by their owner's key and the instant, and the columns that count (joined ones as `a__b`).

    `rows` has to hand on both as they are: what is worked out from them would be worked out but once.
    """

    rows: Rows
    columns: Sequence[str]


def columns_of(model: type[Model], *, but: Iterable[str] = (), within: str = "") -> list[str]:
    """Return the names of a model's own columns, as they are called `within` a joined row; all but some."""
    left_out = set(but)
    names = [field.attname for field in model._meta.concrete_fields]  # noqa: SLF001
    if unknown := left_out.difference(names):
        raise ValueError(f"{model.__name__} has no column {', '.join(sorted(unknown))}.")
    return [f"{within}{name}" for name in names if name not in left_out]


class Stamp:
    """The mark of what several tables hold for an owner."""

    def __init__(self, *watched: Watched) -> None:
        self.watched = watched

    def of(self, owner_id: int, *, at: datetime) -> str:
        """Return the mark at the instant `at`; one query."""
        rows = sorted(self.rows_of(owner_id, at=at))
        return hashlib.sha256(repr(rows).encode()).hexdigest()[:32]

    def rows_of(self, owner_id: int, *, at: datetime) -> list[tuple[int, str]]:
        """Return each row as (which of the watched it belongs to, its columns as a JSON array); one query."""
        with connection.cursor() as cursor:
            if _keeps_statements():
                self._prepare(cursor)
                cursor.execute(f"EXECUTE {self._name} (%s, %s)", [owner_id, at])
            else:
                sql, values = self._compiled
                real = {_OWNER: owner_id, _AT: _adapted(at)}
                cursor.execute(sql, [real.get(_hole(value), value) for value in values])
            return list(cursor.fetchall())

    @cached_property
    def _compiled(self) -> tuple[str, list[Any]]:
        parts, values = [], []
        for number, one in enumerate(self.watched):
            rows = one.rows(_OWNER, _AT)
            rows = rows if rows.query.is_sliced else rows.order_by()
            told = Cast(JSONArray(*one.columns), TextField())
            sql, its_values = rows.annotate(told=told).values_list("told").query.sql_with_params()
            parts.append(f"SELECT {number}, told FROM ({sql}) AS watched_{number}")  # noqa: S608 - compiled by Django
            values.extend(its_values)
        return " UNION ALL ".join(parts), values

    @cached_property
    def _name(self) -> str:
        return f"stamp_{hashlib.sha256(repr(self._compiled).encode()).hexdigest()[:16]}"

    def _prepare(self, cursor: Any) -> None:
        """Let PostgreSQL plan the statement once a connection: planning it takes longer than answering it."""
        known = _PREPARED.setdefault(connection.connection, set())
        if self._name in known:
            return
        sql, values = self._compiled
        named = {_OWNER: "$1", _AT: "$2", None: "%s"}
        *pieces, end = sql.split("%s")
        text = "".join(piece + named[_hole(value)] for piece, value in zip(pieces, values, strict=True))
        constants = [value for value in values if _hole(value) is None]
        cursor.execute(f"PREPARE {self._name} (bigint, timestamptz) AS {text}{end}", constants)
        known.add(self._name)


_PREPARED: WeakKeyDictionary[Any, set[str]] = WeakKeyDictionary()  # by connection


def _keeps_statements() -> bool:
    """Tell whether a connection is ours alone: behind a pooler of transactions the next statement meets another."""
    return connection.vendor == "postgresql" and not connection.settings_dict.get("DISABLE_SERVER_SIDE_CURSORS")


def _adapted(at: datetime) -> Any:
    return connection.ops.adapt_datetimefield_value(at)


def _hole(value: object) -> int | datetime | None:
    """Return for what a compiled value stands in, if for anything."""
    if value == _OWNER:
        return _OWNER
    return _AT if value in (_AT, _adapted(_AT)) else None
