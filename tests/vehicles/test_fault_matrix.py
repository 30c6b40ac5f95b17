"""What every fault comes to at every maker is as docs/fault-matrix.md says."""

import os

import pytest

from accounts.models import User
from tests.vehicles import fault_table
from tests.vehicles.fault_matrix import COLUMNS, FAULTS, Column, Outcome, Stage
from tests.vehicles.makers.conftest import World, evening
from vehicles.automakers import smartcar
from vehicles.automakers.registry import AUTOMAKERS

__all__ = ["evening"]  # a fixture of the neighbouring folder
pytestmark = [pytest.mark.slow, pytest.mark.once]
IS_FULL = bool(os.environ.get("CHARGESCAPE_FULL"))
IS_WRITING = os.environ.get("FAULT_MATRIX") == "write"
# Holding and freeing takes a minute a maker, so a usual run plays it for these alone.
STEERED = {
    "Honda": {"none", "answers to commands get lost", "cloud down (503)"},
    "Smartcar": {"none", "access token expired"},
}


def test_every_maker_stands_in_the_matrix() -> None:
    assert {column.maker for column in COLUMNS} == set(AUTOMAKERS)
    recorded = fault_table.load()
    assert {title: list(rows) for title, rows in recorded.items()} == {
        column.title: [fault.title for fault in FAULTS] for column in COLUMNS
    }


def test_page_is_written_from_the_record() -> None:
    assert fault_table.PAGE.read_text() == fault_table.render(fault_table.load())


@pytest.mark.usefixtures("db")
@pytest.mark.parametrize("column", COLUMNS, ids=lambda column: column.title)
def test_faults_come_to_what_is_recorded(
    alice: User, evening: World, column: Column, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(smartcar, "COMMAND_SECONDS", 1.0)  # nobody waits 25 seconds for each command that comes late
    stage = Stage(column, alice, evening)
    found = {}
    for fault in FAULTS:
        steers = IS_FULL or fault.title in STEERED.get(column.title, ())
        found[fault.title] = stage.play(fault, steers=steers)
    recorded = fault_table.load()

    if IS_WRITING:
        assert IS_FULL, "the record is written from whole runs alone: CHARGESCAPE_FULL=1"
        fault_table.save({**recorded, column.title: found})
        return
    expected = {title: _as_played(outcome, found[title]) for title, outcome in recorded[column.title].items()}
    assert found == expected


def _as_played(recorded: Outcome, found: Outcome) -> Outcome:
    """Return the recorded outcome, less what was not played this time."""
    return recorded if found.hold or not recorded.hold else Outcome(recorded.reading, "", "", recorded.link)
