"""What stands between two transaction tests: an empty database whose triggers and permissions are as they were."""

from datetime import datetime

import pytest
from django.contrib.auth.models import Permission
from django.db import DatabaseError, connection

from accounts.models import User
from rewards import ledger
from rewards.models import LedgerAccount, Transfer
from tests.append_only import empty_database

pytestmark = pytest.mark.django_db(transaction=True)


def test_every_row_goes_and_the_ledger_refuses_changes_as_before(alice: User, now: datetime) -> None:
    rights = Permission.objects.count()
    debit, credit = (ledger.account(kind, "x", "USD") for kind in ("utility_receivable", "owner_payable"))
    ledger.post(key="one", debit=debit, credit=credit, amount_minor=5, label="", now=now)

    assert {"accounts_user", "rewards_transfer"} <= set(empty_database(connection))

    assert (User.objects.count(), Transfer.objects.count(), LedgerAccount.objects.count()) == (0, 0, 0)
    assert Permission.objects.count() == rights > 0
    assert empty_database(connection) == []
    debit, credit = (ledger.account(kind, "x", "USD") for kind in ("utility_receivable", "owner_payable"))
    ledger.post(key="one", debit=debit, credit=credit, amount_minor=5, label="", now=now)
    with pytest.raises(DatabaseError):
        Transfer.objects.update(label="changed")
