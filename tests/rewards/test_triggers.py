"""History cannot be edited: not through models, bulk, nor SQL."""

from collections.abc import Callable
from datetime import datetime

import pytest
from django.db import IntegrityError, connection, transaction

from accounts.models import User
from rewards import proofs
from rewards.models import ChainLink, Transfer
from rewards.triggers import install_sql, trigger_names
from tests.factories.rewards import earn

pytestmark = pytest.mark.django_db


def _sql(statement: str) -> None:
    with connection.cursor() as cursor:
        cursor.execute(statement)


def _save() -> None:
    transfer = Transfer.objects.get()
    transfer.amount_minor += 1
    transfer.save()


def _bulk() -> None:
    transfer = Transfer.objects.get()
    transfer.amount_minor += 1
    Transfer.objects.bulk_update([transfer], ["amount_minor"])


def _upsert() -> None:
    row = Transfer.objects.get()
    row.amount_minor += 1
    Transfer.objects.bulk_create([row], update_conflicts=True, unique_fields=["id"], update_fields=["amount_minor"])


EDITS: list[Callable[[], object]] = [
    _save,
    _bulk,
    _upsert,
    lambda: Transfer.objects.update(label="x"),
    lambda: Transfer.objects.all()._raw_delete("default"),
    lambda: ChainLink.objects.all().delete(),
    lambda: ChainLink.objects.update(hash="x"),
    lambda: _sql("UPDATE rewards_transfer SET amount_minor = amount_minor + 1"),
    lambda: _sql("DELETE FROM rewards_chainlink"),
    lambda: _sql("DELETE FROM rewards_transfer"),
]


@pytest.mark.parametrize("edit", EDITS, ids=range(len(EDITS)))
def test_edit_of_history_is_refused(alice: User, now: datetime, edit: Callable[[], object]) -> None:
    first = earn(alice, 250, now=now)
    proofs.seal_transfers(limit=10)
    with pytest.raises(IntegrityError, match="append-only"), transaction.atomic():
        edit()
    assert Transfer.objects.get().amount_minor == first.amount_minor
    assert ChainLink.objects.count() == 1


def test_truncating_history_is_refused(alice: User, now: datetime) -> None:
    if connection.vendor != "postgresql":
        pytest.skip("SQLite has no TRUNCATE")
    earn(alice, 250, now=now)
    with pytest.raises(IntegrityError, match="append-only"), transaction.atomic():
        _sql("SET CONSTRAINTS ALL IMMEDIATE; TRUNCATE rewards_transfer CASCADE")


def test_triggers_survive_every_migration() -> None:
    query = {
        "sqlite": "SELECT name FROM sqlite_master WHERE type = 'trigger' AND name LIKE 'rewards_%'",
        "postgresql": "SELECT tgname FROM pg_trigger WHERE NOT tgisinternal AND tgname LIKE 'rewards_%'",
    }[connection.vendor]
    with connection.cursor() as cursor:
        cursor.execute(query)
        found = {name for (name,) in cursor.fetchall()}
    assert found == trigger_names(connection.vendor)


def test_unknown_database_is_refused() -> None:
    with pytest.raises(NotImplementedError):
        install_sql("oracle")
