"""Stamps: marks of rows that change whenever one of the rows does. What was made from them counts until then.

A stamp is asked of the database in one statement, whatever number of tables it watches.
"""

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property
from typing import Any

from django.db.models import Model, TextField
from django.db.models.functions import Cast, JSONArray

from foundation.statements import AT, OWNER, Rows, Statement


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

    def rows_of(self, owner_id: int, *, at: datetime) -> list[tuple[Any, ...]]:
        """Return each row as (which of the watched it belongs to, its columns as a JSON array); one query."""
        return self.statement.ask(owner_id, at)

    @cached_property
    def statement(self) -> Statement:
        """What is asked of the database."""
        parts, values = [], list[Any]()
        for number, one in enumerate(self.watched):
            rows = one.rows(OWNER, AT)
            rows = rows if rows.query.is_sliced else rows.order_by()
            told = Cast(JSONArray(*one.columns), TextField())
            sql, its_values = rows.annotate(told=told).values_list("told").query.sql_with_params()
            parts.append(f"SELECT {number}, told FROM ({sql}) AS watched_{number}")  # noqa: S608 - compiled by Django
            values.extend(its_values)
        return Statement(" UNION ALL ".join(parts), tuple(values))
