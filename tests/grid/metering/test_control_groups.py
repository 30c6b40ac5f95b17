"""Control groups: drawn by the seed alone, shared fairly over owners, and compared with their spread stated."""

from fractions import Fraction
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from grid.metering.control_groups import Candidate, difference_of_means, draw_control_group

TENTH = Fraction(1, 10)


def fleet(count: int, *, events_since: int | None = None) -> list[Candidate]:
    return [Candidate(f"car-{place}", f"owner-{place}", events_since) for place in range(count)]


def test_draw_depends_on_seed_and_cars_alone() -> None:
    cars = fleet(200)
    first = draw_control_group(candidates=cars, share=TENTH, seed="s1")
    assert first == draw_control_group(candidates=list(reversed(cars)), share=TENTH, seed="s1")
    assert len(first.cars) == 20
    assert first.cars != draw_control_group(candidates=cars, share=TENTH, seed="s2").cars


def test_every_car_is_drawn_about_equally_often() -> None:
    counts = dict.fromkeys((car.car for car in fleet(40)), 0)
    for place in range(1000):
        for car in draw_control_group(candidates=fleet(40), share=TENTH, seed=str(place)).cars:
            counts[car] += 1
    assert sum(counts.values()) == 4000
    assert all(60 < count < 145 for count in counts.values()), counts  # 100 expected, s about 9.5


def test_no_owner_is_drawn_twice_in_ten_events() -> None:
    since: dict[str, int | None] = {f"owner-{place}": None for place in range(30)}
    drawn: dict[str, list[int]] = {owner: [] for owner in since}
    for event in range(60):
        cars = [Candidate(f"{owner}-{n}", owner, since[owner]) for owner in since for n in range(2)]
        chosen = draw_control_group(candidates=cars, share=TENTH, seed=f"event-{event}").cars
        owners = {car.rsplit("-", 1)[0] for car in chosen}
        assert len(owners) == len(chosen)
        since = {
            owner: 0 if owner in owners else None if count is None else count + 1 for owner, count in since.items()
        }
        for owner in owners:
            drawn[owner].append(event)
    gaps = [later - earlier for events in drawn.values() for earlier, later in pairwise(events)]
    assert gaps
    assert min(gaps) >= 10


@given(count=st.integers(0, 60), share=st.fractions(0, Fraction(1, 2)), since=st.none() | st.integers(0, 12))
def test_somebody_is_always_left_to_take_part(count: int, share: Fraction, since: int | None) -> None:
    draw = draw_control_group(candidates=fleet(count, events_since=since), share=share, seed="s")
    assert len(draw.cars) <= count // 2
    assert draw.eligible == (0 if since is not None and since < 9 else count)
    assert bool(draw.cars) <= bool(draw.eligible)


@pytest.mark.parametrize(("share", "seed"), [(Fraction(2, 3), "s"), (Fraction(-1), "s"), (TENTH, "")])
def test_draw_that_nobody_could_defend_is_refused(share: Fraction, seed: str) -> None:
    with pytest.raises(ValueError, match=r"control|draw"):
        draw_control_group(candidates=fleet(9), share=share, seed=seed)


@pytest.mark.parametrize(("kind", "sign"), [("hold", 1), ("discharge", 1), ("absorb", -1)])
def test_delivery_is_the_difference_to_the_control_group(kind: str, sign: int) -> None:
    found = difference_of_means(
        kind=kind,
        treated_wh=[Fraction(0), Fraction(2000), Fraction(1000)],
        control_wh=[Fraction(9000), Fraction(11_000)],
    )
    assert (found.per_car_wh, found.delivered_wh) == (Fraction(sign * 9000), Fraction(sign * 27_000))
    # s^2 of the treated 1e6 over 3 cars, of the control group 2e6 over 2; times 3 cars.
    assert found.error_wh == pytest.approx(3 * (1e6 / 3 + 1e6) ** 0.5)


def test_one_car_is_no_group() -> None:
    with pytest.raises(ValueError, match="two cars"):
        difference_of_means(kind="hold", treated_wh=[Fraction(1)] * 5, control_wh=[Fraction(1)])
