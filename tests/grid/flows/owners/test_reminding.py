"""Reminders come while there is still time, once, and to those alone who need them."""

from datetime import UTC, datetime, time, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from accounts.models import Notice, User
from grid.flows.owners.reminding import next_usual, remind_before_events, remind_to_plug_in, usual_time
from grid.models import Enrollment, GridEvent, PlugReminder
from tests.factories import grid, nights
from vehicles.models import ChargePreference, ChargeReading, PlugSession

pytestmark = pytest.mark.django_db

AUSTIN = ZoneInfo("America/Chicago")
HOUR = timedelta(hours=1)


def kinds(user: User) -> list[str]:
    return sorted(Notice.objects.filter(user=user).values_list("kind", flat=True))


def announced(now: datetime, **fields: Any) -> GridEvent:
    values: dict[str, Any] = {"state": "announced", "announced_at": now - 2 * HOUR}
    return grid.event(now=now, **(values | fields))


def goes_out(enrolled: Enrollment, *, at: datetime, soc: float = 50) -> None:
    """Let the car leave its plug, and be seen on the road."""
    PlugSession.objects.filter(vehicle=enrolled.vehicle, unplugged_at=None).update(unplugged_at=at)
    nights.reading(enrolled.vehicle, at=at, soc=soc, is_plugged_in=False, is_at_home=False, charge_state="unplugged")


def test_owner_is_reminded_once_before_an_event(alice: User, now: datetime) -> None:
    enrolled = nights.plugged_car(alice, now=now)
    event = announced(now, starts_at=now + HOUR)
    grid.participation(enrolled, now=now - 2 * HOUR, in_event=event)
    assert remind_before_events(now=now - timedelta(minutes=1), limit=5) == 0
    assert [remind_before_events(now=now, limit=5) for _ in range(2)] == [1, 0]
    assert kinds(alice) == ["event_soon"]
    event.version += 1  # it was changed: who takes part hears of it again
    event.save()
    assert remind_before_events(now=now, limit=5) == 1
    assert kinds(alice) == ["event_soon", "event_soon"]


def test_who_was_just_asked_or_has_said_no_is_not_reminded(alice: User, bob: User, now: datetime) -> None:
    first, second = nights.plugged_car(alice, now=now), grid.enrollment(bob, now=now)
    event = announced(now, announced_at=now - timedelta(minutes=5))
    grid.participation(first, now=now, in_event=event)
    part = grid.participation(second, now=now, in_event=event)
    part.state = "opted_out"
    part.save()
    assert remind_before_events(now=now, limit=5) == 1
    assert not Notice.objects.exists()


def test_car_that_is_out_before_an_event_is_said_to_be(alice: User, now: datetime) -> None:
    enrolled = nights.plugged_car(alice, now=now)
    goes_out(enrolled, at=now - timedelta(minutes=5))
    event = announced(now)
    grid.participation(enrolled, now=now - 2 * HOUR, in_event=event)
    remind_before_events(now=now, limit=5)
    notice = Notice.objects.get()
    assert (notice.kind, notice.params["why"], notice.params["event"]) == (
        "not_plugged_in",
        "event",
        str(event.public_id),
    )


def evening(alice: User, now: datetime) -> Enrollment:
    """A car that is looked at for the first time, and will be again at 20:00."""
    enrolled = nights.plugged_car(alice, now=now)
    assert remind_to_plug_in(now=now, limit=10) == 0
    assert PlugReminder.objects.get().due_at == datetime(2026, 11, 18, 20, 0, tzinfo=AUSTIN)
    return enrolled


def test_owner_of_a_car_that_stays_out_is_reminded_in_the_evening(alice: User, now: datetime) -> None:
    enrolled = evening(alice, now)
    goes_out(enrolled, at=now + HOUR)
    at = datetime(2026, 11, 18, 20, 4, tzinfo=AUSTIN)
    assert [remind_to_plug_in(now=at, limit=10) for _ in range(2)] == [1, 0]
    notice = Notice.objects.get()
    assert (notice.kind, notice.params["wanted_percent"]) == ("not_plugged_in", 80)
    assert notice.params["departure_at"].startswith("2026-11-19T13:30")
    assert PlugReminder.objects.get().due_at == datetime(2026, 11, 19, 20, 0, tzinfo=AUSTIN)


@pytest.mark.parametrize(
    "case", ["plugged", "full", "no departure", "paused", "travelling", "not heard of", "plugged elsewhere", "too late"]
)
def test_nobody_is_reminded_without_need(alice: User, now: datetime, case: str) -> None:
    enrolled = evening(alice, now)
    at = datetime(2026, 11, 18, 20, 4, tzinfo=AUSTIN)
    if case != "plugged":
        goes_out(enrolled, at=now + HOUR, soc=78 if case == "full" else 50)
    if case == "no departure":
        enrolled.vehicle.preference.departures.all().delete()
    if case == "paused":
        ChargePreference.objects.update(is_paused=True)
    if case == "travelling":
        PlugSession.objects.update(plugged_in_at=now - timedelta(days=3), unplugged_at=now - timedelta(days=2))
    if case == "not heard of":
        ChargeReading.objects.filter(is_plugged_in=False).update(observed_at=now - timedelta(days=2))
    if case == "plugged elsewhere":
        nights.reading(enrolled.vehicle, at=at - HOUR, soc=50, is_at_home=False)
    if case == "too late":
        at += timedelta(hours=4)
    assert remind_to_plug_in(now=at, limit=10) == 0
    assert not Notice.objects.exists()
    assert PlugReminder.objects.get().due_at > at


def test_the_hour_follows_the_cars_habit(alice: User, now: datetime) -> None:
    enrolled = nights.plugged_car(alice, now=now)
    for days in (1, 2, 3):
        came_at = datetime(2026, 11, 18, 18, 10, tzinfo=AUSTIN) - timedelta(days=days)
        nights.stay(enrolled.vehicle, at=came_at, soc=40, unplugged_at=came_at + timedelta(hours=12))
    PlugReminder.objects.create(vehicle=enrolled.vehicle, due_at=now)
    remind_to_plug_in(now=now, limit=10)
    assert PlugReminder.objects.get().due_at == datetime(2026, 11, 18, 19, 0, tzinfo=AUSTIN)


@pytest.mark.parametrize(("minute", "expected"), [(3 * 60, time(17)), (19 * 60 + 29, time(19, 15)), (1439, time(21))])
def test_usual_hour_stays_in_the_evening(minute: int, expected: time) -> None:
    assert usual_time(minute) == expected


def test_usual_hour_keeps_the_homes_clock_over_a_change_of_time() -> None:
    before = datetime(2026, 10, 31, 20, 0, tzinfo=AUSTIN)
    next_at = next_usual(before, zone=AUSTIN, local=time(20))
    assert (next_at.astimezone(AUSTIN).hour, next_at - before.astimezone(UTC)) == (20, timedelta(hours=25))
