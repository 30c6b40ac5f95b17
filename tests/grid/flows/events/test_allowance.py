"""What an owner's word costs: leaving events out against the month's pay, and charging now against the plan."""

from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest

from accounts.models import User
from grid.flows.events.allowance import allowance_of
from grid.flows.events.taking_part import opt_out
from grid.flows.owners.charging_now import charge_now_cost, expected_minor
from grid.flows.owners.tonight import tonight
from grid.flows.plans.planning import current_plan, plan_due
from grid.models import Enrollment, GridEvent
from rewards.models import PayTerms
from tests.factories import grid, nights

HOUR = timedelta(hours=1)


def pay_monthly(enrolled: Enrollment, now: datetime, **form: int) -> PayTerms:
    return PayTerms.objects.create(
        program=enrolled.program.slug, version=1, utility=enrolled.program.utility.slug, currency="USD",
        time_zone="America/Chicago", forms=[{"form": "monthly", "amount_minor": 1000, "position": 1, **form}],
        valid_from_at=now - timedelta(days=60),
    )  # fmt: skip


def left_out(enrolled: Enrollment, *, at: datetime, now: datetime, **fields: Any) -> None:
    event = grid.event(now=at - HOUR, starts_at=at, state=GridEvent.State.ANNOUNCED, announced_at=at - HOUR, **fields)
    part = grid.participation(enrolled, now=at - HOUR, in_event=event)
    part.state = "opted_out"
    part.save()


def test_allowance_counts_what_was_left_out_in_the_programs_month(alice: User, now: datetime) -> None:
    enrolled = nights.plugged_car(alice, now=now)
    pay_monthly(enrolled, now, max_opt_outs=2)
    left_out(enrolled, at=now - timedelta(days=3), now=now)
    left_out(enrolled, at=datetime(2026, 11, 1, 5, 30, tzinfo=UTC), now=now)  # 0:30 on the first, in Austin
    left_out(enrolled, at=datetime(2026, 11, 1, 4, 30, tzinfo=UTC), now=now)  # still October there

    found = allowance_of(vehicle_id=enrolled.vehicle_id, at=now)

    assert found is not None
    assert (found.month_date, found.most, found.used, found.left) == (date(2026, 11, 1), 2, 2, 0)
    assert (found.is_spent, found.is_lost, found.pay_minor, found.currency) == (True, False, 1000, "USD")


def test_cancelled_events_and_other_programs_cost_no_allowance(alice: User, now: datetime) -> None:
    enrolled = nights.plugged_car(alice, now=now)
    assert allowance_of(vehicle_id=enrolled.vehicle_id, at=now) is None
    pay_monthly(enrolled, now)
    assert allowance_of(vehicle_id=enrolled.vehicle_id, at=now) is None
    PayTerms.objects.update(forms=[{"form": "monthly", "amount_minor": 1000, "max_opt_outs": 0, "position": 1}])
    left_out(enrolled, at=now - timedelta(days=3), now=now, cancelled_at=now - timedelta(days=3))

    found = allowance_of(vehicle_id=enrolled.vehicle_id, at=now)

    assert found is not None
    assert (found.used, found.is_spent, found.is_lost) == (0, True, False)
    Enrollment.objects.update(ended_at=now)
    assert allowance_of(vehicle_id=enrolled.vehicle_id, at=now) is None


def test_charging_now_costs_the_difference_of_the_tariffs_prices(alice: User, now: datetime) -> None:
    """30 % of 98 kWh at 90 % from the plug: 32.67 kWh at 12 ¢ now instead of 6 ¢ after midnight."""
    vehicle = nights.plugged_car(alice, now=now, kind="timed").vehicle
    plan_due(now=now, limit=10)

    cost = charge_now_cost(tonight(vehicle=vehicle, now=now))

    assert cost is not None
    assert cost.extra_minor == pytest.approx(0.3 * 98 / 0.9 * 6, abs=1)
    assert (cost.missed_minor, cost.currency, cost.is_dearer) == (0, "USD", True)
    assert cost.ready_at - now == pytest.approx(timedelta(hours=0.3 * 98 / 0.9 / 11.3), abs=timedelta(minutes=5))


def test_charging_now_misses_the_event_that_the_plan_counts_on(alice: User, now: datetime) -> None:
    enrolled = nights.plugged_car(alice, now=now)
    part = grid.participation(enrolled, now=now)
    plan_due(now=now, limit=10)

    cost = charge_now_cost(tonight(vehicle=enrolled.vehicle, now=now))
    expected = expected_minor(current_plan(enrolled.vehicle), part.event)

    assert cost is not None
    assert expected
    assert cost.missed_minor == expected
    opt_out(participation=part, now=now)
    plan_due(now=now, limit=10)
    assert expected_minor(current_plan(enrolled.vehicle), part.event) is None


def test_a_full_or_unplanned_car_has_no_price(alice: User, now: datetime) -> None:
    vehicle = nights.plugged_car(alice, now=now, kind="timed", soc=85).vehicle
    assert charge_now_cost(tonight(vehicle=vehicle, now=now)) is None
    plan_due(now=now, limit=10)
    assert charge_now_cost(tonight(vehicle=vehicle, now=now)) is None
    assert expected_minor(None, grid.event(now=now)) is None
