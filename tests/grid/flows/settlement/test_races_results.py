"""Two workers at once: each car is planned and steered by one, each event settled and paid once."""

from collections.abc import Callable
from datetime import datetime, timedelta

import pytest

from accounts.models import User
from grid.flows.dispatch import dispatching
from grid.flows.dispatch.dispatching import dispatch_due
from grid.flows.plans.planning import plan_due
from grid.flows.settlement.settling import post_due_settlements, settle_due
from grid.models import Dispatch, GridEvent, Plan, Settlement
from rewards import ledger
from rewards.models import Transfer
from tests.factories import grid, nights
from tests.rewards.racing import race
from vehicles.models import Command

MINUTE = timedelta(minutes=1)
CARS = 6

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def fleet(transactional_db: None, now: datetime) -> datetime:
    """Six cars at their plugs, each in one event; returns now."""
    event = grid.event(now=now, state="announced")
    for number in range(CARS):
        owner = User.objects.create_user(f"owner-{number}@example.org", time_zone="America/Chicago")
        enrolled = nights.plugged_car(owner, now=now, kind="timed")
        grid.participation(enrolled, now=now, in_event=event)
        for minutes in (-5, 5, 115, 125):
            at = event.starts_at + minutes * MINUTE
            nights.reading(enrolled.vehicle, at=at, soc=60, imported_wh=10, exported_wh=0, fetched_at=at)
    return now


def together(sweep: Callable[..., int], now: datetime) -> int:
    """Run the sweep in four workers at once; return what all of them did together."""
    return sum(race(lambda _: sweep(now=now, limit=100), runners=4))


def test_four_planners_make_one_plan_a_car(fleet: datetime) -> None:
    assert together(plan_due, fleet) == CARS
    assert Plan.objects.count() == Plan.objects.filter(is_current=True).count() == CARS


def test_four_dispatchers_ask_once_a_car(fleet: datetime) -> None:
    plan_due(now=fleet, limit=100)

    assert together(dispatch_due, fleet) == CARS
    assert Command.objects.count() == Dispatch.objects.count() == CARS


def test_dispatchers_whose_lease_lapsed_still_ask_once_a_car(fleet: datetime, monkeypatch: pytest.MonkeyPatch) -> None:
    """The lease spares work; the row's lock and the command's key are what keep a car from being told twice."""
    plan_due(now=fleet, limit=100)
    monkeypatch.setattr(dispatching, "LEASE_SECONDS", 0)

    assert together(dispatch_due, fleet) == CARS
    assert Command.objects.count() == Dispatch.objects.count() == CARS


def test_four_settlers_settle_and_pay_once_a_car(fleet: datetime) -> None:
    later = GridEvent.objects.get().settle_at

    assert together(settle_due, later) == CARS
    together(post_due_settlements, later)

    assert Settlement.objects.count() == Transfer.objects.count() == CARS
    assert not Settlement.objects.filter(posted_at=None).exists()
    assert ledger.check() == []
