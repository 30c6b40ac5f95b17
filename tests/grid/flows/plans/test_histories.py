"""A group's earlier days: read from its cars, without days that are no example, gathered once however often it dies."""

import time
from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest

from accounts.models import User
from grid.flows.settlement import histories
from grid.flows.settlement.groups import correct_group
from grid.flows.settlement.settling import settle_due
from grid.models import (
    Dispatch,
    Enrollment,
    EventParticipation,
    GridEvent,
    GroupSettlement,
    LoadHistory,
    ProgramTerms,
    Utility,
)
from tests.factories import grid, nights
from tests.grid.flows.settlement.group_events import event, take_part, took

DAY, MINUTE = timedelta(days=1), timedelta(minutes=1)
MATCHED = {"group_method": "ten-of-ten"}


def charged(part: EventParticipation, *, days: int, wh: int) -> None:
    """Let the car take `wh` in the event's two hours on so many days before, and read it around them."""
    for back in range(1, days + 1):
        starts_at = part.event.starts_at - back * DAY
        at, place = starts_at - timedelta(hours=5), 0
        while at <= part.event.ends_at - back * DAY + 15 * MINUTE:
            done = min(max((at - starts_at) / timedelta(hours=2), 0), 1)
            nights.reading(part.enrollment.vehicle, at=at, soc=50, imported_wh=round(1_000 * (60 - back) + wh * done),
                           exported_wh=5)  # fmt: skip
            at, place = at + 30 * MINUTE, place + 1


def stayed(part: EventParticipation) -> None:
    """Let the car have been at the plug for weeks."""
    part.enrollment.vehicle.plug_sessions.update(plugged_in_at=part.event.starts_at - 50 * DAY)


@pytest.fixture
def part(alice: User, now: datetime) -> EventParticipation:
    """A car that took 12 kWh in these hours on each of the ten days before, and 2 kWh in the event."""
    found = take_part(event(now=now, **MATCHED), alice, now=now)
    stayed(found)
    charged(found, days=10, wh=12_000)
    took(found, 2_000)
    assert isinstance(found, EventParticipation)
    return found


def settled(part: EventParticipation) -> GroupSettlement:
    settle_due(now=part.event.settle_at, limit=5)
    return GroupSettlement.objects.get()


def test_days_before_are_the_groups_baseline(part: EventParticipation) -> None:
    group = settled(part)

    assert (group.baseline_wh, group.net_wh, group.delivered_wh) == (12_000, 2_000, 10_000)
    assert len(group.evidence["workings"]["days"]) == 7  # of ten days before, so many are working days


def test_holidays_of_the_utility_are_no_working_days(part: EventParticipation) -> None:
    terms = part.event.terms
    ProgramTerms.objects.filter(pk=terms.pk).update(group_method_version=2)
    holiday = part.event.starts_at.date() - 2 * DAY
    Utility.objects.update(holidays=["2026-07-04", holiday.isoformat()])

    group = settled(part)

    assert group.evidence["method"] == {"name": "ten-of-ten", "version": 2}
    assert group.evidence["inputs"]["history"]["holidays"] == [holiday.isoformat()]
    assert holiday.isoformat() not in group.evidence["workings"]["days"]
    assert len(group.evidence["workings"]["days"]) == 6


def test_event_days_and_managed_days_are_no_example(part: EventParticipation, now: datetime) -> None:
    before = grid.event(now=now, of=part.event.terms, starts_at=part.event.starts_at - DAY, state="settled",
                        announced_at=now - DAY)  # fmt: skip
    grid.participation(part.enrollment, now=now, in_event=before)
    held_at = part.event.starts_at - 2 * DAY
    Dispatch.objects.create(vehicle=part.enrollment.vehicle, mode="hold", starts_at=held_at, created_at=held_at,
                            ends_at=held_at + 15 * MINUTE, stopped_at=held_at + 15 * MINUTE)  # fmt: skip

    group = settled(part)

    excluded = group.evidence["inputs"]["history"]["excluded"]
    assert sorted(excluded.values()) == ["event", "managed"]
    assert not set(excluded) & set(group.evidence["workings"]["days"])


@pytest.mark.parametrize("asked_by", ["evening-relief", "night-club"])
def test_event_over_midnight_counts_for_both_its_days(asked_by: str, part: EventParticipation, now: datetime) -> None:
    enrolled = part.enrollment
    if asked_by != enrolled.program.slug:
        club = grid.program(enrolled.program.utility, slug=asked_by)
        enrolled = Enrollment.objects.create(
            program=club, vehicle=enrolled.vehicle, site=enrolled.site, enrolled_at=now
        )
    begins = (part.event.starts_at - 2 * DAY).astimezone(ZoneInfo("America/Chicago")).replace(hour=22)
    night = grid.event(now=now, of=grid.terms(enrolled.program, now=now, version=2), starts_at=begins,
                       ends_at=begins + timedelta(hours=4), state="settled", announced_at=now - 3 * DAY)  # fmt: skip
    grid.participation(enrolled, now=now, in_event=night)

    excluded = settled(part).evidence["inputs"]["history"]["excluded"]

    assert sorted(excluded) == [(begins.date() + back * DAY).isoformat() for back in (0, 1)]


def test_car_once_left_out_stays_out_of_the_earlier_days(part: EventParticipation, bob: User, chloe: User) -> None:
    others = [take_part(part.event, one, now=part.event.starts_at - timedelta(hours=1)) for one in (bob, chloe)]
    for one in others:
        stayed(one)
        charged(one, days=10, wh=12_000)
        took(one, 2_000)
    settle_due(now=part.event.settle_at, limit=5)
    for one in others:
        correct_group(event=part.event, reason="upheld", now=part.event.settle_at, excluded_cars=[one.public_id])

    told = GroupSettlement.objects.order_by("revision").values_list("baseline_wh", "delivered_wh")
    assert list(told) == [(36_000, 30_000), (24_000, 20_000), (12_000, 10_000)]


def test_weekend_days_are_looked_for_as_far_as_working_days(alice: User) -> None:
    saturday = datetime(2026, 11, 21, 23, tzinfo=UTC)
    part = take_part(event(now=saturday, **MATCHED), alice, now=saturday)
    stayed(part)

    days = histories._days(part.event, EventParticipation.objects.all())["looked_at"]

    assert len(days) == 12  # of six weekends
    assert {date.fromisoformat(day).weekday() for day in days} == {5, 6}


def test_fleet_that_is_always_steered_has_too_few_days(part: EventParticipation) -> None:
    Dispatch.objects.create(
        vehicle=part.enrollment.vehicle, mode="hold", starts_at=part.event.starts_at - 50 * DAY,
        created_at=part.event.starts_at, ends_at=part.event.starts_at, stopped_at=part.event.starts_at,
    )  # fmt: skip

    group = settled(part)

    assert (group.delivered_wh, group.amount_minor) == (None, 0)
    assert group.reason == "ten-of-ten 1: 0 similar days are known, 4 are needed"


def test_gathering_goes_on_where_it_stopped(part: EventParticipation, monkeypatch: pytest.MonkeyPatch) -> None:
    parts = EventParticipation.objects.filter(event=part.event)
    assert histories.history_of(part.event, parts, ends_at=time.monotonic() - 1) is None
    monkeypatch.setattr(histories, "AT_ONCE", 1)
    found = histories.history_of(part.event, parts, ends_at=float("inf"))
    assert found == histories.history_of(part.event, parts, ends_at=float("inf"))
    assert (LoadHistory.objects.get().cars, GridEvent.objects.get().lease_until is None) == (1, False)
