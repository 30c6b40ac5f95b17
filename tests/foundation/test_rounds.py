"""Rounds: a failing row stops no other, and a round ends in time."""

import threading
from collections.abc import Sequence

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


@pytest.mark.parametrize("workers", [1, 4])
def test_jobs_are_noted_whatever_became_of_them(workers: int) -> None:
    jobs = list(range(10))
    noted: dict[int, int | None] = {}

    def take(count: int) -> list[int]:
        taken = jobs[:count]
        del jobs[:count]
        return taken

    assert rounds.keep_busy(take, half, noted.update, workers=workers) == 10
    assert noted == {number: None if number % 2 else number for number in range(10)}


def test_a_slow_job_holds_up_no_other_and_little_is_taken_ahead() -> None:
    """Forty quick jobs go past one that ends only when the last of them is noted."""
    jobs = list(range(41))
    noted: list[int] = []
    all_others = threading.Event()
    under_way: list[int] = []

    def take(count: int) -> list[int]:
        taken = jobs[:count]
        del jobs[:count]
        under_way.append(41 - len(jobs) - len(noted))
        return taken

    def note(done: Sequence[tuple[int, bool | None]]) -> None:
        noted.extend(job for job, _ in done)
        if len(noted) == 40:
            all_others.set()

    rounds.keep_busy(take, lambda job: job > 0 or all_others.wait(10), note, workers=2)

    assert noted[-1] == 0
    assert max(under_way) <= 2 * 2 * rounds.MOST_AHEAD  # under way, and as many that are not noted yet
