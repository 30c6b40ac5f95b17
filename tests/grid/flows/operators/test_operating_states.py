"""Operating states as facts say: an owner's no, a broken link, what a car takes."""

import pytest

from grid.flows.operators.operating_states import state_of, state_of_group
from grid.models import EventParticipation, GridEvent


@pytest.mark.parametrize(
    ("state", "reason", "power_w", "kind", "expected"),
    [
        ("in", "", 0, "hold", "IDLE_CURTAILED"),
        ("in", "", 1400, "hold", "RUNNING_CURTAILED"),
        ("in", "", -7000, "discharge", "RUNNING_CURTAILED"),
        ("in", "", 7000, "absorb", "RUNNING_HEIGHTENED"),
        ("in", "", 50, "absorb", "IDLE_HEIGHTENED"),
        ("in", "", None, "hold", ""),
        ("opted_out", "owner", 7000, "hold", "RUNNING_OPTED_OUT"),
        ("opted_out", "owner", None, "hold", "IDLE_OPTED_OUT"),
        ("unable", "needs_relink", None, "hold", "ERROR"),
        ("unable", "cannot_hold", 7000, "hold", "NORMAL"),
        ("control", "", 7000, "hold", "NORMAL"),
    ],
)
def test_car_is_told_as_it_fares(state: str, reason: str, power_w: int | None, kind: str, expected: str) -> None:
    part = EventParticipation(state=EventParticipation.State(state), reason=reason)
    assert state_of(part, GridEvent(kind=GridEvent.Kind(kind)), power_w) == expected


@pytest.mark.parametrize(
    ("states", "power_w", "expected"),
    [
        (["in", "opted_out"], 0, "IDLE_CURTAILED"),
        (["in"], None, ""),
        (["opted_out", "unable"], None, "IDLE_OPTED_OUT"),
        (["opted_out"], 5000, "RUNNING_OPTED_OUT"),
        (["unable"], None, "NORMAL"),
    ],
)
def test_those_who_take_part_speak_for_the_group(states: list[str], power_w: int | None, expected: str) -> None:
    assert state_of_group(states, GridEvent(kind=GridEvent.Kind.HOLD), power_w) == expected
