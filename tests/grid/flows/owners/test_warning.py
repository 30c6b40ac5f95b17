"""Warnings: a departure at risk is told once, changed terms to who is in the program."""

from datetime import datetime, timedelta

import pytest

from accounts.models import Notice, User
from grid.flows.owners.warning import tell_of_changed_terms, warn_of_departures
from grid.flows.plans.planning import plan_due
from grid.models import Enrollment, Plan, PlanningState
from tests.factories import grid, nights
from vehicles.flows.preferences import charge_now
from vehicles.models import ChargeReading

pytestmark = pytest.mark.django_db


def late_night(alice: User) -> tuple[datetime, Enrollment]:
    """A nearly empty car, planned two hours before it leaves."""
    at = datetime.fromisoformat("2026-11-19T11:30:00+00:00")
    enrolled = nights.plugged_car(alice, now=at, soc=10)
    plan_due(now=at, limit=10)
    assert Plan.objects.filter(is_current=True).count() == 1
    return at, enrolled


def test_owner_is_told_once_that_the_car_will_not_be_ready(alice: User, now: datetime) -> None:
    at, enrolled = late_night(alice)
    assert [warn_of_departures(now=at, limit=10) for _ in range(2)] == [1, 0]
    PlanningState.objects.update(due_at=at)
    plan_due(now=at + timedelta(minutes=5), limit=10)
    warn_of_departures(now=at + timedelta(minutes=5), limit=10)
    notice = Notice.objects.get()
    assert (notice.kind, notice.params["wanted_percent"]) == ("departure_at_risk", 80)
    assert 10 < notice.params["ready_percent"] < 50
    assert notice.params["vehicle_id"] == str(enrolled.vehicle.public_id)
    assert datetime.fromisoformat(notice.params["departure_at"]) == at + timedelta(hours=2)


def test_night_that_is_kept_is_no_news(alice: User, now: datetime) -> None:
    nights.plugged_car(alice, now=now, soc=50)
    plan_due(now=now, limit=10)
    assert warn_of_departures(now=now + timedelta(hours=6), limit=10) == 0


def test_what_the_car_itself_does_not_let_in_is_no_news(alice: User, now: datetime) -> None:
    at = datetime.fromisoformat("2026-11-19T06:30:00+00:00")
    nights.plugged_car(alice, now=at, soc=58)
    ChargeReading.objects.update(limit_percent=60)
    plan_due(now=at, limit=10)
    assert warn_of_departures(now=at, limit=10) == 0


def test_owner_who_charges_now_knows(alice: User, now: datetime) -> None:
    at, enrolled = late_night(alice)
    charge_now(vehicle=enrolled.vehicle, now=at)
    PlanningState.objects.update(due_at=at)
    plan_due(now=at, limit=10)
    assert warn_of_departures(now=at, limit=10) == 0


def test_new_terms_are_told_to_who_is_in_the_program(alice: User, bob: User, chloe: User, now: datetime) -> None:
    enrolled = grid.enrollment(alice, now=now)
    left = grid.enrollment(bob, now=now, nickname="Bobs")
    left.ended_at = now
    left.save()
    late = grid.enrollment(chloe, now=now, nickname="Chloes")
    late.enrolled_at = now + timedelta(days=31)  # joins under the new terms
    late.save()
    assert tell_of_changed_terms(now=now, limit=5) == 0  # the first terms changed nothing
    grid.terms(
        enrolled.program,
        now=now,
        version=2,
        valid_from_at=now + timedelta(days=30),
        reward_micros_per_kwh=1_500_000,
    )
    assert [tell_of_changed_terms(now=now, limit=5) for _ in range(2)] == [1, 0]
    notice = Notice.objects.get()
    assert (notice.user, notice.kind, notice.params["reward_micros"]) == (alice, "program_changed", 1_500_000)
