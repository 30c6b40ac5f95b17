"""A car in several programs: where both programs' terms let it, and never paid twice for the same hours."""

from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from accounts.models import User
from foundation.windows import Span, parse_windows
from grid.flows.desk.power import available_power
from grid.flows.programs.enrollment import UnableToEnroll, enroll_vehicle, withdraw_vehicle
from grid.flows.programs.objections import offers_to
from grid.flows.settlement.charged import charged_in
from grid.flows.settlement.paying import pay_due_earnings
from grid.models import Enrollment, EventParticipation, GridEvent, Program, ProgramTerms
from rewards.flows.earnings import save_pay_terms
from rewards.models import Earning
from tests.factories import grid as make
from tests.factories import nights
from vehicles.models import Vehicle

pytestmark = pytest.mark.django_db
NIGHT = [{"weekdays": [0, 1, 2, 3, 4, 5, 6], "from": "00:00", "to": "08:00"}]
HOUR = timedelta(hours=1)


@pytest.fixture
def car(alice: User, now: datetime) -> Vehicle:
    make.home(alice, now=now)
    make.agree(alice, now=now)
    return make.car(alice, now=now)


def program(slug: str, now: datetime, *, goes_with: list[str] | None = None, **fields: Any) -> Program:
    made = make.program(slug=slug, **fields)
    make.terms(made, now=now, goes_with=goes_with or [])
    return made


def pay(of: Program, now: datetime, *forms: dict[str, Any]) -> None:
    values = {
        "utility": of.utility.slug, "currency": "USD", "time_zone": "America/Chicago",
        "valid_from_at": now - timedelta(days=60),
    }  # fmt: skip
    save_pay_terms(program=of.slug, version=1, values=values, forms=list(forms))


@pytest.mark.parametrize(
    ("ours", "theirs", "is_let_in"),
    [([], [], False), (["events"], [], False), ([], ["night-pay"], False), (["events"], ["night-pay"], True)],
)
def test_both_programs_terms_have_to_permit_the_other(
    car: Vehicle, now: datetime, ours: list[str], theirs: list[str], is_let_in: bool  # noqa: FBT001 - a table
) -> None:  # fmt: skip
    first = program("night-pay", now, goes_with=ours)
    second = program("evening-relief", now, goes_with=theirs, groups=["events"])
    enroll_vehicle(vehicle=car, program=first, now=now)
    if is_let_in:
        enroll_vehicle(vehicle=car, program=second, now=now)
    else:
        with pytest.raises(UnableToEnroll, match="Evening Relief does not go beside it") as refused:
            enroll_vehicle(vehicle=car, program=second, now=now)
        assert refused.value.reason_code == "enrolled_elsewhere"
    assert Enrollment.objects.filter(vehicle=car, ended_at=None).count() == 1 + is_let_in


def test_what_excludes_or_pays_the_same_hours_is_refused_whatever_else_is_permitted(
    car: Vehicle, now: datetime
) -> None:
    first = program("night-pay", now, goes_with=["morning-pay", "evening-relief"])
    second = program("morning-pay", now, goes_with=["night-pay"])
    third = program("evening-relief", now, goes_with=["night-pay"])
    ProgramTerms.objects.filter(program=third).update(excludes=[{"program": "night-pay", "scope": "car"}])
    pay(first, now, {"form": "charging_rate", "micros_per_kwh": 100_000, "windows": NIGHT})
    pay(second, now, {"form": "charging_rate", "micros_per_kwh": 50_000, "windows": NIGHT})
    enroll_vehicle(vehicle=car, program=first, now=now)
    found = {one.program.slug: [why.reason_code for why in one.objections] for one in offers_to(car, now=now)}
    assert found == {"night-pay": [], "morning-pay": ["paid_twice"], "evening-relief": ["excluded_by_program"]}


def test_car_in_several_programs_leaves_the_one_that_is_named(car: Vehicle, now: datetime) -> None:
    programs = [program(slug, now, goes_with=["one", "two"]) for slug in ("one", "two")]
    for one in programs:
        enroll_vehicle(vehicle=car, program=one, now=now)
    assert [one.program for one in Enrollment.once_a_car()] == programs[:1]  # whose power is counted
    assert available_power(programs[0].utility, now=now).cars == 1
    with pytest.raises(UnableToEnroll, match="Say which one"):
        withdraw_vehicle(vehicle=car, now=now)
    assert withdraw_vehicle(vehicle=car, program=programs[0], now=now).program == programs[0]
    assert withdraw_vehicle(vehicle=car, now=now).program == programs[1]


def test_hours_of_another_programs_event_and_of_an_earlier_programs_pay_count_in_no_other(
    alice: User, now: datetime
) -> None:
    """From midnight to 4:00 the car draws 6 kW: an hour of it is an event's, and from 2:00 on the first program's."""
    enrolled = nights.plugged_car(alice, now=now)
    midnight = datetime(2026, 11, 19, 6, tzinfo=UTC)  # in Austin
    for quarter in range(-4, 26):
        wh = 100_000 + 1_500 * min(max(quarter, 0), 16)
        nights.reading(enrolled.vehicle, at=midnight + quarter * HOUR / 4, soc=60, imported_wh=wh, exported_wh=0)
    late, relief = program("late-pay", now), enrolled.program
    mine = Enrollment.objects.create(program=late, vehicle=enrolled.vehicle, site=enrolled.site, enrolled_at=now)
    span, zone = Span(midnight, midnight + 6 * HOUR), ZoneInfo("America/Chicago")
    windows = parse_windows(NIGHT)
    assert charged_in(mine, span, windows, zone=zone) == (24_000, 24_000, 0, 0)

    event = make.event(now=now, starts_at=midnight, ends_at=midnight + HOUR, state="settled", announced_at=now)
    part = make.participation(enrolled, now=now, in_event=event)
    assert charged_in(mine, span, windows, zone=zone) == (18_000, 18_000, 0, 3600)
    early = [{"weekdays": [3], "from": "02:00", "to": "03:00"}]
    pay(relief, now, {"form": "charging_rate", "micros_per_kwh": 100_000, "windows": early})
    assert charged_in(mine, span, windows, zone=zone) == (12_000, 12_000, 0, 7200)
    assert charged_in(enrolled, span, parse_windows(early), zone=zone)[:2] == (6_000, 24_000)
    EventParticipation.objects.filter(pk=part.pk).update(state="unable")
    GridEvent.objects.update(cancelled_at=now)
    assert charged_in(mine, span, windows, zone=zone) == (18_000, 18_000, 0, 3600)


def test_event_that_gave_way_costs_its_owner_no_months_pay(alice: User, now: datetime) -> None:
    enrolled = nights.plugged_car(alice, now=now)
    form = {"form": "monthly", "amount_minor": 1000, "min_joined_percent": 100, "max_opt_outs": 0}
    pay(enrolled.program, now, form)
    starts_at = datetime(2026, 10, 30, 23, tzinfo=UTC)
    Enrollment.objects.update(enrolled_at=starts_at - timedelta(days=40))
    ProgramTerms.objects.update(valid_from_at=starts_at - timedelta(days=60))
    other = make.event(now=now, of=make.terms(program("peak-club", now), now=now), starts_at=starts_at)
    event = make.event(now=now, starts_at=starts_at, state="settled", announced_at=starts_at - HOUR)
    part = make.participation(enrolled, now=now, in_event=event)
    EventParticipation.objects.filter(pk=part.pk).update(state="unable", reason="yields_priority", yields_to=other)
    pay_due_earnings(now=now, limit=10)
    earned = Earning.objects.get(period_date="2026-10-01")
    inputs = earned.calculation["inputs"]
    assert (earned.amount_minor, inputs["events"], inputs["joined"]) == (1000, 0, 0)
