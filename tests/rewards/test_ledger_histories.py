"""Whatever happens in whatever order, the books agree with the model at every step."""

import pytest
from hypothesis.stateful import run_state_machine_as_test

from tests.rewards.histories import SETTINGS, LedgerHistories


@pytest.mark.django_db
@pytest.mark.slow
def test_random_histories_keep_the_books() -> None:
    run_state_machine_as_test(LedgerHistories, settings=SETTINGS)
