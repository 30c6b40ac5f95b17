"""Empties test databases in spite of the ledger's triggers: lifts them for Django's flush and puts them back.

A transaction test ends with a flush, which deletes (SQLite) or truncates (PostgreSQL) every row. The platform itself
never flushes, so the way around the triggers lives here and not there.
"""

from collections.abc import Iterable
from typing import Any

from django.db import connections
from django.db.backends.base.operations import BaseDatabaseOperations

from rewards.triggers import TABLES, install_sql, lift_sql

_execute_flush = BaseDatabaseOperations.execute_sql_flush


def _execute_flush_without_triggers(self: Any, sql_list: Iterable[str]) -> None:
    vendor = self.connection.vendor
    tables = set(connections[self.connection.alias].introspection.table_names())
    if not tables.issuperset(TABLES):
        _execute_flush(self, sql_list)
        return
    _execute_flush(self, [*lift_sql(vendor), *sql_list, *install_sql(vendor)])


def let_tests_flush() -> None:
    """Teach Django's flush, in this process alone, to lift the triggers."""
    BaseDatabaseOperations.execute_sql_flush = _execute_flush_without_triggers  # type: ignore[method-assign]
