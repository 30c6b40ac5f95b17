"""Statements that are compiled once and asked again for another owner, another instant.

Making SQL from a queryset takes Django as long as the database takes to answer it, and PostgreSQL plans a statement
of many tables longer than it runs. What every page asks is worth making once.
"""

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cached_property
from typing import Any, Generic, TypeAlias, TypeVar
from weakref import WeakKeyDictionary

from django.db import connection
from django.db.models import Model, QuerySet
from django.db.models import query as querying

Row = TypeVar("Row", bound=Model)
Rows: TypeAlias = Callable[[int, datetime], "QuerySet[Any]"]

# Stand in compiled statements where the owner's key and the instant belong; no row has either.
OWNER, AT = -987_654_321, datetime(1901, 2, 3, 4, 5, 6, 789, tzinfo=UTC)

_PREPARED: WeakKeyDictionary[Any, set[str]] = WeakKeyDictionary()  # names, by connection


@dataclass(frozen=True)
class Statement:
    """SQL with its values, of which some are OWNER or AT."""

    sql: str
    values: Sequence[Any]

    @cached_property
    def name(self) -> str:
        """What the database calls it once it is prepared."""
        return f"once_{hashlib.sha256(repr((self.sql, self.values)).encode()).hexdigest()[:20]}"

    def ask(self, owner_id: int, at: datetime) -> list[tuple[Any, ...]]:
        """Return the rows for an owner at an instant; one query, besides the first on a connection."""
        with connection.cursor() as cursor:
            if _keeps_statements():
                self._prepare(cursor)
                cursor.execute(f"EXECUTE {self.name} (%s, %s)", [owner_id, at])
            else:
                real = {OWNER: owner_id, AT: _adapted(at)}
                cursor.execute(self.sql, [real.get(_hole(value), value) for value in self.values])
            return list(cursor.fetchall())

    def _prepare(self, cursor: Any) -> None:
        known = _PREPARED.setdefault(connection.connection, set())
        if self.name in known:
            return
        named = {OWNER: "$1", AT: "$2", None: "%s"}
        *pieces, end = self.sql.split("%s")
        text = "".join(piece + named[_hole(value)] for piece, value in zip(pieces, self.values, strict=True))
        constants = [value for value in self.values if _hole(value) is None]
        cursor.execute(f"PREPARE {self.name} (bigint, timestamptz) AS {text}{end}", constants)
        known.add(self.name)


class Once(Generic[Row]):
    """A queryset of models by their owner's key and an instant, compiled at its first use.

    `rows` has to hand on both as they are: what is worked out from them would be worked out but once. Rows that are
    joined by `select_related` and annotations are there as usual.
    """

    def __init__(self, rows: Rows) -> None:
        self.rows = rows

    def of(self, owner_id: int, *, at: datetime = AT) -> list[Row]:
        """Return the rows of an owner, at an instant where `rows` goes by it; one query."""
        compiler, statement, joined = self._compiled
        about: dict[str, Any] = compiler.klass_info
        first, last = about["select_fields"][0], about["select_fields"][-1] + 1
        names = [column[0].target.attname for column in compiler.select[first:last]]
        found = []
        for values in compiler.results_iter(results=[statement.ask(owner_id, at)]):
            row = about["model"].from_db(connection.alias, names, values[first:last])
            for one in joined:
                one.populate(values, row)
            for name, position in compiler.annotation_col_map.items():
                setattr(row, name, values[position])
            found.append(row)
        return found

    @cached_property
    def _compiled(self) -> tuple[Any, Statement, list[Any]]:
        compiler: Any = self.rows(OWNER, AT).query.get_compiler(connection=connection)
        sql, values = compiler.as_sql()
        populators_of: Any = querying.get_related_populators  # the stubs know another Django's arguments
        joined = populators_of(compiler.klass_info, compiler.select, connection.alias)
        return compiler, Statement(sql, tuple(values)), list(joined)


class OnceValues:
    """The same for a `values_list`: rows are tuples in its order, sums and counts of groups among them."""

    def __init__(self, rows: Rows) -> None:
        self.rows = rows

    def of(self, owner_id: int, *, at: datetime = AT) -> list[tuple[Any, ...]]:
        """Return the rows of an owner, at an instant where `rows` goes by it; one query."""
        compiler, statement = self._compiled
        return list(compiler.results_iter(results=[statement.ask(owner_id, at)], tuple_expected=True))

    @cached_property
    def _compiled(self) -> tuple[Any, Statement]:
        compiler: Any = self.rows(OWNER, AT).query.get_compiler(connection=connection)
        sql, values = compiler.as_sql()
        return compiler, Statement(sql, tuple(values))


def _keeps_statements() -> bool:
    """Tell whether a connection is ours alone: behind a pooler of transactions the next statement meets another."""
    return connection.vendor == "postgresql" and not connection.settings_dict.get("DISABLE_SERVER_SIDE_CURSORS")


def _adapted(at: datetime) -> Any:
    return connection.ops.adapt_datetimefield_value(at)


def _hole(value: object) -> int | datetime | None:
    """Return for what a compiled value stands in, if for anything."""
    if value == OWNER:
        return OWNER
    return AT if value in (AT, _adapted(AT)) else None
