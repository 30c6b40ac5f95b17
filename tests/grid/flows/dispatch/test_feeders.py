"""Wires that cars share: capped in every slot of the plans, and from minute to minute; safety comes first."""

from datetime import datetime, timedelta
from typing import Any

import pytest

from accounts.models import User
from grid.flows.dispatch import feeders
from grid.flows.dispatch.dispatching import dispatch_due
from grid.flows.dispatch.feeder_files import UnableToLoadFeeders, load_feeders
from grid.flows.plans.cars import load_cars
from grid.flows.plans.planning import current_plan, plan_due
from grid.models import Dispatch, Enrollment, Feeder, PlanningState, Site, Utility
from tests.factories import grid, nights
from vehicles.flows.preferences import charge_now
from vehicles.models import Command

MINUTE = timedelta(minutes=1)


@pytest.fixture
def cars(alice: User, bob: User, charlie: User, now: datetime) -> list[Enrollment]:
    return [nights.plugged_car(owner, now=now, kind="timed", soc=40) for owner in (alice, bob, charlie)]


def wire(*, cap_w: int, name: str = "T1", above: Feeder | None = None) -> Feeder:
    row = Feeder.objects.create(utility=grid.utility(), name=name, cap_w=cap_w, above=above)
    Site.objects.update(feeder=row)
    return row


def drawn_kw(cars: list[Enrollment]) -> dict[datetime, float]:
    total: dict[datetime, float] = {}
    for car in cars:
        plan = current_plan(car.vehicle)
        assert plan is not None
        for slot, kw in enumerate(plan.solution["power_kw"]):
            at = plan.slot_starts_at(slot)
            total[at] = total.get(at, 0.0) + max(0.0, kw)
    return total


def ready_percent(car: Enrollment) -> float:
    plan = current_plan(car.vehicle)
    assert plan is not None
    assert plan.departure_at is not None
    percent = plan.soc_percent_at(plan.departure_at)
    assert percent is not None
    return percent


def test_plans_keep_the_cap_in_every_slot_and_every_car_is_ready(cars: list[Enrollment], now: datetime) -> None:
    plan_due(now=now, limit=10)
    assert max(drawn_kw(cars).values()) > 23

    feeder = Feeder.objects.create(utility=grid.utility(), name="F1", kind="feeder", cap_w=23_000)
    wire(cap_w=200_000, above=feeder)
    PlanningState.objects.update(due_at=now)
    plan_due(now=now, limit=10)

    assert max(drawn_kw(cars).values()) <= 23.0
    assert min(ready_percent(car) for car in cars) >= 79.9


def test_plans_that_stand_count_for_a_car_that_is_planned_later(cars: list[Enrollment], now: datetime) -> None:
    wire(cap_w=12_000)
    for car in cars:
        PlanningState.objects.exclude(vehicle=car.vehicle).update(due_at=now + 60 * MINUTE)
        PlanningState.objects.filter(vehicle=car.vehicle).update(due_at=now)
        plan_due(now=now, limit=10)
    PlanningState.objects.update(due_at=now)
    plan_due(now=now, limit=10)

    assert max(drawn_kw(cars).values()) <= 12.0


def _all_want_to_charge(cars: list[Enrollment], now: datetime) -> None:
    plan_due(now=now, limit=10)
    for car in cars:
        plan = current_plan(car.vehicle)
        assert plan is not None
        nights.rewrite(plan, *[11.3] * 8)


def test_car_that_would_break_the_cap_waits(cars: list[Enrollment], now: datetime) -> None:
    row = wire(cap_w=25_000)
    _all_want_to_charge(cars, now)

    dispatch_due(now=now, limit=10)

    assert [(one.mode, one.command.reason) for one in Dispatch.objects.all() if one.command] == [("hold", "feeder")]
    row.refresh_from_db()
    assert (row.load_w, row.over_since) == (0, None)


def test_whoever_must_charge_does_and_the_cap_that_cannot_be_kept_is_told(
    cars: list[Enrollment], now: datetime
) -> None:
    row = wire(cap_w=12_000)
    _all_want_to_charge(cars, now)
    for car in cars[:2]:
        charge_now(vehicle=car.vehicle, now=now)

    dispatch_due(now=now, limit=10)

    assert list(Command.objects.values_list("vehicle", "kind")) == [(cars[2].vehicle_id, "hold")]
    row.refresh_from_db()
    assert (row.load_w, row.over_since) == (22_600, now)


def test_file_of_a_utility_names_wires_and_homes(cars: list[Enrollment], now: datetime) -> None:
    utility = Utility.objects.get()
    text = (
        "feeder,kind,cap_kw,above,enrollment\n"
        "F1,feeder,500,,\n"
        f"T1,transformer,25,F1,{cars[0].public_id}\n"
        f"T1,transformer,25,F1,{cars[1].public_id}\n"
    )

    assert load_feeders(utility=utility, text=text, now=now) == (2, 2)
    assert load_feeders(utility=utility, text=text, now=now) == (2, 2)
    assert Site.objects.filter(feeder__name="T1", feeder__above__name="F1").count() == 2


@pytest.mark.parametrize(
    "line",
    ["T1,transformer,much,,", "T1,cable,5,,", "T1,feeder,-5,,", "T1,feeder,5,F9,", "T1,feeder,5,,not-a-number"],
)
def test_file_with_a_bad_line_changes_nothing(line: str, cars: list[Enrollment], now: datetime) -> None:
    with pytest.raises(UnableToLoadFeeders):
        load_feeders(utility=Utility.objects.get(), text=f"feeder,kind,cap_kw,above,enrollment\n{line}\n", now=now)
    assert not Feeder.objects.exists()


def test_sweep_of_many_batches_looks_at_shared_wires_once(
    cars: list[Enrollment], now: datetime, monkeypatch: pytest.MonkeyPatch, django_assert_max_num_queries: Any
) -> None:
    wire(cap_w=25_000)
    _all_want_to_charge(cars, now)
    waiting = feeders.Waiting(now=now)
    known = load_cars([car.vehicle_id for car in cars], now=now)
    found = waiting.among(known.values())
    assert len(found) == 1

    with django_assert_max_num_queries(0):
        assert waiting.among(list(known.values())[:1]) == found

    charge_now(vehicle=cars[0].vehicle, now=now)  # another worker's news count once what is known is some seconds old
    charge_now(vehicle=cars[1].vehicle, now=now)
    monkeypatch.setattr(feeders, "FRESH_SECONDS", -1.0)
    assert waiting.among(known.values()) == {cars[2].vehicle_id}


def test_plans_keep_caps_of_wires_below_wires(cars: list[Enrollment], now: datetime) -> None:
    above = Feeder.objects.create(utility=grid.utility(), name="F1", kind="feeder", cap_w=15_000)
    wire(cap_w=50_000, above=above)
    below = Feeder.objects.create(utility=grid.utility(), name="T2", cap_w=8_000, above=above)
    Site.objects.filter(owner=cars[0].vehicle.owner).update(feeder=below)
    plan_due(now=now, limit=10)

    assert max(drawn_kw(cars).values()) <= 15.0
    assert max(drawn_kw(cars[:1]).values()) <= 8.0
    assert min(ready_percent(car) for car in cars) >= 79.9


def test_plans_under_a_cap_that_cannot_be_kept_still_make_departures(cars: list[Enrollment], now: datetime) -> None:
    wire(cap_w=3_000)
    plan_due(now=now, limit=10)

    assert min(ready_percent(car) for car in cars) >= 79.9
    assert max(drawn_kw(cars).values()) > 3.0
