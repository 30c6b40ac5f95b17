"""Rounds: a failing row stops no other, and a round ends in time."""

import pytest

from foundation import rounds


def half(number: int) -> int:
    if number % 2:
        raise ValueError(number)
    return number


@pytest.mark.parametrize("workers", [1, 4])
def test_failing_rows_count_nothing_and_stop_no_other(workers: int) -> None:
    assert rounds.work_through(range(10), half, workers=workers) == 0 + 2 + 4 + 6 + 8


def test_nothing_to_do_is_nothing() -> None:
    assert rounds.work_through([], half, workers=4) == 0


def test_nothing_is_begun_after_the_round_took_its_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rounds, "LONGEST_ROUND_SECONDS", -1.0)

    assert rounds.work_through([2, 4], half) == 0
