"""One sentence for the owner, in local time on both nights the clocks change."""

from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from foundation.formats import reader_in
from grid.flows.owners.wording import PlanClock, say_plan
from grid.planner.explain import Cause, explain, shortfall_cause
from grid.planner.solve import plan_problem

AUSTIN = "America/Chicago"
FOUR_PM = datetime(2026, 11, 18, 22, 0, tzinfo=UTC)


@pytest.fixture
def evening() -> dict[str, Any]:
    """From 16:00 in Austin, an event from 17:00 to 20:00, the cheapest hours from 01:00, departure at 07:30."""
    prices = [0.30] * 36 + [0.12] * 20 + [0.20] * 6
    return {
        "id": "evening",
        "slot_minutes": 15,
        "import_price": prices,
        "export_price": [price - 0.02 for price in prices],
        "carbon_kg_per_kwh": [0.5] * 40 + [0.2] * 16 + [0.4] * 6,
        "carbon_price": 0.08,
        "adder": [0.0] * 4 + [0.5] * 12 + [0.0] * 46,
        "plugged": [1] * 62,
        "capacity_kwh": 70.0,
        "soc_percent": 40.0,
        "max_charge_kw": 7.2,
        "max_discharge_kw": 0.0,
        "charge_efficiency": 0.9,
        "discharge_efficiency": 0.9,
        "wear_per_kwh": 0.03,
        "minimum_percent": 20.0,
        "targets": [{"slot": 62, "soc_percent": 80.0}],
    }


def _say(raw: dict[str, Any], plan: Any, starts_at: datetime, country: str = "US") -> str:
    clock = PlanClock(starts_at, slot_minutes=15, zone=ZoneInfo(AUSTIN), reader=reader_in(country))
    sentence = say_plan(explain(raw, plan), clock, minimum_percent=raw.get("minimum_percent", 0))
    return sentence.replace("\u202f", " ").replace("\xa0", " ")  # no line ends within a time or number


def _sentence(raw: dict[str, Any]) -> str:
    return _say(raw, plan_problem(raw), FOUR_PM)


def test_holds_for_the_event_then_charges_when_cheapest(evening: dict[str, Any]) -> None:
    assert _sentence(evening) == (
        "Holds from 5:00 PM to 8:00 PM for the event, charges from 1:00 AM to 6:00 AM when power is cheapest and "
        "cleanest, ready at 7:30 AM with 80%."
    )


@pytest.mark.parametrize(
    ("change", "part"),
    [
        ({"soc_percent": 85.0}, "needs no charging, ready at 7:30 AM with 85%."),
        ({"soc_percent": 10.0}, "Charges at once from 4:00 PM to 5:15 PM up to its minimum of 20%"),
        ({"max_charge_kw": 1.0}, "has 59% of the wanted 80% at 7:30 AM because 15.5 h at 1 kW are not enough."),
        ({"plugged": [0] * 62}, "Plans nothing yet: the car is not plugged in at home."),
        ({"targets": []}, "needs no charging, has 40% at 7:30 AM."),
        (
            {"max_discharge_kw": 7.2, "terminal_value_per_kwh": 0.1, "soc_percent": 80.0},
            "Gives power back from 5:00 PM to 8:00 PM and from 10:45 PM to 1:00 AM, charges from 1:00 AM to 7:30 AM",
        ),
        ({"max_percent": 70.0}, "because the car may charge to 70% only."),
        ({"capacity_kwh": 0}, "No plan could be made (capacity_kwh: 0 is not above 0)."),
        ({"import_price": [0.3] * 50 + [-0.1] * 12}, "when the grid has power to spare"),
    ],
    ids=["full", "below-minimum", "out-of-reach", "away", "no-target", "v2g", "maximum", "error", "absorb"],
)
def test_sentence_tells(evening: dict[str, Any], change: dict[str, Any], part: str) -> None:
    assert part in _sentence(evening | change)


def test_many_stretches_are_told_as_their_total(evening: dict[str, Any]) -> None:
    prices = [0.1 if slot % 8 == 0 else 0.3 for slot in range(62)]
    assert "Charges for " in _sentence(evening | {"import_price": prices, "adder": [0.0] * 62})


def test_no_shortfall_has_no_cause(evening: dict[str, Any]) -> None:
    assert shortfall_cause(evening, plan_problem(evening)) == Cause()


@pytest.mark.parametrize(
    ("midnight", "slots"),
    [(datetime(2026, 3, 8, 6, 0, tzinfo=UTC), 92), (datetime(2026, 11, 1, 5, 0, tzinfo=UTC), 100)],
    ids=["spring-night-of-23-hours", "autumn-night-of-25-hours"],
)
def test_night_of_a_clock_change_is_planned_and_told_in_local_time(midnight: datetime, slots: int) -> None:
    zone = ZoneInfo(AUSTIN)
    tomorrow = midnight.astimezone(zone).replace(hour=0, tzinfo=None) + timedelta(days=1)
    assert (tomorrow.replace(tzinfo=zone).astimezone(UTC) - midnight) / timedelta(minutes=15) == slots
    leaves_at = midnight.astimezone(zone).replace(hour=7, minute=30).astimezone(UTC)
    departure = int((leaves_at - midnight) / timedelta(minutes=15))
    raw = {
        "id": "clocks", "slot_minutes": 15, "import_price": [0.1 + slot / 1000 for slot in range(slots)],
        "export_price": [0.0] * slots, "plugged": [1] * departure + [0] * (slots - departure), "capacity_kwh": 60.0,
        "soc_percent": 60.0, "max_charge_kw": 7.2, "max_discharge_kw": 0.0, "charge_efficiency": 0.9,
        "discharge_efficiency": 0.9, "wear_per_kwh": 0.0, "targets": [{"slot": departure, "soc_percent": 90.0}],
    }  # fmt: skip
    plan: dict[str, Any] = plan_problem(raw)
    assert len(plan["power_kw"]) == slots
    assert len(plan["soc_percent"]) == slots + 1
    assert plan["soc_percent"][departure] == pytest.approx(90.0)
    assert _say(raw, plan, midnight).endswith("ready at 7:30 AM with 90%.")


def test_trace_of_power_that_rounding_took_away_is_no_charging(evening: dict[str, Any]) -> None:
    plan: dict[str, Any] = dict(plan_problem(evening | {"soc_percent": 85.0}))
    reasons = [*plan["reasons"][:40], "cheap", *plan["reasons"][41:]]
    assert plan["power_kw"][40] == 0.0
    assert "needs no charging" in _say(evening, plan | {"reasons": reasons}, FOUR_PM)
