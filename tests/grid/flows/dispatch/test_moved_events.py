"""Events that a utility has moved for each car: what is called off before a car begins is not begun any more."""

from datetime import datetime, timedelta

import pytest

from accounts.models import User
from grid.flows.dispatch import moments
from grid.flows.dispatch.moments import Around, moment_of
from grid.flows.plans.cars import load_cars
from grid.models import EventParticipation, GridEvent
from grid.rules import loop, steering
from tests.factories import grid as make
from tests.factories import nights
from tests.grid.flows.dispatch.test_dispatching import plan_with

MINUTE = timedelta(minutes=1)


@pytest.mark.parametrize(("minutes", "mode"), [(5, "free"), (60, "discharge")])
def test_event_called_off_before_a_car_begins_is_not_begun(
    alice: User, now: datetime, monkeypatch: pytest.MonkeyPatch, minutes: int, mode: str
) -> None:
    monkeypatch.setattr(loop, "shift", lambda _seed, _most: 20 * MINUTE)
    enrollment = nights.plugged_car(alice, now=now)
    plan_with(enrollment.vehicle, *[11.3] * 8, now=now)
    begins = now - 22 * MINUTE
    event = make.event(
        now=now, kind="discharge", starts_at=begins, ends_at=begins + minutes * MINUTE,
        state=GridEvent.State.ANNOUNCED, announced_at=begins - timedelta(hours=1),
    )  # fmt: skip
    part = make.participation(enrollment, now=now, in_event=event)
    part.call = EventParticipation.Call.PRESSED
    part.save()
    car = load_cars([enrollment.vehicle_id], now=now)[enrollment.vehicle_id]
    around = moments.look_around([enrollment.vehicle_id], now=now)

    moment = moment_of(car, now=now, around=Around(ended=around.ended, moved={event.pk: 30 * MINUTE}))

    assert steering.decide(moment).mode == mode
