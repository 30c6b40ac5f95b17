"""What is known of a car as the planner's problem: slots, presence, gaps, targets, events at their true worth."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from grid.arrays.presence import presence
from grid.arrays.problems import Ask, Night, fill_gaps, problem_of
from grid.arrays.slots import MAX_HORIZON, SLOT, Slots, slots_from
from grid.arrays.worth import baseline_power, expected_reward, pick, true_cost
from grid.planner.solve import plan_problem, plan_problems

SIX = datetime(2026, 11, 18, 18, 0, tzinfo=UTC)
HOUR = timedelta(hours=1)


def night(**changes: Any) -> Night:
    """A car of round numbers that is at the plug all night: 10 kW, 90 kWh, efficiency 0.9, 50 % to 80 %."""
    slots = changes.pop("slots", Slots(SIX, 48))
    count = slots.count
    usual: dict[str, Any] = {
        "name": "car",
        "slots": slots,
        "presence": presence(
            slots=slots, returns_at=None, departures=changes.get("departures", ()), away=10 * HOUR, trip_kwh=10
        ),
        "import_price": (0.2,) * count,
        "export_price": (0.05,) * count,
        "carbon_kg_per_kwh": (0.0,) * count,
        "carbon_price": 0.0,
        "capacity_wh": 90_000,
        "soc_percent": 50.0,
        "charge_w": 10_000,
        "discharge_w": 0,
        "charge_efficiency": 0.9,
        "discharge_efficiency": 0.9,
        "wear_per_kwh": 0.04,
        "minimum_percent": 20.0,
        "reserve_percent": 20.0,
        "target_percent": 80.0,
        "max_percent": 80.0,
        "departures": (SIX + 12 * HOUR,),
        "stay_began_at": SIX,
        "stay_soc_percent": 50.0,
        "limit_percent": 90.0,
    }
    known = usual | changes
    series = ("import_price", "export_price", "carbon_kg_per_kwh")
    return Night(**(known | {key: np.array(known[key]) for key in series}))


@pytest.mark.parametrize(
    ("now", "departures", "starts_at", "hours"),
    [
        pytest.param(SIX + timedelta(minutes=14), [], SIX, 36, id="no departure: 36 h from the current slot"),
        pytest.param(SIX, [SIX + 8 * HOUR, SIX + 32 * HOUR], SIX, 36, id="second departure within 36 h"),
        pytest.param(SIX, [SIX + 14 * HOUR, SIX + 38 * HOUR], SIX, 38, id="to the second departure"),
        pytest.param(SIX, [SIX + 62 * HOUR], SIX, 62, id="over the weekend to the only departure"),
        pytest.param(SIX, [SIX + 62 * HOUR, SIX + 86 * HOUR], SIX, 72, id="three days at most"),
        pytest.param(
            SIX, [SIX + 8 * HOUR, SIX + 40 * HOUR + timedelta(minutes=5)], SIX, 40.25, id="whole slots, rounded up"
        ),
    ],
)
def test_horizon(now: datetime, departures: list[datetime], starts_at: datetime, hours: float) -> None:
    slots = slots_from(now=now, departures=departures)

    assert (slots.starts_at, slots.ends_at) == (starts_at, starts_at + hours * HOUR)


@given(
    minutes=st.lists(st.integers(min_value=1, max_value=60 * 72), max_size=4),
    away=st.integers(min_value=120, max_value=1200),
    back_in=st.none() | st.integers(min_value=1, max_value=600),
)
def test_car_drives_only_while_it_is_away(minutes: list[int], away: int, back_in: int | None) -> None:
    departures = [SIX + timedelta(minutes=count) for count in sorted(minutes)]
    slots = slots_from(now=SIX, departures=departures)
    known = presence(
        slots=slots,
        returns_at=None if back_in is None else SIX + timedelta(minutes=back_in),
        departures=departures,
        away=timedelta(minutes=away),
        trip_kwh=12,
    )

    assert slots.ends_at - slots.starts_at <= MAX_HORIZON
    assert len(known.plugged) == len(known.trip_kwh) == slots.count
    assert not any(trip for trip, plugged in zip(known.trip_kwh, known.plugged, strict=True) if plugged)
    assert sum(known.trip_kwh) <= 12 * (len(departures) + 1) + 1e-3
    for begins, ends in known.stays.tolist():
        assert begins <= ends
        for slot in slots.whole_within(slots.starts_at + begins * SLOT, slots.starts_at + ends * SLOT):
            assert known.plugged[slot] == 1


def test_departure_while_the_car_is_away_counts_for_nothing() -> None:
    slots = Slots(SIX, 96)
    known = presence(slots=slots, returns_at=SIX + 5 * HOUR, departures=[SIX + HOUR], away=10 * HOUR, trip_kwh=10)

    assert known.plugged.tolist() == [0] * 20 + [1] * 76
    assert sum(known.trip_kwh) == pytest.approx(5)  # the other half was driven before


def test_slot_in_which_the_car_leaves_is_no_whole_slot() -> None:
    slots = Slots(SIX, 8)
    known = presence(slots=slots, returns_at=None, departures=[SIX + timedelta(minutes=50)], away=10 * HOUR, trip_kwh=0)

    assert known.plugged.tolist() == [1, 1, 1, 0, 0, 0, 0, 0]
    assert night(slots=slots, departures=(SIX + timedelta(minutes=50),)).departure_slots == [3]


@pytest.mark.parametrize(
    ("values", "wanted", "filled", "guessed"),
    [
        pytest.param([1, 2, 3], 3, [1, 2, 3], 0, id="nothing missing"),
        pytest.param([None, None], 2, [7, 7], 2, id="nothing known: the default"),
        pytest.param([1, None, 3], 3, [1, 2, 3], 1, id="first day: the mean"),
        pytest.param([*range(96), None, None, 5], 3, [0, 1, 5], 2, id="the day before"),
        pytest.param([*range(96), *[None] * 97], 1, [0], 1, id="the day before that"),
    ],
)
def test_gap_is_filled_from(values: list[int | None], wanted: int, filled: list[int], guessed: int) -> None:
    assert fill_gaps(values, wanted=wanted, default=7) == (filled, guessed)


def test_car_is_ready_before_it_leaves_where_it_can_be() -> None:
    ready = problem_of(night(margin=timedelta(minutes=50)), with_asks=True)["targets"]
    late = problem_of(night(margin=timedelta(minutes=50), departures=(SIX + 3 * HOUR,)), with_asks=True)["targets"]

    # 50 minutes are four slots; 30 % take 12 slots of charging, so a stay of 12 slots leaves no margin.
    assert ready == [{"slot": 44, "soc_percent": 80.0}, {"slot": 48, "soc_percent": 80.0}]
    assert late == [{"slot": 12, "soc_percent": 80.0}]


def test_target_above_the_cars_own_limit_stays_the_owners_target() -> None:
    problem = problem_of(night(max_percent=70.0), with_asks=True)

    assert problem["targets"][0]["soc_percent"] == 80.0
    assert plan_problem(problem)["shortfall_kwh"] == pytest.approx(9)


EVENT = Ask("hold", SIX + HOUR, SIX + 3 * HOUR, 2.0)


@pytest.mark.parametrize(
    ("kind", "adder", "export"),
    [("hold", 2.0, -1.95), ("discharge", 2.0, 0.05), ("absorb", -2.0, 2.05)],
    ids=["hold: pays for charging less alone", "discharge: pays for giving back too", "absorb: pays for charging more"],
)
def test_event_adds_its_reward_to_what_it_asks_for(kind: str, adder: float, export: float) -> None:
    problem = problem_of(night(asks=(replace(EVENT, kind=kind),)), with_asks=True)

    assert problem["adder"] == [0.0] * 4 + [adder] * 8 + [0.0] * 36
    assert problem["export_price"][4] == pytest.approx(export)
    assert problem_of(night(asks=(EVENT,)), with_asks=False)["adder"] == [0.0] * 48


def test_event_that_begins_within_a_slot_counts_for_its_share() -> None:
    ask = replace(EVENT, starts_at=SIX + timedelta(minutes=5), ends_at=SIX + timedelta(minutes=20))

    assert problem_of(night(asks=(ask,)), with_asks=True)["adder"][:3] == pytest.approx([4 / 3, 2 / 3, 0], abs=1e-5)


def solve(of: Night) -> dict[str, Any]:
    return dict(plan_problem(problem_of(of, with_asks=True)))


def test_expected_reward_is_that_of_the_settlement() -> None:
    one = night(asks=(EVENT,))
    held = {"power_kw": [10.0] * 4 + [0.0] * 44, "soc_percent": [60.0] * 49}
    charged = {"power_kw": [10.0] * 16 + [0.0] * 32, "soc_percent": [90.0] * 49}

    assert baseline_power(one, held)[:17] == pytest.approx([10.0] * 16 + [0.0])  # 40 % of 90 kWh at 0.9: four hours
    assert expected_reward(one, EVENT, held) == pytest.approx(2 * 10 * 2)
    assert expected_reward(one, EVENT, charged) == 0
    assert expected_reward(one, replace(EVENT, kind="absorb"), charged) == 0


def test_baseline_of_a_later_stay_begins_with_what_the_plan_expects_then() -> None:
    one = night(departures=(SIX + HOUR,), slots=Slots(SIX, 96), stay_soc_percent=90.0)
    solution = {"power_kw": [0.0] * 96, "soc_percent": [85.0] * 97}

    power_kw = baseline_power(one, solution)

    back = 4 + 40
    assert power_kw[:back].tolist() == [0.0] * back
    assert power_kw[back : back + 3] == pytest.approx([10.0, 10.0, 0.0])  # 5 % of 90 kWh at 0.9: half an hour


def test_plan_without_the_reward_is_kept_where_the_reward_would_not_come() -> None:
    """The event's hours are the cheapest, and left alone the car would be full by then: nothing can be earned."""
    prices = (0.4,) * 4 + (0.1,) * 8 + (0.4,) * 36
    full = night(import_price=prices, asks=(EVENT,), stay_soc_percent=88.0, target_percent=70.0)
    candidates = [dict(plan_problem(problem)) for problem in _both(full)]
    would_charge = replace(full, stay_soc_percent=10.0)

    assert pick(full, candidates) == 1
    assert pick(would_charge, candidates) == 0


def _both(of: Night) -> list[dict[str, Any]]:
    return [problem_of(of, with_asks=flag) for flag in (True, False)]


@given(
    reward=st.floats(min_value=0, max_value=3),
    soc=st.integers(min_value=5, max_value=90),
    began=st.integers(min_value=0, max_value=300),
    kind=st.sampled_from(["hold", "discharge", "absorb"]),
)
def test_kept_plan_is_never_worse_than_forgetting_the_event(reward: float, soc: int, began: int, kind: str) -> None:
    one = night(
        soc_percent=float(soc),
        stay_soc_percent=float(soc),
        stay_began_at=SIX - timedelta(minutes=began),
        discharge_w=9_600,
        reserve_percent=30.0,
        asks=(replace(EVENT, kind=kind, reward_per_kwh=reward),),
    )
    candidates = plan_problems(_both(one))

    kept = candidates[pick(one, candidates)]

    assert true_cost(one, kept) <= true_cost(one, candidates[1])


def test_eager_car_charges_at_once_up_to_its_limit_but_not_in_its_event() -> None:
    one = night(is_eager=True, max_percent=90.0, import_price=(0.9,) * 24 + (0.1,) * 24, asks=(EVENT,))

    power_kw = solve(one)["power_kw"]

    assert power_kw[:4] == pytest.approx([10.0] * 4)
    assert power_kw[4:12] == pytest.approx([0.0] * 8)
    assert power_kw[12:24] == pytest.approx([10.0] * 12)
    assert sum(power_kw[24:]) == pytest.approx(0)


def test_price_of_nothing_still_lets_an_eager_car_charge() -> None:
    one = night(is_eager=True, import_price=(0.0,) * 48)

    assert solve(one)["power_kw"][0] == pytest.approx(10.0)


def test_slots_are_quarter_hours_of_utc() -> None:
    odd = SIX + timedelta(minutes=44, seconds=59)

    assert slots_from(now=odd, departures=[]).starts_at == SIX + 2 * SLOT
