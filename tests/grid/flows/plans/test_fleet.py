"""Many cars at once: claims that hold, looks that come round, habits that are learnt once a day."""

from datetime import datetime, timedelta

import pytest

from accounts.models import User
from grid.flows.plans import staleness
from grid.flows.plans.planning import current_plan, load_due, make_plans, mark_stale, plan_due
from grid.flows.plans.storing import store_plans
from grid.models import Plan, PlanningState, PlanningWatch, Site
from tests.factories import nights
from vehicles.flows.preferences import charge_now
from vehicles.models import PlugSession, Vehicle

HOUR, MINUTE = timedelta(hours=1), timedelta(minutes=1)


def test_car_claimed_again_is_left_to_who_claimed_it_last(alice: User, bob: User, now: datetime) -> None:
    lost, kept = (nights.plugged_car(owner, now=now).vehicle for owner in (alice, bob))
    plan_due(now=now, limit=10)
    later = now + HOUR
    loaded = load_due(now=later, limit=10)
    PlanningState.objects.filter(vehicle=lost).update(lease_until=loaded.lease_until + HOUR)  # another worker's claim

    assert store_plans(make_plans(loaded, now=later), lease_until=loaded.lease_until, now=later) == 1
    made_at = {vehicle.pk: plan.made_at for vehicle in (lost, kept) if (plan := current_plan(vehicle))}
    assert made_at == {lost.pk: now, kept.pk: later}
    assert Plan.objects.filter(is_current=True).count() == 2


@pytest.fixture
def cars(alice: User, bob: User, now: datetime, monkeypatch: pytest.MonkeyPatch) -> list[Vehicle]:
    """Two planned cars of which one look sees one."""
    monkeypatch.setattr(staleness, "SLICE", 1)
    vehicles = [nights.plugged_car(owner, now=now).vehicle for owner in (alice, bob)]
    plan_due(now=now, limit=10)
    PlanningWatch.objects.update(after=0)
    return vehicles


def test_looks_come_round_to_every_car(cars: list[Vehicle], now: datetime) -> None:
    Site.objects.update(version=2)

    assert [mark_stale(now=now + MINUTE) for _ in range(4)] == [1, 1, 0, 0]
    assert set(PlanningState.objects.values_list("reason", "due_at")) == {("home", now + MINUTE)}


def test_owners_and_plugs_are_seen_at_once_whoevers_turn_it_is(cars: list[Vehicle], now: datetime) -> None:
    first, second = cars
    mark_stale(now=now + 10 * MINUTE)  # the first car's turn

    charge_now(vehicle=first, now=now + 11 * MINUTE)
    PlugSession.objects.filter(vehicle=second).update(unplugged_at=now + 11 * MINUTE)
    nights.stay(second, at=now + 12 * MINUTE, soc=40)

    assert mark_stale(now=now + 12 * MINUTE) == 2
    assert set(PlanningState.objects.values_list("reason", flat=True)) == {"owner", "plug"}


def test_second_look_at_the_same_time_changes_nothing(cars: list[Vehicle], now: datetime) -> None:
    Site.objects.update(version=2)
    for _ in range(3):
        mark_stale(now=now + MINUTE)

    assert sum(mark_stale(now=now + MINUTE) for _ in range(3)) == 0


def _left_early(vehicle: Vehicle, now: datetime, *, minutes: int, power_w: int) -> None:
    """Let the car have left so long before 7:30 on each of two weeks' weekdays, charging at `power_w` lately."""
    PlugSession.objects.filter(vehicle=vehicle, unplugged_at__isnull=False).delete()
    for days in range(1, 14):
        home_at = now - timedelta(days=days)
        leaves_at = (home_at + timedelta(hours=14, minutes=25)).replace(second=0) - timedelta(minutes=minutes)
        nights.stay(vehicle, at=home_at, soc=50, unplugged_at=leaves_at)
    nights.reading(vehicle, at=now - 2 * HOUR, soc=60, power_w=power_w)


def test_plan_is_made_for_how_the_owner_leaves_and_how_the_car_charges(alice: User, now: datetime) -> None:
    vehicle = nights.plugged_car(alice, now=now, kind="timed").vehicle
    _left_early(vehicle, now, minutes=90, power_w=6_600)

    plan_due(now=now, limit=10)

    plan = current_plan(vehicle)
    assert plan is not None
    care = plan.problem["care"]
    assert set(care["minutes_early"]) >= {90}
    assert len(care["minutes_early"]) >= 8
    assert care["departure_slot"] == plan.inputs["departure_slots"][0]
    assert care["switches"] == 12
    assert plan.problem["max_charge_kw"] == 6.6
    assert plan.inputs["charge_w"] == 6_600


def test_habit_is_learnt_again_when_the_stay_or_the_wishes_change_or_a_day_has_passed(
    alice: User, now: datetime
) -> None:
    vehicle = nights.plugged_car(alice, now=now).vehicle
    learnt = []
    for later, change in ((0 * HOUR, None), (HOUR, None), (2 * HOUR, "wish"), (3 * HOUR, "stay"), (28 * HOUR, None)):
        at = now + later
        if change == "wish":
            vehicle.preference.version += 1
            vehicle.preference.save()
        if change == "stay":
            PlugSession.objects.filter(unplugged_at=None).update(unplugged_at=at)
            nights.stay(vehicle, at=at, soc=40)
        plan_due(now=at, limit=10)
        state = PlanningState.objects.get(vehicle=vehicle)
        assert state.learnt_at is not None
        learnt.append((state.learnt_at - now) // HOUR)

    assert learnt == [0, 0, 2, 3, 28]
