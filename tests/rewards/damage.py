"""Ways to damage a ledger behind its back, for tests of what notices. All of it rolls back with the test."""

from collections.abc import Iterator
from contextlib import contextmanager

from django.db import connection

from rewards.models import LedgerAccount
from rewards.triggers import lift_sql


def lift_triggers() -> None:
    """Let ledger rows be edited until the test's transaction rolls back."""
    with connection.cursor() as cursor:
        for statement in lift_sql(connection.vendor):
            cursor.execute(statement)


@contextmanager
def constraints_off() -> Iterator[None]:
    """Let account counters contradict their constraints for the block."""
    with connection.cursor() as cursor:
        if connection.vendor == "sqlite":
            cursor.execute("PRAGMA ignore_check_constraints = ON")
            yield
            cursor.execute("PRAGMA ignore_check_constraints = OFF")
            return
        cursor.execute("SET CONSTRAINTS ALL IMMEDIATE")  # tables with checks still to come cannot be altered
        for constraint in LedgerAccount._meta.constraints:
            cursor.execute(f'ALTER TABLE rewards_ledgeraccount DROP CONSTRAINT "{constraint.name}"')
        yield
