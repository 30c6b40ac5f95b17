"""One car's night on one page."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from accounts.models import User
from grid.flows.dispatch.dispatching import dispatch_due
from grid.flows.owners.tonight import Tonight, tonight
from grid.flows.plans.planning import plan_due
from grid.models import Enrollment, Site
from tests.factories import grid, nights
from vehicles.flows.preferences import charge_now, set_paused
from vehicles.models import PlugSession, Vehicle

MINUTE, HOUR = timedelta(minutes=1), timedelta(hours=1)


def view(vehicle: Vehicle, now: datetime) -> Tonight:
    plan_due(now=now, limit=10)
    dispatch_due(now=now, limit=10)
    return tonight(vehicle=vehicle, now=now)


def test_night_of_a_plugged_car(alice: User, now: datetime) -> None:
    seen = view(nights.plugged_car(alice, now=now, kind="timed").vehicle, now)

    assert (seen.soc_percent, seen.age_text, seen.is_stale, seen.state_text) == (
        50,
        "10 minutes ago",
        False,
        "Charging",
    )
    assert (seen.ready_by, seen.target_percent, seen.ready_percent, seen.shortfall_text) == ("7:30\u202fAM", 80, 80, "")
    assert seen.departure_at == datetime(2026, 11, 19, 13, 30, tzinfo=UTC)
    assert seen.sentence.endswith("ready at 7:30\u202fAM with 80%.")
    assert (seen.obstacle, seen.obstacle_text, seen.currency) == ("", "", "USD")
    assert seen.slots[0].label == "5:00\u202fPM"
    assert (seen.slots[0].power_kw, seen.slots[0].reason_text) == (0, "paused until power is cheaper")
    assert {slot.price for slot in seen.slots} == {0.12, 0.06}
    assert seen.slots[-1].starts_at >= seen.departure_at
    assert seen.dispatch is not None


def test_event_and_its_reward_are_shown(alice: User, now: datetime) -> None:
    enrolled = nights.plugged_car(alice, now=now)
    part = grid.participation(enrolled, now=now)
    seen = view(enrolled.vehicle, now)

    assert seen.next_event == part
    assert seen.expected_reward == pytest.approx(2 * 2 * 11.3)
    assert [slot.label for slot in seen.slots if slot.is_event][0::8] == ["6:00\u202fPM", "8:00\u202fPM"]


def test_target_out_of_reach_is_said_with_its_cause(alice: User, now: datetime) -> None:
    late = datetime(2026, 11, 19, 12, 30, tzinfo=UTC)
    seen = view(nights.plugged_car(alice, now=late, soc=50, kind="timed").vehicle, late)

    assert seen.ready_percent == 60
    assert seen.shortfall_text == "It will have 60% instead of 80%: 1 h at 11.3\xa0kW are not enough."


def _lose_home(vehicle: Vehicle, now: datetime) -> None:
    Enrollment.objects.all().delete()
    Site.objects.all().delete()


@pytest.mark.parametrize(
    ("spoil", "obstacle"),
    [
        pytest.param(lambda car, now: set_paused(vehicle=car, is_paused=True, now=now), "paused", id="paused"),
        pytest.param(_lose_home, "no_home", id="no home"),
    ],
)
def test_why_there_is_no_plan(spoil: Any, obstacle: str, alice: User, now: datetime) -> None:
    vehicle = nights.plugged_car(alice, now=now).vehicle
    spoil(vehicle, now)
    seen = view(vehicle, now)

    assert (seen.plan, seen.sentence, seen.slots, seen.obstacle) == (None, "", (), obstacle)
    assert seen.obstacle_text


def test_car_that_never_said_anything(alice: User, now: datetime) -> None:
    vehicle = grid.enrollment(alice, now=now).vehicle
    seen = view(vehicle, now)

    assert (seen.soc_percent, seen.age_text, seen.is_stale, seen.state_text) == (None, "", True, "No reading yet")
    assert seen.obstacle_text == "We have not heard from the car yet."


@pytest.mark.parametrize(
    ("facts", "text"),
    [
        ({"charge_state": "charging"}, "Charging"),
        ({"charge_state": "discharging"}, "Giving energy back"),
        ({"charge_state": "complete"}, "Full to its limit"),
        ({"charge_state": "unknown"}, "Plugged in"),
        ({"is_plugged_in": False}, "At home, not plugged in"),
        ({"is_plugged_in": False, "is_at_home": False}, "Not plugged in"),
        ({"is_at_home": False}, "Plugged in elsewhere"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_state_reads(facts: dict[str, Any], text: str, alice: User, now: datetime) -> None:
    vehicle = nights.plugged_car(alice, now=now).vehicle
    nights.reading(vehicle, at=now, soc=50, **facts)

    assert tonight(vehicle=vehicle, now=now).state_text == text


def test_paused_car_says_for_what(alice: User, now: datetime) -> None:
    enrolled = nights.plugged_car(alice, now=now, kind="timed")
    part = grid.participation(enrolled, now=now)
    view(enrolled.vehicle, now)
    nights.reading(enrolled.vehicle, at=now, soc=50, charge_state="holding")
    assert tonight(vehicle=enrolled.vehicle, now=now).state_text == "Paused by plan"

    inside = part.event.starts_at
    nights.reading(enrolled.vehicle, at=inside, soc=50, charge_state="holding")
    assert view(enrolled.vehicle, inside).state_text == "Paused for an event"


def test_owners_word_is_shown(alice: User, now: datetime) -> None:
    vehicle = nights.plugged_car(alice, now=now).vehicle
    override = charge_now(vehicle=vehicle, now=now)

    assert view(vehicle, now).override == override


def test_looking_writes_nothing(alice: User, now: datetime) -> None:
    vehicle = nights.plugged_car(alice, now=now).vehicle
    plan_due(now=now, limit=10)

    with CaptureQueriesContext(connection) as queries:
        tonight(vehicle=vehicle, now=now)

    assert [query["sql"] for query in queries if not query["sql"].startswith("SELECT")] == []
    assert len(queries) <= 16


def test_stay_without_departure_shows_half_a_day(alice: User, now: datetime) -> None:
    vehicle = nights.plugged_car(alice, now=now).vehicle
    vehicle.preference.departures.all().delete()
    seen = view(vehicle, now)

    assert (seen.departure_at, seen.ready_by, seen.ready_percent) == (None, "", None)
    assert len(seen.slots) == 49
    assert PlugSession.objects.get().unplugged_at is None
