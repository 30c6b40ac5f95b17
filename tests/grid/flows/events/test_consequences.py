"""What leaving one event out would cost, for every form of pay that it touches, told before the button."""

from datetime import datetime
from typing import Any

import pytest

from accounts.models import User
from foundation.formats import reader_in
from grid.flows.events.consequences import costs_of_leaving
from grid.models import EventParticipation, GridEvent
from rewards.payforms import FORMS
from tests.factories import grid as make
from tests.grid.flows.settlement.test_paying import pays

pytestmark = pytest.mark.django_db

# The tests' clock shows 18 November 2026.
TOUCHED: list[tuple[dict[str, Any], bool, str]] = [
    ({"form": "monthly", "amount_minor": 1_000, "max_opt_outs": 2}, False, "left out 2, which keeps it"),
    ({"form": "monthly", "amount_minor": 1_000, "max_opt_outs": 1}, True, "November 2026 would pay none"),
    ({"form": "monthly", "amount_minor": 1_000, "min_joined_percent": 30}, False, "joined 1 of 3, which keeps"),
    ({"form": "monthly", "amount_minor": 1_000, "min_joined_percent": 34}, True, "joined 1 of 3: too few"),
    ({"form": "season_bonus", "amount_minor": 5_000, "months": [11, 12], "max_opt_outs": 1}, True, "this season"),
    ({"form": "season_bonus", "amount_minor": 5_000, "months": [11], "min_joined_percent": 30}, False, "keeps it"),
    ({"form": "per_event", "amount_minor": 200}, True, "$2.00 for each event"),
    ({"form": "seasonal_capacity", "minor_per_kw": 700, "months": [11]}, False, "without any power"),
    ({"form": "pool", "pool_minor": 5_000}, False, "your car would deliver less"),
]
NIGHT = [{"weekdays": [0], "from": "00:00", "to": "01:00"}]
UNTOUCHED: list[dict[str, Any]] = [
    {"form": "monthly", "amount_minor": 1_000},
    {"form": "monthly", "amount_minor": 1_000, "max_opt_outs": 0, "months": [6]},
    {"form": "enrollment_bonus", "amount_minor": 1_000},
    {"form": "charging_rate", "micros_per_kwh": 100_000, "windows": NIGHT},
    {"form": "charging_share", "amount_minor": 1_000, "min_percent": 80, "windows": NIGHT},
]


@pytest.fixture
def part(alice: User, now: datetime) -> EventParticipation:
    """Return a car's part in an event; it joined another this month, left one out, and one was cancelled."""
    car = make.enrollment(alice, now=now)
    for state, event_state in (("in", "announced"), ("opted_out", "announced"), ("opted_out", "cancelled")):
        other = make.participation(car, now=now, in_event=make.event(now=now, state=event_state))
        EventParticipation.objects.filter(pk=other.pk).update(state=state)
    GridEvent.objects.filter(state="cancelled").update(cancelled_at=now)
    return make.participation(car, now=now)


@pytest.mark.parametrize(("form", "is_lost", "says"), TOUCHED)
def test_form_that_it_touches_is_told(
    part: EventParticipation, form: dict[str, Any], is_lost: object, says: str
) -> None:
    pays(form)
    (cost,) = costs_of_leaving(part, reader=reader_in("US"))
    assert (cost.form, cost.is_lost) == (form["form"], is_lost)
    assert says in cost.text


def test_forms_that_it_does_not_touch_are_not_told(part: EventParticipation) -> None:
    pays(*UNTOUCHED)
    assert costs_of_leaving(part, reader=reader_in("US")) == []
    assert {form["form"] for form, _, _ in TOUCHED} | {form["form"] for form in UNTOUCHED} == set(FORMS)
