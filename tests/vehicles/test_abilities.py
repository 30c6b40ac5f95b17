"""What a car can and cannot do, in words: every capability has its sentence, every refusal its reason."""

import pytest

from vehicles import wording
from vehicles.abilities import abilities
from vehicles.automakers.base import Capabilities, HoldEnds

CASES = {
    "unknown car": (Capabilities(), {"read"}, {"no_commands", "no_discharge"}),
    "readings alone": (
        Capabilities(pushes=("stream",), refusals=("no_commands", "no_discharge")),
        {"read", "push"},
        {"no_commands", "no_discharge"},
    ),
    "charging not allowed": (
        Capabilities(refusals=("charging_scope_missing",)),
        {"read"},
        {"charging_scope_missing"},
    ),
    "start and stop": (
        Capabilities(can_start_stop=True, hold_ends=HoldEnds.START_STOP, min_restart_soc_percent=50),
        {"read", "hold"},
        {"events_only", "no_discharge", "restart_limit"},
    ),
    "schedule": (
        Capabilities(hold_ends=HoldEnds.SCHEDULE, set_limit_percent=(50, 100, 1), refusals=("place_scope_missing",)),
        {"read", "hold", "set_limit"},
        {"place_scope_missing", "no_discharge"},
    ),
    "gives back": (
        Capabilities(hold_ends=HoldEnds.TIMED, max_discharge_w=9600, is_metered=True),
        {"read", "hold", "discharge", "meter"},
        set(),
    ),
}


@pytest.mark.parametrize("name", CASES)
def test_car_is_described_as_it_is(name: str) -> None:
    can, possible, refused = CASES[name]

    found = abilities(can)

    assert {ability.key for ability in found if ability.is_possible} == possible
    assert {ability.key for ability in found if not ability.is_possible} == refused
    assert len({ability.text for ability in found}) == len(found)
    for ability in found:
        assert ability.text.endswith(".")
        assert ability.text != str(wording.MESSAGES["maker_failed"])
        assert ability.needs_relink == (ability.key in {"charging_scope_missing", "place_scope_missing"})


def test_power_is_said_in_kilowatts() -> None:
    texts = [ability.text for ability in abilities(Capabilities(hold_ends=HoldEnds.TIMED, max_discharge_w=9600))]
    assert any("9.6\xa0kW" in text for text in texts)


@pytest.mark.parametrize("reason", ["invalid_grant", "login_required", "revoked_at_maker", "something new", ""])
def test_why_a_link_died_is_always_a_sentence(reason: str) -> None:
    assert wording.relink_reason(reason).endswith(".")
