"""What a car is told, situation by situation; and what must hold in all of them."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from grid.rules.steering import (
    DISCHARGE,
    FREE,
    HOLD,
    MAX_COMMAND,
    EventWindow,
    Moment,
    PlanSlot,
    decide,
    must_renew,
)
from grid.rules.wishes import MIN_COMMAND

SIX = datetime(2026, 11, 18, 18, 0, tzinfo=UTC)
SLOT = timedelta(minutes=15)


def minutes(count: float) -> timedelta:
    return timedelta(minutes=count)


def slots(*powers_w: int, since: datetime = SIX, is_plugged: bool = True) -> tuple[PlanSlot, ...]:
    return tuple(
        PlanSlot(since + SLOT * place, since + SLOT * (place + 1), power_w, is_plugged)
        for place, power_w in enumerate(powers_w)
    )


def event(starts: int, ends: int, kind: str = "hold") -> EventWindow:
    """An event from `starts` to `ends` minutes after six."""
    return EventWindow(7, kind, SIX + minutes(starts), SIX + minutes(ends))


def moment(powers_w: Sequence[int] = (0, 0, 0, 0), **changes: object) -> Moment:
    """A timed V2G car at 50 %, plugged in at home, read two minutes ago, with a fresh plan."""
    usual: dict[str, object] = {
        "now": SIX,
        "read_at": SIX - minutes(2),
        "soc_percent": 50.0,
        "minimum_percent": 20.0,
        "reserve_percent": 30.0,
        "discharge_w": 9_600,
        "planned_at": SIX - minutes(5),
        "slots": slots(*powers_w),
        "safe_release_at": SIX + timedelta(hours=9),
    }
    return Moment(**{**usual, **changes})  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("situation", "mode", "reason"),
    [
        pytest.param(moment(), HOLD, "price", id="plan idles: held by price"),
        pytest.param(moment((9_600, 0)), FREE, "plan", id="plan charges: left alone"),
        pytest.param(moment((-9_600,)), DISCHARGE, "price", id="plan discharges"),
        pytest.param(moment((-9_600,), events=[event(0, 60, "discharge")]), DISCHARGE, "discharge", id="in an event"),
        pytest.param(moment(events=[event(-30, 60)]), HOLD, "hold", id="held in an event"),
        pytest.param(moment(events=[event(0, 60, "absorb")]), HOLD, "price", id="absorb event does not hold"),
        pytest.param(
            moment((-9_600, 0), events=[replace(event(0, 60, "absorb"), is_pressed=True)]),
            FREE,
            "absorb",
            id="pressed to absorb: charges whatever the price says",
        ),
        pytest.param(
            moment(events=[replace(event(0, 60, "absorb"), is_pressed=True)], must_wait=True),
            HOLD,
            "feeder",
            id="pressed to absorb where the wires carry no more: held",
        ),
        pytest.param(moment(obstacle="no_consent"), FREE, "no_consent", id="consent taken back"),
        pytest.param(moment(override="charge_now"), FREE, "charge_now", id="owner wants it charged now"),
        pytest.param(
            moment((-9_600,), override="skip", events=[event(0, 60)]), FREE, "skip", id="owner wants it left alone"
        ),
        pytest.param(moment(soc_percent=19.9), FREE, "minimum", id="below the minimum, whatever the event pays"),
        pytest.param(
            moment(soc_percent=19.9, events=[event(0, 60)]), FREE, "minimum", id="below the minimum in an event"
        ),
        pytest.param(moment((-9_600,), soc_percent=30.5), HOLD, "price", id="at the reserve: held, not discharged"),
        pytest.param(moment((-9_600,), soc_percent=25.0), HOLD, "price", id="between minimum and reserve: held"),
        pytest.param(moment((-9_600,), discharge_w=0), HOLD, "price", id="may not discharge any more: held"),
        pytest.param(moment((-9_600,), is_timed=False), FREE, "not_in_event", id="start/stop car never discharges"),
        pytest.param(moment(is_timed=False), FREE, "not_in_event", id="start/stop car is not held for a price"),
        pytest.param(moment(is_timed=False, events=[event(0, 60)]), HOLD, "hold", id="start/stop car held in event"),
        pytest.param(
            moment((9_600, 0), is_timed=False, events=[event(3, 60)]), FREE, "plan", id="start/stop car not held early"
        ),
        pytest.param(
            moment((9_600, 0), now=SIX + minutes(11), slots=slots(9_600, 0), events=[event(15, 60)]),
            HOLD,
            "before_event",
            id="timed car held in the last minutes before its event",
        ),
        pytest.param(
            moment((9_600, 0), now=SIX + minutes(9), slots=slots(9_600, 0), events=[event(15, 60)]),
            FREE,
            "plan",
            id="six minutes before the event it still charges",
        ),
        pytest.param(
            moment(now=SIX + minutes(11), slots=slots(9_600, 9_600), events=[event(15, 60)]),
            FREE,
            "plan",
            id="not held before an event in which its plan charges",
        ),
        pytest.param(moment(can_hold=False), FREE, "car", id="cannot be held at all"),
        pytest.param(moment(is_plugged_at_home=False), FREE, "unplugged", id="not at the home plug"),
        pytest.param(moment(read_at=SIX - minutes(31)), FREE, "stale", id="not heard of for half an hour"),
        pytest.param(moment(read_at=None), FREE, "stale", id="never heard of"),
        pytest.param(moment(planned_at=SIX - minutes(181)), FREE, "no_plan", id="plan of three hours ago"),
        pytest.param(moment(planned_at=None, slots=()), FREE, "no_plan", id="no plan"),
        pytest.param(moment(slots=slots(0, since=SIX - SLOT)), FREE, "no_plan", id="plan has run out"),
        pytest.param(moment(slots=slots(0, since=SIX + SLOT)), FREE, "no_plan", id="plan begins later"),
        pytest.param(moment(slots=slots(0, is_plugged=False)), FREE, "left", id="should have left already"),
        pytest.param(moment(safe_release_at=SIX), FREE, "departure", id="must charge now to be ready"),
        pytest.param(moment(safe_release_at=SIX - minutes(90)), FREE, "departure", id="too late already"),
        pytest.param(moment(safe_release_at=None), HOLD, "price", id="never leaves by schedule"),
    ],
)
def test_car_is_told(situation: Moment, mode: str, reason: str) -> None:
    wish = decide(situation)

    assert (wish.mode, wish.reason) == (mode, reason)


@pytest.mark.parametrize(
    ("situation", "until", "ends"),
    [
        pytest.param(moment((0, 0, 0, 9_600)), 15, 45, id="fifteen minutes at most"),
        pytest.param(moment((0, 9_600)), 15, 15, id="no longer than the stretch"),
        pytest.param(moment((0, 9_600), now=SIX + minutes(7)), 15, 15, id="no longer than what is left of the stretch"),
        pytest.param(moment(safe_release_at=SIX + minutes(6)), 6, 60, id="never past the safe release"),
        pytest.param(moment((-9_600, 0, 0)), 15, 15, id="a discharge ends with its stretch"),
        pytest.param(
            moment((0, -9_600), now=SIX + minutes(10)), 25, 15, id="a hold may run into the discharge that follows"
        ),
        pytest.param(moment((-9_600, -4_000)), 15, 15, id="another power is another stretch"),
        pytest.param(
            moment((0, 0, 0), now=SIX + minutes(5), events=[event(10, 30)]),
            20,
            10,
            id="stretch ends where event begins",
        ),
        pytest.param(
            moment((0, 0, 0), now=SIX + minutes(25), events=[event(10, 30)]),
            40,
            30,
            id="timed hold runs past the event",
        ),
        pytest.param(
            moment((0, 0, 0), now=SIX + minutes(25), events=[event(10, 30)], is_timed=False),
            30,
            30,
            id="start/stop hold ends with the event",
        ),
    ],
)
def test_command_lasts(situation: Moment, until: int, ends: int) -> None:
    """Both in minutes after six."""
    wish = decide(situation)

    assert (wish.until, wish.ends_at) == (SIX + minutes(until), SIX + minutes(ends))


def test_discharge_is_limited_to_what_the_car_may_give() -> None:
    assert decide(moment((-9_600,), discharge_w=4_000)).power_w == -4_000
    assert decide(moment((-3_000,), discharge_w=4_000)).power_w == -3_000


@pytest.mark.parametrize(
    ("in_force", "until", "expected"),
    [
        pytest.param(None, 15, True, id="nothing in force"),
        pytest.param(0, 15, True, id="ends right now"),
        pytest.param(-3, 15, True, id="over already"),
        pytest.param(9, 15, True, id="ends in nine minutes"),
        pytest.param(10, 15, False, id="ten minutes ahead is enough"),
        pytest.param(5, 5, False, id="cannot be longer"),
        pytest.param(5, 5.5, False, id="half a minute longer is not worth a call"),
    ],
)
def test_command_is_renewed(in_force: float | None, until: float, expected: bool) -> None:  # noqa: FBT001
    wish = replace(decide(moment()), until=SIX + minutes(until))
    ends_at = None if in_force is None else SIX + minutes(in_force)

    assert must_renew(wish=wish, command_ends_at=ends_at, now=SIX) is expected


def test_free_car_needs_no_command() -> None:
    assert must_renew(wish=decide(moment((9_600,))), command_ends_at=None, now=SIX) is False


powers = st.lists(st.sampled_from([9_600, 0, -9_600, -3_000]), min_size=1, max_size=12)
moments = st.builds(
    moment,
    powers,
    now=st.integers(min_value=-10, max_value=120).map(lambda count: SIX + minutes(count)),
    read_at=st.integers(min_value=-60, max_value=60).map(lambda count: SIX + minutes(count)),
    soc_percent=st.none() | st.floats(min_value=0, max_value=100),
    override=st.sampled_from(["", "", "charge_now", "skip"]),
    is_timed=st.booleans(),
    is_plugged_at_home=st.booleans(),
    discharge_w=st.sampled_from([0, 4_000, 9_600]),
    events=st.lists(
        st.builds(event, st.integers(0, 40), st.integers(41, 90), st.sampled_from(["hold", "absorb", "discharge"])),
        max_size=2,
    ),
    safe_release_at=st.none() | st.integers(min_value=-60, max_value=200).map(lambda count: SIX + minutes(count)),
)


@given(situation=moments)
def test_whatever_happens_the_owner_and_the_departure_come_first(situation: Moment) -> None:
    wish = decide(situation)

    if wish.mode == FREE:
        return
    assert not situation.override
    assert situation.is_plugged_at_home
    assert situation.soc_percent is not None
    assert situation.soc_percent >= situation.minimum_percent
    assert wish.until is not None
    assert wish.ends_at is not None
    assert situation.now + MIN_COMMAND <= wish.until <= situation.now + MAX_COMMAND
    assert situation.safe_release_at is None or wish.until <= situation.safe_release_at
    assert (wish.mode == DISCHARGE) == (wish.power_w < 0)
    if wish.mode == DISCHARGE:
        assert situation.is_timed
        assert -situation.discharge_w <= wish.power_w
        assert situation.soc_percent > situation.reserve_percent
        assert wish.until <= wish.ends_at
    if not situation.is_timed:
        inside = [one for one in situation.events if one.kind != "absorb" and one.covers(situation.now)]
        assert inside
        assert wish.until <= max(one.ends_at for one in inside)
