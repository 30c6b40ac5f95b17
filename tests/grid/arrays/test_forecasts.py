"""What a plan says of a span ahead: means over the span, capabilities within it, nothing beyond it."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from grid.arrays.forecasts import Outlook, PlanAhead

START = datetime(2026, 11, 19, 0, 0, tzinfo=UTC)
SLOT = timedelta(minutes=15)
PROBLEM: dict[str, Any] = {
    "plugged": [1, 1, 1, 1],
    "reserve_percent": 40,
    "max_percent": 80,
    "max_charge_kw": 8.0,
    "max_discharge_kw": 6.0,
    "capacity_kwh": 100.0,
}
SOLUTION = {"power_kw": [8.0, 0.0, -6.0, -6.0], "soc_percent": [50, 52, 52, 50.5, 40]}


def ahead(**changes: Any) -> PlanAhead:
    return PlanAhead(
        starts_at=START, slot=SLOT, problem=PROBLEM | changes, solution=SOLUTION, baseline_kw=[8.0, 8.0, 8.0, 4.0]
    )


def over(first: float, last: float, **changes: Any) -> Outlook | None:
    return ahead(**changes).over(START + first * SLOT, START + last * SLOT)


def test_powers_are_means_over_the_span() -> None:
    whole, part = over(0, 4), over(0.5, 2)
    assert whole is not None
    assert part is not None
    assert [whole.power_kw, whole.baseline_kw] == pytest.approx([-1.0, 7.0])
    assert part.power_kw == pytest.approx(8 / 3)
    assert part.stored_kwh == pytest.approx(51.0)
    assert whole.spare_kwh == pytest.approx(10.0)  # 50 of 100 kWh, 40 of them reserved


def test_room_up_and_down_is_beside_the_plan() -> None:
    charging, giving = over(0, 1), over(2, 3)
    assert charging is not None
    assert giving is not None
    assert [charging.up_kw, charging.down_kw] == pytest.approx([14.0, 0.0])
    assert [giving.up_kw, giving.down_kw] == pytest.approx([0.0, 14.0])
    unplugged = over(0, 4, plugged=[0, 0, 0, 0])
    assert unplugged is not None
    assert (unplugged.give_kw, unplugged.charge_kw, unplugged.spare_kwh) == (0, 0, 0)


@pytest.mark.parametrize(("first", "last"), [(-1, 2), (3, 5), (2, 2)])
def test_beyond_the_plan_nothing_is_known(first: float, last: float) -> None:
    assert over(first, last) is None


def test_outlooks_add_up() -> None:
    one = over(0, 1)
    assert one is not None
    assert (one + one).power_kw == one.times(2).power_kw == 16.0
