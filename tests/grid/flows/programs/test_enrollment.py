"""Who may join a program, who not and why, and how one leaves."""

from collections.abc import Callable
from datetime import datetime, timedelta

import pytest

from accounts.flows.consents import revoke_consent
from accounts.models import Consent, Notice, User
from grid.flows.programs.enrollment import UnableToEnroll, enroll_vehicle, programs_open_to, withdraw_vehicle
from grid.models import Enrollment, EventParticipation, GridEvent, PlanningState, Program, ProgramTerms, Site
from tests.factories import grid as make
from vehicles.models import ChargePreference, Command, HomePlace, Vehicle, VehicleLink

pytestmark = pytest.mark.django_db


@pytest.fixture
def program(now: datetime) -> Program:
    return make.terms(now=now).program


@pytest.fixture
def car(alice: User, now: datetime) -> Vehicle:
    make.home(alice, now=now)
    make.agree(alice, now=now)
    return make.car(alice, now=now)


def test_eligible_car_joins(car: Vehicle, program: Program, now: datetime) -> None:
    enrolled = enroll_vehicle(vehicle=car, program=program, now=now)
    assert (enrolled.vehicle, enrolled.program, enrolled.enrolled_at, enrolled.ended_at) == (car, program, now, None)
    assert enrolled.site.owner == car.owner
    assert Notice.objects.get().kind == "enrolled"


def test_joining_again_keeps_the_enrollment(car: Vehicle, program: Program, now: datetime) -> None:
    first = enroll_vehicle(vehicle=car, program=program, now=now)
    assert enroll_vehicle(vehicle=car, program=program, now=now + timedelta(hours=1)) == first
    assert Enrollment.objects.count() == 1


def _close(program: Program) -> None:
    Program.objects.filter(pk=program.pk).update(status="closed")


def _end_terms(program: Program) -> None:
    ProgramTerms.objects.update(valid_until_at=datetime.fromisoformat("2026-11-18T23:05:00+00:00"))


def _move(program: Program) -> None:
    Site.objects.update(tariff=make.tariff(make.utility("other-power"), slug="other"))


def _take_consent_back(program: Program) -> None:
    owner = User.objects.get()
    revoke_consent(user=owner, purpose=Consent.Purpose.GRID_PARTICIPATION, now=datetime.now().astimezone())


@pytest.mark.parametrize(
    ("spoil", "code"),
    [
        (_close, "program_closed"),
        (_end_terms, "no_terms"),
        (_move, "another_utility"),
        (_take_consent_back, "no_consent"),
        (lambda _: User.objects.update(country="CA"), "another_country"),
        (lambda _: Site.objects.all().delete(), "no_home"),
        (lambda _: HomePlace.objects.all().delete(), "home_place_unknown"),
        (lambda _: ChargePreference.objects.all().delete(), "no_preference"),
        (lambda _: Vehicle.objects.update(state=Vehicle.State.OFFERED), "car_not_active"),
        (lambda _: Vehicle.objects.update(is_controlling=False), "read_only"),
        (lambda _: Vehicle.objects.update(capabilities={}), "car_cannot_hold"),
        (lambda _: VehicleLink.objects.update(state=VehicleLink.State.NEEDS_RELINK), "needs_relink"),
    ],
)
def test_car_that_does_not_fit_is_refused_with_the_reason(
    car: Vehicle, program: Program, now: datetime, spoil: Callable[[Program], object], code: str
) -> None:
    spoil(program)
    fresh, offered = Vehicle.objects.get(pk=car.pk), Program.objects.get(pk=program.pk)
    with pytest.raises(UnableToEnroll) as refused:
        enroll_vehicle(vehicle=fresh, program=offered, now=now)
    assert refused.value.reason_code == code
    assert not Enrollment.objects.exists()


def test_car_is_in_one_program_at_a_time(car: Vehicle, program: Program, now: datetime) -> None:
    other = make.terms(make.program(slug="peak-rewards"), now=now).program
    enroll_vehicle(vehicle=car, program=program, now=now)
    with pytest.raises(UnableToEnroll, match=r"Peak Rewards does not go beside it\. Leave Evening Relief") as refused:
        enroll_vehicle(vehicle=car, program=other, now=now)
    assert refused.value.reason_code == "enrolled_elsewhere"


def test_choice_lists_own_utility_first_with_reasons(car: Vehicle, program: Program, now: datetime) -> None:
    make.terms(make.program(make.utility("a-power", is_demo=True), slug="a-program"), now=now)
    make.terms(make.program(make.utility("real-power"), slug="of-another-real-utility"), now=now)
    make.terms(make.program(make.utility("maple", country="CA"), slug="peak-rewards"), now=now)
    choices = [(offered.slug, why) for offered, why in programs_open_to(car, now=now)]
    assert choices[0] == ("evening-relief", "")
    assert choices[1][0] == "a-program"
    assert "does not supply your home" in choices[1][1]
    assert len(choices) == 2  # none of another country, none of a real utility that is not the home's


def test_leaving_ends_the_enrollment_and_its_open_events(alice: User, now: datetime) -> None:
    enrolled = make.enrollment(alice, now=now)
    ahead = make.participation(enrolled, now=now)
    past = make.participation(
        enrolled,
        now=now,
        in_event=make.event(
            now=now - timedelta(days=1), starts_at=now - timedelta(hours=5), state=GridEvent.State.ANNOUNCED
        ),
    )
    PlanningState.objects.create(
        vehicle=enrolled.vehicle, due_at=now + timedelta(hours=2), dispatch_at=now + timedelta(hours=2)
    )
    ended = withdraw_vehicle(vehicle=enrolled.vehicle, now=now)
    assert (ended.pk, ended.ended_at) == (enrolled.pk, now)
    ahead.refresh_from_db()
    past.refresh_from_db()
    assert (ahead.state, ahead.reason) == (EventParticipation.State.OPTED_OUT, "withdrawn")
    assert past.state == EventParticipation.State.IN
    state = PlanningState.objects.get()
    assert (state.due_at, state.dispatch_at) == (now, now)


def test_car_that_leaves_is_measured_no_more_whether_asked_or_left_alone(alice: User, now: datetime) -> None:
    enrolled = make.enrollment(alice, now=now)
    drawn = make.participation(enrolled, now=now)
    EventParticipation.objects.update(state=EventParticipation.State.CONTROL)
    withdraw_vehicle(vehicle=enrolled.vehicle, now=now)
    drawn.refresh_from_db()
    assert (drawn.state, drawn.reason) == (EventParticipation.State.OPTED_OUT, "withdrawn")


def test_leaving_lets_a_held_car_go(alice: User, now: datetime) -> None:
    enrolled = make.enrollment(alice, now=now)
    Command.objects.create(
        vehicle=enrolled.vehicle,
        key="hold-1",
        kind=Command.Kind.HOLD,
        state=Command.State.CONFIRMED,
        ended_by=Command.EndedBy.CAR,
        ends_at=now + timedelta(minutes=10),
        due_at=now,
        created_at=now,
    )
    withdraw_vehicle(vehicle=enrolled.vehicle, now=now)
    resume = Command.objects.get(kind=Command.Kind.RESUME)
    assert (resume.vehicle, resume.state, resume.due_at) == (enrolled.vehicle, Command.State.DUE, now)


def test_leaving_without_being_in_is_refused(car: Vehicle, now: datetime) -> None:
    with pytest.raises(UnableToEnroll, match="in no program"):
        withdraw_vehicle(vehicle=car, now=now)


def test_car_can_come_back_after_leaving(car: Vehicle, program: Program, now: datetime) -> None:
    enroll_vehicle(vehicle=car, program=program, now=now)
    withdraw_vehicle(vehicle=car, now=now)
    again = enroll_vehicle(vehicle=car, program=program, now=now + timedelta(days=1))
    assert again.ended_at is None
    assert Enrollment.objects.count() == 2
