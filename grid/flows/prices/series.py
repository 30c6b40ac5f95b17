"""Values of prices and carbon are stored as they were issued: the one loader of live feeds, uploads and commands.

A value that says what the issue in force at its time says already is not stored again; a correction is a newer issue
beside the older one. On PostgreSQL values travel as columns in binary COPY, straight into the table where nothing of
their time is known, else through a temporary one.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import repeat
from typing import Any

import numpy as np
from django.db import connection, transaction
from numpy.typing import NDArray

from grid.feeds.base import Point
from grid.models import Feed, SeriesPoint
from grid.rows.columns import COPY_CLOSING, COPY_OPENING, POSTGRES_EPOCH, at_micros, micros_of

Ints = NDArray[np.int64]

BATCH = 200_000
TABLE = SeriesPoint._meta.db_table  # noqa: SLF001 - public but for its name
COLUMNS = ("feed_id", "starts_at", "ends_at", "value", "unit", "issued_at")
NAMES = ", ".join(COLUMNS)
INCOMING = (
    "CREATE TEMPORARY TABLE incoming (feed_id bigint, starts_at timestamptz, ends_at timestamptz, value bigint, "
    "unit varchar, issued_at timestamptz) ON COMMIT DROP"
)
# What is not said yet by the issue in force at the time of the incoming one.
TAKE_OVER = f"""
    INSERT INTO {TABLE} ({NAMES})
    SELECT {", ".join(f"new.{name}" for name in COLUMNS)} FROM incoming new LEFT JOIN LATERAL (
        SELECT known.value, known.ends_at FROM {TABLE} known
        WHERE known.feed_id = new.feed_id AND known.starts_at = new.starts_at AND known.issued_at <= new.issued_at
        ORDER BY known.issued_at DESC LIMIT 1
    ) said ON true
    WHERE said.value IS DISTINCT FROM new.value OR said.ends_at IS DISTINCT FROM new.ends_at
    ON CONFLICT DO NOTHING
"""  # noqa: S608 - names alone
TAKE_OVER_ONE = f"""
    INSERT OR IGNORE INTO {TABLE} ({NAMES}) SELECT %s, %s, %s, %s, %s, %s WHERE NOT EXISTS (
        SELECT 1 FROM (
            SELECT value, ends_at FROM {TABLE} WHERE feed_id = %s AND starts_at = %s AND issued_at <= %s
            ORDER BY issued_at DESC LIMIT 1
        ) WHERE value = %s AND ends_at = %s
    )
"""  # noqa: S608 - names alone


@dataclass(frozen=True)
class Values:
    """Values of one series as columns [N]: microseconds since 1970, and millionths of `unit`."""

    starts: Ints
    ends: Ints
    values: Ints
    issued: Ints
    unit: str

    def __len__(self) -> int:
        return len(self.starts)

    def part(self, begin: int, end: int) -> "Values":
        """Return some of the rows."""
        kept = slice(begin, end)
        return Values(self.starts[kept], self.ends[kept], self.values[kept], self.issued[kept], self.unit)

    def rounds(self) -> Iterator["Values"]:
        """Yield the rows in order of time, each time once a round and its older issues first.

        Of two rows of one time and issue the one told last is taken. Nearly always there is one round.
        """
        if len(self) < 2 or bool(np.all(np.diff(self.starts) > 0)):
            yield self
            return
        order = np.lexsort((self.issued, self.starts))  # stable: what was told later comes later
        starts, issued = self.starts[order], self.issued[order]
        rows = order[np.append((np.diff(starts) != 0) | (np.diff(issued) != 0), np.True_)]
        _, firsts, counts = np.unique(self.starts[rows], return_index=True, return_counts=True)
        for number in range(int(counts.max())):
            kept = rows[firsts[counts > number] + number]
            yield Values(self.starts[kept], self.ends[kept], self.values[kept], self.issued[kept], self.unit)


def values_of(points: Sequence[Point]) -> Values:
    """Return points of one unit as columns; raises ValueError for several units."""
    units = {point.unit for point in points}
    if len(units) > 1:
        raise ValueError(f"The values of a series have one unit, not {sorted(units)}.")
    return Values(
        starts=_column(micros_of(point.starts_at) for point in points),
        ends=_column(micros_of(point.ends_at) for point in points),
        values=_column(point.value_micros for point in points),
        issued=_column(micros_of(point.issued_at) for point in points),
        unit=units.pop() if units else "",
    )


def _column(numbers: Iterable[int]) -> Ints:
    return np.fromiter(numbers, dtype=np.int64)


def store_values(*, feed: Feed, values: Values) -> int:
    """Store what is new among the values, in batches that are committed one by one, and return how much was new.

    Two loaders of one feed take turns. Safe to repeat: what is stored already is not stored again.
    """
    return sum(
        _store(feed, rows.part(begin, begin + BATCH))
        for rows in values.rounds()
        for begin in range(0, len(rows), BATCH)
    )


def _store(feed: Feed, batch: Values) -> int:
    with transaction.atomic():
        list(Feed.objects.select_for_update(no_key=True).filter(pk=feed.pk).values_list("pk"))
        if connection.vendor != "postgresql":
            return _store_one_by_one(feed, batch)
        if not _is_known(feed, at_micros(int(batch.starts[0])), at_micros(int(batch.starts[-1]))):
            _copy(TABLE, feed, batch)
            return len(batch)
        with connection.cursor() as cursor:
            cursor.execute(INCOMING)
            _copy("incoming", feed, batch)
            cursor.execute(TAKE_OVER)
            stored: int = cursor.rowcount
            cursor.execute("DROP TABLE incoming")
        return stored


def _is_known(feed: Feed, first: datetime, last: datetime) -> bool:
    return SeriesPoint.objects.filter(feed=feed, starts_at__gte=first, starts_at__lte=last).order_by().exists()


def _copy(table: str, feed: Feed, batch: Values) -> None:
    statement = f"COPY {table} ({NAMES}) FROM STDIN (FORMAT BINARY)"
    with connection.wrap_database_errors, connection.cursor() as cursor, cursor.copy(statement) as copy:
        copy.write(COPY_OPENING)
        copy.write(_packed(feed.pk, batch))
        copy.write(COPY_CLOSING)


def _packed(feed_id: int, batch: Values) -> bytes:
    """Return the rows as PostgreSQL's binary COPY has them: a count of fields, then the length and value of each."""
    unit = batch.unit.encode()
    fields: list[tuple[str, Any, Any]] = [
        ("feed", ">i8", feed_id),
        ("starts", ">i8", batch.starts - POSTGRES_EPOCH),
        ("ends", ">i8", batch.ends - POSTGRES_EPOCH),
        ("value", ">i8", batch.values),
        ("unit", f"S{len(unit)}", unit),
        ("issued", ">i8", batch.issued - POSTGRES_EPOCH),
    ]
    layout: list[tuple[str, str]] = [("count", ">i2")]
    for name, kind, _ in fields:
        layout += [(f"{name}_length", ">i4"), (name, kind)]
    rows = np.zeros(len(batch), dtype=np.dtype(layout))
    rows["count"] = len(fields)
    for name, kind, column in fields:
        rows[f"{name}_length"] = np.dtype(kind).itemsize
        rows[name] = column
    return rows.tobytes()


def _store_one_by_one(feed: Feed, batch: Values) -> int:
    with connection.cursor() as cursor:
        before = _count(cursor)
        cursor.executemany(TAKE_OVER_ONE, list(_rows(feed.pk, batch)))
        return _count(cursor) - before


def _count(cursor: Any) -> int:
    cursor.execute("SELECT total_changes()")
    return int(cursor.fetchone()[0])


def _rows(feed_id: int, batch: Values) -> Iterator[tuple[Any, ...]]:
    starts, ends, issued = (map(_as_kept, column.tolist()) for column in (batch.starts, batch.ends, batch.issued))
    columns = (repeat(feed_id, len(batch)), starts, ends, batch.values.tolist(), repeat(batch.unit, len(batch)), issued)
    for pk, start, end, value, unit, issue in zip(*columns, strict=True):
        yield (pk, start, end, value, unit, issue, pk, start, issue, value, end)


def _as_kept(micros: int) -> Any:
    return connection.ops.adapt_datetimefield_value(at_micros(micros))
