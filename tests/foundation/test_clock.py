"""One clock: real time without an anchor, simulated time with one."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from pytest_django import Settings

from foundation import clock

START = datetime(2026, 11, 1, 5, 0, tzinfo=UTC)


def test_without_an_anchor_simulated_time_is_wall_time(settings: Settings) -> None:
    settings.CLOCK_ANCHOR_FILE = ""
    assert abs(clock.now() - clock.wall()) < timedelta(seconds=1)
    assert clock.rate() == 1.0


def test_an_anchor_makes_a_night_pass_in_minutes() -> None:
    anchor = clock.Anchor(simulated_at=START, wall_at=START, rate=60.0)
    assert anchor.simulated(START + timedelta(minutes=10)) == START + timedelta(hours=10)


def test_a_replaced_anchor_counts_at_once(settings: Settings, tmp_path: Path) -> None:
    settings.CLOCK_ANCHOR_FILE = str(tmp_path / "clock.json")
    for days in (0, 1, 2):
        at = START + timedelta(days=days)
        clock.write_anchor(tmp_path / "clock.json", clock.Anchor(simulated_at=at, wall_at=clock.wall(), rate=0.0))
        assert clock.now() == at


def test_a_missing_anchor_file_means_real_time(settings: Settings, tmp_path: Path) -> None:
    settings.CLOCK_ANCHOR_FILE = str(tmp_path / "none.json")
    assert clock.current_anchor() is None


def test_a_broken_anchor_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "clock.json").write_text("{")
    with pytest.raises(ValueError, match="Expecting"):
        clock.read_anchor(tmp_path / "clock.json")
