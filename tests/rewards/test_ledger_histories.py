"""Whatever happens in whatever order, the books agree with the model at every step."""

import pytest

from tests.rewards.histories import SETTINGS, play_histories


@pytest.mark.django_db
@pytest.mark.slow
def test_random_histories_keep_the_books() -> None:
    play_histories(settings=SETTINGS)
