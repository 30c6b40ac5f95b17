"""How other owners leave stands in for what is not known of one; no single owner shows through."""

from collections.abc import Iterator
from datetime import datetime, timedelta

import pytest

from accounts.models import User
from grid.flows.plans.habits import FEWEST_OWNERS, USUAL_KEPT, sum_up, usual_in
from grid.flows.plans.planning import current_plan, plan_due
from grid.models import PlanningState
from tests.factories import grid, nights


@pytest.fixture(autouse=True)
def nothing_known() -> Iterator[None]:
    """Forget what other tests' owners did, and this one's afterwards."""
    usual_in.cache_clear()
    yield
    usual_in.cache_clear()


def test_few_departures_stand_for_all() -> None:
    punctual, hasty = [0, 0, 0], [0, 60, 120]

    found = sum_up([punctual, hasty] * FEWEST_OWNERS)

    assert len(found) == USUAL_KEPT
    assert (found[0], found[-1]) == (0, 120)
    assert sum(minutes == 0 for minutes in found) == pytest.approx(2 / 3 * USUAL_KEPT, abs=1)


@pytest.mark.parametrize("owners", [[], [[0, 90]] * (FEWEST_OWNERS - 1), [[]] * 500], ids=["none", "few", "unknown"])
def test_too_few_owners_stand_for_nobody(owners: list[list[int]]) -> None:
    assert sum_up(owners) == ()


def test_plan_of_a_new_owner_knows_how_others_leave(alice: User, bob: User, now: datetime) -> None:
    for number in range(FEWEST_OWNERS):
        PlanningState.objects.create(
            vehicle=grid.car(bob, now=now, nickname=f"Car {number}"),
            due_at=now + timedelta(hours=9),
            habit=[36_000, 0.15, None, [45, 45], 0],
        )
    vehicle = nights.plugged_car(alice, now=now, kind="timed").vehicle

    plan_due(now=now, limit=100)

    plan = current_plan(vehicle)
    assert plan is not None
    assert plan.problem["care"]["usual_early"] == [45] * USUAL_KEPT
