"""The loop's plain rules: who begins when, who gives what, who makes up for whom; and turns to switch power."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from grid.rules import loop, steering
from grid.rules.loop import Part, Stay
from grid.rules.steering import EventWindow, Moment, PlanSlot
from vehicles.flows import switching

START = datetime(2026, 11, 18, 23, 0, tzinfo=UTC)
MINUTE = timedelta(minutes=1)
TEN_MINUTES = timedelta(minutes=10)
CARS = 10_000
CAR_W = 11_300


def ks_p(sample: Sequence[float]) -> float:
    """Return the p of a Kolmogorov-Smirnov test of the sample against an even spread from 0 to 1."""
    values, count = np.sort(np.asarray(sample)), len(sample)
    steps = np.arange(1, count + 1) / count
    distance = max(float(np.max(steps - values)), float(np.max(values - steps + 1 / count)))
    scaled = (np.sqrt(count) + 0.12 + 0.11 / np.sqrt(count)) * distance
    return float(np.clip(2 * sum((-1) ** (k - 1) * np.exp(-2 * (k * scaled) ** 2) for k in range(1, 101)), 0, 1))


def most_in_ten_seconds(instants: Sequence[datetime]) -> float:
    """Return the largest share of them that lies within any ten seconds."""
    seconds = np.sort([(at - START).total_seconds() for at in instants])
    return float(np.max(np.searchsorted(seconds, seconds + 10.0, side="left") - np.arange(len(seconds)))) / len(seconds)


def test_the_judge_of_even_spread_knows_an_uneven_one() -> None:
    even = np.random.default_rng(1).random(CARS)

    assert ks_p(even.tolist()) > 0.01 > ks_p((even**1.1).tolist())


def _window(car: int, *, moved: bool = False) -> EventWindow:
    seed = f"event:{car}"
    return EventWindow(
        participation=car,
        kind="hold",
        starts_at=START + 20 * MINUTE,
        ends_at=START + 80 * MINUTE,
        spread=timedelta(0) if moved else loop.offset(seed, TEN_MINUTES),
        shift=loop.shift(seed, TEN_MINUTES) if moved else timedelta(0),
    )


def _moment(window: EventWindow, at: datetime, *, held_w: int | None, is_timed: bool = True) -> Moment:
    slots = [
        PlanSlot(START + 15 * n * MINUTE, START + 15 * (n + 1) * MINUTE, 0 if 6 > n > 0 else 9_000) for n in range(12)
    ]
    return Moment(
        now=at, read_at=at, soc_percent=50, planned_at=START, slots=slots, events=[window], held_w=held_w,
        is_timed=is_timed, spread=window.spread,
    )  # fmt: skip


def _edges(window: EventWindow, *, is_timed: bool) -> tuple[datetime, datetime]:
    """Return when the car is first told to hold and when the last of its commands ends, looking when it asks us to."""
    at, begun, until = START, None, START
    while at < START + 120 * MINUTE:
        wish = steering.decide(_moment(window, at, held_w=0 if until > at else None, is_timed=is_timed))
        if wish.mode == steering.HOLD and wish.until is not None:
            begun, until = begun or at, max(until, wish.until)
        at = min(at + MINUTE, wish.look_at or at + MINUTE)
    assert begun is not None
    return begun, until


@pytest.mark.parametrize("is_timed", [True, False], ids=["timed", "start/stop"])
def test_each_car_begins_before_and_ends_after_the_paid_window_in_minutes_of_its_own(*, is_timed: bool) -> None:
    lead = steering.EVENT_LEAD if is_timed else timedelta(0)
    begins, ends = zip(*(_edges(_window(car), is_timed=is_timed) for car in range(100)), strict=True)

    # The plan is held from the slot that the event begins in; what begins then is inside its own stretch.
    early = [(START + 20 * MINUTE - lead - at) / TEN_MINUTES for at in begins]
    # A car that ends its hold by itself is held until the slot in which its plan charges.
    late = [(at - START - (90 if is_timed else 80) * MINUTE) / TEN_MINUTES for at in ends]
    assert all(-0.01 <= share <= 1 for share in [*early, *late])
    assert ks_p([np.clip(share, 0, 1) for share in late]) > 0.01
    assert {car: window.spread for car, window in ((car, _window(car)) for car in range(9))} == {
        car: _window(car).spread for car in range(9)
    }


def test_offsets_of_ten_thousand_cars_are_even_and_no_ten_seconds_see_a_twentieth_of_them() -> None:
    starts = [START + TEN_MINUTES - _window(car).spread for car in range(CARS)]
    ends = [START + _window(car).spread for car in range(CARS)]
    moved = [_window(car, moved=True).shift / TEN_MINUTES for car in range(CARS)]

    assert ks_p([(at - START) / TEN_MINUTES for at in starts]) > 0.01
    assert ks_p([(at - START) / TEN_MINUTES for at in ends]) > 0.01
    assert ks_p([(share + 1) / 2 for share in moved]) > 0.01
    assert min(moved) < -0.99
    assert max(moved) > 0.99
    assert max(most_in_ten_seconds(starts), most_in_ten_seconds(ends)) <= 0.05


def test_what_piled_up_in_an_outage_goes_in_turns() -> None:
    """10,000 commands are due at one instant; sweeps come every five seconds and use turns up to ten seconds late."""
    limit_w = CARS * CAR_W // 20
    slots, _ = switching.turns([CAR_W] * CARS, limit_w=limit_w, free_at=START - 60 * MINUTE, now=START)
    sent = [START + timedelta(seconds=5 * max(0, -(-(at - START).total_seconds() // 5))) for at in slots]

    assert most_in_ten_seconds(sent) <= 0.05
    assert ks_p([(at - slots[0]) / (slots[-1] - slots[0]) for at in slots]) > 0.01
    assert max(sent) <= START + timedelta(seconds=400)
    again, _ = switching.turns([CAR_W] * 3, limit_w=limit_w, free_at=slots[-1], now=START)
    assert again[0] == slots[-1]


@given(
    powers=st.lists(st.integers(1_000, 25_000), min_size=1, max_size=200),
    limit_w=st.integers(1, 2_000_000),
    late=st.integers(-600, 600),
)
@settings(max_examples=60, deadline=None)
def test_turns_never_switch_more_than_the_limit_and_one_car(powers: list[int], limit_w: int, late: int) -> None:
    slots, free_at = switching.turns(powers, limit_w=limit_w, free_at=START + timedelta(seconds=late), now=START)

    assert slots == sorted(slots)
    assert free_at >= slots[-1]
    span = switching.WINDOW + switching.SPARE
    for first, at in enumerate(slots):
        within = sum(power for power, slot in zip(powers[first:], slots[first:], strict=True) if slot < at + span)
        assert within <= max(limit_w, switching.LEAST_LIMIT_W) + max(powers) * 1.001


def test_left_alone_a_car_draws_until_it_would_be_full() -> None:
    stay = Stay(START, soc_percent=50, limit_percent=90, capacity_wh=90_000, charge_w=10_000, charge_efficiency=0.9)

    assert [stay.left_alone_w(START + timedelta(hours=hours)) for hours in (-0.1, 0, 3.9, 4.1)] == [
        0,
        10_000,
        10_000,
        0,
    ]


def _part(key: int, **fields: object) -> Part:
    values = {"left_alone_w": 10_000, "told_w": 0, "seen_w": 0, "grade": loop.MEASURED}
    return Part(key, **(values | fields))  # type: ignore[arg-type]


def test_what_nobody_has_heard_of_is_neither_given_nor_missing() -> None:
    look = loop.look_at(
        [
            _part(1),
            _part(2, seen_w=None, grade=loop.UNKNOWN),
            _part(3, seen_w=10_000, grade=loop.DERIVED),
            _part(4, told_w=-9_600, seen_w=-9_500),
            _part(5, told_w=None, seen_w=10_000),
            _part(6, seen_w=None, grade=loop.UNKNOWN, trouble="timed_out"),
        ],
        sign=1,
    )

    assert (look.planned_w, look.measured_w, look.unknown_w) == (59_600, 29_500, 20_000)
    assert (look.measured_cars, look.derived_cars, look.unknown_cars) == (2, 1, 2)
    assert look.stragglers == ((3, "not_done"), (6, "timed_out"))
    assert loop.missing_w(look, asked_w=59_600) == 10_100


def test_absorbing_counts_the_other_way() -> None:
    look = loop.look_at([_part(1, left_alone_w=0, told_w=11_000, seen_w=11_000)], sign=-1)

    assert (look.planned_w, look.measured_w, look.stragglers) == (11_000, 11_000, ())


def test_reserve_comes_before_those_at_work_and_whoever_was_called_least_comes_first() -> None:
    parts = [
        _part(1, spare_w=9_000),
        _part(2, spare_w=10_000, is_reserve=True, calls_before=3),
        _part(3, spare_w=10_000, is_reserve=True, calls_before=1),
        _part(4, spare_w=10_000, is_reserve=True, trouble="unplugged"),
        _part(5, spare_w=0, is_reserve=True),
    ]

    assert [part.key for part in loop.call_up(parts, missing_w=15_000, seed="x")[0]] == [3, 2]
    assert [part.key for part in loop.call_up(parts, missing_w=19_000, seed="x")[0]] == [3, 2, 1]
    assert loop.call_up(parts, missing_w=0, seed="x") == ([], 0)


def test_first_call_asks_no_more_cars_than_are_needed_and_everybody_in_turn() -> None:
    calls = dict.fromkeys(range(20), 0)
    for event in range(30):
        parts = [_part(key, spare_w=10_000, calls_before=calls[key]) for key in calls]
        reserve = loop.choose_reserve(parts, asked_w=50_000, seed=f"event {event}")
        assert len(calls) - len(reserve) == 6  # five cars and a tenth
        for key in calls.keys() - set(reserve):
            calls[key] += 1

    assert set(calls.values()) == {9}
