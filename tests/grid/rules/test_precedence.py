"""Which event a car serves: one at a time, the first in rank, the same in whatever order they are looked at."""

import random
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from grid.rules.precedence import RULES, Claim, losses

START = datetime(2026, 11, 18, 18, tzinfo=UTC)
HOUR = timedelta(hours=1)


def claim(event: int, starts: float = 0, hours: float = 2, *, announced: float = 0, **marks: bool | int) -> Claim:
    starts_at = START + starts * HOUR
    return Claim(event, starts_at, starts_at + hours * HOUR, START - (10 - announced) * HOUR, **marks)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("first", "rule"),
    [
        (claim(9, announced=1, has_begun=True), "begun"),
        (claim(9, announced=1, is_drawn=True), "drawn"),
        (claim(9, announced=1, priority=3), "priority"),
        (claim(9, announced=1, priority=0, is_emergency=False), "priority"),
        (claim(9, announced=1, is_emergency=True), "emergency"),
        (claim(9, announced=1, has_two_people=True), "two_people"),
        (claim(9, announced=-1), "earlier"),
        (claim(4), "order"),
    ],
)
def test_rule_decides_before_those_that_come_later(first: Claim, rule: str) -> None:
    second = claim(5, starts=1)
    lost = losses([second, first])
    assert {event: (loss.to, loss.rule) for event, loss in lost.items()} == {5: (first.event, rule)}


def test_event_that_lost_takes_no_time_from_a_third_and_neighbours_do_not_overlap() -> None:
    first, second, third = claim(1, priority=1), claim(2, starts=1, priority=2), claim(3, starts=2.5)
    assert set(losses([third, second, first])) == {2}
    assert losses([claim(1), claim(2, starts=2)]) == {}


CLAIMS = st.builds(
    lambda place, starts, hours, announced, priority, **marks: claim(
        place, starts, hours, announced=announced, priority=priority, **marks
    ),
    place=st.integers(1, 10_000),
    starts=st.integers(0, 12),
    hours=st.integers(1, 5),
    announced=st.integers(0, 3),
    priority=st.one_of(st.none(), st.integers(0, 2)),
    has_begun=st.booleans(),
    is_drawn=st.booleans(),
    is_emergency=st.booleans(),
    has_two_people=st.booleans(),
)


@given(st.lists(CLAIMS, max_size=9, unique_by=lambda one: one.event), st.randoms())
def test_no_two_served_overlap_and_every_loser_gives_way_to_one_served_before_it(
    claims: list[Claim], dice: random.Random
) -> None:
    lost = losses(claims)
    served = [one for one in claims if one.event not in lost]
    assert not any(one.overlaps(other) for one in served for other in served if one is not other)
    by_event = {one.event: one for one in claims}
    for event, loss in lost.items():
        winner, loser = by_event[loss.to], by_event[event]
        assert winner in served
        assert winner.overlaps(loser)
        place = RULES.index(loss.rule)
        assert winner.rank[:place] == loser.rank[:place]
        assert winner.rank[place] < loser.rank[place]  # type: ignore[operator]
    assert losses(dice.sample(claims, len(claims))) == lost
