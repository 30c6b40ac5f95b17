"""Prices of 9,000 USD/MWh, prices below zero, and a feed that falls silent: the car is ready all the same."""

from datetime import UTC, datetime, timedelta

import pytest

from accounts.models import User
from grid.arrays.slots import Slots
from grid.feeds.base import Point
from grid.flows.plans.planning import current_plan, plan_due
from grid.flows.prices.pricebook import UNKNOWN_PRICE_MICROS, PriceBook
from grid.flows.prices.series import store_values, values_of
from grid.models import Feed, Plan, PlanningState, Tariff
from tests.factories import grid as make
from tests.factories import nights
from vehicles.models import Vehicle

pytestmark = pytest.mark.django_db

HOUR = timedelta(hours=1)
MIDNIGHT, DEPARTURE = datetime(2026, 11, 19, 6, tzinfo=UTC), datetime(2026, 11, 19, 13, 30, tzinfo=UTC)
USUAL = 30_000


def market() -> Tariff:
    return make.tariff(slug="market", kind=Tariff.Kind.MARKET, price_feed=make.feed(), flat_rate_micros_per_kwh=0)


def price(micros: int, starts_at: datetime, hours: int, *, issued_at: datetime) -> None:
    points = [
        Point(starts_at + HOUR * n, starts_at + HOUR * (n + 1), micros, "USD/kWh", issued_at) for n in range(hours)
    ]
    feed = make.feed()
    store_values(feed=feed, values=values_of(points))
    Feed.objects.filter(pk=feed.pk).update(latest_ends_at=points[-1].ends_at)


def car_at(owner: User, now: datetime) -> Vehicle:
    """Return a car at 50 % that shall have 80 % at half past seven, at the market's price."""
    make.home(owner, now=now, tariff=market())
    return nights.plugged_car(owner, now=now, kind="timed").vehicle


def plan_of(vehicle: Vehicle, *, now: datetime) -> Plan:
    PlanningState.objects.update(due_at=now)
    assert plan_due(now=now, limit=10) == 1
    plan = current_plan(vehicle)
    assert plan is not None
    return plan


def charged(plan: Plan, starts_at: datetime, ends_at: datetime) -> float:
    powers = enumerate(plan.solution["power_kw"])
    return float(sum(power / 4 for slot, power in powers if starts_at <= plan.slot_starts_at(slot) < ends_at))


def is_ready(plan: Plan) -> bool:
    return plan.soc_percent_at(DEPARTURE) == pytest.approx(80, abs=0.5)


def test_hours_at_9000_a_megawatt_hour_are_left_alone(alice: User, now: datetime) -> None:
    price(USUAL, now.replace(minute=0), 40, issued_at=now)
    price(9_000_000, MIDNIGHT, 2, issued_at=now + HOUR / 60)
    plan = plan_of(car_at(alice, now), now=now)
    assert charged(plan, MIDNIGHT, MIDNIGHT + 2 * HOUR) == 0
    assert is_ready(plan)


def test_hours_below_zero_are_taken_first_and_the_limit_holds(alice: User, now: datetime) -> None:
    price(USUAL, now.replace(minute=0), 40, issued_at=now)
    price(-60_000, MIDNIGHT, 3, issued_at=now + HOUR / 60)
    plan = plan_of(car_at(alice, now), now=now)
    whole = 0.3 * 98 / 0.9
    assert charged(plan, MIDNIGHT, MIDNIGHT + 3 * HOUR) == pytest.approx(min(whole, 3 * 11.3), abs=0.1)
    assert max(plan.soc_percent_at(DEPARTURE - HOUR * n) or 0 for n in range(8)) == pytest.approx(80, abs=0.5)


def test_feed_below_zero_all_night_still_serves_the_departure(alice: User, now: datetime) -> None:
    price(-250_000, now.replace(minute=0), 48, issued_at=now)
    assert is_ready(plan_of(car_at(alice, now), now=now))


def test_silent_feed_keeps_the_last_good_plan_then_repeats_the_day_before(alice: User, now: datetime) -> None:
    price(USUAL, now.replace(minute=0) - 24 * HOUR, 24, issued_at=now)
    price(200_000, now.replace(minute=0), 7, issued_at=now)
    car = car_at(alice, now)
    good = plan_of(car, now=now)
    Feed.objects.update(failure="unavailable", failures=9)
    assert plan_due(now=now + HOUR / 12, limit=10) == 0  # a failure alone makes no plan stale
    assert current_plan(car) == good
    later = plan_of(car, now=now + HOUR)
    assert is_ready(later)
    assert later.inputs["feeds_known_until"]["price"] == MIDNIGHT.isoformat()
    assert later.inputs["guessed_price_slots"] > 0
    assert charged(later, now, MIDNIGHT) == 0  # the night before was cheap, so the night to come is taken to be


@pytest.mark.parametrize(("flat", "guess"), [(0, UNKNOWN_PRICE_MICROS), (90_000, 90_000)])
def test_feed_silent_for_days_gives_one_price_that_says_it_is_a_guess(now: datetime, flat: int, guess: int) -> None:
    price(USUAL, now - timedelta(days=9), 24, issued_at=now)
    tariff = market()
    tariff.flat_rate_micros_per_kwh = flat
    tariff.delivery_micros_per_kwh = 10_000
    known = PriceBook().of(tariff, Slots(MIDNIGHT, 96))
    assert known.is_guessed.all()
    assert {round(one * 1_000_000) for one in known.imports.tolist()} == {guess}


def test_car_of_a_feed_that_never_spoke_is_ready_too(alice: User, now: datetime) -> None:
    plan = plan_of(car_at(alice, now), now=now)
    assert is_ready(plan)
    assert plan.inputs["guessed_price_slots"] == len(plan.solution["power_kw"])


def test_tariffs_version_stands_in_the_plan(alice: User, now: datetime) -> None:
    assert plan_of(car_at(alice, now), now=now).inputs["tariff_version"] == 1
