"""However often an amount is stated: the owner has the highest, the utility owes the last, the platform the rest."""

from datetime import datetime

import pytest

from accounts.models import User
from rewards import ledger
from rewards.flows.corrections import Stated, corrections_account, entries_for
from tests.factories.rewards import utility_receivable


@pytest.mark.django_db
@pytest.mark.parametrize(
    "amounts",
    [[500, 300], [500, 300, 700], [500, 0, 200], [0, 400, 400, 100, 900, 0]],
    ids=lambda one: "-".join(map(str, one)),
)
def test_statement_after_statement_keeps_everybody_right(alice: User, now: datetime, amounts: list[int]) -> None:
    utility, owner, platform = utility_receivable(), ledger.owner_account(alice, "USD"), corrections_account("USD")
    before = Stated()
    for number, amount_minor in enumerate(amounts):
        whole = ledger.Entry(f"settlement:{number}", utility, owner, amount_minor, "Evening peak")
        ledger.post_many(entries_for(whole, before=before, platform=platform), now=now)
        before = Stated(max(before.owner_minor, amount_minor), amount_minor)

        assert ledger.balance(owner).posted_minor == max(amounts[: number + 1])
        assert ledger.balance(utility).posted_minor == -amount_minor
        assert ledger.balance(platform).posted_minor == amount_minor - max(amounts[: number + 1])
    assert ledger.check() == []
