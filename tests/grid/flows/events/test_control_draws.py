"""What is kept of cars before notice, and who is drawn to be left alone: by a written seed, fairly, told plainly."""

import json
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest

from accounts.models import Notice, User
from grid.flows.events.announcing import announce_due_events, participating_vehicle_ids
from grid.flows.events.drawing import draw_again
from grid.flows.events.taking_part import opt_in, opt_out
from grid.flows.plans.habits import Habit
from grid.metering.evidence import read_frozen
from grid.models import ControlDraw, EventParticipation, GridEvent, PlanningState
from tests.factories import grid, nights
from tests.grid.flows.settlement.group_events import GROUP_TERMS, owner
from vehicles.models import PlugSession

pytestmark = pytest.mark.django_db
HOUR = timedelta(hours=1)


def scheduled(now: datetime, **terms: Any) -> GridEvent:
    return grid.event(now=now, of=grid.terms(now=now, **(GROUP_TERMS | terms)), state=GridEvent.State.SCHEDULED)


def announce(event: GridEvent, now: datetime) -> None:
    assert announce_due_events(now=now, limit=5) == 1
    event.refresh_from_db()


def test_controls_are_drawn_before_notice_told_plainly_and_steered_by_nobody(now: datetime) -> None:
    for number in range(4):
        nights.plugged_car(owner(number), now=now)
    event = scheduled(now, control_share_percent=25)

    announce(event, now)

    draw = ControlDraw.objects.get()
    assert draw_again(draw).cars == tuple(draw.drawn)
    (control,) = EventParticipation.objects.filter(state=EventParticipation.State.CONTROL)
    assert draw.drawn == [str(control.public_id)]
    assert control.enrollment.vehicle_id not in participating_vehicle_ids(event)
    told = dict(Notice.objects.values_list("user", "kind"))
    assert told.pop(control.enrollment.vehicle.owner_id) == "event_left_alone"
    assert set(told.values()) == {"event_announced"}
    for change in (opt_in, opt_out):  # the lot stands
        assert change(participation=control, now=now).state == EventParticipation.State.CONTROL


def test_owner_who_was_drawn_is_left_out_of_the_next_nine_draws(now: datetime) -> None:
    for number in range(2):
        nights.plugged_car(owner(number), now=now)
    drawn: list[list[str]] = []
    for number in range(12):
        at = now + number * HOUR * 24
        event = scheduled(at, control_share_percent=50)
        announce(event, at)
        rows = event.participations.filter(state=EventParticipation.State.CONTROL)
        drawn.append(list(rows.values_list("enrollment__vehicle__owner__email", flat=True)))
    assert [len(one) for one in drawn] == [1, 1, 0, 0, 0, 0, 0, 0, 0, 0, 1, 1]
    assert drawn[0] == drawn[10]


def test_car_at_the_plug_is_frozen_as_it_stands(alice: User, now: datetime) -> None:
    nights.plugged_car(alice, now=now)
    event = scheduled(now)

    announce(event, now)

    part = EventParticipation.objects.get()
    assert part.committed_wh == 22_600  # 11.3 kW over the event's two hours
    frozen = read_frozen(part.frozen)
    assert frozen is not None
    assert frozen.stay is not None
    session = PlugSession.objects.get()
    assert (part.frozen["from"], frozen.noticed_at, frozen.limit_percent) == ("plug", now, Decimal(90))
    assert (frozen.stay.plugged_in_at, frozen.stay.soc_percent) == (session.plugged_in_at, Decimal(50))


@pytest.mark.parametrize(("kind", "committed"), [("discharge", 22_600 + 19_200), ("absorb", 0)])
def test_commitment_is_of_the_kind_of_event(kind: str, committed: int, alice: User, now: datetime) -> None:
    nights.plugged_car(alice, now=now)
    event = scheduled(now)
    GridEvent.objects.update(kind=kind)

    announce(event, now)

    # Giving back is what the car may at 9.6 kW for two hours; it would charge all through the event anyway.
    assert EventParticipation.objects.get().committed_wh == committed


@pytest.mark.parametrize(("hours_away", "committed"), [(9, 22_600), (2, 0)], ids=["home by then", "still away"])
def test_car_on_the_road_counts_by_its_usual_coming_home(
    hours_away: int, committed: int, alice: User, now: datetime
) -> None:
    enrolled = nights.plugged_car(alice, now=now)
    left_at = now - hours_away * HOUR
    PlugSession.objects.update(plugged_in_at=left_at - HOUR, unplugged_at=left_at)
    nights.reading(enrolled.vehicle, at=now - timedelta(minutes=5), soc=50, is_plugged_in=False, is_at_home=False)
    PlanningState.objects.update_or_create(
        vehicle=enrolled.vehicle,
        defaults={"due_at": now, "habit": json.loads(Habit(away=10 * HOUR, unplugged_at=left_at).as_text())},
    )
    event = scheduled(now)

    announce(event, now)

    part = EventParticipation.objects.get()
    assert (part.frozen["from"], part.frozen["stay"], part.committed_wh) == ("usual", None, committed)
