"""In which programs a car may be at once, and that no hour of charging is paid for twice."""

from typing import Any

import pytest

from grid.rules.combining import goes_with, pay_the_same_hours

NIGHT = {"weekdays": [0, 1, 2, 3, 4, 5, 6], "from": "00:00", "to": "08:00"}
WEEKEND = {"weekdays": [5, 6], "from": "06:00", "to": "10:00"}
DAY = {"weekdays": [0, 1, 2, 3, 4], "from": "08:00", "to": "16:00"}


def pays(*windows: dict[str, Any], form: str = "charging_rate", **more: Any) -> dict[str, Any]:
    return {"form": form, "windows": list(windows), **more}


@pytest.mark.parametrize(
    ("ours", "theirs", "is_twice"),
    [
        ([pays(NIGHT)], [pays(NIGHT)], True),
        ([pays(NIGHT)], [pays(DAY, WEEKEND, form="charging_share")], True),
        ([pays(NIGHT)], [pays(DAY)], False),
        ([pays(NIGHT, months=[6, 7])], [pays(NIGHT, months=[12, 1])], False),
        ([pays(NIGHT)], [{"form": "monthly", "amount_minor": 500}], False),
        ([], [pays(NIGHT)], False),
    ],
)
def test_same_hours_are_not_paid_twice(ours: list[Any], theirs: list[Any], is_twice: bool) -> None:  # noqa: FBT001 - a table
    assert pay_the_same_hours(ours, theirs) is is_twice
    assert pay_the_same_hours(theirs, ours) is is_twice


def test_programs_are_permitted_by_slug_or_group_and_never_by_silence() -> None:
    assert goes_with(["events"], {"evening-relief", "events"})
    assert goes_with(["evening-relief"], {"evening-relief", "events"})
    assert not goes_with([], {"evening-relief"})
