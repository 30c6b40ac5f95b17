"""Cars on shared wires: the caps are kept wherever that can be, at the least cost, and a stored plan says so again."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from grid.arrays import wires
from grid.arrays.again import plan_again
from grid.arrays.bulk import plan_nights
from grid.arrays.packing import unpack_plan, unpack_power
from grid.arrays.presence import presence
from grid.arrays.problems import Night, NightCare
from grid.arrays.slots import Slots
from grid.arrays.wires import Fitted, Room, drawn, fit, held_to
from tests.grid.arrays.test_problems import SIX, night

HOUR = timedelta(hours=1)
CARE = NightCare(shortfall_price=1.0, minutes_early=(0, 30), switches=4, least_kw=1.4, is_spread=True)


def car(seed: int, *, slots: Slots, **changed: object) -> Night:
    """Return a car's night by the seed: some come home later, all leave within the night."""
    dice = np.random.default_rng(seed)
    leaves_at = slots.start_of(int(dice.integers(slots.count // 2, slots.count)))
    returns_at = slots.start_of(int(dice.integers(1, 6))) if seed % 3 == 0 else None
    facts: dict[str, object] = {
        "name": f"car {seed}",
        "slots": slots,
        "presence": presence(slots=slots, returns_at=returns_at, departures=(leaves_at,), away=2 * HOUR, trip_kwh=3),
        "departures": (leaves_at,),
        "import_price": np.round(np.repeat(np.random.default_rng(9).random(slots.count // 4), 4), 6),
        "export_price": np.zeros(slots.count),
        "carbon_kg_per_kwh": np.zeros(slots.count),
        "soc_percent": float(dice.integers(25, 60)),
        "charge_w": int(dice.choice([7_400, 11_000])),
        "target_percent": float(dice.integers(55, 80)),
        "care": CARE,
    }
    return night(**facts | changed)


def planned(nights: list[Night], fitted: Fitted, room: Room) -> np.ndarray:
    held = [held_to(one, fitted, place, room.first) for place, one in enumerate(nights)]
    power = [np.maximum(unpack_power(made.packed), 0.0) for made in plan_nights(held)]
    begins = [one.slots.number for one in nights]
    return drawn(power, begins, np.eye(len(nights), dtype=bool), Room(room.first, room.kw, room.hangs))


def room_of(nights: list[Night], *caps: float, hangs: np.ndarray | None = None) -> Room:
    first = min(one.slots.number for one in nights)
    last = max(one.slots.number + one.slots.count for one in nights)
    on = np.ones((len(caps), len(nights)), bool) if hangs is None else hangs
    return Room(first, np.array(caps)[:, None] * np.ones(last - first), on)


def free_power(nights: list[Night], room: Room) -> np.ndarray:
    return fit(nights, replace(room, kw=np.full_like(room.kw, 1e6)), with_rewards=[False] * len(nights)).power


def short_kwh(nights: list[Night]) -> list[float]:
    return [unpack_plan(made.packed)[1]["shortfall_kwh"] for made in plan_nights(nights)]


@settings(max_examples=30, deadline=None)
@given(seed=st.integers(0, 10_000), share=st.floats(0.3, 1.1), count=st.integers(1, 5), is_nested=st.booleans())
def test_caps_are_kept_where_any_plans_keep_them(seed: int, share: float, count: int, is_nested: bool) -> None:  # noqa: FBT001
    nights = [car(seed + number, slots=Slots(SIX, 24 + 4 * (number % 2))) for number in range(count)]
    room = room_of(nights, 1.0)
    top = share * free_power(nights, room).sum(axis=0).max() + 0.01
    hangs = np.array([[True] * count, [number % 2 == 0 for number in range(count)]])
    room = room_of(nights, top, 0.7 * top, hangs=hangs) if is_nested else room_of(nights, top)

    fitted = fit(nights, room, with_rewards=[False] * count)
    power = planned(nights, fitted, room)

    load = room.hangs.astype(float) @ power
    assert power == pytest.approx(fitted.power, abs=2e-6)
    # The programme says how much must be beyond the caps at least; nobody is left short for them.
    assert np.maximum(load - room.kw, 0.0).sum() / 4 <= fitted.excess_kwh + 1e-4
    held = [held_to(one, fitted, place, room.first) for place, one in enumerate(nights)]
    assert short_kwh(held) == pytest.approx(short_kwh(nights), abs=1e-3)


def _two(hours: int, price: list[float]) -> list[Night]:
    slots = Slots(SIX, 4 * hours)
    leaves_at = slots.start_of(4 * hours - 1)
    at_home = presence(slots=slots, returns_at=None, departures=(leaves_at,), away=HOUR, trip_kwh=0)
    return [
        car(0, slots=slots, name=name, presence=at_home, departures=(leaves_at,), soc_percent=50.0, charge_w=10_000,
            capacity_wh=50_000, charge_efficiency=1.0, target_percent=60.0, minimum_percent=0.0, max_percent=60.0,
            import_price=np.repeat(price, 4))
        for name in ("one", "other")
    ]  # fmt: skip


def test_second_car_takes_the_next_cheapest_half_hour() -> None:
    nights = _two(4, [0.4, 0.1, 0.2, 0.3])  # each needs half an hour at 10 kW
    room = room_of(nights, 5.001)

    fitted = fit(nights, room, with_rewards=[False, False])

    assert fitted.power.sum(axis=0).tolist() == pytest.approx([0.0] * 4 + [5.0] * 8 + [0.0] * 4)
    assert fitted.excess_kwh == 0.0


def test_cap_that_cannot_be_kept_is_exceeded_by_the_least_and_nobody_is_short() -> None:
    nights = _two(4, [0.4, 0.1, 0.2, 0.3])
    fitted = fit(nights, room_of(nights, 2.001), with_rewards=[False, False])

    assert fitted.excess_kwh == pytest.approx(10.0 - 2.0 * 3.75, abs=0.01)  # all that 15 quarters do not carry
    assert fitted.power.sum() / 4 == pytest.approx(10.0)
    assert short_kwh([held_to(one, fitted, place, nights[0].slots.number) for place, one in enumerate(nights)]) == [
        0,
        0,
    ]


def test_stored_plan_of_a_held_car_is_computed_again() -> None:
    nights = [car(seed, slots=Slots(SIX, 32)) for seed in range(4)]
    room = room_of(nights, 9.0)
    fitted = fit(nights, room, with_rewards=[False] * 4)

    for place, one in enumerate(nights):
        problem, solution, _ = unpack_plan(plan_nights([held_to(one, fitted, place, room.first)])[0].packed)
        assert plan_again(problem)["power_kw"] == solution["power_kw"]


@pytest.mark.parametrize("hours", [23, 25], ids=["clocks forward", "clocks back"])
def test_night_of_a_changed_clock_has_its_own_length(hours: int) -> None:
    midnight = datetime(2026, 3, 8, 5, tzinfo=UTC) if hours == 23 else datetime(2026, 11, 1, 4, tzinfo=UTC)
    nights = [car(seed, slots=Slots(midnight, 4 * hours)) for seed in range(3)]
    room = room_of(nights, 8.0)

    load = planned(nights, fit(nights, room, with_rewards=[False] * 3), room).sum(axis=0)

    assert len(load) == 4 * hours
    assert 0.0 < load.max() <= 8.0


def test_many_cars_are_fitted_in_parts_that_share_the_room(monkeypatch: pytest.MonkeyPatch) -> None:
    nights = [car(seed, slots=Slots(SIX, 32)) for seed in range(24)]
    cap = 0.6 * free_power(nights, room_of(nights, 1.0)).sum(axis=0).max()
    hangs = np.array([[True] * 24, [seed % 2 == 0 for seed in range(24)]])
    room = room_of(nights, cap, 0.7 * cap, hangs=hangs)
    whole = fit(nights, room, with_rewards=[False] * 24)
    monkeypatch.setattr(wires, "AT_ONCE", 8)

    parts = fit(nights, room, with_rewards=[False] * 24)

    assert whole.excess_kwh == parts.excess_kwh == 0.0
    assert (room.hangs.astype(float) @ parts.power <= room.kw).all()
    assert whole.cost <= parts.cost + 1e-9
    assert parts.cost - whole.cost <= 0.05 * abs(whole.cost)
