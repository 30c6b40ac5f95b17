"""Empties test databases after transaction tests, in spite of the ledger's triggers and quicker than Django's flush.

Django's flush empties every table and then makes all content types and permissions anew, which takes longer than most
tests. Here only tables that hold rows are emptied, and what migrations made once stays. The platform itself never
empties anything, so the way around the triggers lives here and not there.
"""

from django.db import connections, transaction
from django.db.backends.base.base import BaseDatabaseWrapper
from django.test import TransactionTestCase

from rewards.triggers import TABLES, install_sql, lift_sql

# What `migrate` filled and no test changes.
KEPT = frozenset({"django_migrations", "django_content_type", "auth_permission"})


def empty_database(connection: BaseDatabaseWrapper) -> list[str]:
    """Delete every row that tests may have left, and return the tables that held any."""
    names = set(connection.introspection.django_table_names(only_existing=True, include_views=False)) - KEPT
    asks = [f"SELECT '{name}' WHERE EXISTS (SELECT 1 FROM \"{name}\")" for name in sorted(names)]  # noqa: S608 - our own
    with connection.cursor() as cursor:
        cursor.execute(" UNION ALL ".join(asks))
        full = [name for (name,) in cursor.fetchall()]
    if full:
        _delete_rows(connection, full)
    return full


def _delete_rows(connection: BaseDatabaseWrapper, tables: list[str]) -> None:
    deletes = [f'DELETE FROM "{name}"' for name in tables]  # noqa: S608 - our own tables
    with connection.cursor() as cursor:
        if connection.vendor == "postgresql":
            # Neither foreign keys nor triggers are looked at by whoever replays what was right before.
            cursor.execute("SET session_replication_role = replica")
            cursor.execute("; ".join(deletes))
            cursor.execute("SET session_replication_role = DEFAULT")
            return
        has_triggers = not set(TABLES).isdisjoint(tables)
        with connection.constraint_checks_disabled(), transaction.atomic(using=connection.alias, savepoint=False):
            for statement in [*(lift_sql("sqlite") if has_triggers else ()), *deletes]:
                cursor.execute(statement)
            for statement in install_sql("sqlite") if has_triggers else ():
                cursor.execute(statement)


def _empty_after_test(self: TransactionTestCase) -> None:
    for alias in self._databases_names(include_mirrors=False):  # type: ignore[attr-defined]  # Django's own helper
        empty_database(connections[alias])


def let_tests_flush() -> None:
    """Have transaction tests, in this process alone, end with `empty_database`."""
    TransactionTestCase._fixture_teardown = _empty_after_test  # type: ignore[attr-defined]
